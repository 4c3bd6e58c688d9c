"""axe on every page, in both themes, on a desk and on a telephone; no sideways scrolling; Tab reaches everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import xrays, zips
from tests.browser import disputes, hands, stage
from tests.sites import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

AXE = Axe()
VIOLATIONS = """async (options) => (await axe.run(document, options)).violations.map(
  ({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 120))])"""
SIZES = ({"width": 1440, "height": 900}, {"width": 390, "height": 844})
# axe would fetch style sheets again, by addresses that it resolves wrongly.
ALL_RULES = {"resultTypes": ["violations"], "preload": False}
# The themes differ in colours alone.
COLOURS = {**ALL_RULES, "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# What another width changes: what scrolls, what is hidden and named, how large it is.
WIDTHS = [
    "target-size",
    "scrollable-region-focusable",
    "button-name",
    "link-name",
    "label",
    "aria-hidden-focus",
]
LAYOUT = {**ALL_RULES, "runOnly": {"type": "rule", "values": WIDTHS}}
OTHER_VERSION = """() => {
  const { sitting } = document.getElementById("case").room;
  const other = { answer: "normal", findings: ["nodule"], comment: "A nodule?", saved_at: "2026-03-03T14:32:00Z" };
  sitting.draft.conflict({ ...sitting.opinion, ...other, version: sitting.draft.version + 1 });
}"""
NOWHERE = "00000000-0000-4000-8000-000000000000"


def nothing(page: Page) -> None:
    pass


def ready(page: Page) -> None:
    expect(page.locator("[data-viewer]")).to_have_attribute("data-ready", "true")


def heatmap(page: Page) -> None:
    ready(page)
    page.click("[data-do=heatmap]")


def details(page: Page) -> None:
    ready(page)
    for summary in page.locator("aside summary").all():
        summary.click()


def keys(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_be_visible()


def menu(page: Page) -> None:
    page.click("details.menu summary")


def refused(page: Page) -> None:
    page.fill("[name=username]", "clinician")
    page.fill("[name=password]", "wrong")
    page.click("main button[type=submit]")
    expect(page.get_by_role("alert")).to_be_visible()


def locked(page: Page) -> None:
    for _ in range(5):
        page.fill("[name=username]", "somebody")
        page.fill("[name=password]", "wrong")
        page.click("main button[type=submit]")
        expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("Too many wrong passwords.")).to_be_visible()


def outcomes(page: Page) -> None:
    bad = {"name": "small.png", "mimeType": "", "buffer": xrays.png(xrays.film(width=180, height=160))}
    table = {"name": "patients.csv", "mimeType": "text/csv", "buffer": b"file,patient\na.png,17\nz.png,18\n"}
    page.set_input_files("#table", table)
    inside = [("x/in.png", stage.picture("in.png", seed=702)["buffer"]), ("x/letter.txt", b"hello")]
    archive = {"name": "films.zip", "mimeType": "", "buffer": zips.zipped(inside)}
    page.set_input_files(
        "input[type=file]", [stage.picture("a.png", seed=700), bad, archive, stage.picture("b.dcm", seed=701)]
    )
    expect(page.locator("[data-open]:not([hidden])")).to_have_count(3, timeout=60_000)
    expect(page.locator("[data-sent] .tone--waiting")).to_have_count(0, timeout=60_000)


def ask_anyway(page: Page) -> None:
    ready(page)
    page.locator(".anyway summary").click()


def check(page: Page) -> None:
    ready(page)
    page.get_by_label("Record or accession number").fill("BROWSER-1")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#check-answer")).to_contain_text("Match.")
    expect(page.get_by_label("Record or accession number")).to_have_value("")


def find(page: Page, number: str) -> None:
    page.get_by_label("Find by record or accession number").fill(number)
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/studies/search/")


def ask_to_withdraw(page: Page) -> None:
    ready(page)
    page.get_by_role("link", name="Withdraw").click()
    expect(page.locator("dialog[open]")).to_be_visible()


def disagree(page: Page) -> None:
    ready(page)
    page.locator("#disagree summary").click()


def disagree_in_a_word(page: Page) -> None:
    """The page that keeps what was typed and says what it lacks."""
    disagree(page)
    page.locator("#disagree form").evaluate("(form) => { form.noValidate = true; }")
    page.locator("#disagree textarea").fill("no")
    page.get_by_role("button", name="Put it on the reading list").click()
    expect(page.get_by_role("alert")).to_be_visible()


def batch(page: Page) -> None:
    outcomes(page)
    page.click("[data-batch-link]")
    page.wait_for_url("**/batches/*/")


def link(page: Page) -> None:
    """The page that shows the link of the newcomer."""
    page.get_by_role("link", name="newcomer").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("button", name="Copy")).to_be_visible()


def first(page: Page) -> None:
    page.locator(".item__title").first.click()
    expect(page.get_by_role("heading", name="What was done")).to_be_visible()


def danger(page: Page) -> None:
    page.get_by_role("link", name="newcomer").click()
    page.locator(".danger summary").click()


def worked_out(page: Page) -> None:
    """With all that is folded away."""
    expect(page.locator(".agreement")).to_be_visible()
    for summary in page.locator(".agreement summary").all():
        summary.click()


def change_term(page: Page) -> None:
    page.locator(".term summary").first.click()


def token(page: Page) -> None:
    page.fill("[name=name]", "PACS bridge")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_text("copy this token now")).to_be_visible()


def answers(page: Page) -> None:
    for summary in page.locator("main summary").all()[:3]:
        summary.click()


def at_case(page: Page) -> None:
    expect(page.locator("#case[data-displayed=true]")).to_be_attached()


def drawn(page: Page) -> None:
    at_case(page)
    ready(page)
    hands.draw(page)


def compared(page: Page) -> None:
    at_case(page)
    ready(page)
    hands.compare(page)


def cannot(page: Page) -> None:
    at_case(page)
    page.keyboard.press("5")
    page.keyboard.press("Enter")


def no_reason(page: Page) -> None:
    at_case(page)
    page.keyboard.press("3")
    page.keyboard.press("Enter")


def all_keys(page: Page) -> None:
    at_case(page)
    keys(page)


def two_versions(page: Page) -> None:
    """What the dialog shows when another window has saved something else."""
    at_case(page)
    page.keyboard.press("1")
    page.evaluate(OTHER_VERSION)
    expect(page.locator("#merge")).to_be_visible()


def choose(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".bulk__n")).to_have_text("1 chosen")


def ask_to_take_off(page: Page) -> None:
    choose(page)
    page.get_by_role("button", name="Take off the list").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def look_at_a_version(page: Page) -> None:
    page.get_by_label("Random cases, in %").fill("35")
    page.get_by_label("Reason for the change").fill("More of them for agreement")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("button", name="Make this version")).to_be_visible()
    # The page has scrolled to it: what the bar covers half is no small target.
    page.evaluate("() => scrollTo(0, 0)")


def refused_version(page: Page) -> None:
    page.get_by_label("Random cases, in %").fill("350")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("alert")).to_be_visible()


def label_history(page: Page) -> None:
    ready(page)
    page.get_by_text("Labels held before").click()


PAGES: dict[str, tuple[str | None, str, Callable[[Page], None]]] = {
    "sign-in": (None, "/sign-in/", nothing),
    "sign-in refused": (None, "/sign-in/", refused),
    "not let in: locked": (None, "/sign-in/", locked),
    "acknowledgement": ("clinician", "/acknowledgement/", nothing),
    "upload": ("clinician", "/uploads/", nothing),
    "upload with outcomes": ("clinician", "/uploads/", outcomes),
    "batch": ("clinician", "/uploads/", batch),
    "list": ("clinician", "/studies/", nothing),
    "list with menu": ("clinician", "/studies/", menu),
    "list with keys": ("clinician", "/studies/", keys),
    "list, no match": ("clinician", "/studies/?search=nothing", nothing),
    "list, wrong filter": ("clinician", "/studies/?show=nonsense", nothing),
    "study above": ("clinician", "above", ready),
    "study with heatmap": ("clinician", "above", heatmap),
    "study with keys": ("clinician", "above", keys),
    "study with details": ("clinician", "above", details),
    "study uncertain": ("clinician", "uncertain", ready),
    "study below": ("clinician", "below", ready),
    "study with windows": ("clinician", "windows", ready),
    "study failed": ("clinician", "failed", ready),
    "study with text in the image": ("clinician", "text", ready),
    "study with text that can be cleared": ("administrator", "text", ready),
    "study not assessed": ("clinician", "left out", ready),
    "study not assessed, asked about": ("radiologist", "left out", ask_anyway),
    "study analysed on request": ("radiologist", "on request", ready),
    "study hidden from its reader": ("radiologist", "unread", ready),
    "list of a reader": ("radiologist", "/studies/", nothing),
    "print hidden from its reader": ("radiologist", "unread print", nothing),
    "batch hidden from its reader": ("radiologist", "unread batch", nothing),
    "print": ("clinician", "above print", nothing),
    "print below": ("clinician", "below print", nothing),
    "study to disagree with": ("clinician", "own", disagree),
    "study that somebody disagrees with": ("clinician", "disagreed", ready),
    "not enough to disagree with": ("clinician", "own", disagree_in_a_word),
    "answers": ("clinician", "answered", nothing),
    "answers of all teams": ("administrator", "answered", nothing),
    "study with a reader's answer": ("administrator", "answered study", ready),
    "print with a reader's answer": ("clinician", "answered print", nothing),
    "answers, one opened": ("clinician", "/answers/", nothing),
    "tokens": ("clinician", "/tokens/", nothing),
    "token made": ("clinician", "/tokens/", token),
    "api": ("clinician", "/api/docs/", answers),
    "system": ("administrator", "/system/", nothing),
    "patient checked": ("clinician", "own", check),
    "withdrawal asked for": ("clinician", "own", ask_to_withdraw),
    "withdrawal": ("clinician", "own withdrawal", nothing),
    "another patient": ("clinician", "own patient", nothing),
    "withdrawn study": ("clinician", "withdrawn", nothing),
    "found by number": ("clinician", "/studies/", lambda page: find(page, "BROWSER-1")),
    "identity": ("administrator", "to settle", nothing),
    "withdrawn studies": ("administrator", "/identity/withdrawn/", nothing),
    "forgotten": (None, "/forgotten/", nothing),
    "link that is over": (None, "/password-link/?user=1&token=x", nothing),
    "account": ("clinician", "/account/", nothing),
    "password": ("clinician", "/account/password/", nothing),
    "notices": ("clinician", "/notices/", nothing),
    "no notices": ("radiologist", "/notices/", nothing),
    "users": ("administrator", "/users/", nothing),
    "new user": ("administrator", "/users/new/", nothing),
    "user": ("administrator", "/users/", danger),
    "link for a user": ("administrator", "/users/", link),
    "teams": ("administrator", "/teams/", nothing),
    "team": ("administrator", "/teams/", first),
    "reads": ("administrator", "/reads/", nothing),
    "reads, none": ("clinician", "/reads/?answer=normal&since=2020-01-01&until=2020-01-02", nothing),
    "reads, wrong filter": ("administrator", "/reads/?answer=nonsense", nothing),
    "read": ("administrator", "read", nothing),
    "finding terms": ("administrator", "/finding-terms/", change_term),
    "reading": ("radiologist", "case", at_case),
    "reading, drawn and named": ("radiologist", "case", drawn),
    "reading, beside a prior": ("radiologist", "case", compared),
    "reading, cannot assess": ("radiologist", "case", cannot),
    "reading with keys": ("radiologist", "case", all_keys),
    "reading, two versions": ("radiologist", "case", two_versions),
    "reading, held by another": ("radiologist", "held case", at_case),
    "reading, film gone": ("radiologist", "lost case", at_case),
    "AI's answer after a read": ("radiologist", "revelation", heatmap),
    "AI's answer after a read, keys": ("radiologist", "revelation", keys),
    "AI's answer, not asked for": ("radiologist", "unrevealed", nothing),
    "reading, a revision": ("radiologist", "revised case", at_case),
    "reading keys": ("radiologist", "/account/reading-keys/", nothing),
    "worklist of a reader": ("radiologist", "worklist", nothing),
    "worklist of an administrator": ("administrator", "worklist", choose),
    "worklist, keys": ("radiologist", "worklist", keys),
    "worklist, no match": ("radiologist", "/worklist/?search=nothing", nothing),
    "worklist, taking off": ("administrator", "worklist", ask_to_take_off),
    "agreement": ("administrator", "compared", worked_out),
    "agreement, ordered": ("administrator", "compared in order", worked_out),
    "agreement, no read": ("administrator", "/agreement/?until=2020-01-01", worked_out),
    "protocols": ("administrator", "/protocols/", nothing),
    "protocol": ("administrator", "protocol", nothing),
    "protocol, looked at": ("administrator", "protocol", look_at_a_version),
    "protocol, refused": ("administrator", "protocol", refused_version),
    "new cohort": ("administrator", "/protocols/new/", nothing),
    "rule of a cohort": ("administrator", "protocol rule", nothing),
    "study with a label that is disputed": ("administrator", "disputed study", label_history),
    "adjudications": ("adjudicator", "/adjudications/", nothing),
    "adjudications of an administrator": ("administrator", "disputes", nothing),
    "adjudications, others settle": ("radiologist", "disputes", nothing),
    "adjudication": ("adjudicator", "dispute", at_case),
    "adjudication without a reason": ("adjudicator", "dispute", no_reason),
    "adjudication, settled": ("adjudicator", "settled dispute", nothing),
    "not for its reader to settle": ("adjudicator", "own dispute", nothing),
    "suspected labels": ("administrator", "suspected", nothing),
    "not allowed": ("clinician", "/system/", nothing),
    "not found": ("clinician", f"/studies/{NOWHERE}/", nothing),
}


@pytest.fixture(scope="package")
def addresses(filled, browser, cookies, newcomer) -> dict[str, str]:
    """Where a study of each state is; people, teams and notices are there too."""
    stage.people(filled)
    with browser.new_context(base_url=filled.url) as context:
        context.add_cookies(cookies("clinician"))
        page = context.new_page()
        known = {finding: stage.study(filled, finding) for finding in ("above", "uncertain", "below")}
        known |= {f"{finding} print": f"{address}print/" for finding, address in known.items()}
        known["text"] = stage.sent(page, stage.picture_with_text(711))
        known["windows"] = stage.sent(page, stage.picture("windows.dcm", seed=710, **stage.WINDOWS))
        known["left out"] = stage.left_out_study(filled, page)
        known["on request"] = stage.asked_study(filled, page)
        known["unread"] = stage.sent(page, stage.picture("unread.png", seed=712))
        known |= {
            "unread print": f"{known['unread']}print/",
            "unread batch": stage.own_batch_of_reader(filled, page),
        }
        known["read"] = stage.read(filled, page)
        known["case"] = f"/cases/{stage.case_with_a_prior(page)}/"
        known["held case"] = f"/cases/{stage.held_case(filled, page)}/"
        known["lost case"] = f"/cases/{stage.lost_case(filled, page)}/"
        known["revelation"] = stage.revelation(filled, revised := stage.analysed(page))
        known["revised case"] = f"/cases/{revised}/"
        known["unrevealed"] = stage.revelation(filled, stage.cases(page, 1)[0], is_revealed=False)
        own, known["withdrawn"] = stage.own_study(page), stage.withdrawn_study(page)
        known["disagreed"] = stage.disagreed_study(page)
        known["answered study"] = stage.answered_study(filled, page)
        known["failed"] = stage.failed_study(filled, page)
    known["suspected"] = stage.suspected(filled)
    known |= {"answered": "/answers/", "answered print": f"{known['answered study']}print/"}
    known["compared"] = stage.compared(filled, "Agreement", n_readers=6)
    known["compared in order"] = f"{known['compared']}&scale=ordered"
    stage.to_settle(filled)
    pseudonym, cases = stage.cases_of_one_patient(filled, 4)
    stage.claimed_by_another(filled, cases[0])
    known["worklist"] = f"/worklist/?search={pseudonym}"
    known |= of_double_reading(filled)
    known |= {"own": own, "own withdrawal": f"{own}withdrawal/", "own patient": f"{own}patient/"}
    return {**known, "to settle": "/identity/"}


def of_double_reading(filled: Site) -> dict[str, str]:
    """Pages of protocols, and of cases on which readers differ."""
    protocol, disputed_study = stage.protocol_page(filled)
    disputes.adjudicator(filled)
    dispute, settled, read, _ = disputes.disputed(filled, 4)
    disputes.settled(filled, settled)
    disputes.read_by_all(filled, read)
    return {
        "protocol": protocol,
        "protocol rule": f"{protocol}rule/",
        "disputed study": disputed_study,
        "disputes": "/adjudications/",
        "dispute": f"/adjudications/{dispute}/",
        "settled dispute": f"/adjudications/{settled}/",
        "own dispute": f"/adjudications/{read}/",
    }


@pytest.fixture(scope="package")
def newcomer(site) -> str:
    site.passwords["newcomer"] = "a-long-enough-password"
    site.shell("from tests import factories; factories.UserFactory(username='newcomer')")
    return "newcomer"


def open_as(page_as: Any, role: str | None, **options: Any) -> Page:
    """axe styles what it measures, which the site's policy forbids; that policy is held by all other browser tests."""
    return page_as(role, bypass_csp=True, **options)


