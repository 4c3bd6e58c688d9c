"""Real processes, killed for real: every film ends with exactly one result, none by hand."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.checkpoints import write_tiny_checkpoint
from tests.sites import ROOT, Site, wait_for
from tests.visitor import Visitor
from tests.xrays import film, png
from tests.zips import zipped

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes"), pytest.mark.timeout(300)]

SHIPPED = ROOT / "ml" / "weights" / "covidnet-d3.safetensors"
RESULTS = """
    select a.id, count(p.id) from diagnosis_analysis a
    left join diagnosis_prediction p on p.analysis_id = a.id group by a.id
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    checkpoint = SHIPPED
    if not checkpoint.exists():
        checkpoint = folder / "tiny.safetensors"
        write_tiny_checkpoint(checkpoint)
    # Batches as large as the drop, so that a kill hits all of it at once.
    made = Site(folder / "var", checkpoint=checkpoint, COVIDWEB_BATCH_SIZE="20")
    try:
        made.start()
        wait_for(lambda: len(made.rows("select 1 from diagnosis_worker")) == 3, what="three workers")
        yield made
    finally:
        made.end()


@pytest.fixture
def clinician(site: Site) -> Visitor:
    # The test before may have killed the web process: its last worker answers a moment longer, then nobody does.
    return wait_for(lambda: signed_in(site), what="somebody signs in")


def signed_in(site: Site) -> Visitor | None:
    try:
        return Visitor(site, "clinician")
    except OSError:
        return None


def statuses(site: Site) -> dict[str, int]:
    return dict(site.rows("select status, count(*) from diagnosis_analysis group by status"))


def all_have_one_result(site: Site, n: int) -> bool:
    counts = [count for _, count in site.rows(RESULTS)]
    return len(counts) == n and set(counts) == {1}


def n_analyses(site: Site) -> int:
    return int(site.rows("select count(*) from diagnosis_analysis")[0][0])


def films(first: int, n: int) -> list[bytes]:
    return [png(film(first + seed, width=512, height=576)) for seed in range(n)]


def test_killing_the_inference_worker_in_the_middle_of_a_batch_of_20_loses_and_doubles_nothing(
    site, clinician
):
    before = n_analyses(site)
    pid = site.pid("inference")
    # The worker is stopped while the batch gathers, so that it takes many films at once and dies with them in hand.
    os.kill(pid, signal.SIGSTOP)
    clinician.upload(*films(1000, 20))
    wait_for(lambda: statuses(site).get("queued", 0) == 20, what="20 queued films", within_s=60)
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: statuses(site).get("running", 0) >= 2, what="a batch in hand", within_s=90)
    os.kill(pid, signal.SIGKILL)
    assert statuses(site).get("running", 0) >= 2, "the batch was done before the kill"
    wait_for(lambda: all_have_one_result(site, before + 20), what="one result for each film", within_s=120)
    assert set(statuses(site)) == {"succeeded"}
    assert site.pid("inference") != pid
    assert site.rows("select max(attempt) from diagnosis_analysis")[0][0] == 2


def test_killing_the_intake_worker_loses_no_upload(site, clinician):
    before = n_analyses(site)
    clinician.upload(*films(2000, 6))
    site.kill("intake")
    wait_for(lambda: all_have_one_result(site, before + 6), what="one result for each film", within_s=90)


def unpacked_so_far(site: Site) -> int:
    return len(list((site.var / "quarantine").glob(".unpack-*/*")))


