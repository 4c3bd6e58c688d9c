"""Pictures of every page in both themes, on a desk and on a telephone, from a site of their own with synthetic films.

python -m tests.browser.screenshots --out FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import xrays, zips
from tests.browser import disputes, hands, stage
from tests.browser.chromium import launch, signed_in
from tests.browser.site import running_site
from tests.browser.test_accessibility import (
    OTHER_VERSION,
    label_history,
    look_at_a_version,
    refused_version,
)
from tests.sites import Site

TABLE = b"file,patient\nchest-pa.jpg,4711\nward-7.png,4712\nnight.png,4713\n"
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
WALL = {"wall": (3840, 2160)}
ROOM = {**SIZES, "room": (2560, 1440)}
READING_ROOM = {**SIZES, "wide": (2560, 1440)}
TWELVE = {"n_cases": 120, "n_readers": 12, "seed": 2}
THEMES = ("dark", "light")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="pages whose name begins with this")
    options = parser.parse_args(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    with running_site() as site, sync_playwright() as playwright:
        browser = launch(playwright)
        take_all(Camera(site, browser, out, only=options.only))
        browser.close()
    sys.stdout.write(f"{len(list(out.glob('*.png')))} pictures in {out}\n")
    return 0


class Camera:
    """Opens an address in every theme and size, as somebody, and takes a picture of it."""

    def __init__(self, site: Site, browser: Browser, out: Path, *, only: str = "") -> None:
        self.site, self.browser, self.out, self.only = site, browser, out, only
        self.cookies: dict[str, Any] = {}

    def take(self, name: str, address: str, *, role: str | None = "clinician", **options: Any) -> None:
        """`prepare(page)` acts on the page before the picture; `sizes` other than desk and phone; `full`: all of it."""
        prepare = options.get("prepare")
        if not name.startswith(self.only):
            return
        for theme, size, page in self.pages(role, options.get("sizes", SIZES)):
            page.goto(address)
            if prepare:
                prepare(page)
            page.wait_for_timeout(500)
            page.screenshot(
                path=self.out / f"{name}-{size}-{theme}.png",
                full_page=options.get("full", size == "phone" and not name.startswith(("list", "reading"))),
            )

    def pages(self, role: str | None, sizes: dict[str, tuple[int, int]]) -> Iterator[tuple[str, str, Page]]:
        for theme in THEMES:
            for size, (width, height) in sizes.items():
                with self.browser.new_context(
                    viewport={"width": width, "height": height},
                    base_url=self.site.url,
                    is_mobile=size == "phone",
                    has_touch=size == "phone",
                ) as context:
                    context.add_cookies([{"name": "theme", "value": theme, "url": self.site.url}])
                    context.add_cookies(self.cookies_of(role))
                    yield theme, size, context.new_page()

    def cookies_of(self, role: str | None) -> Any:
        if role and role not in self.cookies:
            self.cookies[role] = signed_in(self.browser, self.site.url, role, self.site.passwords[role])
        return self.cookies.get(role or "", [])


def take_all(camera: Camera) -> None:
    take_doors(camera)
    camera.take("list-empty", "/studies/")
    stage.fill(camera.site, 14)
    with camera.browser.new_context(base_url=camera.site.url) as context:
        context.add_cookies(camera.cookies_of("clinician"))
        page = context.new_page()
        take_studies(camera, page)
        take_states(camera, page)
        take_identity(camera, page)
        take_disagreement(camera, page)
        take_blinding(camera, page)
        take_reads(camera, page)
    take_reading(camera)
    take_revelations(camera)
    take_uploads(camera)
    take_lists(camera)
    take_programs(camera)
    camera.take("system", "/system/", role="administrator")
    take_people(camera)
    take_worklist(camera)
    take_agreement(camera)
    take_protocols(camera)
    take_adjudications(camera)
    camera.take("suspects-none", "/suspects/", role="administrator")
    stage.suspected(camera.site)
    camera.take("suspects", "/suspects/", role="administrator", sizes=READING_ROOM)
    camera.take("suspects-few", "/suspects/?n=2", role="administrator")
    camera.take("not-allowed", "/system/")
    camera.take("not-found", "/studies/00000000-0000-4000-8000-000000000000/")


def take_doors(camera: Camera) -> None:
    camera.take("sign-in", "/sign-in/", role=None)
    camera.take("sign-in-refused", "/sign-in/", role=None, prepare=refuse)
    camera.take("acknowledgement", "/acknowledgement/")


def take_people(camera: Camera) -> None:
    stage.people(camera.site)
    camera.take("people-forgotten", "/forgotten/", role=None)
    camera.take("people-link-over", "/password-link/?user=1&token=x", role=None)
    camera.take("people-account", "/account/")
    camera.take("people-password", "/account/password/", prepare=mistype)
    camera.take("people-notices", "/notices/")
    camera.take("people-no-notices", "/notices/", role="radiologist")
    camera.take("people-users", "/users/", role="administrator", sizes={**SIZES, **WALL})
    camera.take("people-new", "/users/new/", role="administrator")
    camera.take("people-user", "/users/", role="administrator", prepare=open_user)
    camera.take("people-link", "/users/", role="administrator", prepare=make_link)
    camera.take("people-set-password", "/users/", role="administrator", prepare=follow_link)
    camera.take("people-teams", "/teams/", role="administrator")
    camera.take(
        "people-team", "/teams/", role="administrator", prepare=lambda page: page.click(".item__title")
    )
    camera.take("people-locked", "/sign-in/", role=None, prepare=lock)


def mistype(page: Page) -> None:
    page.fill("[name=old_password]", "wrong")
    page.fill("[name=new_password1]", "short")
    page.fill("[name=new_password2]", "other")
    page.click("main button[type=submit]")


def open_user(page: Page) -> None:
    page.get_by_role("link", name="g.hopper").click()
    page.locator(".danger summary").click()


def make_link(page: Page) -> None:
    page.get_by_role("link", name="ada.lovelace").click()
    page.get_by_role("button", name="Make a link").click()


def follow_link(page: Page) -> None:
    make_link(page)
    page.goto(page.get_by_label("Link", exact=True).input_value())


def lock(page: Page) -> None:
    for _ in range(5):
        page.fill("[name=username]", "somebody")
        page.fill("[name=password]", "wrong")
        page.click("main button[type=submit]")
        page.get_by_role("alert").wait_for()


def take_programs(camera: Camera) -> None:
    camera.take("tokens", "/tokens/")
    camera.take("tokens-made", "/tokens/", prepare=make_token)
    camera.take("tokens-all", "/tokens/", role="administrator")
    camera.take("api", "/api/docs/", sizes={**SIZES, **WALL})
    camera.take("api-operation", "/api/docs/#studies_list", prepare=open_answers)


def take_studies(camera: Camera, page: Page) -> None:
    dicom = stage.sent(page, stage.picture("film.dcm", seed=300, **stage.WINDOWS))
    camera.take("study-dicom", dicom, prepare=is_ready, sizes={**SIZES, **WALL})
    for finding in ("above", "uncertain", "below"):
        camera.take(f"study-{finding}", stage.study(camera.site, finding), prepare=is_ready)
    suspect = stage.sent(page, stage.picture_with_text(310))
    camera.take("study-text", suspect, prepare=is_ready)
    camera.take("study-text-clearable", suspect, role="administrator", prepare=is_ready)
    above = stage.study(camera.site, "above")
    camera.take("study-heatmap", above, prepare=with_heatmap, sizes={**SIZES, **WALL})
    camera.take("study-keys", above, prepare=with_keys)
    camera.take("study-more", above, prepare=with_details)
    camera.take("print", f"{above}print/")
    camera.take("print-below", f"{stage.study(camera.site, 'below')}print/")


def take_states(camera: Camera, page: Page) -> None:
    camera.take("study-failed", stage.failed_study(camera.site, page), prepare=is_ready)
    left_out = stage.left_out_study(camera.site, page)
    camera.take("study-not-assessed", left_out, prepare=is_ready)
    camera.take("study-assess-anyway", left_out, role="radiologist", prepare=ask_anyway)
    asked = stage.asked_study(camera.site, page)
    camera.take("study-on-request", asked, role="radiologist", prepare=is_ready)
    camera.take("print-on-request", f"{asked}print/")
    waiting = stage.waiting_study(camera.site, page)
    camera.take("study-waiting", waiting, prepare=is_ready)
    camera.site.resume("inference")


def take_blinding(camera: Camera, page: Page) -> None:
    """What a reader sees in place of the AI's answer until their own read."""
    unread = stage.sent(page, stage.picture("unread.png", seed=375))
    camera.take("blinded-study", unread, role="radiologist", prepare=is_ready)
    camera.take("blinded-list", "/studies/", role="radiologist")
    camera.take("blinded-no-match", "/studies/?show=above&search=0000", role="radiologist")
    camera.take("blinded-print", f"{unread}print/", role="radiologist")
    batch = stage.own_batch_of_reader(camera.site, page)
    camera.take("blinded-batch", batch, role="radiologist")


