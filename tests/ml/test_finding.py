import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ml.finding import finding_of

UNIT = st.floats(0, 1)


@given(UNIT, UNIT, UNIT)
def test_a_score_has_exactly_one_finding(probability: float, one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    rules = {"above": probability > high, "uncertain": low <= probability <= high, "below": probability < low}
    assert [name for name, holds in rules.items() if holds] == [
        finding_of(probability, band_low=low, band_high=high)
    ]


@given(UNIT, UNIT, UNIT, UNIT)
def test_a_higher_score_never_has_a_lower_finding(a: float, b: float, one: float, other: float) -> None:
    assume(a <= b)
    band = {"band_low": min(one, other), "band_high": max(one, other)}
    order = ("below", "uncertain", "above")
    assert order.index(finding_of(a, **band)) <= order.index(finding_of(b, **band))


def test_the_edges_of_the_band_are_uncertain() -> None:
    assert finding_of(0.21, band_low=0.21, band_high=0.61) == "uncertain"
    assert finding_of(0.61, band_low=0.21, band_high=0.61) == "uncertain"


@pytest.mark.parametrize("number", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_has_no_finding(number: float) -> None:
    with pytest.raises(ValueError, match="no probability"):
        finding_of(number, band_low=0.2, band_high=0.6)