def require_accessible(page: Page, *, options: dict[str, Any]) -> None:
    # axe is half a megabyte: it goes into each page once.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.axe_script)
    assert page.evaluate(VIOLATIONS, options) == []


def require_no_sideways_scrolling(page: Page) -> None:
    widest = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth, visualViewport.width]")
    assert widest[0] <= widest[1] == widest[2], widest


def require_good(page: Page) -> None:
    """axe in both themes on a desk, what the width changes on a telephone, and no sideways scrolling on either."""
    desk, telephone = SIZES
    page.set_viewport_size(desk)
    show_theme(page, "dark")
    require_accessible(page, options=ALL_RULES)
    show_theme(page, "light")
    require_accessible(page, options=COLOURS)
    require_no_sideways_scrolling(page)
    page.set_viewport_size(telephone)
    require_accessible(page, options=LAYOUT)
    require_no_sideways_scrolling(page)


def show_theme(page: Page, theme: str) -> None:
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    page.wait_for_timeout(150)  # colours move over 0.12 s


def forgive_status(errors: list[str]) -> None:
    """Chromium logs every answer of 400 and above; on these pages it is the point."""
    errors[:] = [error for error in errors if "the server responded with a status of 4" not in error]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_both_themes_and_sizes(page_as, addresses, errors, name):
    role, address, prepare = PAGES[name]
    page = open_as(page_as, role)
    page.goto(addresses.get(address, address))
    prepare(page)
    require_good(page)
    if name.startswith("not "):
        forgive_status(errors)