def take_identity(camera: Camera, page: Page) -> None:
    """Numbers checked and found, a study moved and withdrawn, and what administrators settle."""
    camera.take("identity-empty", "/identity/", role="administrator")
    camera.take("identity-none-withdrawn", "/identity/withdrawn/", role="administrator")
    own = stage.own_study(page)
    camera.take("identity-match", own, prepare=lambda page: check(page, "BROWSER-1"))
    camera.take("identity-no-match", own, prepare=lambda page: check(page, "BROWSER-2"))
    camera.take("identity-withdraw", own, prepare=ask_to_withdraw)
    camera.take("identity-move", f"{own}patient/")
    nobody = stage.sent(page, stage.picture("nobody.png", seed=350))
    camera.take("identity-nobody", nobody, prepare=is_ready)
    camera.take(
        "identity-add", f"{nobody}patient/", prepare=lambda page: page.click("main button[type=submit]")
    )
    camera.take("identity-found", "/studies/", prepare=lambda page: find(page, "BROWSER-1"))
    camera.take("identity-not-found", "/studies/", prepare=lambda page: find(page, "BROWSER-9"))
    camera.take("identity-withdrawn-study", stage.withdrawn_study(page))
    stage.to_settle(camera.site)
    camera.take("identity-to-settle", "/identity/", role="administrator")
    camera.take("identity-withdrawn", "/identity/withdrawn/", role="administrator")


