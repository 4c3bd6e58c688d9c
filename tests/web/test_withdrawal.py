"""Withdrawing on pages: with a reason, with an undo, and gone from every other address meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import renditions, texts
from diagnosis.models import Event, Study
from diagnosis.services import withdrawal
from diagnosis.states import Role, StudyStatus
from tests import factories, xrays
from tests.web.test_study_page import plain

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(sign_in) -> Client:
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR, username="chief"))


def withdraw(browser: Client, study: Study, reason: str = "sent to the wrong team") -> Any:
    return browser.post(reverse("study-withdrawal", args=[study.pk]), {"reason": reason})


def restore(browser: Client, study: Study) -> Any:
    return browser.post(reverse("study-restoration", args=[study.pk]))


def page_of(browser: Client, study: Study) -> str:
    return plain(browser.get(reverse("study-withdrawal", args=[study.pk])).content.decode())


def test_the_study_page_offers_it_in_a_dialog_and_without_script_on_a_page(browser, study, hang):
    hang()
    address = reverse("study-withdrawal", args=[study.pk])
    page = browser.get(reverse("study", args=[study.pk])).content.decode()
    assert f'href="{address}" data-dialog="withdraw"' in page and f'action="{address}"' in page
    form = browser.get(address).content.decode()
    assert f'action="{address}"' in form and "Withdraw study" in form and study.number in form


def test_whoever_sent_it_withdraws_it_with_a_reason_and_may_undo(browser, study, clinician):
    answer = withdraw(browser, study)
    assert answer.url == reverse("study-withdrawal", args=[study.pk])
    page = page_of(browser, study)
    assert f"Withdrawn by {clinician}" in page and "sent to the wrong team" in page and "Undo" in page
    assert restore(browser, study).url == reverse("study", args=[study.pk])
    assert browser.get(reverse("study", args=[study.pk])).status_code == 200


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_nothing_is_withdrawn(browser, study, reason):
    answer = withdraw(browser, study, reason)
    assert answer.status_code == 422 and "Say why" in answer.content.decode()
    assert Study.objects.get().status == StudyStatus.ACTIVE


def test_no_address_shows_anything_of_it_meanwhile(browser, desk, study, hang):
    prediction = factories.PredictionFactory(analysis__instance=hang())
    instance = prediction.analysis.instance
    (instance.folder / renditions.heatmap_name(prediction.pk)).write_bytes(xrays.png())
    pictures = [
        reverse(f"instance-{name}", args=[instance.pk]) for name in ("thumbnail", "preview", "pixels")
    ]
    shown = [
        *pictures,
        reverse("prediction-heatmap", args=[prediction.pk]),
        *(reverse(name, args=[study.pk]) for name in ("study", "study-print", "api-study", "study-patient")),
    ]
    for address in shown:
        answer = browser.get(address)
        assert answer.status_code == 200 and b"".join(answer)
    withdraw(browser, study)
    for client in (browser, desk):
        assert [client.get(address).status_code for address in shown] == [404] * len(shown)
        for name in ("study-analyses", "study-check", "study-patient"):
            assert client.post(reverse(name, args=[study.pk]), {"number": "1"}).status_code == 404
        assert study.number not in client.get(reverse("studies")).content.decode()


def test_who_may_only_see_it_is_told_so_and_others_learn_nothing(sign_in, study, team):
    colleague = sign_in(factories.UserFactory(team=team))
    outsider = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    refused = withdraw(colleague, study)
    assert refused.status_code == 403 and texts.NOT_YOURS_TO_CORRECT in plain(refused.content.decode())
    assert withdraw(outsider, study).status_code == 404
    assert Study.objects.get().status == StudyStatus.ACTIVE
    withdrawal.withdraw(study, by=study.uploaded_by, reason="x")
    for client in (colleague, outsider):
        assert client.get(reverse("study-withdrawal", args=[study.pk])).status_code == 404
        assert restore(client, study).status_code == 404


def test_whoever_sent_it_may_undo_for_a_while_and_administrators_always(browser, desk, study, settings):
    settings.UNDO_WITHDRAWAL_S = 3600
    withdraw(browser, study)
    Event.objects.update(at=timezone.now() - timedelta(minutes=61))
    page = page_of(browser, study)
    assert texts.UNDO_IS_OVER in page and "Undo: bring" not in page
    refused = restore(browser, study)
    assert refused.status_code == 403 and texts.UNDO_IS_OVER in plain(refused.content.decode())
    assert restore(desk, study).url == reverse("study", args=[study.pk])


def test_what_an_administrator_withdrew_only_an_administrator_brings_back(browser, desk, study):
    withdraw(desk, study)
    assert texts.UNDO_IS_OVER in page_of(browser, study)
    assert restore(browser, study).status_code == 403
    assert Study.objects.get().status == StudyStatus.WITHDRAWN


def test_who_left_the_team_brings_nothing_back(browser, study, clinician):
    withdraw(browser, study)
    clinician.membership_set.all().delete()
    assert restore(browser, study).status_code == 404


def test_a_second_withdrawal_says_that_it_is_done(browser, desk, study):
    withdraw(browser, study)
    answer = withdraw(desk, study, "again")
    assert texts.WITHDRAWN_ALREADY in plain(answer.content.decode())
    assert Event.objects.get(new=StudyStatus.WITHDRAWN).reason == "sent to the wrong team"


def test_a_second_restoration_says_that_it_is_done(browser, study):
    withdraw(browser, study)
    restore(browser, study)
    answer = restore(browser, study)
    assert texts.RESTORED_ALREADY in plain(browser.get(answer.url).content.decode())


def test_a_film_that_was_sent_again_meanwhile_is_named(browser, study):
    factories.InstanceFactory(series__study=study, pixel_sha256="p" * 64, pixels_once="p" * 64)
    withdraw(browser, study)
    again = factories.StudyFactory(team=study.team)
    factories.InstanceFactory(series__study=again, pixel_sha256="p" * 64, pixels_once="p" * 64)
    answer = restore(browser, study)
    page = plain(browser.get(answer.url).content.decode())
    assert texts.SENT_AGAIN.format(where=f"study {again.number}") in page


def test_administrators_see_all_that_is_withdrawn_and_restore_it(desk, browser, study, clinician):
    empty = plain(desk.get(reverse("identity-withdrawn")).content.decode())
    assert "No study is withdrawn" in empty
    withdraw(browser, study)
    page = desk.get(reverse("identity-withdrawn")).content.decode()
    for fact in (study.number, "sent to the wrong team", clinician.username, "Withdrawn studies (1)"):
        assert fact in plain(page)
    assert reverse("study-restoration", args=[study.pk]) in page
    restore(desk, study)
    assert "No study is withdrawn" in desk.get(reverse("identity-withdrawn")).content.decode()


def test_a_study_that_was_withdrawn_twice_shows_the_last_reason(desk, browser, study):
    withdraw(browser, study, "first reason")
    restore(browser, study)
    withdraw(browser, study, "second reason")
    page = plain(desk.get(reverse("identity-withdrawn")).content.decode())
    assert "second reason" in page and "first reason" not in page
