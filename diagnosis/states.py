"""Every status and every move a row may make, as plain data. `Stateful.move()` is the only code that makes one."""

from __future__ import annotations

Transitions = dict[str, tuple[str, ...]]


class UploadStatus:
    """received ──► accepted | refused | duplicate | stopped"""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    STOPPED = "stopped"

    TRANSITIONS: Transitions = {RECEIVED: (ACCEPTED, REFUSED, DUPLICATE, STOPPED)}


class StudyStatus:
    """active ⇄ withdrawn"""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"

    TRANSITIONS: Transitions = {ACTIVE: (WITHDRAWN,), WITHDRAWN: (ACTIVE,)}


class ConflictStatus:
    """open ──► linked | apart"""

    OPEN = "open"
    LINKED = "linked"
    APART = "apart"

    TRANSITIONS: Transitions = {OPEN: (LINKED, APART)}


class JobStatus:
    """queued ──► running ──► succeeded | failed | not_assessed; back to queued when the worker is lost (the sweeper)"""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_ASSESSED = "not_assessed"  # the input gate of the checkpoint turned the film away
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    TRANSITIONS: Transitions = {
        QUEUED: (RUNNING, CANCELLED),
        RUNNING: (SUCCEEDED, FAILED, NOT_ASSESSED, QUEUED, CANCELLING),
        CANCELLING: (CANCELLED,),
    }
    WAITING = (QUEUED, RUNNING)


class ResultStatus:
    """How far a study is, as programs read it. Derived from its analyses, stored nowhere."""

    WAITING = "waiting"
    ANALYSED = "analysed"
    FAILED = "failed"
    NOT_ASSESSED = "not_assessed"
    HIDDEN = "hidden"  # from whoever asks: a reader before their own read (rule D1)


class CheckpointStatus:
    """candidate ──► promoted ⇄ retired; candidate ──► rejected; promoted, retired ──► withdrawn"""

    CANDIDATE = "candidate"
    PROMOTED = "promoted"
    RETIRED = "retired"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"

    TRANSITIONS: Transitions = {
        CANDIDATE: (PROMOTED, REJECTED),
        PROMOTED: (RETIRED, WITHDRAWN),
        RETIRED: (PROMOTED, WITHDRAWN),
    }


class Finding:
    """What a score shows, by the uncertain band stored in its checkpoint (rule A2)."""

    ABOVE = "above"
    UNCERTAIN = "uncertain"
    BELOW = "below"


class Label:
    """The class that a read names, or that is held true of a study; positive means COVID-19."""

    COVID = "covid"
    NONCOVID = "noncovid"
    UNKNOWN = "unknown"


class Answer:
    """What a reader says of the appearance of a study (rule D6). `labels_of` maps it to a class."""

    TYPICAL = "typical"
    INDETERMINATE = "indeterminate"
    ATYPICAL = "atypical"
    NORMAL = "normal"
    CANNOT = "cannot"


# Which class a finding stands for; inside the band there is none.
LABEL_OF_FINDING = {Finding.ABOVE: Label.COVID, Finding.BELOW: Label.NONCOVID}

# Which class an answer stands for, by version of the table; a read keeps the version that it was made under.
ANSWER_TABLES: dict[int, dict[str, str]] = {
    1: {
        Answer.TYPICAL: Label.COVID,
        Answer.INDETERMINATE: Label.UNKNOWN,
        Answer.ATYPICAL: Label.NONCOVID,
        Answer.NORMAL: Label.NONCOVID,
        Answer.CANNOT: Label.UNKNOWN,
    }
}
ANSWER_TABLE = 1


class CannotReason:
    """Why a film cannot be assessed."""

    QUALITY = "quality"
    VIEW = "view"
    CUT_OFF = "cut_off"
    NOT_CHEST = "not_chest"
    CHILD = "child"
    FILE = "file"
    OTHER = "other"


class RegionKind:
    """What a reader draws on a film, in its own pixels."""

    BOX = "box"
    OUTLINE = "outline"
    LENGTH = "length"


class ReadStatus:
    """submitted ──► superseded (a later read of the same reader) | taken_back (within seconds, before it is final)

    superseded ──► submitted: the later read was taken back.
    """

    SUBMITTED = "submitted"
    SUPERSEDED = "superseded"
    TAKEN_BACK = "taken_back"

    TRANSITIONS: Transitions = {SUBMITTED: (SUPERSEDED, TAKEN_BACK), SUPERSEDED: (SUBMITTED,)}


class ReadKind:
    """What a read is for. Agreement and labels rest on the first ones; a verdict settles a dispute."""

    FIRST = "first"
    REVISION = "revision"  # after the AI's answer was shown: kept, and held true of nothing
    REPEAT = "repeat"  # the same reader once more, who does not know it
    VERDICT = "verdict"  # an adjudicator's


class RepeatStatus:
    """open ──► done (read once more) | dropped (it can tell nothing any more)"""

    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"

    TRANSITIONS: Transitions = {OPEN: (DONE, DROPPED), DONE: (OPEN,)}


