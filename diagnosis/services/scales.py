"""Ways to write down what a reader said as one of so many categories, so that two readers can be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diagnosis.states import LABEL_OF_FINDING, Answer, Label

MISSING = -1
ANSWERS = (Answer.TYPICAL, Answer.INDETERMINATE, Answer.ATYPICAL, Answer.NORMAL, Answer.CANNOT)
CLASSES = (Label.COVID, Label.NONCOVID, Label.UNKNOWN)
MIDDLE = 2  # confidence is 1 low, 2 middle, 3 high; who gave none counts as middle
UNDECIDED = 3


@dataclass(frozen=True)
class Scale:
    """`code` of (answer, confidence, class) is 0 … len(categories) − 1, or MISSING."""

    name: str
    categories: tuple[str, ...]
    code: Callable[[str, int | None, str], int]
    is_ordered: bool = False


def _as_answer(answer: str, _confidence: int | None, _label: str) -> int:
    return ANSWERS.index(answer)


def _as_assessable(answer: str, _confidence: int | None, _label: str) -> int:
    return MISSING if answer == Answer.CANNOT else ANSWERS.index(answer)


def _as_class(_answer: str, _confidence: int | None, label: str) -> int:
    return CLASSES.index(label)


def _as_step(answer: str, confidence: int | None, _label: str) -> int:
    """From surely another thing than COVID-19 (0) to surely COVID-19 (6)."""
    if answer == Answer.CANNOT:
        return MISSING
    if answer == Answer.INDETERMINATE:
        return UNDECIDED
    sure = confidence or MIDDLE
    return UNDECIDED + sure if answer == Answer.TYPICAL else UNDECIDED - sure


def _as_covid(_answer: str, _confidence: int | None, label: str) -> int:
    return int(label == Label.COVID)


SCALES = {
    scale.name: scale
    for scale in (
        Scale("answers", ANSWERS, _as_answer),
        Scale("assessable", ANSWERS[:4], _as_assessable),
        Scale("classes", CLASSES, _as_class),
        Scale("ordered", tuple(str(step) for step in range(7)), _as_step, is_ordered=True),
    )
}
# For the indices that only two categories have.
COVID_OR_NOT = Scale("covid", ("rest", Label.COVID), _as_covid)


def class_of_finding(finding: str) -> int:
    """The AI's class; inside its band it names none."""
    return CLASSES.index(LABEL_OF_FINDING.get(finding, Label.UNKNOWN))
