"""Re-exports, nothing else."""

from diagnosis.models.analysis import Analysis, Heatmap, Prediction
from diagnosis.models.audit import Event
from diagnosis.models.base import MAX_ATTEMPTS, IllegalTransitionError, Job, Stateful
from diagnosis.models.imaging import Instance, Patient, Series, Study
from diagnosis.models.intake import Batch, Upload
from diagnosis.models.operations import Worker
from diagnosis.models.people import Acknowledgement, Membership, Team, User
from diagnosis.models.training import Checkpoint

__all__ = [
    "MAX_ATTEMPTS",
    "Acknowledgement",
    "Analysis",
    "Batch",
    "Checkpoint",
    "Event",
    "Heatmap",
    "IllegalTransitionError",
    "Instance",
    "Job",
    "Membership",
    "Patient",
    "Prediction",
    "Series",
    "Stateful",
    "Study",
    "Team",
    "Upload",
    "User",
    "Worker",
]