def take_reads(camera: Camera, page: Page) -> None:
    """What was read, what was drawn, and the list of findings."""
    camera.take("reads-empty", "/reads/", role="radiologist")
    for seed in (371, 372):
        stage.read(camera.site, page, seed=seed)
    read = stage.read(camera.site, page)
    camera.take("reads-all", "/reads/?status=every", role="administrator", sizes={**SIZES, **WALL})
    camera.take("reads-own", "/reads/", role="radiologist")
    camera.take("reads-of-team", "/reads/")
    camera.take("reads-one", read, role="administrator", sizes={**SIZES, **WALL})
    camera.take(
        "reads-findings", "/finding-terms/", role="administrator",
        prepare=lambda page: page.locator(".term summary").first.click(),
    )  # fmt: skip


def take_protocols(camera: Camera) -> None:
    protocol, study = stage.protocol_page(camera.site)
    pages = {"list": "/protocols/", "one": protocol, "rule": f"{protocol}rule/", "new": "/protocols/new/"}
    for name, address in pages.items():
        camera.take(f"protocols-{name}", address, role="administrator")
    camera.take("protocols-looked-at", protocol, role="administrator", prepare=look_at_a_version)
    camera.take("protocols-refused", protocol, role="administrator", prepare=refused_version)
    camera.take("protocols-label", study, role="administrator", prepare=label_history)


