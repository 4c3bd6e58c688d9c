"""Puts a running site into the states that pages have words for, by the same ways that people and workers take."""

from __future__ import annotations

import base64
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Page

from ml.phantom import phantom
from tests import xrays
from tests.sites import Site

WITHIN_S = 60
# What a film that offers several windows says of them.
WINDOWS = {
    "WindowCenter": [2000, 1800, 2200],
    "WindowWidth": [2000, 1000, 3000],
    "WindowCenterWidthExplanation": ["NORMAL", "HARDER", "SOFTER"],
}
UNSEEN = itertools.count(400)
# A film in a few has a heatmap; a dozen without one would be no chance.
TRIES = 12
# Only a broken worker makes this state, so its row is written as the sweeper writes it.
FAIL = """
from diagnosis.models import Instance
from tests.factories import AnalysisFactory
instance = Instance.objects.get(series__study="{study}")
AnalysisFactory(instance=instance, status="failed", error="worker lost")
"""
# One of each that administrators settle, as intake writes them.
TO_SETTLE = """
from diagnosis.models import Instance, User
from diagnosis.states import UploadStatus
from tests import factories
sender = User.objects.get(username="clinician")
team = sender.teams.get()
known = factories.PatientFactory(sex="M")
own = {"team": team, "uploaded_by": sender}
factories.StudyFactory(patient=known, sex="M", age_years=71, acquired_date="20260301", **own)
nobody = factories.StudyFactory(sex="F", age_years=44, acquired_date="20260302", acquired_time="001500", **own)
factories.IdentityConflictFactory(study=nobody, patient=known)
batch = factories.BatchFactory(by=sender, team=team)
stored = Instance.objects.filter(series__study__is_demo=True).order_by("pk").first()
factories.UploadFactory(batch=batch, status=UploadStatus.STOPPED, instance=stored, patient_key=known.key)
"""
# No synthetic film is turned away by a gate worth its name, so the row is written as a worker writes it.
LEAVE_OUT = """
from diagnosis.models import Analysis, Instance, Study
instance = Instance.objects.get(series__study="{study}")
Instance.objects.filter(pk=instance.pk).update(not_assessed="turned by 90°", gate_reason="rotated_90")
Analysis.objects.filter(instance=instance).delete()
Analysis.objects.create(instance=instance, status="not_assessed", error="turned by 90°")
"""
# Before that a reader is blind to the AI (rule D1).
HAS_READ = """
from datetime import timedelta
from django.utils import timezone
from diagnosis.models import Study, User
from diagnosis.services import claims, worklist
from tests import factories
reader, study = User.objects.get(username="radiologist"), Study.objects.get(pk="{study}")
claims.number_of(reader)
factories.ReadFactory(study=study, reader=reader, created_at=timezone.now() - timedelta(minutes=1))
worklist.refresh(study)
"""
# The newest batch of the clinician, as if the radiologist had sent it.
HAND_OVER_BATCH = """
from diagnosis.models import Batch, User
batch = Batch.objects.filter(by__username="clinician").latest("created_at")
Batch.objects.filter(pk=batch.pk).update(by=User.objects.get(username="radiologist"))
print(batch.pk)
"""
ASK_ANYWAY = """
from diagnosis.models import Instance, User
from diagnosis.services import assessment
instance = Instance.objects.get(series__study="{study}")
assessment.assess_anyway(instance, by=User.objects.get(username="radiologist"))
"""
# A read as a reader submits it, a minute ago, and what is told once it is final.
ANSWER = """
from datetime import timedelta
from django.utils import timezone
from diagnosis.models import ReviewRequest, Study, User
from diagnosis.services import claims, reviews
from tests import factories
reader = User.objects.get(username="radiologist")
claims.number_of(reader)
ago = timezone.now() - timedelta(minutes=1)
ReviewRequest.objects.filter(study="{study}").update(created_at=ago - timedelta(hours=1))
study = Study.objects.get(pk="{study}")
# Otherwise than the AI, whatever it made of this film.
answer = "normal" if study.leading.finding == "above" else "typical"
read = factories.ReadFactory(
    study=study, reader=reader, answer=answer, confidence=2,
    findings=["consolidation"], comment="Rotated to the left; the density may be the breast.",
    created_at=ago,
)
reviews.answer(read)
"""
# Reads of one study, as the reading room stores them: one that was replaced, one with everything that can be drawn.
READS = """
from diagnosis.models import Instance, Region, User
from diagnosis.states import ReadStatus
from tests import factories
film = Instance.objects.filter(series__study="{study}").order_by("created_at").first()
reader = User.objects.get(username="radiologist")
User.objects.filter(pk=reader.pk, reader_number=None).update(reader_number=7)
said = {{"study": film.series.study, "reader": reader, "active_ms": 74_000, "confidence": 2}}
first = factories.ReadFactory(**said, answer="indeterminate", status=ReadStatus.SUPERSEDED)
comment = "Denser in the left lower zone than on the right."
read = factories.ReadFactory(
    **said, supersedes=first, is_blinded=True, findings=["consolidation", "lower-zone"], comment=comment,
    view={{str(film.pk): {{"flipped": True, "rotated": 0}}}},
)
w, h = film.width, film.height
for kind, finding, points in (
    ("box", "consolidation", [[.55, .5], [.8, .75]]),
    ("outline", "lower-zone", [[.2, .5], [.35, .45], [.4, .7], [.25, .78]]),
    ("length", "", [[.3, .85], [.7, .85]]),
):
    points = [[x * w, y * h] for x, y in points]
    Region.objects.create(read=read, instance=film, kind=kind, finding=finding, points=points)
print(read.pk)
"""
WITH_FINDING = """
from diagnosis.models import Study
print(Study.objects.filter(is_demo=True, leading__finding="{finding}").earliest("received_at").pk)
"""
WAITING = """
from diagnosis.models import Analysis, Upload
print(len(Analysis.waiting()) + len(Upload.objects.filter(status="received")))
"""

