"""Tokens: who they sign in, what for, and how they end. The page on which users make them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis.models import ApiToken, Event
from diagnosis.services import tokens
from diagnosis.states import Role, Scope
from tests import factories

pytestmark = pytest.mark.django_db

PROBLEM = "application/problem+json"
BOTH = [Scope.READ, Scope.WRITE]


@pytest.fixture
def program():
    """A client that sends a token of this user."""

    def _program(user, *scopes, secret: str = "", **options) -> Client:
        if not user.acknowledgements.exists():
            factories.AcknowledgementFactory(user=user)
        made = secret or tokens.make(user, name="test", scopes=scopes or BOTH, days=30)[1]
        return Client(headers={"Authorization": f"Bearer {made}"}, **options)

    return _program


@pytest.fixture
def people(team, clinician):
    return {
        "uploader": clinician,
        "colleague": factories.UserFactory(team=team),
        "outsider": factories.UserFactory(team=factories.TeamFactory()),
        "radiologist": factories.UserFactory(role=Role.RADIOLOGIST),
        "administrator": factories.UserFactory(role=Role.ADMINISTRATOR),
    }


# --- what a token may do: roles × scopes ---

READ, WRITE = (Scope.READ,), (Scope.WRITE,)
# (role, scopes): what GET of a study, POST of an analysis and POST of a withdrawal answer, in this order.
TABLE = {
    ("uploader", READ): (200, 403, 403),
    ("uploader", WRITE): (403, 202, 201),
    ("uploader", READ + WRITE): (200, 202, 201),
    ("colleague", READ): (200, 403, 403),
    ("colleague", WRITE): (403, 202, 403),
    ("outsider", READ): (404, 403, 403),
    ("outsider", WRITE): (403, 404, 404),
    ("outsider", READ + WRITE): (404, 404, 404),
    ("radiologist", READ): (200, 403, 403),
    ("radiologist", WRITE): (403, 202, 403),
    ("administrator", READ): (200, 403, 403),
    ("administrator", READ + WRITE): (200, 202, 201),
}


@pytest.mark.parametrize(("role", "scopes"), TABLE)
def test_a_token_may_what_its_user_and_its_scopes_may(role, scopes, people, program, study):
    factories.InstanceFactory(series__study=study)
    client = program(people[role], *scopes)
    answers = (
        client.get(reverse("api-study", args=[study.pk])),
        client.post(reverse("api-study-analyses", args=[study.pk]), {}, content_type="application/json"),
        client.post(
            reverse("api-study-withdrawal", args=[study.pk]), {"reason": "x"}, content_type="application/json"
        ),
    )
    assert tuple(answer.status_code for answer in answers) == TABLE[role, scopes]


def test_a_token_of_another_scope_is_told_which_one_it_lacks(clinician, program, study):
    answer = program(clinician, Scope.WRITE).get(reverse("api-study", args=[study.pk]))
    problem = answer.json()
    assert answer["Content-Type"] == PROBLEM
    assert problem["scope"] == Scope.READ and Scope.READ in problem["detail"]
    assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]


def test_an_upload_needs_the_scope_to_write(clinician, program, film):
    answer = program(clinician, Scope.READ).post(reverse("api-uploads"), {"file": []})
    assert answer.status_code == 403 and answer.json()["scope"] == Scope.WRITE


# --- tokens that sign nobody in ---


def revoked(user):
    token, secret = tokens.make(user, name="t", scopes=BOTH, days=1)
    tokens.revoke(token, by=user)
    return secret


def expired(user):
    token, secret = tokens.make(user, name="t", scopes=BOTH, days=1)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return secret


def of_a_user_who_is_locked(user):
    _, secret = tokens.make(user, name="t", scopes=BOTH, days=1)
    user.is_active = False
    user.save()
    return secret


BAD = [
    revoked,
    expired,
    of_a_user_who_is_locked,
    *(lambda user, s=s: s for s in ("cw_wrong", "", "é", "x" * 5000)),
]


@pytest.mark.parametrize("bad", BAD)
def test_a_token_that_is_no_good_is_a_problem_that_says_so(bad, clinician, study):
    factories.AcknowledgementFactory(user=clinician)
    secret = bad(clinician)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    for address in (reverse("api-study", args=[study.pk]), reverse("api-studies"), "/api/nowhere/"):
        answer = client.get(address)
        assert answer.status_code == 401
        assert answer["Content-Type"] == PROBLEM and answer.json()["status"] == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_all_bad_tokens_cost_the_same_queries(clinician, django_assert_num_queries):
    factories.AcknowledgementFactory(user=clinician)
    for secret in (revoked(clinician), expired(clinician), "cw_wrong", ""):
        with django_assert_num_queries(1), pytest.raises(tokens.TokenRefusedError):
            tokens.authenticate(secret)


def test_who_brings_nothing_is_told_how_to_sign_in(study):
    answer = Client().get(reverse("api-study", args=[study.pk]))
    assert answer.status_code == 401 and answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_bad_token_is_not_saved_by_a_good_session(browser, study):
    answer = browser.get(reverse("api-study", args=[study.pk]), headers={"Authorization": "Bearer cw_wrong"})
    assert answer.status_code == 401


def test_a_token_goes_on_when_a_new_version_asks_for_the_notice_again(clinician, program, study, settings):
    client = program(clinician)
    settings.VERSION = "99.0.0"
    assert client.get(reverse("api-study", args=[study.pk])).status_code == 200


def test_a_session_that_has_not_confirmed_the_notice_reads_nothing(clinician, study):
    client = Client()
    client.force_login(clinician)
    answer = client.get(reverse("api-study", args=[study.pk]))
    assert answer.status_code == 403 and answer["Content-Type"] == PROBLEM
    assert answer.json()["type"].endswith("#notice")


# --- making them ---


def test_only_the_hash_of_a_token_is_kept(clinician):
    factories.AcknowledgementFactory(user=clinician)
    token, secret = tokens.make(clinician, name="t", scopes=BOTH, days=1)
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert secret not in str(row) and len(secret) > 40
    assert secret.startswith(row["start"])


def test_who_has_not_confirmed_the_notice_makes_no_token(clinician):
    with pytest.raises(PermissionDenied):
        tokens.make(clinician, name="t", scopes=BOTH, days=1)
    assert not ApiToken.objects.exists()


def test_no_token_outlives_the_setting(clinician, settings):
    factories.AcknowledgementFactory(user=clinician)
    settings.MAX_TOKEN_DAYS = 7
    token, _ = tokens.make(clinician, name="t", scopes=BOTH, days=1000)
    assert token.expires_at < timezone.now() + timedelta(days=8)


def test_use_is_noted_at_most_once_a_minute(clinician):
    factories.AcknowledgementFactory(user=clinician)
    _, secret = tokens.make(clinician, name="t", scopes=BOTH, days=1)
    tokens.authenticate(secret)
    first = ApiToken.objects.get().used_at
    tokens.authenticate(secret)
    assert first is not None and ApiToken.objects.get().used_at == first
    ApiToken.objects.update(used_at=first - timedelta(seconds=61))
    tokens.authenticate(secret)
    assert ApiToken.objects.get().used_at >= first


def test_making_and_revoking_stand_in_the_audit(clinician):
    factories.AcknowledgementFactory(user=clinician)
    token, _ = tokens.make(clinician, name="t", scopes=BOTH, days=1)
    assert tokens.revoke(token, by=clinician) is True
    assert tokens.revoke(token, by=clinician) is False
    told = Event.objects.filter(kind="apitoken", object_id=token.pk).order_by("pk")
    assert [(event.new, event.by) for event in told] == [("made", clinician), ("revoked", clinician)]


# --- the page ---


def test_a_token_is_shown_once_and_works(browser, study):
    page = browser.post(reverse("tokens"), {"name": "PACS bridge", "scopes": [Scope.READ], "days": 30})
    (secret,) = set(re.findall(r"cw_[\w-]{43}", page.content.decode()))
    assert page.status_code == 201 and "no-store" in page["Cache-Control"]
    again = browser.get(reverse("tokens")).content.decode()
    assert secret not in again and "PACS bridge" in again and secret[:10] in again
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get(reverse("api-study", args=[study.pk])).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"scopes": []}, {"scopes": ["studies:all"]}, {"days": 0}, {"days": 366}, {"days": "x"}],
)
def test_a_wrong_form_makes_no_token_and_says_why(browser, wrong):
    form = {"name": "n", "scopes": [Scope.READ], "days": 30} | wrong
    page = browser.post(reverse("tokens"), form)
    assert page.status_code == 200 and 'role="alert"' in page.content.decode()
    assert not ApiToken.objects.exists()


def test_a_user_sees_and_revokes_own_tokens_only(browser, clinician):
    mine, theirs = factories.ApiTokenFactory(user=clinician), factories.ApiTokenFactory(name="of another")
    assert "of another" not in browser.get(reverse("tokens")).content.decode()
    assert browser.post(reverse("token-revocation", args=[theirs.pk])).status_code == 404
    assert browser.post(reverse("token-revocation", args=[mine.pk])).status_code == 302
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.is_valid, theirs.is_valid) == (False, True)


def test_an_administrator_sees_and_revokes_all(sign_in, clinician):
    token = factories.ApiTokenFactory(user=clinician)
    desk = sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))
    page = desk.get(reverse("tokens")).content.decode()
    assert token.name in page and clinician.username in page
    desk.post(reverse("token-revocation", args=[token.pk]))
    token.refresh_from_db()
    assert not token.is_valid
