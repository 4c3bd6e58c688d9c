"""What is drawn on a film, and films side by side, in a real browser, whatever way the film is turned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import stage
from tests.browser.test_viewer import PLACE, drag, painted, ready

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

TERMS = [{"code": "consolidation", "name": "Consolidation"}, {"code": "effusion", "name": "Effusion"}]
# The reading page's part: the mark that regions may be drawn, the tools for them, the findings.
TOOLS = "".join(
    f'<button type="button" class="tool" data-do="{kind}" title="{kind}">{kind}</button>'
    for kind in ("box", "outline")
)
GET = "() => document.querySelector('[data-viewer]').viewer.regions.get()"
SET = "(regions) => document.querySelector('[data-viewer]').viewer.regions.set(regions)"
DO = "(action) => document.querySelector('[data-viewer]').viewer.do(action)"
CHANGES = """() => { window.changes = [];
  const note = (event) => window.changes.push(event.detail.regions.length);
  document.querySelector("[data-viewer]").addEventListener("regions:change", note); }"""
# The rectangle of a line, its breadth left out.
LINE = "(line) => { const box = line.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; }"
PLACEMENTS = """() => {
  const { viewer } = document.querySelector("[data-viewer]");
  const of = ({ view, levels }) => {
    const whole = Math.min(view.stage.width / view.size.width, view.stage.height / view.size.height);
    const [x, y] = view.toStage(view.film.width / 2, view.film.height / 2);
    const { low, high } = levels.sent;
    const [across, down] = [x - view.stage.width / 2, y - view.stage.height / 2];
    return [view.scale / whole, across / (view.size.width * view.scale), down / (view.size.height * view.scale),
      (levels.centre - (low + high) / 2) / (high - low), levels.width / (high - low), Number(levels.inverted)];
  };
  return [of(viewer), of(viewer.priors.pane)];
}"""
SAME_PATIENT = """
import uuid
from diagnosis.models import Study
from tests.factories import PatientFactory, digest
patient = PatientFactory(key=digest(uuid.uuid4()))
for pk, day in (("{current}", "20260303"), ("{prior}", "20250101")):
    Study.objects.filter(pk=pk).update(patient=patient, acquired_date=day)