# Other parts of the site tell these; here they are told as those tell them, and a few people join.
PEOPLE = """
from diagnosis import texts
from diagnosis.models import Team, User
from diagnosis.services import accounts, notices, teams
from diagnosis.states import NoticeKind, Role
chief, clinician = User.objects.get(username="administrator"), User.objects.get(username="clinician")
for name in ("Intensive care", "Radiology"):
    teams.create(name, by=chief)
for username, first, last, role in (
    ("ada.lovelace", "Ada", "Lovelace", Role.RADIOLOGIST),
    ("g.hopper", "Grace", "Hopper", Role.CLINICIAN),
    ("m.curie", "Marie", "Skłodowska-Curie", Role.CLINICIAN),
):
    accounts.create(username, role=role, teams=Team.objects.all()[:2], by=chief, first_name=first, last_name=last)
accounts.deactivate(User.objects.get(username="m.curie"), by=chief)
told = [
    (NoticeKind.RUN_DONE, texts.run_done("D3 of November", succeeded=True), ""),
    (NoticeKind.DISAGREEMENT_ANSWERED, texts.disagreement_answered("3F2A"), "/studies/"),
    (NoticeKind.UPLOAD_STOPPED, texts.upload_stopped(3), "/uploads/"),
]
rows = [notices.tell([clinician], kind, text, address=address)[0] for kind, text, address in told]
notices.mark_read(rows[0])
"""

# Hands files to the page as a drop or a paste does: the browser's own event with a real DataTransfer.
HAND_OVER = """([files, kind]) => {
  const data = new DataTransfer();
  for (const { name, body } of files) {
    data.items.add(new File([Uint8Array.from(atob(body), (c) => c.charCodeAt(0))], name));
  }
  const options = { bubbles: true, cancelable: true };
  const event = kind === "drop" ? new DragEvent("drop", { ...options, dataTransfer: data })
    : new ClipboardEvent("paste", { ...options, clipboardData: data });
  const moment = Date.now() / 1000;
  document.querySelector("main").dispatchEvent(event);
  return moment;
}"""


def fill(site: Site, n_films: int) -> None:
    """Synthetic films through the real path; returns when all of them have their answer."""
    site.manage("demo", "--films", str(n_films))
    _until_nothing_waits(site)


def _until_nothing_waits(site: Site) -> None:
    until = time.monotonic() + WITHIN_S
    while site.shell(WAITING).strip() != "0":
        if time.monotonic() > until:
            raise TimeoutError("the films were not analysed")
        time.sleep(0.3)