def take_reading(camera: Camera) -> None:
    if not "reading".startswith(camera.only[:7]):
        return
    with camera.browser.new_context(base_url=camera.site.url) as context:
        context.add_cookies(camera.cookies_of("clinician"))
        page = context.new_page()
        compared = stage.case_with_a_prior(page, width=1600, height=1800, **stage.WINDOWS)
        cases = [compared, *stage.cases(page, 1)]
        held, lost = stage.held_case(camera.site, page), stage.lost_case(camera.site, page)
    for name, study, prepare in (
        ("", cases[0], with_answer),
        ("-drawn", cases[0], with_regions),
        ("-two-up", cases[0], with_a_prior),
        ("-cannot", cases[1], with_cannot),
        ("-keys", cases[0], with_all_keys),
        ("-merge", cases[0], with_two_versions),
        ("-next", cases[1], with_next),
        ("-held", held, at_case),
        ("-lost", lost, at_case),
    ):
        options = {"role": "radiologist", "prepare": prepare, "sizes": ROOM}
        camera.take(f"reading{name}", f"/cases/{study}/", **options)
    stage.nothing_left(camera.site, cases[1])
    camera.take("reading-over", f"/cases/{cases[1]}/", role="radiologist", prepare=skip, sizes=ROOM)
    camera.take("reading-own-keys", "/account/reading-keys/", role="radiologist")


def take_revelations(camera: Camera) -> None:
    """The AI's answer after one's own read: with each finding, without a result, asked for, and revised."""
    if not "revelation".startswith(camera.only[:10]):
        return
    options: dict[str, Any] = {"role": "radiologist", "sizes": ROOM}
    with camera.browser.new_context(base_url=camera.site.url) as context:
        context.add_cookies(camera.cookies_of("clinician"))
        page = context.new_page()
        unread, unasked = stage.analysed(page), stage.cases(page, 1)[0]
        failed = stage.failed_study(camera.site, page).split("/")[2]
    for finding in ("above", "uncertain", "below"):
        study = stage.study(camera.site, finding).split("/")[2]
        address = stage.revelation(camera.site, study)
        camera.take(f"revelation-{finding}", address, prepare=is_ready, **options)
        if finding == "above":
            camera.take("revelation-heatmap", address, prepare=with_heatmap, **options)
            camera.take("revelation-keys", address, prepare=with_keys, **options)
    without = stage.revelation(camera.site, failed, answer="typical")
    camera.take("revelation-failed", without, prepare=is_ready, **options)
    asked = stage.revelation(camera.site, unasked, is_revealed=False)
    camera.take("revelation-unasked", asked, role="radiologist")
    stage.revelation(camera.site, unread)
    camera.take("revelation-revision", f"/cases/{unread}/", prepare=at_case, **options)
    bar = {"role": "radiologist", "prepare": with_next, "sizes": ROOM}
    camera.take("revelation-offered", f"/cases/{unasked}/", **bar)


def at_case(page: Page) -> None:
    page.wait_for_selector("#case[data-displayed=true]")


def with_answer(page: Page) -> None:
    is_ready(page)
    for key in ("2", "7", "f", "Space"):
        page.keyboard.press(key)
    page.locator("[data-stage]").focus()
    page.wait_for_selector("[data-status][data-state=saved]:not(:empty)")


def with_regions(page: Page) -> None:
    is_ready(page)
    hands.draw(page)


def with_a_prior(page: Page) -> None:
    is_ready(page)
    hands.compare(page)


def with_cannot(page: Page) -> None:
    at_case(page)
    page.keyboard.press("5")


def with_all_keys(page: Page) -> None:
    at_case(page)
    page.keyboard.press("?")


def with_two_versions(page: Page) -> None:
    at_case(page)
    page.evaluate(OTHER_VERSION)


def with_next(page: Page) -> None:
    """The next case, with the bar that takes the last read back."""
    at_case(page)
    page.keyboard.press("4")
    page.wait_for_timeout(1100)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-undo-bar]")
    page.wait_for_selector("#case[data-displayed=true]")


def skip(page: Page) -> None:
    at_case(page)
    page.keyboard.press("n")
    page.wait_for_selector(".over")


def take_disagreement(camera: Camera, page: Page) -> None:
    """'I disagree' before and after it is said, what a reader answered, and the list of answers nobody has opened."""
    camera.take("disagree-no-answers", "/answers/")
    own = stage.sent(page, stage.picture("mine.png", seed=370))
    camera.take("disagree-say", own, prepare=say_so)
    camera.take("disagree-too-short", own, prepare=say_too_little)
    camera.take("disagree-said", stage.disagreed_study(page), prepare=is_ready)
    answered = [stage.answered_study(camera.site, page) for _ in range(2)]
    camera.take("disagree-answers", "/answers/")
    camera.take("disagree-answers-of-all", "/answers/", role="administrator")
    camera.take("disagree-answered", answered[0], prepare=at_answer)
    camera.take("disagree-answers-opened", "/answers/")
    camera.take("disagree-print", f"{answered[0]}print/")