print(patient.pk)
"""
OPEN_CONFLICT = """
from diagnosis.models import Patient, Study
from tests.factories import IdentityConflictFactory
study = Study.objects.filter(patient=None, is_demo=False, conflict=None).first()
IdentityConflictFactory(study=study, patient=Patient.objects.get(pk={patient}))
"""


def draws_regions(route: Route) -> None:
    """The study page as the reading page has its film."""
    answer = route.fetch()
    body = answer.text().replace(" data-viewer ", " data-viewer data-regions ", 1)
    length = '<button type="button" class="tool" data-do="length"'
    body = body.replace(length, f"{TOOLS}{length}", 1)
    terms = f'<script type="application/json" id="terms">{json.dumps(TERMS)}</script>'
    route.fulfill(response=answer, body=body.replace("</main>", f"{terms}</main>"))


def shows_regions(route: Route) -> None:
    """The same while another reader has the case."""
    answer = route.fetch()
    route.fulfill(
        response=answer, body=answer.text().replace(" data-viewer ", " data-viewer data-regions-fixed ", 1)
    )


@pytest.fixture(scope="module")
def films() -> dict[str, str]:
    """Addresses of films that were sent once, by name."""
    return {}


@pytest.fixture
def sent(films: dict[str, str], page_as: Any) -> Callable[..., str]:
    def _sent(name: str, **facts: Any) -> str:
        if name not in films:
            films[name] = stage.sent(page_as("clinician"), stage.picture(name, **facts))
        return films[name]

    return _sent


@pytest.fixture
def room(page_as: Any, sent: Callable[..., str]) -> Iterator[Page]:
    """A film on which regions may be drawn."""
    address = sent("regions.png", seed=700)
    page = page_as("clinician")
    page.route(re.compile(rf".*{address}$"), draws_regions)
    page.goto(address)
    yield ready(page)


def at(page: Page, *point: float) -> tuple[float, float]:
    """Where a point of the film is on the page now."""
    painted(page)
    left, top = page.evaluate(PLACE, list(point))
    return left, top


def regions(page: Page) -> list[dict[str, Any]]:
    return list(page.evaluate(GET))


def draw(page: Page, key: str, *points: tuple[float, float]) -> dict[str, Any]:
    """Draws through these points of the film with the mouse; what is stored of it."""
    n = len(regions(page))
    page.keyboard.press(key)
    places = [at(page, *point) for point in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()
    expect(page.locator("[data-region-list] button")).to_have_count(n + 1)
    return regions(page)[-1]


def turned(page: Page) -> None:
    """Zoomed, flipped, rotated and moved."""
    for key in ("+", "+", "x", "t"):
        page.keyboard.press(key)
    page.locator("[data-stage]").focus()
    page.keyboard.press("ArrowLeft")
    painted(page)


def drawn_box(page: Page) -> tuple[float, float, float, float]:
    """Where the line of the first region really is on the page."""
    painted(page)
    left, top, right, bottom = page.locator(".drawing__line").first.evaluate(LINE)
    return left, top, right, bottom


def test_a_box_is_stored_in_pixels_of_the_source_film_whatever_way_it_is_turned(room):
    turned(room)
    box = draw(room, "b", (300, 420), (520, 610))
    assert box["kind"] == "box" and box["finding"] == ""
    assert box["instance"] == room.locator("[data-viewer]").get_attribute("data-instance")
    (left, top), (right, bottom) = box["points"]
    assert [left, top, right, bottom] == pytest.approx([300, 420, 520, 610], abs=1)


@pytest.mark.long
def test_an_outline_is_stored_with_few_points_close_to_what_was_drawn(room):
    turned(room)
    path = [(300, 400), (420, 380), (560, 470), (540, 600), (400, 640), (310, 520)]
    outline = draw(room, "o", *path, path[0])
    assert 6 <= len(outline["points"]) <= 40
    for corner in path:
        assert min(distance(corner, point) for point in outline["points"]) <= 1.5


def distance(one: tuple[float, float], other: list[float]) -> float:
    return float(((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5)


@pytest.mark.long
def test_the_line_stays_on_the_film_under_zoom_pan_flip_rotation_and_resize(room):
    draw(room, "b", (300, 420), (520, 610))
    for act in (
        lambda: room.keyboard.press("+"),
        lambda: room.keyboard.press("x"),
        lambda: room.keyboard.press("t"),
        lambda: drag(room, at(room, 600, 200), at(room, 640, 260)),
        lambda: room.set_viewport_size({"width": 1100, "height": 800}),
        lambda: room.keyboard.press("0"),
    ):
        act()
        corners = [at(room, 300, 420), at(room, 520, 610)]
        xs, ys = zip(*corners, strict=True)
        assert drawn_box(room) == pytest.approx((min(xs), min(ys), max(xs), max(ys)), abs=1)


@pytest.mark.long
def test_what_is_drawn_over_the_edge_ends_at_the_edge(room):
    box = draw(room, "b", (700, 900), (2000, 2000))
    width, height = (
        int(room.locator("[data-viewer]").get_attribute(f"data-{side}")) for side in ("width", "height")
    )
    assert box["points"][1] == [width, height]


def test_undo_and_redo_by_keys_and_buttons(room):
    room.evaluate(CHANGES)
    draw(room, "b", (300, 420), (400, 500))
    draw(room, "o", (500, 420), (600, 500), (500, 600))
    room.keyboard.press("Control+z")
    assert [region["kind"] for region in regions(room)] == ["box"]
    room.locator("[data-do=undo_region]").click()
    assert regions(room) == []
    expect(room.locator("[data-do=undo_region]")).to_have_attribute("aria-disabled", "true")
    room.keyboard.press("Control+y")
    room.locator("[data-do=redo]").click()
    assert [region["kind"] for region in regions(room)] == ["box", "outline"]
    assert room.evaluate("() => window.changes") == [1, 2, 1, 0, 1, 2]


def test_a_box_is_placed_moved_and_sized_by_keys_alone(room):
    room.keyboard.press("b")
    room.keyboard.press("b")
    one = room.locator("[data-region-list] button")
    expect(one).to_be_focused()
    expect(one).to_have_accessible_name("Region 1: box")
    (left, top), (right, bottom) = regions(room)[0]["points"]
    room.keyboard.press("Control+ArrowRight")
    room.keyboard.press("Control+ArrowDown")
    room.keyboard.press("Control+Shift+ArrowRight")
    assert regions(room)[0]["points"] == [[left + 1, top + 1], [right + 2, bottom + 1]]
    expect(room.locator("[data-told]")).to_contain_text("Region 1: box: ")
    # Moved twice is one step, sized another, placed the first.
    for _ in range(3):
        room.keyboard.press("Control+z")
    assert regions(room) == []


@pytest.mark.long
def test_an_arrow_moves_a_box_that_way_on_the_screen_however_the_film_is_turned(room):
    for key in ("x", "t", "b", "b"):
        room.keyboard.press(key)
    before = drawn_box(room)
    room.keyboard.press("ArrowRight")
    after = drawn_box(room)
    assert after[0] > before[0] + 3 and after[1] == pytest.approx(before[1], abs=0.5)
    room.keyboard.press("Shift+ArrowDown")
    assert drawn_box(room)[3] > after[3] + 3 and drawn_box(room)[1] == pytest.approx(after[1], abs=0.5)


@pytest.mark.long
def test_the_tools_are_to_be_had_by_tab_and_enter(room):
    room.locator("[data-do=box]").focus()
    room.keyboard.press("Enter")
    expect(room.locator("[data-do=box]")).to_have_attribute("aria-pressed", "true")
    room.keyboard.press("Enter")
    expect(room.get_by_role("button", name="Region 1: box")).to_be_focused()
    room.keyboard.press("Delete")
    assert regions(room) == []
    expect(room.locator("[data-stage]")).to_be_focused()


@pytest.mark.long
def test_a_finding_is_named_for_a_region(room):
    draw(room, "b", (300, 420), (400, 500))
    one = room.locator("[data-region-list] button")
    one.focus()
    room.keyboard.press("Enter")
    expect(room.locator("[data-region-finding]")).to_be_focused()
    room.locator("[data-region-finding]").select_option("Consolidation")
    assert regions(room)[0]["finding"] == "consolidation"
    expect(one).to_have_accessible_name("Region 1: box, consolidation")
    expect(room.locator(".drawing__words")).to_have_text("1 consolidation")


@pytest.mark.long
def test_a_corner_is_moved_by_the_mouse_and_the_line_moves_the_whole(room):
    draw(room, "b", (300, 420), (400, 520))
    drag(room, at(room, 400, 520), at(room, 460, 580))
    (left, top), (right, bottom) = regions(room)[0]["points"]
    assert [left, top, right, bottom] == pytest.approx([300, 420, 460, 580], abs=1.5)
    drag(room, at(room, 380, 420), at(room, 430, 470))
    (left, top), (right, bottom) = regions(room)[0]["points"]
    assert [left, top, right, bottom] == pytest.approx([350, 470, 510, 630], abs=2)
    room.keyboard.press("Control+z")
    assert regions(room)[0]["points"][0] == pytest.approx([300, 420], abs=1.5)


@pytest.mark.long
def test_a_click_draws_nothing_and_escape_puts_the_tool_down(room):
    room.keyboard.press("b")
    room.mouse.click(*at(room, 400, 400))
    assert regions(room) == []
    room.locator("[data-stage]").focus()
    room.keyboard.press("Escape")
    expect(room.locator("[data-stage]")).to_have_attribute("data-tool", "pan")


@pytest.mark.long
def test_regions_of_a_draft_are_shown_and_those_of_other_films_are_kept_unseen(room):
    own = room.locator("[data-viewer]").get_attribute("data-instance")
    stored = [
        {"id": "a", "instance": own, "kind": "box", "points": [[10, 10], [50, 60]], "finding": "effusion"},
        {"id": "b", "instance": "another", "kind": "length", "points": [[1, 1], [2, 2]], "finding": ""},
    ]
    room.evaluate(CHANGES)
    room.evaluate(SET, stored)
    expect(room.locator("[data-region-list] button")).to_have_count(1)
    expect(room.get_by_role("button", name="Region 1: box, effusion")).to_be_visible()
    assert regions(room) == stored and room.evaluate("() => window.changes") == []
    room.keyboard.press("Control+z")
    assert regions(room) == stored


@pytest.mark.long
def test_while_another_reader_has_the_case_what_is_drawn_is_shown_and_stays(page_as, sent):
    address = sent("regions.png", seed=700)
    page = page_as("clinician")
    page.route(re.compile(rf".*{address}$"), shows_regions)
    page.goto(address)
    own = ready(page).locator("[data-viewer]").get_attribute("data-instance")
    stored = [{"id": "a", "instance": own, "kind": "box", "points": [[300, 420], [520, 610]], "finding": ""}]
    page.evaluate(CHANGES)
    page.evaluate(SET, stored)
    drag(page, at(page, 400, 420), at(page, 440, 470))
    page.get_by_role("button", name="Region 1: box").focus()
    for key in ("ArrowRight", "Delete", "k", "k", "Control+z"):
        page.keyboard.press(key)
    assert regions(page) == stored and page.evaluate("() => window.changes") == []
    expect(page.locator(".drawing__line")).to_have_count(1)


@pytest.mark.long
def test_a_second_finger_turns_a_beginning_line_into_a_zoom(page_as, sent):
    address = sent("regions.png", seed=700)
    page = page_as("clinician", width=390)
    page.route(re.compile(rf".*{address}$"), draws_regions)
    page.goto(address)
    ready(page).locator("[data-stage]").scroll_into_view_if_needed()
    page.evaluate(DO, "box")
    x, y = at(page, 448, 512)
    touches = page.context.new_cdp_session(page)
    touch(touches, "touchStart", (x - 40, y))
    touch(touches, "touchMove", (x - 20, y + 20))
    touch(touches, "touchStart", (x - 20, y + 20), (x + 40, y))
    touch(touches, "touchEnd")
    painted(page)
    assert regions(page) == []
    page.evaluate(DO, "box")
    touch(touches, "touchStart", (x - 40, y - 40))
    touch(touches, "touchMove", (x + 20, y + 20))
    touch(touches, "touchEnd")
    expect(page.locator("[data-region-list] button")).to_have_count(1)


def touch(session: Any, kind: str, *points: tuple[float, float]) -> None:
    places = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


# --- lengths ---

LENGTHS = {
    "px": {"name": "plain.png", "seed": 701},
    "mm at detector, not corrected": {"name": "detector.dcm", "seed": 702, "ImagerPixelSpacing": [0.2, 0.2]},
    "mm, calibrated": {
        "name": "calibrated.dcm", "seed": 703, "ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.1],
        "PixelSpacingCalibrationType": "FIDUCIAL",
    },
}  # fmt: skip
# Of a line 100 pixels across and 200 down, by what a pixel measures along a row and along a column.
MEASURED = {"px": 223.6, "mm at detector, not corrected": 44.7, "mm, calibrated": 41.2}


@pytest.mark.parametrize("words", LENGTHS)
def test_a_length_says_what_it_is(page_as, sent, words):
    page = page_as("clinician")
    page.goto(sent(**LENGTHS[words]))
    length = draw(ready(page), "k", (300, 400), (400, 600))
    assert length["kind"] == "length"
    said = page.locator(".drawing__words").text_content()
    number, unit = said.split(" ", 1)
    assert unit == words
    assert float(number) == pytest.approx(MEASURED[words], rel=0.01)
    expect(page.get_by_role("button", name=f"Region 1: length, {said}")).to_be_visible()


@pytest.mark.long
def test_the_words_of_a_length_at_the_edge_are_whole(page_as, sent):
    page = page_as("clinician")
    page.goto(sent(**LENGTHS["mm at detector, not corrected"]))
    ready(page).keyboard.press("1")
    length = draw(page, "k", (880, 400), (894, 500))
    page.locator("[data-stage]").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    painted(page)
    words, frame = page.locator(".drawing__words").bounding_box(), page.locator("[data-stage]").bounding_box()
    assert words["x"] + words["width"] <= frame["x"] + frame["width"] + 4 and length["kind"] == "length"


@pytest.mark.long
def test_where_no_read_is_made_only_lengths_are_drawn(page_as, sent):
    page = page_as("clinician")
    page.goto(sent(**LENGTHS["px"]))
    ready(page).keyboard.press("b")
    drag(page, at(page, 300, 400), at(page, 400, 500))
    assert regions(page) == []
    expect(page.locator("[data-stage]")).to_have_attribute("data-tool", "pan")


# --- two-up ---


@pytest.fixture
def compared(page_as, sent, site, films) -> Page:
    """A film of another size and window than its prior's, with that prior beside it."""
    current, prior = sent("current.png", seed=710), sent("prior.dcm", seed=711, width=1024, height=896)
    if "patient" not in films:
        code = SAME_PATIENT.format(current=current.split("/")[2], prior=prior.split("/")[2])
        films["patient"] = site.shell(code).strip()
    page = page_as("clinician")
    page.goto(current)
    ready(page).keyboard.press("y")
    expect(page.locator("[data-prior] [data-stage]")).to_have_attribute("data-ready", "true")
    return page