def to_settle(site: Site) -> None:
    """An identity conflict and a stopped upload."""
    site.shell(TO_SETTLE)


def own_study(page: Page) -> str:
    """The address of a study that this person sent, and may correct."""
    return sent(page, picture("own.dcm", seed=next(UNSEEN), PatientID="BROWSER-1", AccessionNumber="ACC-1"))


def withdrawn_study(page: Page) -> str:
    """The address of the page that says that a study is withdrawn and offers to undo it."""
    page.goto(own_study(page) + "withdrawal/")
    page.fill("[name=reason]", "Sent to the wrong team")
    page.get_by_role("button", name="Withdraw study").click()
    page.get_by_role("button", name="Undo").wait_for()
    return page.url[page.url.index("/studies/") :]


def people(site: Site) -> None:
    """A few more accounts and teams, and notices for the clinician."""
    site.shell(PEOPLE)


def failed_study(site: Site, page: Page) -> str:
    """The address of a study whose analysis failed."""
    address = sent(page, picture("failed.png", seed=next(UNSEEN)))
    _until_nothing_waits(site)
    site.shell(FAIL.format(study=address.split("/")[2]))
    return address


def left_out_study(site: Site, page: Page, *, seed: int = 360) -> str:
    """A film that the input gate turned away, and that the radiologist has read."""
    address = sent(page, picture("sideways.png", seed=seed))
    site.shell(LEAVE_OUT.format(study=address.split("/")[2]))
    site.shell(HAS_READ.format(study=address.split("/")[2]))
    return address


def own_batch_of_reader(site: Site, page: Page) -> str:
    """The address of a batch whose studies the radiologist who looks at it has not read."""
    sent(page, picture("unread.png", seed=next(UNSEEN)))
    _until_nothing_waits(site)
    return f"/batches/{site.shell(HAND_OVER_BATCH).strip()}/"


def asked_study(site: Site, page: Page) -> str:
    """One that a radiologist had analysed all the same."""
    address = left_out_study(site, page, seed=361)
    site.shell(ASK_ANYWAY.format(study=address.split("/")[2]))
    _until_nothing_waits(site)
    return address


def disagree(page: Page, address: str, text: str) -> None:
    """Say on a study's page that one disagrees with the AI."""
    page.goto(address)
    page.locator("#disagree summary").click()
    page.locator("#disagree textarea").fill(text)
    page.get_by_role("button", name="Put it on the reading list").click()
    page.get_by_role("button", name="Take back").wait_for()


def disagreed_study(page: Page) -> str:
    """A study of this person's own, with whose answer they disagree."""
    address = sent(page, picture("disagreed.png", seed=next(UNSEEN)))
    disagree(page, address, "The left lower zone is dense, and it was not last week.")
    return address


def answer(site: Site, address: str) -> None:
    """A radiologist has read the study of this address."""
    site.shell(ANSWER.format(study=address.split("/")[2]))


def answered_study(site: Site, page: Page) -> str:
    """One whose disagreement a reader answered; it stands among the answers nobody has opened."""
    address = disagreed_study(page)
    answer(site, address)
    return address


def read(site: Site, page: Page, *, seed: int = 370) -> str:
    """The address of a read with regions, of a study that was sent for it."""
    address = sent(page, picture("read.png", seed=seed))
    study = address.split("/")[2]
    return f"/reads/{site.shell(READS.format(study=study)).strip()}/"


def waiting_study(site: Site, page: Page) -> str:
    """Stops the inference worker and sends a film; `site.resume("inference")` ends the state."""
    site.pause("inference")
    # A film of its own each time: one that was sent before has its answer already.
    return sent(page, picture("waiting.png", seed=next(UNSEEN)))


def compared(site: Site, name: str, **how: int) -> str:
    """The address of the agreement of readers of a cohort of its own."""
    code = f"from tests.compared import compared\nprint(compared({name!r}, **{how!r}).pk)"
    return f"/agreement/?cohort={site.shell(code).strip()}"


def study(site: Site, finding: str) -> str:
    """The address of a study with this finding, one that `fill` made: no other test changes those."""
    return f"/studies/{site.shell(WITH_FINDING.format(finding=finding)).strip()}/"


