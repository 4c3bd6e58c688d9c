"""Every address for every role: who may open it, who learns nothing of it, and how it may be asked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from diagnosis import models, renditions
from diagnosis.models import (
    Batch,
    FindingTerm,
    Membership,
    Notice,
    ReadingSession,
    SavedFilter,
    Study,
    Team,
    Upload,
    User,
)
from diagnosis.services import protocols
from diagnosis.states import Role, UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "uploader", "colleague", "outsider", "teamless", "radiologist", "administrator")

# What GET answers to each role, in the order of ROLES.
EVERYBODY = (200,) * 7
SIGNED_IN = (302, 200, 200, 200, 200, 200, 200)
OF_THE_TEAM = (302, 200, 200, 404, 404, 200, 200)
OWN = (302, 200, 404, 404, 404, 404, 200)
# Who sees it and may not do it is told so, others learn nothing.
TO_CORRECT = (302, 200, 403, 404, 404, 403, 200)
ADMINISTRATOR = (302, 403, 403, 403, 403, 403, 200)
# The radiologist's own read of a study of another team.
READ = (302, 404, 404, 404, 404, 200, 200)
READER = (302, 403, 403, 403, 403, 200, 403)
# These ask who comes only after they have asked how: a script is told in JSON, and never sent elsewhere.
METHOD_FIRST = (405,) * 7
# Those who read films, and those who keep the list of them.
READING_ROOM = (302, 403, 403, 403, 403, 200, 200)
ONLY_POST = (302, 405, 405, 405, 405, 405, 405)
# A program is told to sign in, not sent to a page.
API_OF_THE_TEAM = (401, 200, 200, 404, 404, 200, 200)
# The radiologist has not read this study: what the AI made of it does not exist for them (rule D1).
OF_THE_AI = (302, 200, 200, 404, 404, 404, 200)
API_OF_THE_AI = (401, 200, 200, 404, 404, 404, 200)
API_ONLY_POST = (401, 405, 405, 405, 405, 405, 405)

TABLE: dict[str, tuple[int, ...]] = {
    "home": (302,) * 7,
    "health": EVERYBODY,
    "login": (200, 302, 302, 302, 302, 302, 302),
    "logout": ONLY_POST,
    "acknowledgement": SIGNED_IN,
    "uploads": SIGNED_IN,
    "upload": OWN,
    "batch": OWN,
    "batch-uploads": OWN,
    "studies": SIGNED_IN,
    "study": OF_THE_TEAM,
    "study-analyses": ONLY_POST,
    "study-print": OF_THE_TEAM,
    "study-priors": OF_THE_TEAM,
    "study-csv": OF_THE_TEAM,
    "study-pdf": OF_THE_TEAM,
    "batch-csv": OWN,
    "batch-pdf": OWN,
    "instance-thumbnail": OF_THE_TEAM,
    "instance-preview": OF_THE_TEAM,
    "instance-pixels": OF_THE_TEAM,
    "instance-dicom": OF_THE_TEAM,
    "instance-text-clearance": ONLY_POST,
    "instance-assessment": ONLY_POST,
    "prediction-heatmap": OF_THE_AI,
    "lateness": SIGNED_IN,
    "system": ADMINISTRATOR,
    "study-search": SIGNED_IN,
    "study-check": ONLY_POST,
    "study-patient": TO_CORRECT,
    "study-withdrawal": TO_CORRECT,
    "study-restoration": ONLY_POST,
    "identity": ADMINISTRATOR,
    "identity-withdrawn": ADMINISTRATOR,
    "conflict-decision": ONLY_POST,
    "forgotten": EVERYBODY,
    "password-link": EVERYBODY,
    "account": SIGNED_IN,
    "account-password": SIGNED_IN,
    "notices": SIGNED_IN,
    "notices-readings": ONLY_POST,
    "notice-reading": ONLY_POST,
    "users": ADMINISTRATOR,
    "users-new": ADMINISTRATOR,
    "user": ADMINISTRATOR,
    "user-link": ONLY_POST,
    "user-activation": ONLY_POST,
    "user-unlocking": ONLY_POST,
    "teams": ADMINISTRATOR,
    "team": ADMINISTRATOR,
    "team-deletion": ONLY_POST,
    "study-disagreement": ONLY_POST,
    "disagreement-taking-back": ONLY_POST,
    "answers": SIGNED_IN,
    "answer-opening": ONLY_POST,
    "tokens": SIGNED_IN,
    "token-revocation": ONLY_POST,
    "reads": SIGNED_IN,
    "reads-csv": SIGNED_IN,
    "reads-json": SIGNED_IN,
    "reads-coco": SIGNED_IN,
    "labels-csv": SIGNED_IN,
    "reads-schema": SIGNED_IN,
    "read": READ,
    "finding-terms": ADMINISTRATOR,
    "finding-term-name": ONLY_POST,
    "finding-term-place": ONLY_POST,
    "finding-term-activation": ONLY_POST,
    "api-reads": (401, 200, 200, 200, 200, 200, 200),
    "api-regions": (401, 200, 200, 200, 200, 200, 200),
    "case": READER,
    "case-next": (302, 403, 403, 403, 403, 302, 403),
    "case-peek": READER,
    "case-claim": METHOD_FIRST,
    "case-release": METHOD_FIRST,
    "case-draft": METHOD_FIRST,
    "case-read": METHOD_FIRST,
    "read-taking-back": METHOD_FIRST,
    "read-revelation": READER,
    "read-revision": METHOD_FIRST,
    "adjudications": READING_ROOM,
    # A reader whom no protocol names; who may settle what is told in tests/web/test_adjudications.py.
    "adjudication": (302, *(403,) * 6),
    "adjudication-next": (302, 403, 403, 403, 403, 302, 403),
    "adjudication-peek": READER,
    "adjudication-verdict": METHOD_FIRST,
    "adjudication-taking-back": METHOD_FIRST,
    "reading-keys": READER,
    "worklist": READING_ROOM,
    "worklist-search": READING_ROOM,
    "worklist-changes": ONLY_POST,
    "worklist-undo": ONLY_POST,
    "filters": ONLY_POST,
    "filter": ONLY_POST,
    "filter-deletion": ONLY_POST,
    "sessions": ONLY_POST,
    "session-pause": ONLY_POST,
    "session-resumption": ONLY_POST,
    "session-end": ONLY_POST,
    **dict.fromkeys(("agreement", "agreement-numbers", "agreement-csv", "agreement-json"), ADMINISTRATOR),
    "protocols": ADMINISTRATOR,
    "protocols-new": ADMINISTRATOR,
    "protocol": ADMINISTRATOR,
    "protocol-return": ONLY_POST,
    "protocol-rule": ADMINISTRATOR,
    "protocol-place": ONLY_POST,
    "protocol-deletion": ONLY_POST,
    "suspects": ADMINISTRATOR,
    "suspects-rechecks": ONLY_POST,
    "suspects-dropping": ONLY_POST,
    "api-docs": SIGNED_IN,
    "api-schema": (401, 200, 200, 200, 200, 200, 200),
    "api-nowhere": (404,) * 7,
    "api-uploads": API_ONLY_POST,
    "api-upload": (401, 200, 404, 404, 404, 404, 200),
    "api-batch": (401, 200, 404, 404, 404, 404, 200),
    "api-studies": (401, 200, 200, 200, 200, 200, 200),
    "api-searches": API_ONLY_POST,
    "api-study": API_OF_THE_TEAM,
    "api-study-result": API_OF_THE_TEAM,
    "api-study-analyses": API_ONLY_POST,
    "api-study-withdrawal": API_ONLY_POST,
    "api-instance-assessment": API_ONLY_POST,
    "api-instance-pixels": API_OF_THE_TEAM,
    "api-instance-preview": API_OF_THE_TEAM,
    "api-instance-thumbnail": API_OF_THE_TEAM,
    "api-prediction-heatmap": API_OF_THE_AI,
    "api-prediction-overlay": API_OF_THE_AI,
}
# Addresses that take a form; all others answer 405 to it.
TAKE_POST = {"login", "logout", "acknowledgement", "uploads", "study-analyses"}
TAKE_POST |= {"tokens", "token-revocation"}
TAKE_POST |= {"api-uploads", "api-searches", "api-study-analyses", "api-study-withdrawal"}
TAKE_POST |= {
    "forgotten",
    "password-link",
    "account",
    "account-password",
    "notices-readings",
    "notice-reading",
}
TAKE_POST |= {"users-new", "user", "user-link", "user-activation", "user-unlocking"}
TAKE_POST |= {"teams", "team", "team-deletion"}
TAKE_POST |= {"instance-text-clearance"}
TAKE_POST |= {f"study-{noun}" for noun in ("search", "check", "patient", "withdrawal", "restoration")}
TAKE_POST |= {"conflict-decision"}
TAKE_POST |= {"instance-assessment", "api-instance-assessment"}
TAKE_POST |= {"finding-terms", "finding-term-name", "finding-term-place", "finding-term-activation"}
TAKE_POST |= {"case-claim", "case-release", "case-read", "read-taking-back", "reading-keys"}
TAKE_POST |= {"read-revelation", "read-revision"}
TAKE_POST |= {"adjudication-verdict", "adjudication-taking-back"}
# The one address that takes PUT; who may use it is told in tests/web/test_cases.py.
TAKE_PUT = {"case-draft": 403}
TAKE_POST |= {"worklist-search", "worklist-changes", "worklist-undo"}
TAKE_POST |= {"filters", "filter", "filter-deletion"}
TAKE_POST |= {"sessions", "session-pause", "session-resumption", "session-end"}
TAKE_POST |= {"study-disagreement", "disagreement-taking-back", "answer-opening"}
TAKE_POST |= {
    "protocols-new",
    "protocol",
    "protocol-return",
    "protocol-rule",
    "protocol-place",
    "protocol-deletion",
}
TAKE_POST |= {"suspects-rechecks", "suspects-dropping"}
# What answers every method alike: these send the browser on, or are not there at all.
ALIKE = {"home": 302, "login": 302, "api-nowhere": 404}


def addresses() -> dict[str, URLPattern]:
    """The product's own addresses by name, as the resolver knows them."""
    (product,) = [part for part in get_resolver().url_patterns if part.namespace is None]
    assert all(pattern.name for pattern in product.url_patterns)
    return {pattern.name: pattern for pattern in product.url_patterns}