def assert_together(page: Page) -> None:
    painted(page)
    painted(page)
    current, prior = page.evaluate(PLACEMENTS)
    assert prior == pytest.approx(current, abs=0.004)


@pytest.mark.long
def test_a_prior_stands_beside_the_film_under_its_own_name(compared):
    frame = compared.get_by_role("group", name="Prior film")
    expect(frame.get_by_text("PRIOR", exact=True)).to_be_visible()
    expect(frame).to_contain_text("2025-01-01 00:15, as sent · 426 days before")
    expect(compared.locator(".prior__current")).to_have_text("CURRENT · 2026-03-03, as sent")
    stage_box, prior_box = compared.locator(".viewer__stage").bounding_box(), frame.bounding_box()
    assert stage_box["x"] + stage_box["width"] <= prior_box["x"] + 1
    expect(compared.locator("[data-do=compare]").first).to_have_attribute("aria-pressed", "true")


def test_zoom_place_and_window_of_both_films_go_together(compared):
    assert_together(compared)
    for act in (
        lambda: compared.keyboard.press("+"),
        lambda: drag(compared, at(compared, 448, 512), at(compared, 420, 560)),
        lambda: compared.keyboard.press("]"),
        lambda: compared.keyboard.press("{"),
        lambda: compared.keyboard.press("i"),
        lambda: compared.set_viewport_size({"width": 1200, "height": 800}),
        lambda: compared.keyboard.press("r"),
    ):
        act()
        assert_together(compared)


