"""The worklist page: what it says to readers, and to administrators who keep the list."""

from __future__ import annotations

from diagnosis.states import Label, Shelf

SHELVES = {
    Shelf.WAITING: "Waiting",
    Shelf.MINE: "Mine",
    Shelf.DONE: "Read",
    Shelf.OFF: "Taken off",
}
LABELS = [
    ("", "All labels"),
    (Label.COVID, "COVID-19"),
    (Label.NONCOVID, "Non-COVID"),
    (Label.UNKNOWN, "Unknown"),
    ("none", "No label yet"),
]
PAGE_GONE = "That page of the list is not to be found any more. This is the first one."

# --- saved filters ---
FILTER_SAVED = "Saved as '{name}'."
FILTER_RENAMED = "Now called '{name}'."
FILTER_DELETED = "'{name}' is deleted."
FILTER_NAME_TAKEN = "You have filters with this name already. Choose another one."
FILTERS_EMPTY = "Set a filter first: there is nothing to save."
FILTERS_FULL = "You have {most} saved filters, which is the limit. Delete one first."

# --- sessions ---
SESSION_OVER = "This reading session has ended already."
SESSION_PAUSED = "Paused. Films that you had open are free for others; your drafts are kept."
SESSION_ENDED = "The session has ended. {n} of {wanted} films were read."
SESSION_EMPTY = "No case is left that fits these filters, so no session was started."

# --- what administrators do with many cases ---
NOTHING_FITS = "None of the chosen cases can be changed like this now. Nothing was changed."
TOO_MANY_CHOSEN = "At most {most} cases at a time. Nothing was changed."
TAKEN_OFF = "taken off the worklist"
PUT_BACK = "put back on the worklist"
FREED = "freed for others"
UNDO_IS_OVER = "It is too long ago to be undone here. Choose the cases under 'Taken off' and put them back."
UNDO_REASON = "Undone: {reason}"


def cases(n: int) -> str:
    return f"{n} case" if n == 1 else f"{n} cases"


def changed(n: int, done: str, *, n_left: int = 0) -> str:
    """'3 cases were taken off the worklist. 1 case had changed meanwhile and was left as it was.'"""
    said = f"{cases(n)} {'was' if n == 1 else 'were'} {done}."
    if n_left:
        said += f" {cases(n_left)} had changed meanwhile and stayed as {'it was' if n_left == 1 else 'they were'}."
    return said
