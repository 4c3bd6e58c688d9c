"""Which films are not frontal, by their header."""

from __future__ import annotations

import pytest

from ml.dicom import facts_of
from ml.projection import DECUBITUS, LATERAL, OBLIQUE
from tests import xrays


def reason(**header: object) -> str:
    return facts_of(xrays.dataset(**header)).not_frontal


@pytest.mark.parametrize("view", ["LL", "RL", "LATERAL", "L LAT", "LEFT LATERAL", "LAT "])
def test_a_lateral_view_is_named(view):
    assert reason(ViewPosition=view) == LATERAL == "lateral view"


@pytest.mark.parametrize(("view", "named"), [("RLO", OBLIQUE), ("OBLIQUE", OBLIQUE), ("LLD", DECUBITUS)])
def test_other_views_that_are_not_frontal_are_named(view, named):
    assert reason(ViewPosition=view) == named


@pytest.mark.parametrize("view", ["PA", "AP", "AP SUPINE", "PA ERECT", "", "SOMETHING", "PORTABLE"])
def test_a_frontal_view_and_one_that_is_not_known_are_assessed(view):
    assert reason(ViewPosition=view) == ""


@pytest.mark.parametrize(
    ("rows", "named"), [("A\\F", LATERAL), ("P\\F", LATERAL), ("L\\F", ""), ("R\\F", "")]
)
def test_where_the_view_is_silent_the_orientation_decides(rows, named):
    assert reason(ViewPosition=None, PatientOrientation=rows.split("\\")) == named


def test_where_the_view_says_frontal_the_orientation_is_not_asked():
    assert reason(ViewPosition="PA", PatientOrientation=["P", "F"]) == ""
