"""From the network's logit to a probability at a prevalence that is said, and from there to another prevalence.

A network that was trained on half COVID-19 films says nothing of a ward. So the logit is straightened by a slope and
an intercept on films that the network never saw, as if a stated share of them were COVID-19, and that share travels
with the numbers.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the web shifts a score without numpy, and a header is read without torch
    import numpy as np
    from numpy.typing import NDArray

    from ml.scores import Scores

PREVALENCE = 0.5


class CalibrationError(ValueError):
    """Scores that nothing can be calibrated on; says why."""


@dataclass(frozen=True)
class Calibration:
    """Logistic recalibration (Cox 1958): logit of the probability = slope · x + intercept.

    x is the network's logit of COVID-19 minus that of Non-COVID. `prevalence` is the share of COVID-19 at which the
    probability holds: assumed, not measured anywhere.
    """

    slope: float
    intercept: float
    prevalence: float

    def __post_init__(self) -> None:
        if not (0 < self.slope < math.inf and math.isfinite(self.intercept) and 0 < self.prevalence < 1):
            raise CalibrationError(
                f"a calibration needs a slope above 0, an intercept and a prevalence between 0 and 1, not {self}"
            )

    def probabilities(self, x: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Of many films, from their logits (N)."""
        import numpy as np

        return 1 / (1 + np.exp(-np.clip(self.slope * x + self.intercept, -700, 700)))


def shifted(probability: float, from_prevalence: float, to_prevalence: float) -> float:
    """The probability of the same film where another share of patients has COVID-19.

    Holds when only the prevalence differs (Saerens, Latinne & Decaestecker 2002): the logit moves by the difference
    of the log odds. Certain answers stay certain.

    Raises
    ------
    ValueError
        If the probability is none, or a prevalence is not between 0 and 1.
    """
    if not (0 <= probability <= 1 and 0 < from_prevalence < 1 and 0 < to_prevalence < 1):
        raise ValueError(f"nothing to shift: {probability} from {from_prevalence} to {to_prevalence}")
    ill = probability * to_prevalence * (1 - from_prevalence)
    well = (1 - probability) * (1 - to_prevalence) * from_prevalence
    return ill / (ill + well)


def predictive(share_of_covid: float, share_of_noncovid: float, prevalence: float) -> float | None:
    """Share of COVID-19 among the films that show something, by Bayes' formula; None if no film of either class does.

    With sensitivity and 1 − specificity it is the positive predictive value; with the shares of both classes below
    the band, 1 − the negative one.
    """
    ill, well = share_of_covid * prevalence, share_of_noncovid * (1 - prevalence)
    return ill / (ill + well) if ill + well else None


def fit(scores: "Scores", prevalence: float = PREVALENCE) -> Calibration:
    """Slope and intercept on out-of-fold scores, weighted as `ml.reference` says, classes by the assumed prevalence.

    Where the scores part the classes completely no slope is the best one: it stays 1, so that calibration makes
    nothing surer than the network was, and the intercept alone is fitted.

    Raises
    ------
    CalibrationError
        If one class is missing, a score is not finite, or higher scores do not mean COVID-19.
    """
    import numpy as np

    from ml import scoring
    from ml.reference import Weights

    require_usable(scores)
    if not 0 < prevalence < 1:
        raise CalibrationError(f"the assumed prevalence must lie between 0 and 1, not at {prevalence}")
    y, x = scores.label, scores.logit
    weights = Weights.of(scores).film * np.where(y == 1, prevalence, 1 - prevalence)
    if x[y == 0].max() <= x[y == 1].min():
        intercept = scoring.logistic_line(y, x, weights=weights, slope=1.0)[1]
        return Calibration(1.0, intercept, prevalence)
    slope, intercept = scoring.logistic_line(y, x, weights=weights)
    if slope <= 0:
        raise CalibrationError(
            f"higher scores do not mean COVID-19 in these tables (slope {slope:.3f}): there is nothing to calibrate"
        )
    return Calibration(slope, intercept, prevalence)


def require_usable(scores: "Scores") -> None:
    """Raise CalibrationError if one class is missing, a score is not finite, or a film has two labels."""
    import numpy as np

    for label, word in ((1, "COVID-19"), (0, "Non-COVID")):
        if not (scores.label == label).any():
            raise CalibrationError(f"the scores hold no {word} film: both classes are needed")
    bad = scores.file[~np.isfinite(scores.logit)]
    if len(bad):
        raise CalibrationError(f"{len(bad)} scores are no finite numbers, such as that of {bad[0]}")
    labels = {(str(file), int(label)) for file, label in zip(scores.file, scores.label, strict=True)}
    seen: set[str] = set()
    for file, _ in sorted(labels):
        if file in seen:
            raise CalibrationError(f"{file} is COVID-19 in one row and Non-COVID in another")
        seen.add(file)
