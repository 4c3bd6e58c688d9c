"""Where readers differ: what is said to those who settle it, to those who may not, and to administrators."""

from __future__ import annotations

from collections.abc import Sequence

WHY_LENGTH = "A reason has at most {most} characters; this one has {n}."
NO_WHY = "Say why: a verdict needs a reason."

# --- what stands in the way of a verdict ---
SETTLED_BY_ANOTHER = (
    "Another adjudicator settled this case at {at}. Your verdict was not stored; what you entered is kept as a "
    "draft."
)
SETTLED_BY_YOU = (
    "You settled this case at {at}, perhaps in another window. This verdict was not stored beside it."
)
NOTHING_TO_SETTLE = (
    "There is nothing to settle on this case any more: reads were taken back, its protocol was changed, or it was "
    "taken off the worklist. Your verdict was not stored; what you entered is kept as a draft."
)
NOT_DISPUTED = "Nothing is to be settled on this case now."
YOURS_STANDS = "You settled this case at {at}: {answer}."
NOT_YOURS_ANY_MORE = "{why} Your verdict was not stored; what you entered is kept as a draft."
TAKEN_BACK = "Your verdict is taken back. It is a draft again, and the case waits."
NOTHING_LEFT = "No case waits for your verdict"
STORED = "Verdict on study {number} stored."

# --- who may ---
YOU_MAY_NOT = (
    "You settle no cases at present. Where readers differ, somebody whom the protocol names settles it; an "
    "administrator marks adjudicators on their user pages or names them in a protocol."
)
NO_PROTOCOL_ASKS = "No protocol has anybody settle where readers differ."
EMPTY = (
    "When readers differ on a case and you have not read it, it stands here, the one that waits longest first. You "
    "are told by a notice."
)
EMPTY_FOR_ADMINISTRATORS = (
    "When readers differ on a case, it stands here until an adjudicator has settled it."
)
NOBODY_YET = "nobody yet"
NOBODY_IS_NAMED = (
    "Nobody can settle it: no radiologist is marked as adjudicator. Mark one on their user page, or name one in the "
    "protocol."
)
NAMED_CANNOT = (
    "Nobody can settle it: those whom the protocol names are not radiologists with an active account any more. Name "
    "somebody else in the protocol."
)


def waiting(n: int) -> str:
    """What a notice says; it names no study."""
    return "1 case waits for adjudication." if n == 1 else f"{n} cases wait for adjudication."


def all_barred(n: int) -> str:
    """Nobody of those who may is left who has not read the case or seen the AI's answer to it."""
    who = "the only adjudicator has" if n == 1 else f"all {n} adjudicators have"
    return (
        f"Nobody can settle it: {who} read this case or been shown the AI's answer to it. Mark another radiologist as "
        "adjudicator on their user page, or name one in the protocol."
    )


def can_settle(n: int) -> str:
    return "1 adjudicator can settle it" if n == 1 else f"{n} adjudicators can settle it"


def adjudicators(numbers: Sequence[str], n_unnumbered: int) -> str:
    """By their numbers (rule D14); who has never opened a case has none."""
    new = {0: "", 1: "one who has not read yet"}.get(n_unnumbered, f"{n_unnumbered} who have not read yet")
    return ", ".join([*numbers, *([new] if new else [])]) or NOBODY_YET
