"""Re-exports, nothing else."""

from diagnosis.models.agreement import AgreementReport
from diagnosis.models.analysis import Analysis, Heatmap, Prediction
from diagnosis.models.audit import Event
from diagnosis.models.base import MAX_ATTEMPTS, IllegalTransitionError, Job, Stateful
from diagnosis.models.imaging import IdentityConflict, Instance, Patient, Series, Source, Study
from diagnosis.models.intake import Batch, IdempotencyKey, Upload
from diagnosis.models.operations import Usage, Worker
from diagnosis.models.people import Acknowledgement, ApiToken, Mail, Membership, Notice, Team, User
from diagnosis.models.protocols import Cohort, DerivedLabel, Protocol, Recheck, Repeat, WrittenOnceError
from diagnosis.models.reading import Draft, FindingTerm, Opinion, Read, Region, SubmittedReadError
from diagnosis.models.review import Exposure, Reply, ReviewRequest
from diagnosis.models.training import Checkpoint, OutOfFoldScore
from diagnosis.models.worklist import Case, ReadingSession, SavedFilter

__all__ = [
    "MAX_ATTEMPTS",
    "Acknowledgement",
    "AgreementReport",
    "Analysis",
    "ApiToken",
    "Batch",
    "Case",
    "Checkpoint",
    "Cohort",
    "DerivedLabel",
    "Draft",
    "Event",
    "Exposure",
    "FindingTerm",
    "Heatmap",
    "IdempotencyKey",
    "IdentityConflict",
    "IllegalTransitionError",
    "Instance",
    "Job",
    "Mail",
    "Membership",
    "Notice",
    "Opinion",
    "OutOfFoldScore",
    "Patient",
    "Prediction",
    "Protocol",
    "Read",
    "ReadingSession",
    "Recheck",
    "Region",
    "Repeat",
    "Reply",
    "ReviewRequest",
    "SavedFilter",
    "Series",
    "Source",
    "Stateful",
    "Study",
    "SubmittedReadError",
    "Team",
    "Upload",
    "Usage",
    "User",
    "Worker",
    "WrittenOnceError",
]