def sent(page: Page, *files: dict[str, Any]) -> str:
    """Uploads by the file dialog's input; one film leads on to its study, whose address this returns."""
    page.goto("/uploads/")
    page.set_input_files("input[type=file]", list(files))
    page.wait_for_url("**/studies/*/")
    return page.url[page.url.index("/studies/") :]


def hand_over(page: Page, kind: str, *files: dict[str, Any]) -> float:
    """A "drop" or a "paste" of files, as the browser tells the page of one; returns when (`time.time()`)."""
    encoded = [{"name": f["name"], "body": base64.b64encode(f["buffer"]).decode()} for f in files]
    return float(page.evaluate(HAND_OVER, [encoded, kind]))


def picture(name: str, *, seed: int, width: int = 896, height: int = 1024, **facts: Any) -> dict[str, Any]:
    """A synthetic film as a browser takes it; the name's ending says the format."""
    bits = 12 if name.endswith(".dcm") else 8
    pixels = phantom(seed, width, height, bits=bits)
    make = {".dcm": xrays.dicom, ".jpg": xrays.jpeg, ".png": xrays.png}[Path(name).suffix]
    if make is xrays.dicom:
        uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        facts = {**{keyword: f"1.2.826.0.1.{seed}.{n}" for n, keyword in enumerate(uids)}, **facts}
    return {"name": name, "mimeType": "application/octet-stream", "buffer": make(pixels, **facts)}


def picture_with_text(seed: int, text: str = "DOE^JANE 1950-01-02") -> dict[str, Any]:
    """A synthetic PNG film with a line of text burned into a corner."""
    film = Image.fromarray(phantom(seed, 896, 1024))
    ImageDraw.Draw(film).text((16, 970), text, fill=255, font_size=28)
    return {"name": "text.png", "mimeType": "image/png", "buffer": xrays.png(np.asarray(film))}


# --- the reading room ---

SECOND_READER = """
from tests import factories
from diagnosis.models import User
from diagnosis.states import Role
if not User.objects.filter(username="second.reader").exists():
    factories.UserFactory(username="second.reader", role=Role.RADIOLOGIST)
"""
READ_BY_READER = """
from diagnosis.models import Study, User
from diagnosis.services import claims, reading
from tests import factories
reader = User.objects.get(username="radiologist")
claims.number_of(reader)
read = factories.ReadFactory(
    study=Study.objects.get(pk="{study}"), reader=reader, answer="{answer}", confidence=2,
    findings=["ground-glass"], comment="Denser in the left lower zone than on the right.",
)
if {is_revealed}:
    reading.reveal(read, by=reader)
print(read.pk)
"""
FORGET_SESSIONS = "from django.contrib.sessions.models import Session; Session.objects.all().delete()"
END_CLAIM = """
from django.utils import timezone
from diagnosis.models import Case
Case.objects.filter(study="{study}").update(claim_until=timezone.now())
"""
NOTHING_LEFT = """
from diagnosis.models import Case
Case.objects.exclude(study="{study}").update(status="off")
"""
LOSE_FILES = """
from diagnosis.models import Instance
for instance in Instance.objects.filter(series__study="{study}"):
    for file in instance.folder.iterdir():
        # Its small picture stays for the lists, which other tests open, too.
        if "thumbnail" not in file.name:
            file.unlink()
"""


def second_reader(site: Site) -> str:
    """The user name of another radiologist of this site."""
    site.passwords["second.reader"] = "a-long-enough-password"
    run(site, SECOND_READER)
    return "second.reader"


def cases(page: Page, n: int = 2, *, width: int = 896) -> list[str]:
    """New studies on the worklist, sent by whom the page belongs to; their ids."""
    return [
        sent(page, picture(f"case-{n}.png", seed=next(UNSEEN), width=width)).split("/")[2] for n in range(n)
    ]


def case_with_a_prior(page: Page, *, width: int = 896, height: int = 1024, **facts: Any) -> str:
    """The study of a film whose patient had one a year before; `facts` are in the later film's header."""
    n = next(UNSEEN)
    size = {"width": width, "height": height, "PatientID": f"PRIOR-{n}"}
    dated = dict.fromkeys(("StudyDate", "AcquisitionDate", "ContentDate"), "20190407")
    sent(page, picture("prior.dcm", seed=n, **size, **dated))
    return sent(page, picture("current.dcm", seed=next(UNSEEN), **size, **facts)).split("/")[2]


