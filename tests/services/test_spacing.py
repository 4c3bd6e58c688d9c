"""What a length may be called (rule D9), out of the allow-listed attributes."""

from __future__ import annotations

import pytest

from diagnosis import selectors
from diagnosis.models import Instance
from tests import xrays

DETECTOR = "mm at detector, not corrected"
CALIBRATED = "mm, calibrated"


def spacing(**attributes) -> selectors.Spacing:
    return selectors.spacing_of(Instance(attributes=attributes))


def test_imager_pixel_spacing_gives_lengths_at_the_detector():
    assert spacing(ImagerPixelSpacing=[0.143, 0.143]) == selectors.Spacing(0.143, 0.143, DETECTOR)


@pytest.mark.parametrize("kind", ["GEOMETRY", "FIDUCIAL"])
def test_a_calibration_type_gives_calibrated_lengths_even_beside_the_detectors(kind):
    sent = {
        "PixelSpacing": [0.12, 0.12],
        "PixelSpacingCalibrationType": kind,
        "ImagerPixelSpacing": [0.2, 0.2],
    }
    assert spacing(**sent) == selectors.Spacing(0.12, 0.12, CALIBRATED)


def test_pixel_spacing_without_its_calibration_type_gives_no_millimetres():
    assert spacing(PixelSpacing=[0.14, 0.14]) == selectors.Spacing(1, 1, "px")


def test_the_first_number_sent_is_the_distance_of_rows_and_so_a_length_down_the_film():
    found = spacing(ImagerPixelSpacing=[0.2, 0.1])
    assert (found.x, found.y) == (0.1, 0.2)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        0.1,
        [],
        [0.1],
        [0.1, 0.1, 0.1],
        [0, 0.1],
        [-0.1, 0.1],
        ["0.1", "0.1"],
        [float("nan"), 0.1],
        [float("inf"), 1],
        {},
    ],
)
def test_nonsense_is_no_length_and_falls_back_on_what_makes_sense(nonsense):
    assert spacing(ImagerPixelSpacing=nonsense).words == "px"
    sent = {
        "PixelSpacing": nonsense,
        "PixelSpacingCalibrationType": "GEOMETRY",
        "ImagerPixelSpacing": [0.2, 0.2],
    }
    assert spacing(**sent) == selectors.Spacing(0.2, 0.2, DETECTOR)


def test_a_calibration_type_that_the_standard_does_not_know_calibrates_nothing():
    assert spacing(PixelSpacing=[0.1, 0.1], PixelSpacingCalibrationType="RULER").words == "px"


@pytest.mark.django_db
def test_a_films_header_comes_through_intake_as_far_as_its_lengths(send, admit):
    sent = {
        "PixelSpacing": [0.11, 0.12],
        "PixelSpacingCalibrationType": "FIDUCIAL",
        "ImagerPixelSpacing": [0.2, 0.2],
    }
    admit(send(xrays.dicom(**sent)))
    assert selectors.spacing_of(Instance.objects.get()) == selectors.Spacing(0.12, 0.11, CALIBRATED)
