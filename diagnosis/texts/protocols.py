"""Sentences about protocols: what they want, and what stands in their way."""

from __future__ import annotations

ONE_TO_THREE = "One, two or three independent readers."
SINGLE_IS_ONE = "The rule 'single' takes the read of one reader. Choose one reader, or another rule."
MAJORITY_IS_THREE = "A majority needs three readers. Choose three, or another rule."
TWO_AT_LEAST = "This rule compares reads: choose two or three readers."
REPEAT_SHARE = "Between 0 and 50 of 100 films."
RANDOM_SHARE = "Between 0 and 100 of 100 cases."
NO_ADJUDICATOR = (
    "Where readers differ somebody must settle it, and nobody may. Mark a radiologist as adjudicator on their "
    "user page, or choose another rule."
)
NOT_A_READER = "Only radiologists settle cases on which readers differ."
NOT_AN_ADJUDICATOR = "This protocol names others to settle cases on which readers differ."
OWN_CASE = "You have read this case yourself. Somebody who has not read it settles it."
SAW_THE_AI = "You were shown the AI's answer to this case. Somebody who was not settles it."


def people(n: int) -> str:
    return {0: "nobody", 1: "one person"}.get(n, f"{n} people")


def too_few_readers(n_wanted: int, n: int) -> str:
    """A protocol that wants more readers than there are."""
    wanted = {1: "one reader", 2: "two readers", 3: "three readers"}[n_wanted]
    verb = "is" if n <= 1 else "are"
    return (
        f"It wants {wanted}, and there {verb} {people(n)} who can read. Make an account with the role radiologist, "
        "or choose fewer readers."
    )


def nobody_left(n_readers: int, n: int) -> str:
    """All who can read are needed as readers, so that nobody is left who has not read the case."""
    return (
        f"It wants {n_readers} readers and somebody else who settles where they differ: {n_readers + 1} people. There "
        f"are {n}. Make another account with the role radiologist, or choose another rule."
    )