@pytest.fixture
def world(team: Any, clinician: Any, study: Study, hang: Any) -> dict[str, Any]:
    """One study with everything that an address can name, and somebody in every role."""
    colleague, outsider = (
        factories.UserFactory(team=team),
        factories.UserFactory(team=factories.TeamFactory()),
    )
    instance = hang()
    prediction = factories.HeatmapFactory(prediction__analysis__instance=instance).prediction
    (instance.folder / renditions.heatmap_name(prediction.pk)).write_bytes(xrays.png())
    batch = factories.BatchFactory(team=team, by=clinician)
    reader = factories.UserFactory(role=Role.RADIOLOGIST)
    return {
        "anonymous": None,
        "uploader": clinician,
        "colleague": colleague,
        "outsider": outsider,
        "teamless": factories.UserFactory(),
        "radiologist": reader,
        "administrator": factories.UserFactory(role=Role.ADMINISTRATOR),
        "case": factories.CaseFactory(study=study).study_id,
        "read": factories.ReadFactory(reader=reader).pk,
        "instance": instance.pk,
        "prediction": prediction.pk,
        "study": study.pk,
        "adjudication": study.pk,
        "user": colleague.pk,
        "team": team.pk,
        "notice": factories.NoticeFactory(user=clinician).pk,
        "api": study.pk,
        "finding": FindingTerm.objects.get(code="nodule").pk,
        "conflict": factories.IdentityConflictFactory(study__team=team, study__uploaded_by=clinician).pk,
        "token": factories.ApiTokenFactory(user=clinician).pk,
        "disagreement": factories.ReviewRequestFactory(study=study, by=clinician, prediction=prediction).pk,
        "answer": models.Reply.objects.create(read=factories.ReadFactory(study=study)).pk,
        "protocol": protocols.rest().pk,
        "batch": batch.pk,
        "filter": SavedFilter.objects.create(user=clinician, name="Nights", query="tier=0").pk,
        "session": ReadingSession.objects.create(reader=clinician).pk,
        "upload": factories.UploadFactory(batch=batch).pk,
        "suspects": study.pk,
    }