def take_uploads(camera: Camera) -> None:
    camera.take("upload", "/uploads/")
    camera.take("upload-outcomes", "/uploads/", prepare=send_several)
    camera.take("batch", "/uploads/", prepare=open_batch)


def take_lists(camera: Camera) -> None:
    camera.take("list", "/studies/")
    camera.take("list-menu", "/studies/", prepare=lambda page: page.click("details.menu summary"))
    camera.take("list-keys", "/studies/", prepare=lambda page: page.keyboard.press("?"))
    camera.take("list-no-match", "/studies/?search=nothing")


def take_agreement(camera: Camera) -> None:
    """Four readers, twelve readers, nobody; and each way to compare."""
    four, twelve = (
        stage.compared(camera.site, "Four readers"),
        stage.compared(camera.site, "Twelve", **TWELVE),
    )
    admin: dict[str, Any] = {"role": "administrator", "prepare": worked_out, "full": True}
    camera.take("agreement", four, **admin, sizes={**SIZES, **WALL})
    camera.take("agreement-ordered", f"{four}&scale=ordered", **admin)
    camera.take("agreement-twelve", twelve, **admin)
    camera.take("agreement-none", f"{four}&until=2020-01-01", **admin)


def worked_out(page: Page) -> None:
    page.wait_for_selector(".agreement")


def take_worklist(camera: Camera) -> None:
    """Readers and administrators look at the same list with other eyes."""
    camera.take("worklist-empty", "/worklist/", role="radiologist")
    pseudonym, studies = stage.cases_of_one_patient(camera.site, 24, hours=3)
    for study in studies[1:6:2]:
        stage.claimed_by_another(camera.site, study)
    for study in studies[-2:]:
        stage.doubted(camera.site, study)
    camera.take("worklist", "/worklist/", role="radiologist", sizes=READING_ROOM)
    camera.take("worklist-kept", "/worklist/", role="administrator", sizes=READING_ROOM)
    camera.take("worklist-chosen", "/worklist/", role="administrator", prepare=ask_to_take_off)
    camera.take(
        "worklist-keys", "/worklist/", role="radiologist", prepare=lambda page: page.keyboard.press("?")
    )
    camera.take("worklist-no-match", "/worklist/?tier=2", role="radiologist")
    camera.take(
        "worklist-saved", f"/worklist/?search={pseudonym[:4]}", role="radiologist", prepare=save_filter
    )
    camera.take("worklist-session", "/worklist/", role="radiologist", prepare=begin_session)


def take_adjudications(camera: Camera) -> None:
    judge = disputes.adjudicator(camera.site)
    camera.take("adjudications-none", "/adjudications/", role=judge)
    camera.take("adjudications-others", "/adjudications/", role="radiologist")
    dispute, claimed, settled, read = disputes.disputed(camera.site, 4)
    disputes.opened_by_another(camera.site, claimed)
    disputes.settled(camera.site, settled)
    disputes.read_by_all(camera.site, read)
    camera.take("adjudications", "/adjudications/", role=judge, sizes=READING_ROOM)
    camera.take("adjudications-kept", "/adjudications/", role="administrator", sizes=READING_ROOM)
    shown = {"role": judge, "prepare": at_dispute}
    camera.take("adjudication", f"/adjudications/{dispute}/", sizes=READING_ROOM, **shown)
    camera.take("adjudication-held", f"/adjudications/{claimed}/", **shown)
    camera.take("adjudication-settled", f"/adjudications/{settled}/", role=judge)
    camera.take("adjudication-own", f"/adjudications/{read}/", role=judge)


def at_dispute(page: Page) -> None:
    page.locator("#case[data-displayed=true]").wait_for(state="attached")


def ask_to_take_off(page: Page) -> None:
    for key in "jxjjx":
        page.keyboard.press(key)
    page.get_by_role("button", name="Take off the list").click()
    page.get_by_role("dialog").wait_for()