def lost_case(site: Site, page: Page) -> str:
    """A case whose film is gone from the disk."""
    [study] = cases(page, 1)
    _until_nothing_waits(site)
    run(site, LOSE_FILES.format(study=study))
    return study


def held_case(site: Site, page: Page) -> str:
    """A case that another reader has open."""
    [study] = cases(page, 1)
    claimed_by_another(site, study)
    return study


def nothing_left(site: Site, study: str) -> None:
    """All but this one are off the worklist."""
    run(site, NOTHING_LEFT.format(study=study))


def revelation(site: Site, study: str, *, answer: str = "normal", is_revealed: bool = True) -> str:
    """The address of the AI's answer to a study that the radiologist has read just now."""
    made = run(site, READ_BY_READER.format(study=study, answer=answer, is_revealed=is_revealed))
    return f"/reads/{made.strip()}/revelation/"


def analysed(page: Page) -> str:
    """A new study on the worklist that has its result, and a heatmap."""
    for _ in range(TRIES):
        [study] = cases(page, 1)
        page.locator(".answer__score").wait_for()
        if not page.get_by_text("No heatmap: the score is below").count():
            return study
    raise AssertionError(f"none of {TRIES} films has a heatmap")


def end_claim(site: Site, study: str) -> None:
    """As if its time had run out."""
    run(site, END_CLAIM.format(study=study))


def forget_sessions(site: Site) -> None:
    """Everybody is signed out."""
    run(site, FORGET_SESSIONS)


def run(site: Site, code: str) -> str:
    return site.shell(code)


# --- the worklist ---

CASES = """
from datetime import timedelta
from django.utils import timezone
from diagnosis import renditions
from diagnosis.models import Study, User
from diagnosis.services import worklist
from ml.phantom import phantom
from tests import factories, xrays
patient = factories.PatientFactory(key=factories.digest("{key}"))
sender = User.objects.get(username="clinician")
for n in range({n}):
    study = factories.StudyFactory(
        patient=patient, team=sender.teams.first(), uploaded_by=sender, sex="FM"[n % 2], age_years=41 + 7 * n % 50,
        source=factories.SourceFactory(slug="{key}-%d" % (n % 3), name="Clinic %d" % (n % 3)) if n < 3 else None,
    )
    Study.objects.filter(pk=study.pk).update(received_at=timezone.now() - timedelta(hours=1 + n * {hours}))
    study.refresh_from_db()
    film = factories.InstanceFactory(series__study=study, view="PA")
    film.folder.mkdir(parents=True)
    grey = phantom(9000 + n, 448, 512)
    renditions.write(film.folder, pixels=grey, gray8=grey)
    worklist.enter(study)
    print(study.pk)
print(patient.pseudonym)
"""
CLAIM = """
from diagnosis.models import Case, User
from diagnosis.services import claims
from tests import factories
reader = User.objects.filter(username="colleague.reading").first()
reader = reader or factories.UserFactory(username="colleague.reading", role="radiologist")
claims.claim(Case.objects.get(study="{study}"), by=reader)
print(reader.reader_name)
"""
DISAGREE = """
from diagnosis.models import Study, User
from diagnosis.services import worklist
from tests import factories
study = Study.objects.get(pk="{study}")
factories.ReviewRequestFactory(study=study, by=User.objects.get(username="clinician"))
worklist.refresh(study)
"""


def cases_of_one_patient(site: Site, n: int, *, hours: int = 1) -> tuple[str, list[str]]:
    """The pseudonym and the studies of a patient of one's own, all on the worklist, in the order of reading."""
    made = site.shell(CASES.format(n=n, key=next(UNSEEN), hours=hours))
    *studies, pseudonym = made.split()
    return pseudonym, studies[::-1]


def claimed_by_another(site: Site, study: str) -> str:
    """Another reader opens it; their number."""
    return site.shell(CLAIM.format(study=study)).strip()


