"""What a calibrated checkpoint says of itself, made up: numbers that tests can name. No torch, no Django."""

import json
from dataclasses import asdict
from typing import Any

from ml.calibration import Calibration
from ml.conformal import Conformal, Coverage
from ml.reference import Rate, Rates

WORST = Coverage("ieee8023", "A", "COVID-19", "source", Rate(0.71, 0.64, 0.77, 245, 151), 0.34)
ROWS = (
    Coverage("ieee8023", "A", "Non-COVID", "groups", Rate(0.86, 0.65, 0.97, 44, 26), 0.4),
    WORST,
    Coverage("figure1", "A", "COVID-19", "source", Rate(0.5, 0.3, 0.7, 27, 26), 0.3),
)


def calibrated(*, low: float = 0.21, high: float = 0.61, point: float = 0.4) -> dict[str, Any]:
    """Fields of a header: calibrated at even odds; 95 % of COVID-19 and 5 % of the others above the band."""
    rates = Rates(point, Rate(0.85, 0.8, 0.89, 520, 410), Rate(0.8, 0.76, 0.84, 330, 258))
    return {
        "calibration": Calibration(slope=1.0, intercept=0.0, prevalence=0.5),
        "operating_points": {"youden": point, "sensitivity_90": low},
        "rates": {"operating_point": rates, "youden": rates},
        "conformal": Conformal(
            alpha=0.1, covid=low, noncovid=high, rows=ROWS, stated=WORST, findings=_findings()
        ),
    }


def as_json(**fields: Any) -> dict[str, Any]:
    """As the row of a checkpoint keeps them."""
    kept = calibrated() | fields
    plain = {
        "calibration": asdict(kept["calibration"]),
        "operating_points": kept["operating_points"],
        "rates": {name: asdict(rates) for name, rates in kept["rates"].items()},
        "conformal": asdict(kept["conformal"]),
    }
    found: dict[str, Any] = json.loads(json.dumps(plain))
    return found


def _findings() -> dict[str, dict[str, Rate]]:
    shares = {"COVID-19": (0.02, 0.03, 0.95), "Non-COVID": (0.6, 0.35, 0.05)}
    n = {"COVID-19": (520, 410), "Non-COVID": (330, 258)}
    return {
        label: {
            finding: Rate(share, share * 0.9, min(1, share * 1.1), *n[label])
            for finding, share in zip(("below", "uncertain", "above"), of_class, strict=True)
        }
        for label, of_class in shares.items()
    }