def test_killing_the_intake_worker_in_the_middle_of_a_zip_loses_and_doubles_nothing(site, clinician):
    before = n_analyses(site)
    # Large files that are no films slow the unpacking, so that the kill finds it in the middle.
    slow = [(f"slow-{n}.png", b"\x89PNG\r\n\x1a\n" + bytes(40_000_000)) for n in range(6)]
    inside = [*((f"{n}.png", one) for n, one in enumerate(films(2500, 4))), *slow]
    (answer,) = clinician.upload(zipped(inside))["uploads"]
    key = answer["id"].replace("-", "")
    wait_for(lambda: unpacked_so_far(site) >= 5, what="a ZIP half unpacked")
    site.kill("intake")
    in_zip = f"select status, count(*) from diagnosis_upload where parent_id = '{key}' group by status"
    assert site.rows(in_zip) == [], "the ZIP was done before the kill"
    wait_for(lambda: all_have_one_result(site, before + 4), what="one result for each film", within_s=90)
    done = {"accepted": 4, "refused": 6}
    wait_for(lambda: dict(site.rows(in_zip)) == done, what="one outcome for each file", within_s=60)
    assert site.rows(f"select status, attempt from diagnosis_upload where id = '{key}'") == [("accepted", 2)]
    moves = (
        "select count(*) from diagnosis_event where object_id in (select id from diagnosis_upload where {})"
    )
    assert site.rows(moves.format(f"parent_id = '{key}' or id = '{key}'")) == [(11,)]


def test_uploads_while_redis_is_down_are_accepted_at_once_and_analysed_when_it_is_back(site, clinician):
    before = n_analyses(site)
    site.supervisorctl("stop", "redis")
    started = time.monotonic()
    answer = clinician.upload(*films(3000, 3))
    took = time.monotonic() - started
    assert {upload["status"] for upload in answer["uploads"]} == {"received"}
    assert took < 20, "an upload must not wait for Redis"
    time.sleep(4)
    assert n_analyses(site) == before, "without Redis nobody should have been told yet"
    site.supervisorctl("start", "redis")
    wait_for(lambda: all_have_one_result(site, before + 3), what="one result for each film", within_s=60)


def test_redis_restarted_in_the_middle_of_uploads_changes_nothing(site, clinician):
    before = n_analyses(site)
    for seed in range(4):
        clinician.upload(*films(4000 + 10 * seed, 2))
        if seed == 1:
            site.supervisorctl("restart", "redis")
    wait_for(lambda: all_have_one_result(site, before + 8), what="one result for each film", within_s=90)


def test_an_upload_that_is_cut_off_leaves_no_row_and_no_file(site, clinician):
    rows = site.rows("select count(*) from diagnosis_upload")
    # A worker that a test before killed in the middle of a ZIP leaves its folder there until it is tidied.
    files = set((site.var / "quarantine").iterdir())
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in clinician.jar)
    body, kind = clinician._multipart({"csrfmiddlewaretoken": clinician._token()}, films(5000, 1))
    head = (
        f"POST /uploads/ HTTP/1.1\r\nHost: localhost:{site.port}\r\nCookie: {cookies}\r\nContent-Type: {kind}\r\n"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("localhost", site.port)) as connection:
        connection.sendall(head.encode() + body[: len(body) // 2])
        time.sleep(0.5)
    time.sleep(2)
    assert site.rows("select count(*) from diagnosis_upload") == rows
    assert set((site.var / "quarantine").iterdir()) == files
    assert "ok" in clinician.get("/health/")


def test_the_web_process_killed_after_an_answer_has_lost_nothing(site, clinician):
    before = n_analyses(site)
    clinician.upload(*films(6000, 2))
    killed = site.kill("web")
    wait_for(lambda: all_have_one_result(site, before + 2), what="one result for each film", within_s=90)
    wait_for(lambda: site.pid("web") not in {0, killed}, what="the web process again", within_s=90)
    wait_for(lambda: signed_in(site), what="somebody signs in", within_s=90)


def test_nothing_is_left_in_quarantine_or_half_made_once_it_was_tidied(site):
    tidy = "from datetime import timedelta; from diagnosis.services.intake import tidy; tidy(older_than=timedelta())"
    site.manage("shell", "-c", tidy)
    assert [path.name for path in (site.var / "quarantine").iterdir()] == []
    assert list((site.var / "media").glob(".new-*")) == []
    folders = {path.name for path in (site.var / "media").glob("??/*")}
    assert folders == {row[0] for row in site.rows("select id from diagnosis_instance")}
