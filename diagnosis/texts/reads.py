"""Drafts, reads and keys: what the reading page says to its reader."""

from __future__ import annotations

# action → its usual key, and what it does. Digits 1 to 5 are the answers (rule D11) and belong to no action; the room
# has no key for the heatmap, as it shows none before one's own read.
ACTIONS: dict[str, tuple[str, str]] = {
    "submit": ("Enter", "submit the read"),
    "undo": ("u", "take the last read back"),
    "reveal": ("e", "show the AI's answer to the last film"),
    "next": ("n", "leave this film, open the next one"),
    "comment": ("c", "write a comment"),
    "findings": ("f", "tick findings"),
    "confidence_low": ("6", "confidence low"),
    "confidence_middle": ("7", "confidence middle"),
    "confidence_high": ("8", "confidence high"),
    "in": ("+", "larger"),
    "out": ("-", "smaller"),
    "fit": ("0", "whole film"),
    "actual": ("9", "one film pixel on one screen pixel"),
    "pan": ("p", "dragging moves"),
    "window": ("w", "dragging changes window and level"),
    "darker": ("[", "darker"),
    "brighter": ("]", "brighter"),
    "narrower": ("{", "more contrast"),
    "wider": ("}", "less contrast"),
    "sent": ("s", "window as sent"),
    "window_next": ("v", "next window that came with the film"),
    "auto": ("a", "automatic window"),
    "lung": ("l", "window for the lungs"),
    "mediastinum": ("m", "window for the mediastinum"),
    "invert": ("i", "swap black and white"),
    "flip": ("x", "mirror left and right"),
    "rotate": ("t", "turn by 90°"),
    "magnify": ("g", "magnifier"),
    "reset": ("r", "film as at first"),
    "box": ("b", "draw a box"),
    "outline": ("o", "draw an outline"),
    "length": ("k", "measure a length"),
    "undo_region": ("ctrl+z", "undo the last drawing"),
    "redo": ("ctrl+y", "redo it"),
    "compare": ("y", "earlier films of the same patient beside it"),
}
GROUPS: dict[str, tuple[str, ...]] = {
    "Reading": tuple(ACTIONS)[:9],
    "Film": tuple(ACTIONS)[9:29],
    "Drawing and comparing": tuple(ACTIONS)[29:],
}

# --- keys ---
KEYS_SAVED = "Your keys are saved. They hold on every computer you sign in on."
KEYS_USUAL = "All keys are the usual ones again."
NO_SUCH_ACTION = "There is no such action."
KEY_EMPTY = "Every action needs a key."
KEY_UNKNOWN = (
    "“{key}” is not a key that can be used here. Use a letter, a digit from 6 to 0, a sign, Enter, Backspace, Delete, "
    "Insert, Home, End, PageUp, PageDown, or ctrl+ and a letter."
)
KEY_OF_ANSWERS = "{key} is one of the five answers and stays that."
KEY_OF_PAGE = "{key} has a fixed meaning on this page."
KEY_OF_BROWSER = "{key} belongs to the browser."
KEY_TWICE = "{key} is the key of “{other}”, too."

# --- drafts and reads ---
UNREADABLE = "The request cannot be read."
NOT_A_VERSION = "The version must be a whole number."
UNKNOWN_ANSWER = "This is not one of the answers."
NO_ANSWER = "Choose an answer."
UNKNOWN_CONFIDENCE = "Confidence is 1 (low), 2 (middle), 3 (high) or not given."
UNKNOWN_FINDING = "“{code}” is not on the list of findings."
UNKNOWN_REASON = "This is not one of the reasons."
NO_REASON = "Say why it cannot be assessed."
REASON_WITHOUT = "A reason belongs to “Cannot assess” alone."
REASON_IN_COMMENT = "Say in the comment why it cannot be assessed."
NOT_TEXT = "This is not a text that can be stored."
COMMENT_LENGTH = "A comment has at most {most} characters; this one has {n}."
NOT_A_LIST = "This must be a list."
NOT_MS = "Reading time is a whole number of milliseconds, 0 or more."
VIEW_FORM = "How a film is turned is said as flipped (true or false) and rotated (0, 90, 180 or 270)."
NOT_THIS_STUDY = "This film does not belong to the study."
TOO_MANY_REGIONS = "A read has at most {most} regions."
TOO_MANY_POINTS = "All outlines of a read together have at most {most} points."
REGION_FORM = "A region needs an id of its own, a film, a kind and points."
REGION_TWICE = "Another region has the same id."
REGION_KIND = "A region is a box, an outline or a length."
REGION_POINTS = {
    "box": "A box has two corners with some room between them.",
    "outline": "An outline has 3 to {most} points.",
    "length": "A length has two ends apart from each other.",
}
REGION_OUTSIDE = "The region lies outside the film ({width} × {height} pixels)."
TOO_FAST = "The film has been on the screen for less than a second. Look at it, then submit."

CONFLICT = (
    "This read was changed in another window after you opened it here. Nothing was overwritten: choose which version "
    "holds."
)
CONFLICT_IN_FORM = (
    "This read was changed in another window after you opened it here. Below is what you entered; submit again to use "
    "it in place of what the other window stored."
)
CLAIMED = "{holder} has this study open until {until}."
DRAFT_KEPT = "Your draft is kept; you can submit it when the study is free."
READ_MEANWHILE = (
    "{reader} read this study at {at}, after your hold on it had run out. Your draft is kept. Open the study again and "
    "submit it if there should be a second read."
)
ALREADY_READ = (
    "You submitted a read of this study at {at}, perhaps in another window. This one was not stored."
)
STUDY_WITHDRAWN = (
    "This study was withdrawn meanwhile. Your read was not stored; the draft is kept should it come back."
)
ROLE_LOST = "Your account no longer reads films. Nothing was stored just now; your last saved draft is kept."
SIGNED_OUT = "You are signed out. Nothing was stored just now; your last saved draft is kept."
TOO_LATE = (
    "This read is final: it can be taken back for {seconds} s after submitting. Read the study again instead."
)
TAKEN_BACK = "Your read is taken back. It is a draft again."
FILE_MISSING = (
    "The picture of this film is missing on the server. Choose “Cannot assess” with the reason “the picture is missing "
    "or damaged”, or go on to the next film."
)
NOTHING_LEFT = "Nothing is left to read here."
SESSION_DONE = "Session finished: {n} of {wanted} films read."
READ_STORED = "Your read of study {number} is stored."


def claimed(holder: str, until: str, *, is_kept: bool) -> str:
    """Who has the study open, and whether what was entered is safe."""
    said = CLAIMED.format(holder=holder, until=until)
    return f"{said} {DRAFT_KEPT}" if is_kept else said


def read_meanwhile(reader: str, at: str) -> str:
    return READ_MEANWHILE.format(reader=reader, at=at)