@pytest.mark.parametrize(
    ("address", "words"), [("/studies/", "No studies yet"), ("/uploads/", "You are in no team yet")]
)
def test_the_pages_of_somebody_in_no_team_are_accessible(page_as, newcomer, address, words):
    page = open_as(page_as, newcomer)
    page.goto(address)
    expect(page.get_by_text(words, exact=False).first).to_be_visible()
    require_good(page)


def test_a_waiting_study_is_accessible(page_as, filled):
    page = open_as(page_as, "clinician")
    try:
        stage.waiting_study(filled, page)
        ready(page)
        expect(page.locator("#analysis")).to_contain_text("Not analysed yet.")
        require_good(page)
    finally:
        filled.resume("inference")


# Marks what can be operated, walks it by Tab, and says what was missed or not to be seen in focus.
INTERACTIVE = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
  .filter((e) => !e.disabled && e.type !== "hidden" && e.checkVisibility({ visibilityProperty: true })
    && !e.closest("dialog:not([open])"))
  .map((e, n) => { e.dataset.walk = String(n); return e.outerHTML.slice(0, 90); })"""
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const shown = (node, part) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(node, part);
    return outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  };
  const other = element.matches(".drop__input") ? shown(element.nextElementSibling) : shown(element, "::after");
  return { walk: element.dataset.walk, html: element.outerHTML.slice(0, 90), seen: shown(element) || other };
}"""


@pytest.mark.parametrize(
    "name",
    [
        "sign-in",
        "upload",
        "list",
        "study above",
        "print",
        "tokens",
        "system",
        "user",
        "notices",
        "worklist of an administrator",
    ],
)
def test_tab_reaches_everything_with_a_visible_focus(page_as, addresses, name):
    role, address, prepare = PAGES[name]
    page = open_as(page_as, role)
    page.goto(addresses.get(address, address))
    prepare(page)
    wanted = page.evaluate(INTERACTIVE)
    page.evaluate("() => document.activeElement?.blur()")
    reached: set[str] = set()
    for _ in range(len(wanted) + 30):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused:
            assert focused["seen"], f"no visible focus: {focused['html']}"
            reached.add(focused["walk"] or "")
    missed = [html for n, html in enumerate(wanted) if str(n) not in reached]
    assert missed == []
