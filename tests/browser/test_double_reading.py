"""Two radiologists read one film, blind and apart, and differ; a third settles it; the label stands with its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import disputes, hands, stage
from tests.sites import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

COHORT = "Double reading"
FIRST, SECOND, THIRD = READERS = ("double.first", "double.second", "double.third")
WHY = "The density is the edge of the breast: the lung markings go on behind it."
# Enter counts from here on (rule D11), by the page's own clock.
LOOKED = "() => (document.getElementById('case').room.sitting?.displayedMs ?? 0) > 1000"
# A team whose films are read by two, who have agreed on two films before; neither settles where they differ. Each
# reads in a session of one film: after it no other test's film opens.
SETUP = """
from diagnosis.models import Cohort, Protocol, Team, User
from diagnosis.services import sessions, worklist
from tests import factories
team = factories.TeamFactory(name="{cohort}")
factories.UserFactory(username="double.sender", team=team)
readers = [factories.UserFactory(username=name, role="radiologist") for name in {readers}]
for reader in readers[:2]:
    sessions.start(by=reader, n_wanted=1)
cohort = Cohort.objects.create(name="{cohort}")
cohort.teams.add(team)
protocol = Protocol.objects.create(cohort=cohort, n_readers=2, rule="adjudicated", hides_ai=True, hides_peers=True)
protocol.adjudicators.add(readers[2])
for answer in ("typical", "normal"):
    study = factories.StudyFactory(team=team)
    worklist.enter(study)
    for reader in readers[:2]:
        factories.ReadFactory(study=study, reader=reader, answer=answer)
    worklist.refresh(study)