def doubted(site: Site, study: str) -> None:
    """A clinician disagrees with what the AI said of it."""
    site.shell(DISAGREE.format(study=study))


# --- protocols ---

COHORT = """
from datetime import timedelta
from django.utils import timezone
from diagnosis.models import Case, User
from diagnosis import renditions
from diagnosis.services import claims, cohorts, revisions, worklist
from ml.phantom import phantom
from tests import factories
if not User.objects.filter(username="second.reader").exists():
    factories.UserFactory(username="second.reader", role="radiologist")
if not User.objects.filter(username="judge").exists():
    factories.UserFactory(username="judge", role="radiologist", is_adjudicator=True)
source = factories.SourceFactory(slug="{key}", name="Clinic {key}")
readers = list(User.objects.filter(username__in=["radiologist", "second.reader"]).order_by("pk"))
for reader in readers:
    claims.number_of(reader)
def read(study, reader, **facts):
    factories.ReadFactory(study=study, reader=reader, created_at=timezone.now() - timedelta(hours=30), **facts)
    worklist.refresh(study)
studies = []
for n in range({n}):
    film = factories.InstanceFactory(series__study__source=source, view="PA", width=448, height=512)
    film.folder.mkdir(parents=True)
    grey = phantom({key} + n, 448, 512)
    renditions.write(film.folder, pixels=grey, gray8=grey)
    worklist.enter(film.series.study)
    studies.append(film.series.study)
read(studies[0], readers[0])
print(source.name, studies[0].pk, sep="|")
"""
VERSIONS = """
chief = User.objects.get(username="administrator")
cohort = cohorts.make(cohorts.Rule("Cohort {key}", sources=[source], lead=chief), by=chief)
factories.protocol(cohort, n_readers=2, rule="adjudicated", made_by=chief, reason="A second opinion on all of these")
factories.protocol(cohort, repeat_share=0.05, made_by=chief, reason="How well readers agree with themselves")
read(studies[1], readers[0])
read(studies[1], readers[1], answer="normal")
Case.objects.filter(study=studies[0]).update(entered_at=timezone.now() - timedelta(hours=40))
while revisions.refresh_outdated():
    pass
print(cohort.pk, studies[1].pk, sep="|")
"""


def cases_of_a_source(site: Site, n: int = 3) -> tuple[str, str]:
    """The name of a source with films of its own, and a study of it that one reader has read."""
    source, study = site.shell(COHORT.format(key=next(UNSEEN), n=n)).strip().split("|")
    return source, study


def protocol_page(site: Site) -> tuple[str, str]:
    """The pages of a cohort whose protocol has been revised, and of a study on which its readers differ."""
    made = site.shell((COHORT + VERSIONS).format(key=next(UNSEEN), n=6)).strip().splitlines()[-1]
    cohort, study = made.split("|")
    return f"/protocols/{cohort}/", f"/studies/{study}/"


# --- suspected labels ---

SUSPECTED = """
from diagnosis import renditions
from diagnosis.models import Instance, Recheck, Study, User
from diagnosis.services import suspicion, worklist
from diagnosis.states import Role
from ml.phantom import phantom
from tests import factories, suspects
reader = suspects.reader("second.suspect")
planted = suspects.collection(wrong=5)
for n, film in enumerate(Instance.objects.filter(out_of_fold_scores__isnull=False).order_by("pk")):
    film.folder.mkdir(parents=True)
    grey = phantom(7000 + n % 12, 448, 512)
    renditions.write(film.folder, pixels=grey, gray8=grey)
judged = suspicion.judge(suspicion.grounds()[0])
chief = User.objects.get(username="administrator")
batch = suspicion.recheck([one.film.study for one in judged.suspects[4:]], by=chief, judged=judged)
for n, row in enumerate(Recheck.objects.filter(batch=batch.pk)):
    if n % 3:
        factories.ReadFactory(study=row.study, reader=reader, answer="indeterminate" if row.is_suspected else "normal")
        worklist.refresh(row.study)
# Nothing is left open: other tests count what waits.
suspicion.drop(batch.pk, by=chief)
print("/suspects/")
"""


def suspected(site: Site) -> str:
    """The page of suspected labels, with some that look wrong and a batch that went back and was read in part."""
    return site.shell(SUSPECTED).strip()