@pytest.mark.long
def test_the_prior_leads_as_well(compared):
    box = compared.locator("[data-prior] [data-stage]").bounding_box()
    compared.mouse.move(box["x"] + 100, box["y"] + 100)
    compared.mouse.wheel(0, -300)
    drag(compared, (box["x"] + 100, box["y"] + 100), (box["x"] + 130, box["y"] + 90))
    assert_together(compared)
    current, _ = compared.evaluate(PLACEMENTS)
    assert current[0] > 1.2


@pytest.mark.long
def test_unlocked_each_film_goes_its_own_way_and_locked_they_meet_again(compared):
    lock = compared.get_by_role("button", name="Synchronised")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "false")
    compared.keyboard.press("+")
    painted(compared)
    current, prior = compared.evaluate(PLACEMENTS)
    assert current[0] > 1.1 and prior[0] == pytest.approx(1)
    lock.click()
    assert_together(compared)


@pytest.mark.long
def test_no_ai_output_is_shown_in_the_prior_and_the_heatmap_stays_on_its_own_film(compared):
    compared.keyboard.press("h")
    painted(compared)
    assert compared.locator("[data-prior] .viewer__heatmap").count() == 0
    assert not re.search(r"score|threshold|pattern|0\.\d\d", compared.locator("[data-prior]").inner_text())


