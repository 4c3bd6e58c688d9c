"""What becomes of a film on its way in. What a worker finds in a film comes with its own sentence (ml/formats.py)."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

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


def requests_limited(what: str, *, until: datetime) -> str:
    """`what` is the limit in words, '600 requests a minute'; the time comes with its zone (rule A12)."""
    local = timezone.localtime(until)
    return f"Limit reached: {what}. Try again at {local:%H:%M %Z}."


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
