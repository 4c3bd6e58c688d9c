"""How far readers agree, beyond chance and with intervals: reader with reader, reader with AI, first read with second.

Percent agreement, Cohen's kappa (plain and weighted), Fleiss' kappa, Krippendorff's alpha, Gwet's AC1, and what a
kappa must be read beside: prevalence and bias index. `summary` gives all of them on the same resamples.
"""

from ml.agreement.estimates import FEWEST, Estimate
from ml.agreement.ratings import MISSING, Ratings
from ml.agreement.report import Overall, Pair, Summary, summary

__all__ = ["FEWEST", "MISSING", "Estimate", "Overall", "Pair", "Ratings", "Summary", "summary"]