class RecheckStatus:
    """open ──► done (somebody has read it since) | dropped (an administrator took it back); done ──► open"""

    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"

    ALL = (OPEN, DONE, DROPPED)

    TRANSITIONS: Transitions = {OPEN: (DONE, DROPPED), DONE: (OPEN,)}


class LabelRule:
    """How a protocol derives a label from reads."""

    SINGLE = "single"
    UNANIMOUS = "unanimous"
    MAJORITY = "majority"
    ADJUDICATED = "adjudicated"
    IMPORTED = "imported"


class LabelState:
    """How far the label of a study is."""

    WAITING = "waiting"  # reads are missing
    DISPUTED = "disputed"  # reads differ, and an adjudicator has not spoken
    DECIDED = "decided"


class CaseStatus:
    """open ⇄ done; open, done ⇄ off: an administrator or a withdrawal took it off the worklist"""

    OPEN = "open"
    DONE = "done"
    OFF = "off"

    TRANSITIONS: Transitions = {OPEN: (DONE, OFF), DONE: (OPEN, OFF), OFF: (OPEN, DONE)}


class Tier:
    """The first part of a case's priority (rule D3): smaller is read first. Stored, indexed, aged by the sweeper."""

    DISAGREED = 0
    OVERDUE = 1
    ADJUDICATION = 2
    REST = 3

    ALL = (DISAGREED, OVERDUE, ADJUDICATION, REST)


class Shelf:
    """Where the worklist page looks: open cases, one's own, those that are done, those that were taken off."""

    WAITING = ""
    MINE = "mine"
    DONE = "done"
    OFF = "off"


class SessionStatus:
    """running ⇄ paused; both ──► ended"""

    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"

    TRANSITIONS: Transitions = {RUNNING: (PAUSED, ENDED), PAUSED: (RUNNING, ENDED)}


class ReviewStatus:
    """open ──► answered (by a read) | taken_back (by who asked)"""

    OPEN = "open"
    ANSWERED = "answered"
    TAKEN_BACK = "taken_back"

    TRANSITIONS: Transitions = {OPEN: (ANSWERED, TAKEN_BACK), ANSWERED: (OPEN,)}


class PatientOrigin:
    """Where the patient reference of a study came from."""

    HEADER = "header"
    TYPED = "typed"
    FOLDER = "folder"
    TABLE = "table"
    MOVED = "moved"


class Check:
    """What *check patient* answers (rule A7); what the audit keeps of it."""

    RECORD = "record"
    ACCESSION = "accession"
    CONFLICT = "conflict"
    NO_MATCH = "no match"
    NOTHING = "nothing"
    PLACEHOLDER = "placeholder"


class Scope:
    """What a token may do."""

    READ = "studies:read"
    WRITE = "studies:write"


class Role:
    CLINICIAN = "clinician"
    RADIOLOGIST = "radiologist"
    ADMINISTRATOR = "administrator"


class NoticeKind:
    """What a notice is about."""

    UPLOAD_STOPPED = "upload-stopped"
    IDENTITY_CONFLICT = "identity-conflict"
    DISAGREEMENT_ANSWERED = "disagreement-answered"
    RUN_DONE = "run-done"
    STUDY_CORRECTED = "study-corrected"
    PROTOCOL_UNMET = "protocol-unmet"
    CASES_TO_SETTLE = "cases-to-settle"


class AccountState:
    """How an account stands, for those who keep them. Derived from the row and the clock, stored nowhere."""

    INACTIVE = "inactive"
    LOCKED = "locked"
    LINK_OPEN = "link open"
    NEVER = "never signed in"
    ACTIVE = "active"


class AccountChange:
    """What the audit says happened to an account or a team; roles stand there as they are."""

    NOTHING = ""
    MADE = "made"
    EDITED = "edited"
    ACTIVE = "active"
    INACTIVE = "inactive"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    LINK_MADE = "link made"
    LINK_MAILED = "link mailed"
    PASSWORD_SET = "password set"
    JOINED = "joined"
    LEFT = "left"
    NAMED = "named"
    DELETED = "deleted"
    ADJUDICATOR = "adjudicator"
    NO_ADJUDICATOR = "no adjudicator"


class CohortChange:
    """What the audit says happened to a cohort; of its protocol it says 'version 1', 'version 2'."""

    MADE = "made"
    CHANGED = "changed"
    MOVED = "moved"
    DELETED = "deleted"


class ReadChange:
    """What the audit says of a read beside its status."""

    REVEALED = "AI revealed"


class TermChange:
    """What the audit says happened to a finding term."""

    MADE = "made"
    NAMED = "named"
    MOVED = "moved"
    OFF = "off the list"
    BACK = "on the list"


def choices(values: type) -> list[tuple[str, str]]:
    """(value, label) pairs of a status class, for a model field."""
    found = [value for name, value in vars(values).items() if name.isupper() and isinstance(value, str)]
    return [(value, value) for value in found]