"""


@pytest.fixture(scope="module")
def team(filled: Site) -> Site:
    """A sender, two readers and an adjudicator, and the protocol by which they work."""
    for name in ("double.sender", *READERS):
        filled.passwords[name] = disputes.PASSWORD
    filled.shell(SETUP.format(cohort=COHORT, readers=READERS))
    return filled


def looked(page: Page) -> Page:
    expect(page.locator("#case[data-displayed=true]")).to_be_attached()
    page.wait_for_function(LOOKED)
    return page


def sent_by_the_team(page_as: Any) -> str:
    film = stage.picture("double.png", seed=next(stage.UNSEEN))
    return stage.sent(page_as("double.sender"), film).split("/")[2]


def read_blind(page: Page, study: str, *keys: str, draws: bool = False) -> None:
    """A read by keyboard; nothing of the AI or of another reader is on the page."""
    page.goto(f"/cases/{study}/")
    looked(page)
    expect(page.get_by_text("AI result hidden until you submit your read.")).to_be_visible()
    expect(page.locator("[data-do=heatmap]")).to_have_count(0)
    expect(page.locator("#case")).not_to_contain_text("Reader A")
    if draws:
        hands.drag(page, "b", (0.05, 0), (0.2, 0.2))
        page.locator("[data-stage]").focus()
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Session finished: 1 of 1 films read.")).to_be_visible()


def told_of_it(page: Page) -> None:
    """By a notice, once both reads are final, and in the bar."""
    waiting = page.get_by_text("1 case waits for adjudication.")
    for _ in range(60):
        page.goto("/notices/")
        if waiting.count():
            break
        page.wait_for_timeout(1000)
    expect(waiting).to_be_visible()
    expect(page.get_by_role("link", name="Adjudications 1 waiting")).to_be_visible()
    page.get_by_role("button", name="Open: 1 case waits for adjudication.").click()
    page.wait_for_url("**/adjudications/")


def settle(page: Page, study: str) -> None:
    """With the reads side by side, by keyboard, and not without a reason."""
    page.goto("/adjudications/")
    page.locator(f"[data-study='{study}'] a").click()
    looked(page)
    reads = page.locator(".differing__one")
    expect(reads).to_have_count(2)
    expect(reads.filter(has_text="Typical")).to_contain_text(re.compile("Reader [AB]"))
    expect(reads.filter(has_text="Normal")).to_contain_text(re.compile("Reader [AB]"))
    expect(page.locator("#case")).not_to_contain_text(re.compile(r"R-\d"))
    layer_by_layer(page)
    page.locator("[data-stage]").focus()
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator("[data-hint]")).to_have_text("Say why: a verdict needs a reason.")
    expect(page.locator("[name=why]")).to_be_focused()
    page.keyboard.type(WHY)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="No case waits for your verdict")).to_be_visible()


def layer_by_layer(page: Page) -> None:
    """What the reader drew lies on the film, and can be hidden."""
    drawn = page.locator("g.other")
    expect(drawn).to_have_count(1)
    expect(drawn).not_to_have_class(re.compile("other--off"))
    page.get_by_role("checkbox", name="1 region").uncheck()
    expect(drawn).to_have_class(re.compile("other--off"))
    page.get_by_role("checkbox", name="1 region").check()
    expect(drawn).not_to_have_class(re.compile("other--off"))


def the_label_stands(page: Page, study: str) -> None:
    """With the reads that it rests on, as an administrator finds it."""
    page.goto("/adjudications/")
    settled = page.locator(f".settled[data-study='{study}']")
    expect(settled).to_contain_text("is held to be Non-COVID")
    expect(settled).to_contain_text(f"by rule adjudicated of {COHORT}, version 1")
    expect(settled).to_contain_text(re.compile(r"R-\d+: Typical"))
    expect(settled).to_contain_text(re.compile(r"R-\d+: Normal"))
    expect(settled).to_contain_text(re.compile(rf"Verdict of R-\d+: Normal, because “{re.escape(WHY)}”"))


def the_agreement_shows_it(page: Page) -> None:
    """Two of three films alike, by chance 4 of 9: kappa is (6/9 - 4/9) / (1 - 4/9) = 0.4. No verdict counts."""
    page.goto("/agreement/")
    page.get_by_label("Cohort").select_option(label=COHORT)
    page.get_by_role("button", name="Show", exact=True).click()
    pair = page.get_by_role("region", name="Table of pairs", exact=True).locator("tbody tr")
    expect(pair).to_have_count(1)
    expect(pair).to_contain_text(re.compile(r"R-\d+ and R-\d+"))
    expect(pair.locator(".forest__value")).to_have_text("0.40")
    expect(pair.locator("td").last).to_have_text("3")


def rows_of(site: Site, study: str) -> tuple[list[tuple], list[tuple]]:
    key = study.replace("-", "")
    reads = site.rows(
        f"SELECT kind, answer, status, is_blinded FROM diagnosis_read WHERE study_id = '{key}' ORDER BY created_at"
    )
    labels = site.rows(
        f"SELECT state, label FROM diagnosis_derivedlabel WHERE study_id = '{key}' ORDER BY at"
    )
    return reads, labels


def test_two_read_one_film_and_differ_and_a_third_settles_it(team, page_as):
    study = sent_by_the_team(page_as)
    stage._until_nothing_waits(team)
    read_blind(page_as(FIRST), study, "1", "8", draws=True)
    read_blind(page_as(SECOND), study, "4", "7")
    third = page_as(THIRD)
    told_of_it(third)
    settle(third, study)
    administrator = page_as("administrator")
    the_label_stands(administrator, study)
    the_agreement_shows_it(administrator)
    reads, labels = rows_of(team, study)
    assert reads == [
        ("first", "typical", "submitted", 1),
        ("first", "normal", "submitted", 1),
        ("verdict", "normal", "submitted", 1),
    ]
    assert labels == [("waiting", ""), ("disputed", ""), ("decided", "noncovid")]


def test_a_verdict_is_taken_back_by_a_key_and_nothing_that_was_written_is_lost(filled, page_as):
    judge = disputes.adjudicator(filled, name="double.judge", cohort="Taken back")
    [study] = disputes.disputed(filled, cohort="Taken back")
    page = page_as(judge)
    page.goto(f"/adjudications/{study}/")
    looked(page)
    page.keyboard.press("3")
    page.locator("[name=why]").fill("One lobe.")
    expect(page.locator("[data-status]")).to_have_text(re.compile(r"^saved "))
    page.reload()
    looked(page)
    expect(page.locator("[name=why]")).to_have_value("One lobe.")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No case waits for your verdict")).to_be_visible()
    page.keyboard.press("u")
    looked(page)
    expect(page.locator("[name=why]")).to_have_value("One lobe.")
    expect(page.locator("[name=answer]:checked")).to_have_value("atypical")
    expect(page.locator("[data-restored]")).to_contain_text("Your verdict is taken back.")
