"""What holds on every page: the footer and version, the banner for late results, the headers that browsers obey."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import texts
from diagnosis.models import Analysis
from diagnosis.states import Role
from tests import factories

pytestmark = pytest.mark.django_db

NOWHERE = "00000000-0000-4000-8000-000000000000"
PAGES = ("acknowledgement", "uploads", "studies", "study", "batch", "system", "tokens", "api-docs", "nowhere")


@pytest.fixture
def desk(sign_in) -> Client:
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR), raise_request_exception=False)


@pytest.fixture
def address(study, hang, clinician):
    factories.PredictionFactory(analysis__instance=hang())
    batch = factories.BatchFactory(team=study.team, by=clinician)
    objects = {"study": [study.pk], "batch": [batch.pk]}

    def _address(name: str) -> str:
        return f"/studies/{NOWHERE}/" if name == "nowhere" else reverse(name, args=objects.get(name, []))

    return _address


@pytest.mark.parametrize("name", PAGES)
def test_the_footer_with_the_version_stands_on_every_page(name, desk, address, settings):
    page = desk.get(address(name)).content.decode()
    assert texts.FOOTER in page
    assert f"{settings.SITE_NAME} {settings.VERSION}" in page


def test_the_footer_stands_where_nobody_has_signed_in_and_on_paper(client, desk, study, hang):
    factories.PredictionFactory(analysis__instance=hang())
    assert texts.FOOTER in client.get(reverse("login")).content.decode()
    assert texts.FOOTER in desk.get(reverse("study-print", args=[study.pk])).content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_results_that_are_late_are_said_on_every_page(name, desk, address, study, settings):
    asked = address(name)
    assert "AI results are late." not in desk.get(asked).content.decode()
    analysis = factories.AnalysisFactory(instance__series__study=study)
    since = timezone.now() - timedelta(seconds=settings.LATE_AFTER_S, minutes=7)
    Analysis.objects.filter(pk=analysis.pk).update(requested_at=since)
    minutes = int(settings.LATE_AFTER_S // 60) + 7
    words = re.sub(r"<[^>]*>", "", desk.get(asked).content.decode())
    assert str(texts.late(minutes)) in words
    assert f"has waited {minutes} minutes" in words


def test_a_stranger_is_told_nothing_about_the_queue(client, study, settings):
    analysis = factories.AnalysisFactory(instance__series__study=study)
    since = timezone.now() - timedelta(seconds=settings.LATE_AFTER_S, minutes=7)
    Analysis.objects.filter(pk=analysis.pk).update(requested_at=since)
    assert "late" not in re.sub(r"<[^>]*>", "", client.get(reverse("login")).content.decode())


@pytest.mark.parametrize("name", PAGES)
def test_no_page_needs_code_that_is_written_into_it(name, desk, address):
    answer = desk.get(address(name))
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    page = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_from_another_host(name, desk, address):
    page = desk.get(address(name)).content.decode()
    assert not re.findall(r"""(?:src|href|action|hx-get)=["'](?:https?:)?//""", page)


def test_browsers_are_told_what_they_may_do(desk, address):
    answer = desk.get(address("studies"))
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("cookie", "theme"), [("light", "light"), ("system", "system"), ('"><b', "dark"), ("", "dark")]
)
def test_the_theme_is_the_one_that_was_chosen_and_dark_at_first(client, cookie, theme):
    client.cookies["theme"] = cookie
    assert f'data-theme="{theme}"' in client.get(reverse("login")).content.decode()
