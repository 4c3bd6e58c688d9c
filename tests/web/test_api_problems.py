"""What holds for every address under /api/: refusals are problem documents, requests are counted."""

from __future__ import annotations

import re

import pytest
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from diagnosis import problems, texts
from diagnosis.models import Usage
from diagnosis.services import limits
from diagnosis.views import errors
from tests import factories

pytestmark = pytest.mark.django_db

MEMBERS = {"type", "title", "status", "detail", "instance"}


def is_problem(answer, status: int, kind: str) -> bool:
    problem = answer.json()
    assert answer["Content-Type"] == problems.MEDIA_TYPE
    assert set(problem) >= MEMBERS and problem["status"] == status == answer.status_code
    assert problem["title"] == problems.KINDS[kind].title
    return problem["type"] == f"{reverse('api-docs')}#{kind}"


@pytest.mark.parametrize(
    "address",
    [
        "/api/",
        "/api/nowhere/",
        "/api/studies",
        "/api/studies/7/",
        "/api/studies/x/result/",
        "/api/%00/",
        "/api/é/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_an_address_that_does_not_exist_is_a_problem_for_every_method(browser, address, method):
    assert is_problem(browser.generic(method, address), 404, "not-found")
    assert is_problem(Client().generic(method, address), 404, "not-found")


def test_a_study_that_one_may_not_see_answers_like_one_that_does_not_exist(browser):
    theirs = browser.get(reverse("api-study", args=[factories.StudyFactory().pk])).json()
    nothing = browser.get(reverse("api-study", args=["00000000-0000-4000-8000-000000000000"])).json()
    theirs.pop("instance"), nothing.pop("instance")
    assert theirs == nothing


def test_another_method_is_a_problem_that_names_those_there_are(browser, study):
    answer = browser.delete(reverse("api-study", args=[study.pk]))
    assert is_problem(answer, 405, "method") and answer["Allow"] == "GET, HEAD"


def test_a_format_that_is_not_there_is_a_problem(browser, study):
    answer = browser.get(reverse("api-study", args=[study.pk]), headers={"accept": "text/html"})
    assert is_problem(answer, 406, "not-acceptable")


def test_a_body_of_another_type_or_size_is_a_problem(browser, study, settings):
    address = reverse("api-study-withdrawal", args=[study.pk])
    assert is_problem(browser.post(address, {"reason": "x"}), 415, "media-type")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    big = browser.post(address, {"reason": "x" * 2000}, content_type="application/json")
    assert is_problem(big, 413, "too-large")


def test_a_defect_is_a_problem_that_tells_nothing_of_it(study, sign_in, clinician, monkeypatch):
    browser = sign_in(clinician, raise_request_exception=False)
    monkeypatch.setattr("diagnosis.access.study_for", lambda *_: 1 / 0)
    answer = browser.get(reverse("api-study", args=[study.pk]))
    assert is_problem(answer, 500, "defect") and "division" not in answer.content.decode()


def test_a_wrong_host_is_a_problem_for_programs(browser, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    assert is_problem(browser.get("/api/studies/", headers={"host": "elsewhere.example"}), 400, "unreadable")


@pytest.mark.parametrize(("handler", "status"), [(errors.forbidden, 403), (errors.not_found, 404)])
def test_what_django_refuses_is_a_page_for_people_and_a_problem_for_programs(handler, status):
    for path, kind in (("/api/x/", problems.MEDIA_TYPE), ("/studies/x/", "text/html; charset=utf-8")):
        answer = handler(RequestFactory().get(path), Http404())
        assert (answer.status_code, answer["Content-Type"]) == (status, kind)


def test_the_documentation_is_a_page_even_when_it_refuses(clinician):
    answer = Client().get(reverse("api-docs"))
    assert answer.status_code == 302 and reverse("login") in answer.url


def test_nothing_of_the_api_is_kept_by_caches(browser, study):
    assert browser.get(reverse("api-study", args=[study.pk]))["Cache-Control"] == "private, no-store"


# --- the limit ---


def test_every_answer_says_how_many_requests_are_left(browser, settings):
    settings.API_REQUESTS_PER_MINUTE = 1000
    first, second = browser.get("/api/studies/"), browser.get("/api/studies/?limit=0")
    assert first["RateLimit-Limit"] == "1000" and 0 < int(first["RateLimit-Reset"]) <= 60
    left = int(first["RateLimit-Remaining"]), int(second["RateLimit-Remaining"])
    assert left[1] in (left[0] - 1, 999)


def test_past_the_limit_a_problem_says_when_it_goes_on(browser, clinician, settings, monkeypatch):
    settings.API_REQUESTS_PER_MINUTE, settings.TIME_ZONE = 2, "Europe/Berlin"
    now = timezone.now().replace(2026, 3, 3, 13, 59, 30)
    monkeypatch.setattr(timezone, "now", lambda: now)
    answers = [browser.get("/api/studies/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert is_problem(answers[2], 429, "limit")
    assert answers[2]["Retry-After"] in ("29", "30")
    detail = answers[2].json()["detail"]
    assert re.fullmatch(r"Limit reached: 2 requests a minute\. Try again at 15:00 CET\.", detail)
    assert Usage.objects.get(user=clinician, kind="api").n == 2


def test_the_limit_of_one_user_is_not_that_of_another(browser, team, sign_in, settings):
    settings.API_REQUESTS_PER_MINUTE = 1
    browser.get("/api/studies/")
    browser.get("/api/studies/")
    other = sign_in(factories.UserFactory(team=team))
    assert other.get("/api/studies/").status_code == 200


def test_taking_says_how_many_are_left(clinician):
    minute = timezone.timedelta(minutes=1)
    assert limits.take(clinician, "kind", most=10, per=minute, n=3) == 7
    assert limits.take(clinician, "kind", most=10, per=minute) == 6
    assert texts.requests_limited("10 a day", until=timezone.now()).startswith("Limit reached: 10 a day.")
