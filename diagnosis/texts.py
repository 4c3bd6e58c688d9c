"""Every sentence that says what the AI found, or why it says nothing. Nowhere else is such a sentence written.

The wording is a safety rule, not taste: a score is never a 'probability' on a page (A1), Non-COVID is never 'normal'
or 'clear' (A3), and a missing result says that it is not a negative one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from diagnosis.states import AccountChange, Check, Finding, JobStatus

FOOTER = (
    "Research software. Not a medical device. Not for diagnosis, triage, isolation, treatment or discharge. "
    "Adults, frontal chest X-rays only. Not monitored: no one is alerted by any result."
)
HEATMAP = (
    "Where the score came from, in cells of about {cell_cm} cm ({rows} × {columns}). Not the outline of disease. "
    "A cold area is not a healthy area."
)
NO_HEATMAP = "No heatmap: the score is below the uncertain band."
NO_MAP_MADE = "No heatmap: this film has nothing on it that a map could be made from."
VIEW_NOT_CHECKED = (
    "The view was not checked in the picture: lateral films are recognised only where their header says so."
)
NO_RESULT = "There is no AI result. No result is not a negative result."
NO_CHECKPOINT = "no checkpoint is in service"
WORKER_LOST = "worker lost"

# What the web process can say before anything is opened. What a worker finds in a film comes with its own sentence.
NOT_RECEIVED = "Not received. Keep the file and try again (only 'accepted' means stored)."
WAITING_FOR_ANALYSIS = "Accepted, waiting for analysis"
STILL_READING = "Received, being read"
ALREADY_HERE = "Already here: you can open it"
ALREADY_HERE_NO_PATIENT = "Already here, without a patient: you can open it and add the patient number"
STORED_ELSEWHERE = "This film is already stored. Ask your team's administrator for access."
STOPPED_OTHER_PATIENT = (
    "Stopped: this film is already stored under another patient. Check the patient before you go on. "
    "An administrator has been told."
)
STOPPED_TWO_PATIENTS = (
    "Stopped: the file names another patient than was named beside it. Nothing is stored. "
    "Check the patient, then send the film again."
)
ACCEPTED = "Accepted"
PATIENT_IN_CONFLICT = (
    "The patient of this film has to be checked. Until then it is shown without prior films and not used for training. "
    "An administrator has been told."
)
PIXELS_CHANGED = "The study has another picture of the same SOP Instance UID: both are kept. Compare them."
# To administrators. These may leave the site by e-mail, so they name no patient.
STOPPED_NOTICE = (
    "An upload was stopped: its film is already stored under another patient. Find out whose film it is."
)
CONFLICT_NOTICE = (
    "Study {number}: the {differs_in} differs from that of other films with the same patient number. "
    "It is shown without a patient until you decide."
)
FILE_TOO_BIG = "Too big: {size_mb} MB; limit {limit_mb} MB. Send one film a file."
ARCHIVE_UNPACKED = "ZIP with {files}: each has its own outcome."
ARCHIVE_LEFT_OUT = "{n} folders and hidden files were left out."
ARCHIVE_LEFT_OUT_ONE = "1 folder or hidden file was left out."
LIMIT_REACHED = "Limit reached: {most} films an hour. Try again at {at}."
ARCHIVE_OVER_LIMIT = "ZIP with {n} files; limit {most} films an hour: send it in parts."
NO_ROOM = "Not received: the site's disk is nearly full. Keep the file, and tell an administrator."
WITHDRAWN = "This study was withdrawn."
KNOWN_ELSEWHERE = "This film is already stored. Ask your team's administrator for access."
NOT_READABLE = "This file could not be read after {attempts} tries. Export it again as DICOM or PNG."
NO_TEAM = (
    "You are in no team yet, so films that you send would belong to nobody. "
    "Ask an administrator to add you to one."
)

# What is said of a film that was accepted, beside its answer.
NO_PATIENT = "No patient in this file. Shown without prior films and never used for training."
LOSSY = "Lossy compression: fine detail may be lost. Send the original if you can."
SCREENSHOT = (
    "Looks like a screenshot or photograph. Analysed with less certainty; send the DICOM file if you can."
)
TEXT_SUSPECTED = (
    "Text in the image may name the patient. You can see it; nobody can train on it until it is cleared."
)
TEXT_CLEARED = "Text in the image was looked at and cleared: it names nobody."

# Width of a chest film (35 to 43 cm detector) over seven cells.
FILM_WIDTH_CM = 42


@dataclass(frozen=True)
class Wording:
    """A bold lead and what follows it; `tone` picks the sign and the colour, `can_retry` the button."""

    lead: str
    rest: str
    tone: str
    can_retry: bool = False

    def __str__(self) -> str:
        return f"{self.lead} {self.rest}".strip()


def score(probability: float) -> str:
    """Two decimals, clipped to 0.01–0.99: the network is never certain (A1)."""
    return f"{min(max(probability, 0.01), 0.99):.2f}"


def band(low: float, high: float) -> str:
    return f"{score(low)}–{score(high)}"


def finding(kind: str, *, probability: float, band_low: float, band_high: float) -> Wording:
    """The finding in words. Raises KeyError for a finding that states.Finding does not know."""
    shown, limits = score(probability), band(band_low, band_high)
    return {
        Finding.ABOVE: Wording(
            "COVID-19 pattern: above threshold.",
            f"AI score {shown} (uncertain band {limits}). Other pneumonias, oedema and lung injury can look the same. "
            "Confirm with a SARS-CoV-2 test and the radiologist's report.",
            tone="above",
        ),
        Finding.UNCERTAIN: Wording(
            "Uncertain: the AI gives no answer.",
            f"AI score {shown} lies in the band {limits}. The film is on the reading list. Nobody has been called.",
            tone="uncertain",
        ),
        Finding.BELOW: Wording(
            "No COVID-19 pattern found (class: Non-COVID).",
            f"AI score {shown}. This does not exclude COVID-19, above all in the first days. It does not mean a normal "
            "film: the AI looks for nothing else – not pneumothorax, effusion, nodule, fracture or tubes.",
            tone="below",
        ),
    }[kind]


class Scored(Protocol):
    """What a prediction must have to be put into words."""

    finding: str
    probability: float
    band_low: float
    band_high: float


def finding_of(prediction: Scored) -> Wording:
    return finding(
        prediction.finding,
        probability=prediction.probability,
        band_low=prediction.band_low,
        band_high=prediction.band_high,
    )


def without_result(status: str, *, ahead: int = 0, reason: str = "") -> Wording:
    """What an analysis without a prediction says. Raises KeyError for a status that states.JobStatus does not know."""
    films = "1 film is" if ahead == 1 else f"{ahead} films are"
    waiting = Wording(
        "Not analysed yet.",
        f"{films} ahead. Read the film as usual; do not wait for this.",
        tone="waiting",
    )
    cancelled = Wording("Not assessed: analysis was cancelled.", NO_RESULT, tone="failed", can_retry=True)
    return {
        JobStatus.QUEUED: waiting,
        JobStatus.RUNNING: waiting,
        JobStatus.FAILED: Wording(f"Analysis failed: {reason}.", NO_RESULT, tone="failed", can_retry=True),
        JobStatus.CANCELLING: cancelled,
        JobStatus.CANCELLED: cancelled,
    }[status]


def not_assessed(reason: str) -> Wording:
    """A film that the AI does not look at, such as a lateral view. Another try would not help."""
    return Wording(f"Not assessed: {reason}.", NO_RESULT, tone="failed")


def films_of_study(n_assessed: int, not_assessed: Sequence[str]) -> str:
    """'1 film', '2 frontal films, 1 lateral not assessed': rule A10."""
    n_each = Counter(reason.removesuffix(" view") for reason in not_assessed)
    left_out = [f"{n} {kind} not assessed" for kind, n in n_each.items()]
    unit = "film" if n_assessed == 1 else "films"
    first = f"{n_assessed} {'frontal ' if left_out else ''}{unit}"
    return ", ".join([first, *left_out] if n_assessed or not left_out else left_out)


def heatmap(*, rows: int, columns: int) -> str:
    return HEATMAP.format(cell_cm=round(FILM_WIDTH_CM / columns), rows=rows, columns=columns)


def late(minutes: int) -> Wording:
    unit = "minute" if minutes == 1 else "minutes"
    return Wording(
        "AI results are late.",
        f"The oldest film has waited {minutes} {unit}. Read films as usual.",
        tone="late",
    )


def acknowledgement(sources: list[str]) -> str:
    """What everybody confirms at the first sign-in of each version. No AUC is named that nobody has measured."""
    return (
        f"{FOOTER} Trained on {', '.join(sources) or 'sources that its file does not name'}. "
        "At hospitals it had not seen: not measured yet. "
        "It may recognise the hospital or the machine instead of the disease. "
        "A radiologist must read every film."
    )


# --- identity (rules A5 to A9, A11) ---

PATIENT_REMOVED = (
    "The patient of this study was removed. Shown without prior films and never used for training."
)
CONFLICT_OPEN = (
    "Identity conflict: the patient number in this file is known with another {differs_in}. "
    "This study is linked to nobody until an administrator decides."
)
MOVED = "The patient was set here by {by}, {at}: {reason}"
MOVED_FACTS = "Age and sex are those that the file states."
LOSSY = "Lossy compression"
SCREENSHOT = "Screenshot or secondary capture"
SCREENSHOT_ADVICE = (
    "Looks like a screenshot or photograph. Analysed with less certainty; send the DICOM file if you can."
)
SIDE_UNKNOWN = "Side not recorded"

PLACEHOLDER_NUMBER = "This number names nobody: it is empty or a placeholder. Type the patient's own number."
ALREADY_THAT_PATIENT = "This study belongs to that patient already. Nothing was changed."
NO_PATIENT_TO_REMOVE = "This study has no patient already. Nothing was changed."
CHANGED_MEANWHILE = "Somebody else changed this study meanwhile. Nothing was changed; look at it again."
OTHER_PERSON = "That number is known with another {differs_in} than this study. Nothing was changed. "
ASK_ADMINISTRATOR = "Check the number; if it is right, ask an administrator to move the study."
CONFIRM_OTHER_PERSON = (
    "If you have made sure that it is the same person, tick the box below and send it again."
)
CONFLICT_FIRST = (
    "An administrator must first decide on the identity conflict of this study. Nothing was changed."
)
TOO_MANY_NUMBERS = "Limit reached: {most} numbers a minute. Try again at {at}."

NOT_YOURS_TO_CORRECT = (
    "Only the person who sent this study, and administrators, may withdraw it or change its patient."
)
UNDO_IS_OVER = (
    "Only administrators may bring this study back: it was withdrawn by somebody else, or too long ago."
)
WITHDRAWN_ALREADY = "This study was withdrawn by somebody else meanwhile."
RESTORED_ALREADY = "This study is back already."
SENT_AGAIN = "This film was sent again meanwhile and is stored in {where}. Nothing was changed."
SENT_AGAIN_MORE = (
    "Other films of this study were sent meanwhile and are stored in {where}. Nothing was changed: "
    "withdraw that one first, then bring this one back."
)
DECIDED_MEANWHILE = "Another administrator has decided this conflict already. Nothing was changed."
WITHDRAWN_NOTICE = "Study {number}, which you sent, was withdrawn by an administrator."
RESTORED_NOTICE = "Study {number}, which you sent, was brought back by an administrator."
MOVED_NOTICE = "The patient of study {number}, which you sent, was changed by an administrator."


def checked(outcome: str, *, differs_in: str = "") -> Wording:
    """What *check patient* answers. Raises KeyError for an outcome that states.Check does not know."""
    return {
        Check.RECORD: Wording("Match.", "This is the record number of this study's patient.", tone="fine"),
        Check.ACCESSION: Wording("Match.", "This is the accession number of this study.", tone="fine"),
        Check.CONFLICT: Wording(
            "Match, but not certain.",
            f"This number is in the file, but it is known with another {differs_in}. "
            "An administrator decides whether it is the same person.",
            tone="uncertain",
        ),
        Check.NO_MATCH: Wording(
            "No match.",
            "This number belongs neither to this study nor to its patient. Check the patient before you go on.",
            tone="failed",
        ),
        Check.NOTHING: Wording(
            "Nothing to compare.",
            "This study has neither a record number nor an accession number.",
            tone="failed",
        ),
        Check.PLACEHOLDER: Wording("Not compared.", PLACEHOLDER_NUMBER, tone="failed"),
    }[outcome]


# --- people ---

NO_DEMO_ACCOUNTS = (
    "Demo accounts are switched off on this site (COVIDWEB_DEMO_ACCOUNTS). "
    "`manage.py first_administrator NAME` makes the account that makes all others."
)
HAS_ADMINISTRATOR = (
    "This site has an administrator, who makes all other accounts. "
    "A lost password of the last one: `manage.py changepassword NAME`."
)
NAME_TAKEN = "There is an account of this name already."
TEAM_TAKEN = "There is a team of this name already."
PASSWORD_NEEDED = "Links that set your password go to this address. Type your current password to change it."
NOBODY_YET = (
    "Nobody has an account here yet.\n"
    "On the computer that runs this site, this command makes the first administrator:"
)
FIRST_ADMINISTRATOR = "manage.py first_administrator NAME"
NOT_ONESELF = "You cannot take this away from yourself. Another administrator can."
LAST_ADMINISTRATOR = "This is the last administrator. Make another one first."
TEAM_HAS_STUDIES = "This team has studies, or batches that were sent to it: it stays. You can rename it."
FORGOTTEN = (
    "If there is an account with this name or address, and it has an e-mail address, a link is on its way to it. "
    "It works once, for {hours}. Nothing has come? Ask an administrator for a link."
)
NO_MAIL = (
    "This site sends no e-mail. An administrator can make a link for you, with which you set a new password."
)
LINK_OVER = "It was used already, it is too old, or a newer one was made. Ask for a new one."
NO_LINK_INACTIVE = "A link would let nobody in: the account is not active. Reactivate it first."
SAVED = "Saved."
PASSWORD_SET = "Your password is set. Sign in with it."
PASSWORD_CHANGED = "Your password is changed. You are signed out everywhere else."


def hours(seconds: float) -> str:
    """A whole number of hours, or of minutes below two hours."""
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"{round(minutes / 60)} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def too_many_tries(until: str) -> str:
    return f"Too many tries. You can go on at {until}."


def team_deleted(name: str) -> str:
    return f"The team {name} is deleted. Its members keep their accounts."


def locked_out(until: str) -> Wording:
    """`until` carries its zone."""
    return Wording(
        "Too many wrong passwords.",
        f"This user name is locked from your address until {until}. An administrator can unlock it sooner.",
        tone="failed",
    )


def link_mail(username: str, *, address: str, lasts: str) -> Wording:
    """Subject and body."""
    return Wording(
        "A link to set your password",
        f"Somebody, perhaps you or an administrator, asked for a link to set the password of the account {username}. "
        f"It works once, for {lasts}:\n\n{address}\n\n"
        "If it was not you, you need not do anything: your password stays as it is.\n",
        tone="",
    )


def notice_mail(text: str, *, address: str) -> Wording:
    """Subject and body; the text names no patient, and what it is about is seen only after signing in."""
    return Wording(
        "A notice for you",
        f"{text}\n\n{address}\n\nYou can switch these mails off on the page of your account.\n",
        tone="",
    )


# --- notices: what happened, without any word about a patient ---


def upload_stopped(n: int) -> str:
    films = "1 film was" if n == 1 else f"{n} films were"
    return f"{films} stopped on the way in and not stored. The page of the batch says why."


def identity_conflict() -> str:
    return "A new film does not fit the patient that it names. It was not linked; somebody has to decide."


def disagreement_answered(number: str) -> str:
    return f"Your disagreement on study {number} was answered."


def run_done(name: str, *, succeeded: bool) -> str:
    return f"The training run {name} is done." if succeeded else f"The training run {name} failed."


# --- the audit of accounts and teams ---


def account_event(old: str, new: str, reason: str) -> str:
    """What happened, for the history of an account or a team; a change of role has the roles themselves."""
    return {
        AccountChange.MADE: f"made as {reason}",
        AccountChange.EDITED: f"changed: {reason}",
        AccountChange.INACTIVE: "deactivated",
        AccountChange.ACTIVE: "reactivated",
        AccountChange.UNLOCKED: "unlocked",
        AccountChange.LINK_MADE: "link made",
        AccountChange.LINK_MAILED: "link sent by e-mail",
        AccountChange.PASSWORD_SET: "password set",
        AccountChange.JOINED: f"joined {reason}",
        AccountChange.LEFT: f"left {reason}",
        AccountChange.NAMED: f"renamed: {reason}",
    }.get(new, f"role: {old} → {new}")


def archive_unpacked(*, n_files: int, n_left_out: int) -> str:
    words = ARCHIVE_UNPACKED.format(files="1 file" if n_files == 1 else f"{n_files} files")
    if n_left_out == 1:
        return f"{words} {ARCHIVE_LEFT_OUT_ONE}"
    return f"{words} {ARCHIVE_LEFT_OUT.format(n=n_left_out)}" if n_left_out else words


def limit_reached(*, most: int, until: datetime) -> str:
    """Until when, with the zone of the site (rule A12): '15:00 CET'."""
    return LIMIT_REACHED.format(most=most, at=f"{until:%H:%M %Z}")


def remarks(*, has_patient: bool, is_lossy: bool, is_screenshot: bool, text_suspected: bool) -> list[str]:
    """What whoever sent a film should know of it, beside its answer."""
    said = (
        (not has_patient, NO_PATIENT),
        (is_screenshot, SCREENSHOT),
        (is_lossy, LOSSY),
        (text_suspected, TEXT_SUSPECTED),
    )
    return [words for applies, words in said if applies]