@pytest.mark.long
def test_the_pane_closes_by_key_and_button_and_the_film_fits_again(compared):
    compared.get_by_role("button", name="Close the prior film").click()
    expect(compared.locator("[data-prior]")).to_have_count(0)
    compared.keyboard.press("y")
    expect(compared.locator("[data-prior]")).to_be_visible()
    compared.keyboard.press("y")
    expect(compared.locator("[data-prior]")).to_have_count(0)
    expect(compared.locator(".prior__current")).to_have_count(0)


@pytest.mark.long
def test_on_a_telephone_the_prior_stands_below(page_as, compared):
    page = page_as("clinician", width=390)
    page.goto(compared.url)
    ready(page).evaluate(DO, "compare")
    expect(page.locator("[data-prior] [data-stage]")).to_have_attribute("data-ready", "true")
    current, prior = (
        page.locator(".viewer__stage").bounding_box(),
        page.locator("[data-prior]").bounding_box(),
    )
    assert current["y"] + current["height"] <= prior["y"] + 1
    assert min(current["height"], prior["height"]) > 180
    assert_together(page)


@pytest.mark.long
def test_a_film_without_a_patient_says_that_it_has_no_prior(page_as, sent):
    page = page_as("clinician")
    page.goto(sent(**LENGTHS["px"]))
    ready(page).keyboard.press("y")
    expect(page.locator("[data-told]")).to_have_text(
        "This study has no patient, so no prior film can be shown."
    )


@pytest.mark.long
def test_a_conflict_that_opens_takes_the_priors_away(compared, site, sent, films):
    sent(**LENGTHS["px"])
    site.shell(OPEN_CONFLICT.format(patient=films["patient"]))
    # The page was loaded before; its list of priors is asked for anew.
    compared.keyboard.press("y")
    compared.keyboard.press("y")
    expect(compared.locator("[data-told]")).to_have_text(
        "No prior film of this patient is stored here that you may see."
    )
    expect(compared.locator("[data-prior]")).to_have_count(0)
    films.pop("patient")
