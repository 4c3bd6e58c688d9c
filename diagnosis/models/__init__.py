"""Re-exports, nothing else."""

from diagnosis.models.analysis import Analysis, Heatmap, Prediction
from diagnosis.models.audit import Event
from diagnosis.models.base import MAX_ATTEMPTS, IllegalTransitionError, Job, Stateful
from diagnosis.models.imaging import IdentityConflict, Instance, Patient, Series, Source, Study
from diagnosis.models.intake import Batch, IdempotencyKey, Upload
from diagnosis.models.operations import Usage, Worker
from diagnosis.models.people import Acknowledgement, ApiToken, Mail, Membership, Notice, Team, User
from diagnosis.models.reading import Read
from diagnosis.models.training import Checkpoint

__all__ = [
    "MAX_ATTEMPTS",
    "Acknowledgement",
    "Analysis",
    "ApiToken",
    "Batch",
    "Checkpoint",
    "Event",
    "Heatmap",
    "IdempotencyKey",
    "IdentityConflict",
    "IllegalTransitionError",
    "Instance",
    "Job",
    "Mail",
    "Membership",
    "Notice",
    "Patient",
    "Prediction",
    "Read",
    "Series",
    "Source",
    "Stateful",
    "Study",
    "Team",
    "Upload",
    "Usage",
    "User",
    "Worker",
]