def save_filter(page: Page) -> None:
    if page.get_by_text("Save these filters").count():
        page.get_by_text("Save these filters").click()
        page.get_by_placeholder("e.g. Night shift").fill("Night shift")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("Saved as").wait_for()
    else:
        page.locator(".saved__more").first.click()


def begin_session(page: Page) -> None:
    if page.get_by_role("button", name="Start").count():
        page.get_by_role("button", name="Start").click()
        page.wait_for_url("**/cases/*/")
        page.goto("/worklist/")


def check(page: Page, number: str) -> None:
    is_ready(page)
    page.get_by_label("Record or accession number").fill(number)
    page.get_by_role("button", name="Check", exact=True).click()
    page.locator("#check-answer .status").wait_for()


def find(page: Page, number: str) -> None:
    page.get_by_label("Find by record or accession number").fill(number)
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/studies/search/")


def ask_to_withdraw(page: Page) -> None:
    is_ready(page)
    page.get_by_role("link", name="Withdraw").click()


def make_token(page: Page) -> None:
    page.fill("[name=name]", "PACS bridge")
    page.get_by_role("button", name="Make token").click()
    page.wait_for_selector(".tokens__secret")


def open_answers(page: Page) -> None:
    page.locator("#studies_list summary").first.click()


def refuse(page: Page) -> None:
    page.fill("[name=username]", "clinician")
    page.fill("[name=password]", "wrong")
    page.click("main button[type=submit]")


def is_ready(page: Page) -> None:
    page.wait_for_selector("[data-viewer][data-ready=true]")


def say_so(page: Page) -> None:
    is_ready(page)
    page.locator("#disagree summary").click()
    page.locator("#disagree button").scroll_into_view_if_needed()


def say_too_little(page: Page) -> None:
    say_so(page)
    page.locator("#disagree form").evaluate("(form) => { form.noValidate = true; }")
    page.locator("#disagree textarea").fill("no")
    page.get_by_role("button", name="Put it on the reading list").click()
    page.get_by_role("alert").wait_for()


def at_answer(page: Page) -> None:
    is_ready(page)
    page.locator(".reads").scroll_into_view_if_needed()


def ask_anyway(page: Page) -> None:
    is_ready(page)
    page.locator(".anyway summary").click()


def with_heatmap(page: Page) -> None:
    is_ready(page)
    page.keyboard.press("h")


def with_keys(page: Page) -> None:
    is_ready(page)
    page.keyboard.press("?")


def with_details(page: Page) -> None:
    is_ready(page)
    for summary in page.locator("summary").all():
        if summary.locator("xpath=..").get_attribute("class") != "menu":
            summary.click()


def send_several(page: Page) -> None:
    """Three films and a ZIP, stored already after the first time, and three files that are refused."""
    bad = {
        "cut-off.jpg": xrays.jpeg()[:4000],
        "small.png": xrays.png(xrays.film(width=180, height=160)),
        "empty.png": b"",
    }
    files = [
        stage.picture(name, seed=600 + n)
        for n, name in enumerate(("chest-ap.dcm", "chest-pa.jpg", "ward-7.png"))
    ]
    files += [{"name": name, "mimeType": "image/png", "buffer": body} for name, body in bad.items()]
    inside = [("ward 3/", b""), ("ward 3/one.png", stage.picture("one.png", seed=610)["buffer"])]
    inside += [
        ("ward 3/two.jpg", stage.picture("two.jpg", seed=611)["buffer"]),
        ("ward 3/letter.txt", b"hello"),
    ]
    files.append({"name": "ward.zip", "mimeType": "application/zip", "buffer": zips.zipped(inside)})
    page.set_input_files("#table", {"name": "patients.csv", "mimeType": "text/csv", "buffer": TABLE})
    page.set_input_files("input[type=file]", files)
    expect(page.locator("[data-sent] .file")).to_have_count(10)
    expect(page.locator("[data-sent] .tone--waiting")).to_have_count(0, timeout=60_000)


def open_batch(page: Page) -> None:
    send_several(page)
    page.click("[data-batch-link]")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