def address(name: str, world: dict[str, Any]) -> str:
    """Where the world's own object of this name is."""
    needs_object = "pk" in addresses()[name].pattern.converters
    return reverse(name, args=[world[name.removeprefix("api-").split("-")[0]]] if needs_object else [])


def as_role(role: str, world: dict[str, Any], sign_in: Any, **options: Any) -> Client:
    return sign_in(world[role], **options) if world[role] else Client(**options)


def test_every_named_address_has_a_row_in_the_table():
    assert sorted(addresses()) == sorted(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_each_role_opens_what_the_table_says(name, world, sign_in):
    opened = {}
    for role in ROLES:
        answer = as_role(role, world, sign_in).get(address(name, world))
        if answer.streaming:
            # What is read to its end is closed; closing it by hand would close the database, too.
            b"".join(answer.streaming_content)
        opened[role] = answer.status_code
    assert opened == dict(zip(ROLES, TABLE[name], strict=True))


# What changes nothing is asked of all addresses in one world: to make a world takes longer than to ask it.


def test_a_stranger_is_sent_to_the_sign_in_page_and_back(world):
    answers = {name: Client().get(address(name, world)) for name in sorted(TABLE) if name != "home"}
    sent_on = {name: answer.url for name, answer in answers.items() if answer.status_code == 302}
    assert sent_on == {name: f"{reverse('login')}?next={address(name, world)}" for name in sent_on}
    assert len(sent_on) > 50


def test_an_address_that_only_shows_takes_no_form(world, sign_in):
    browser = as_role("administrator", world, sign_in)
    names = sorted(set(TABLE) - TAKE_POST)
    found = {name: browser.post(address(name, world)).status_code for name in names}
    assert found == {name: ALIKE.get(name, 405) for name in names}


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_address_takes_another_method(method, world, sign_in):
    browser = as_role("administrator", world, sign_in)
    found = {name: getattr(browser, method)(address(name, world)).status_code for name in sorted(TABLE)}
    taken = TAKE_PUT if method == "put" else {}
    assert found == {name: taken.get(name, ALIKE.get(name, 405)) for name in TABLE}


def test_a_form_without_its_token_changes_nothing(world, sign_in):
    browser = as_role("uploader", world, sign_in, enforce_csrf_checks=True)
    before = Batch.objects.count(), Study.objects.count(), User.objects.count(), Team.objects.count()
    answers = {name: browser.post(address(name, world), {"file": "x"}) for name in sorted(TAKE_POST)}
    refused = {
        name: (answer.status_code, "Nothing was changed" in answer.content.decode())
        for name, answer in answers.items()
    }
    assert refused == dict.fromkeys(TAKE_POST, (403, True))
    after = Batch.objects.count(), Study.objects.count(), User.objects.count(), Team.objects.count()
    assert after == before


@pytest.mark.parametrize(
    ("role", "status"),
    [("uploader", 302), ("colleague", 302), ("outsider", 404), ("teamless", 404), ("radiologist", 302)],
)
def test_another_analysis_is_asked_for_by_those_who_see_the_study(role, status, world, sign_in):
    answer = as_role(role, world, sign_in).post(address("study-analyses", world))
    assert answer.status_code == status


def test_a_study_that_one_may_not_see_answers_like_one_that_does_not_exist(world, sign_in):
    browser = as_role("outsider", world, sign_in)
    theirs = browser.get(address("study", world))
    nothing = browser.get(reverse("study", args=["00000000-0000-4000-8000-000000000000"]))
    assert theirs.status_code == nothing.status_code == 404
    assert without_token(theirs) == without_token(nothing)


def without_token(answer: Any) -> str:
    return re.sub(r'csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())


def test_who_leaves_a_team_leaves_its_studies(world, sign_in):
    browser = as_role("colleague", world, sign_in)
    assert browser.get(address("study", world)).status_code == 200
    Membership.objects.filter(user=world["colleague"]).delete()
    for name in ("study", "instance-pixels", "prediction-heatmap", "api-study"):
        assert browser.get(address(name, world)).status_code == 404


@pytest.mark.parametrize(
    "name", ["instance-thumbnail", "instance-preview", "instance-pixels", "prediction-heatmap"]
)
def test_pictures_stay_out_of_shared_caches(name, world, sign_in):
    answer = as_role("uploader", world, sign_in).get(address(name, world))
    assert "private" in answer["Cache-Control"]
    assert answer["Content-Type"] in ("image/png", "image/jpeg")
    assert b"".join(answer.streaming_content)
    answer.close()


@pytest.mark.parametrize("address", ["/media/", "/static/../var/", "/quarantine/", "/var/media/"])
def test_no_address_serves_the_folders_themselves(address, world, sign_in):
    pk = world["instance"].hex
    answer = as_role("administrator", world, sign_in).get(f"{address}{pk[:2]}/{pk}/pixels.png")
    assert answer.status_code == 404


def test_a_picture_whose_file_is_gone_is_not_found_and_no_error(world, sign_in, study):
    bare = factories.InstanceFactory(series__study=study)
    answer = as_role("uploader", world, sign_in).get(reverse("instance-preview", args=[bare.pk]))
    assert answer.status_code == 404


# --- accounts and teams are the administrators' alone; a notice is its reader's ---

ADMINISTRATORS_FORMS = sorted(
    name for name in TAKE_POST if name.split("-")[0] in {"users", "user", "teams", "team"}
)


@pytest.mark.parametrize("name", ADMINISTRATORS_FORMS)
def test_nobody_else_changes_an_account_or_a_team(name, world, sign_in):
    fields = {"username": "another", "role": Role.ADMINISTRATOR, "name": "another", "active": "no"}
    for role in ("uploader", "colleague", "outsider", "teamless", "radiologist"):
        browser = as_role(role, world, sign_in)
        before = list(User.objects.order_by("pk").values()), list(Team.objects.values())
        assert browser.post(address(name, world), fields).status_code == 403, role
        assert (list(User.objects.order_by("pk").values()), list(Team.objects.values())) == before, role


@pytest.mark.parametrize("role", ["colleague", "radiologist", "administrator"])
def test_a_notice_of_somebody_else_does_not_exist(role, world, sign_in):
    browser = as_role(role, world, sign_in)
    assert browser.post(address("notice-reading", world)).status_code == 404
    browser.post(address("notices-readings", world))
    assert Notice.objects.get().read_at is None


@pytest.mark.parametrize("name", ["user", "team"])
def test_a_number_that_no_account_or_team_has_is_not_found(name, world, sign_in):
    browser = as_role("administrator", world, sign_in)
    for pk in (0, 10**6, 10**40):
        assert browser.get(reverse(name, args=[pk])).status_code == 404


# --- 'I disagree', and what is answered ---


@pytest.mark.parametrize(
    ("role", "status"),
    [("colleague", 302), ("outsider", 404), ("teamless", 404), ("radiologist", 409), ("administrator", 302)],
)
def test_whoever_sees_a_result_may_disagree_with_it(role, status, world, sign_in):
    browser = as_role(role, world, sign_in)
    fields = {"text": "A dense left lower zone.", "prediction": world["prediction"]}
    answer = browser.post(address("study-disagreement", world), fields)
    assert answer.status_code == status
    assert models.ReviewRequest.objects.filter(by=world[role]).count() == (status == 302)


@pytest.mark.parametrize("role", ["colleague", "outsider", "radiologist", "administrator"])
def test_nobody_takes_back_what_somebody_else_said(role, world, sign_in):
    browser = as_role(role, world, sign_in)
    assert browser.post(address("disagreement-taking-back", world)).status_code == 404


@pytest.mark.parametrize(
    ("role", "status", "opened"),
    [
        ("uploader", 302, True), ("colleague", 302, True), ("outsider", 404, False), ("teamless", 404, False),
        ("radiologist", 404, False), ("administrator", 302, False),
    ],
)  # fmt: skip
def test_members_of_the_team_open_an_answer(role, status, opened, world, sign_in):
    answer = as_role(role, world, sign_in).post(address("answer-opening", world))
    assert answer.status_code == status
    assert models.Reply.objects.exclude(opened_at=None).exists() is opened


# --- the admin: evidence to look at ---


@pytest.mark.parametrize("role", ROLES[:-1])
def test_the_admin_is_closed_to_all_but_administrators(role, world, sign_in):
    answer = as_role(role, world, sign_in).get(reverse("admin:index"))
    assert answer.status_code == 302 and "login" in answer.url


def test_a_colleague_with_the_staff_mark_alone_edits_nothing(world, sign_in):
    world["colleague"].is_staff = True
    world["colleague"].save()
    browser = as_role("colleague", world, sign_in)
    assert browser.get(reverse("admin:diagnosis_user_changelist")).status_code == 403


EVIDENCE = ("checkpoint", "event", "prediction", "upload")


@pytest.fixture
def desk(world: dict[str, Any], sign_in: Any) -> Client:
    """The admin as the demo's administrator has it."""
    world["administrator"].is_staff = True
    world["administrator"].save()
    return as_role("administrator", world, sign_in)


@pytest.mark.parametrize("kind", ["user", "team"])
def test_users_and_teams_can_be_looked_at_in_the_admin_and_not_changed(kind, desk, world):
    page = reverse(f"admin:diagnosis_{kind}_change", args=[world[kind]])
    shown = desk.get(page)
    assert shown.status_code == 200 and "argon2" not in shown.content.decode()
    before = list(apps.get_model("diagnosis", kind).objects.order_by("pk").values())
    assert desk.get(reverse(f"admin:diagnosis_{kind}_add")).status_code == 403
    for action in ("change", "delete"):
        answer = desk.post(reverse(f"admin:diagnosis_{kind}_{action}", args=[world[kind]]), {"post": "yes"})
        assert answer.status_code == 403
    assert list(apps.get_model("diagnosis", kind).objects.order_by("pk").values()) == before


@pytest.mark.parametrize("kind", ["user", "team", *EVIDENCE])
def test_an_administrator_looks_at_every_list_of_the_admin(kind, desk):
    assert desk.get(reverse(f"admin:diagnosis_{kind}_changelist")).status_code == 200


@pytest.mark.parametrize("kind", EVIDENCE)
def test_evidence_can_be_looked_at_and_not_changed(kind, desk):
    model = apps.get_model("diagnosis", kind)
    Upload.objects.get().move(UploadStatus.RECEIVED, UploadStatus.REFUSED)
    row = model.objects.get()
    before = model.objects.values().get()
    assert desk.get(reverse(f"admin:diagnosis_{kind}_add")).status_code == 403
    assert desk.get(reverse(f"admin:diagnosis_{kind}_change", args=[row.pk])).status_code == 200
    for action in ("change", "delete"):
        answer = desk.post(reverse(f"admin:diagnosis_{kind}_{action}", args=[row.pk]), {"post": "yes"})
        assert answer.status_code == 403
    assert model.objects.values().get() == before
