"""The DICOM files of the data folder, dropped on the real site: answered, upright, lungs dark on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage
from tests.browser.test_viewer import gray_at, ready

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

FALSIFIED = "rsna_cr_pa_txv_fake_monochrome1"
FILMS = [
    "cr_mono1_10bit_chest",
    "nih_dx_nofinding_nhsx",
    "rsna_cr_ap_raiprabh",
    "rsna_cr_pa_txv",
    FALSIFIED,
]


def on_screen(page: Page, x: float, y: float) -> float:
    """The mean grey of a square of the screen, around a place of the film that is given in shares of it."""
    width, height = (
        int(page.locator("[data-viewer]").get_attribute(f"data-{side}")) for side in ("width", "height")
    )
    return float(gray_at(page, x * width, y * height, side=41).mean())


@pytest.mark.parametrize("name", FILMS)
def test_a_real_dicom_film_is_answered_and_shown_upright_with_dark_lungs(
    page_as, data_folder: Path, name: str
) -> None:
    page = page_as("clinician")
    page.goto("/uploads/")
    body = (data_folder / "dicom" / f"{name}.dcm").read_bytes()
    stage.hand_over(page, "drop", {"name": f"{name}.dcm", "buffer": body})
    page.wait_for_url("**/studies/*/")
    expect(page.locator(".answer__score")).to_be_visible()
    # The falsified file has its twin's study UID, so the two are films of one study; the newer one stands last.
    if page.locator(".films__film").count():
        page.locator(".films__film").last.click()
        page.wait_for_url("**film=*")
    ready(page)
    page.evaluate(
        "() => { document.querySelector('.viewer__badges').hidden = true; }"
    )  # words, not grey levels
    mediastinum = on_screen(page, 0.5, 0.42)
    lungs = [on_screen(page, side, 0.42) for side in (0.27, 0.72)]
    neck, abdomen = on_screen(page, 0.5, 0.05), on_screen(page, 0.5, 0.94)
    if name == FALSIFIED:  # its header says that bone is dark, so it comes out as the negative of its twin
        assert mediastinum < min(lungs) - 15
        assert abdomen < neck
    else:
        assert mediastinum > max(lungs) + 15
        assert abdomen > neck
