"""The list of findings that readers may tick, for the administrators who keep it."""

from __future__ import annotations

from diagnosis.states import TermChange

LIST = (
    "What readers can tick beside their answer, and name a region with. Each has a code that is made once and never "
    "changes; reads and exports hold the code."
)
RENAME = (
    "Rename a finding to say the same in better words: reads that ticked it show the new name too. For something "
    "else, add another finding."
)
TAKE_OFF = "A finding that is off the list cannot be ticked any more. Reads that ticked it keep it."
TAKEN = "There is a finding of this name already."
TAKEN_OFF_THE_LIST = "There is a finding of this name already; it is off the list. Put it back instead."
EMPTY_LIST = "No finding is on the list: readers see none to tick."
NO_CODE = "Use at least one letter or digit."

CHANGES = {
    TermChange.MADE: "Added",
    TermChange.NAMED: "Renamed",
    TermChange.MOVED: "Moved",
    TermChange.OFF: "Taken off the list",
    TermChange.BACK: "Put back on the list",
}


def term_event(change: str, reason: str) -> str:
    """What the audit has of it, in a line: 'Renamed: Opacity → Consolidation'."""
    return f"{CHANGES.get(change, change)}: {reason}"
