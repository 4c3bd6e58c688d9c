"""Who has read the text in a film clears it, once, with a record; and what may be learnt from."""

from __future__ import annotations

import pytest
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import Event, Instance
from diagnosis.services import text_clearance
from diagnosis.states import Role, StudyStatus
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def radiologist():
    return factories.UserFactory(role=Role.RADIOLOGIST)


def film(**facts):
    study = {"series__study__patient": factories.PatientFactory(), **facts.pop("study", {})}
    return factories.InstanceFactory(**study, **facts)


def test_a_clearance_says_who_and_when_and_leaves_an_event(radiologist):
    instance = film(text_suspected="detected")
    assert text_clearance.clear(instance, by=radiologist)
    instance.refresh_from_db()
    assert not instance.is_barred and instance.text_cleared_by == radiologist
    event = Event.objects.get(object_id=instance.pk)
    assert (event.kind, event.old, event.new, event.by) == ("instance", "suspected", "cleared", radiologist)


def test_a_clearance_is_taken_back_with_an_event_of_its_own(radiologist):
    instance = film(text_suspected="declared")
    text_clearance.clear(instance, by=radiologist)
    assert text_clearance.undo(instance, by=radiologist)
    instance.refresh_from_db()
    assert instance.is_barred and instance.text_cleared_by is None
    assert list(Event.objects.order_by("pk").values_list("old", "new")) == [
        ("suspected", "cleared"), ("cleared", "suspected"),
    ]  # fmt: skip


def test_a_second_press_changes_nothing(radiologist):
    instance = film(text_suspected="detected")
    first = factories.UserFactory(role=Role.ADMINISTRATOR)
    assert text_clearance.clear(instance, by=first)
    assert not text_clearance.clear(instance, by=radiologist)
    instance.refresh_from_db()
    assert instance.text_cleared_by == first and Event.objects.count() == 1


def test_a_film_that_nobody_suspects_cannot_be_cleared(radiologist):
    instance = film()
    assert not text_clearance.clear(instance, by=radiologist)
    assert not text_clearance.undo(instance, by=radiologist)
    assert not Event.objects.exists()


# --- what may enter a dataset ---


def test_a_film_with_patient_and_without_remark_may_be_learnt_from():
    films = {film(), film()}
    assert set(selectors.trainable(Instance.objects.all())) == films


@pytest.mark.parametrize(
    "facts",
    [
        {"text_suspected": "detected"},
        {"text_suspected": "declared"},
        {"not_assessed": "lateral view"},
        {"study": {"series__study__is_demo": True}},
        {"study": {"series__study__status": StudyStatus.WITHDRAWN}},
        {"study": {"series__study__patient": None}},
    ],
    ids=str,
)
def test_what_may_not_be_learnt_from_is_left_out(facts):
    good = film()
    film(**facts)
    assert list(selectors.trainable(Instance.objects.all())) == [good]


def test_a_cleared_film_may_be_learnt_from_again(radiologist):
    instance = film(text_suspected="detected", text_cleared_at=timezone.now(), text_cleared_by=radiologist)
    assert list(selectors.trainable(Instance.objects.all())) == [instance]
