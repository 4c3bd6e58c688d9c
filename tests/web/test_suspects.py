"""The page on which administrators look for labels that look wrong and send them back."""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Exposure, Recheck, Study, User
from diagnosis.services import suspicion, worklist
from diagnosis.states import Answer, Label, RecheckStatus, Role
from tests import factories
from tests import suspects as made
from tests.suspects import collection, labelled, reader, score
from tests.web.test_study_page import plain

pytestmark = pytest.mark.django_db
words = texts.suspects


@pytest.fixture
def chief(sign_in):
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR, username="chief"))


@pytest.fixture
def planted(db):
    reader("second")
    return collection()


def page_of(browser, **asked):
    answer = browser.get(reverse("suspects"), asked)
    assert answer.status_code == 200
    return answer.content.decode()


def ticked(page):
    return [uuid.UUID(key) for key in re.findall(r'value="([0-9a-f-]{36})" data-tick checked', page)]


def offered(page):
    return re.findall(r'value="([0-9a-f-]{36})" data-tick', page)


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page)[1]


def put(browser, page, studies=None, **more):
    fields = {
        "batch": hidden(page, "batch"),
        "by": hidden(page, "by"),
        "studies": ticked(page) if studies is None else studies,
    }
    return plain(browser.post(reverse("suspects-rechecks"), fields | more, follow=True).content.decode())


# --- what the page says ---


def test_suspects_stand_by_margin_with_label_provenance_score_and_reason(chief, planted):
    page = page_of(chief)
    said = plain(page)
    assert "54 films judged, one a study" in said and "6 suspects, the most suspected first" in said
    assert set(ticked(page)) == planted
    of = suspicion.judge(suspicion.grounds()[0])
    assert ticked(page) == [suspect.film.study for suspect in of.suspects]
    assert of.suspects[0].words in said
    assert "by one reader" in said and "All other studies version 1" in said
    assert f"{reader().reader_name}: {texts.reading.ANSWERS[Answer.TYPICAL]}" in said
    assert reader().username not in said
    assert "Held-out score 0.97" in said and "Held-out score 0.03" in said
    assert words.to_the_worklist(6, 6) in said


def test_the_joint_and_what_is_usual_stand_in_a_table(chief, planted):
    result = suspicion.judge(suspicion.grounds()[0]).result
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", page_of(chief), re.DOTALL)
    covid, noncovid = (plain(row) for row in rows[:2])
    assert covid.split() == [
        "COVID-19", "27", f"{result.thresholds[1]:.2f}", str(result.joint[1][1]), "3", "suspected",
    ]  # fmt: skip
    assert noncovid.split() == [
        "Non-COVID", "27", f"{result.thresholds[0]:.2f}", "3", "suspected", str(result.joint[0][0]),
    ]  # fmt: skip


def test_the_number_asked_for_is_chosen_and_the_button_says_it(chief, planted):
    page = page_of(chief, n="2")
    assert len(ticked(page)) == 2 and len(offered(page)) == 6
    assert words.to_the_worklist(2, 2) in plain(page)


@pytest.mark.parametrize("n", ["", "0", "-3", "1e9", "999999999", "x", "٣"])
def test_an_odd_number_is_no_error(chief, planted, n):
    assert ticked(page_of(chief, n=n))


def test_unknown_probabilities_are_said_to_be_gone(chief, planted):
    assert words.UNKNOWN_GROUNDS in plain(page_of(chief, by="scores:nothing"))


def test_the_probabilities_can_be_chosen(chief, planted):
    film = labelled(Label.COVID, None)
    score(film.series.get().instances.get(), 0.5, recipe="another")
    page = page_of(chief, by="scores:another")
    assert "1 film judged" in plain(page)
    assert (
        f'<option value="scores:{made.RECIPE}">' in page
        and '<option value="scores:another" selected>' in page
    )


def test_without_probabilities_it_is_said_how_to_get_them(chief, db):
    said = plain(page_of(chief))
    assert "No label can be judged yet" in said and "manage.py import_scores" in said


def test_a_checkpoint_that_lists_no_films_is_refused_in_words(chief, promote):
    factories.PredictionFactory(checkpoint=promote())
    said = plain(page_of(chief))
    assert "does not list the films that it was trained on" in said and "No label can be judged yet" in said


@pytest.mark.parametrize(
    ("n_covid", "n_noncovid", "sentence"),
    [
        (0, 0, "None of these films has a label that is decided"),
        (25, 0, "All 25 films have the label COVID-19."),
        (25, 5, "25 films with the label COVID-19 and 5 Non-COVID: each class needs at least 20."),
        (25, 25, "no better than chance"),
    ],
)
def test_too_little_is_a_sentence_and_no_table(chief, n_covid, n_noncovid, sentence):
    score(factories.InstanceFactory(), 0.5)
    made.many([(Label.COVID, 0.5)] * n_covid + [(Label.NONCOVID, 0.5)] * n_noncovid)
    page = page_of(chief)
    assert sentence in plain(page) and "<table" not in page and "nan" not in page.lower().split("<main")[1]


def test_nothing_suspected_is_a_sentence(chief, db):
    made.many([(Label.COVID, 0.9), (Label.NONCOVID, 0.1)] * 25)
    page = page_of(chief)
    assert words.NOTHING_SUSPECTED in plain(page) and "data-put" not in page


def test_a_site_where_nobody_reads_is_told_so_and_one_reader_is_too(chief, planted):
    User.objects.filter(username="second").update(is_active=False)
    assert words.ONE_READER in plain(page_of(chief))
    User.objects.filter(role=Role.RADIOLOGIST).update(is_active=False)
    page = page_of(chief)
    assert words.NO_READERS in plain(page) and "data-put" not in page


def test_what_nobody_is_left_for_is_listed_and_cannot_be_chosen(chief, planted):
    study = ticked(page_of(chief))[0]
    prediction = factories.PredictionFactory(analysis__instance__series__study_id=study)
    for user in User.objects.filter(role=Role.RADIOLOGIST):
        user.exposures.create(study_id=study, prediction=prediction)
    page = page_of(chief)
    assert study not in ticked(page) and len(offered(page)) == 5
    assert "Nobody is left to look again." in plain(page)


def test_looking_at_the_page_is_noted_as_being_shown_the_ai(chief, planted):
    """Rule D1: an administrator may become a reader."""
    study = Study.objects.get(pk=ticked(page_of(chief))[0])
    study.leading = factories.PredictionFactory(analysis__instance__series__study=study)
    study.save()
    page_of(chief)
    assert Exposure.objects.filter(user__username="chief", study=study).exists()


# --- one click ---


def test_one_click_puts_them_on_the_worklist_with_as_many_others(chief, planted):
    said = put(chief, page_of(chief))
    assert words.put_back(6, 6, n_left=0, n_short=0) in said
    assert Recheck.objects.filter(status=RecheckStatus.OPEN).count() == 12
    assert "12 studies" in said and "Take back 12 that nobody has read" in said
    page = page_of(chief)
    assert ticked(page) == [] and plain(page).count("On the worklist again") == 6
    assert "data-put disabled" in page


def test_the_same_form_sent_twice_makes_one_batch(chief, planted):
    page = page_of(chief)
    put(chief, page)
    assert words.ALREADY_DONE in put(chief, page)
    assert Recheck.objects.values("batch").distinct().count() == 1


def test_an_administrator_sees_on_the_worklist_what_their_place_follows_from(chief, planted, sign_in):
    put(chief, page_of(chief))
    said = plain(chief.get(reverse("worklist")).content.decode())
    assert said.count("drawn at random, stands for both") == 12
    readers = sign_in(reader("second")).get(reverse("worklist")).content.decode()
    assert "looked at again" not in readers and "stands for both" not in readers


def test_some_can_be_chosen_by_hand(chief, planted):
    page = page_of(chief)
    said = put(chief, page, studies=ticked(page)[2:3])
    assert words.put_back(1, 1, n_left=0, n_short=0) in said
    assert [row.study_id for row in Recheck.objects.filter(is_suspected=True)] == ticked(page)[2:3]


@pytest.mark.parametrize("studies", [[], ["x"], ["00000000-0000-4000-8000-000000000000"]])
def test_nothing_that_can_go_changes_nothing(chief, planted, studies):
    assert words.NOTHING_CHOSEN in put(chief, page_of(chief), studies=studies)
    assert not Recheck.objects.exists()


def test_what_was_judged_by_something_that_is_gone_changes_nothing(chief, planted):
    assert words.UNKNOWN_GROUNDS in put(chief, page_of(chief), by="scores:gone")
    assert not Recheck.objects.exists()


def test_too_many_at_once_are_refused(chief, planted, monkeypatch):
    page = page_of(chief)
    monkeypatch.setattr(suspicion, "MOST", 5)
    assert words.TOO_MANY.format(most=5) in put(chief, page)


def test_fewer_others_than_suspects_is_said(chief, planted):
    page = page_of(chief)
    of = suspicion.judge(suspicion.grounds()[0])
    Recheck.objects.bulk_create(
        Recheck(study_id=film.study, batch=uuid.uuid4(), is_suspected=False) for film in of.others[1:]
    )
    said = put(chief, page)
    assert "6 suspects and 1 random study are on the worklist. There were 5 fewer random studies" in said


# --- what came of it ---


def test_a_batch_shows_what_changed_and_can_be_taken_back(chief, planted):
    put(chief, page_of(chief))
    row = Recheck.objects.filter(is_suspected=True).first()
    factories.ReadFactory(study=row.study, reader=reader("second"), answer=Answer.INDETERMINATE)
    worklist.refresh(row.study)
    said = plain(page_of(chief))
    assert "1 of 1 changed (21–100 %)" in said and "none read yet" in said
    batch = reverse("suspects-dropping", args=[row.batch])
    assert words.dropped(11) in plain(chief.post(batch, follow=True).content.decode())
    assert words.DROPPED_NONE in plain(chief.post(batch, follow=True).content.decode())
    assert "Take back" not in plain(page_of(chief))


def test_a_batch_that_is_none_is_not_found(chief, db):
    assert chief.post(reverse("suspects-dropping", args=[uuid.uuid4()])).status_code == 404


# --- who may ---


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST])
def test_only_administrators_send_back_or_take_back(sign_in, role, planted):
    browser = sign_in(factories.UserFactory(role=role))
    fields = {"by": f"scores:{made.RECIPE}", "studies": [str(pk) for pk in planted]}
    assert browser.post(reverse("suspects-rechecks"), fields).status_code == 403
    assert browser.post(reverse("suspects-dropping", args=[uuid.uuid4()])).status_code == 403
    assert not Recheck.objects.exists()


def test_readers_are_told_nothing(chief, planted, sign_in):
    """Suspected and random ones look the same to whoever gets them (rule D5)."""
    put(chief, page_of(chief))
    browser = sign_in(reader("second"))
    rows = re.findall(
        r'<li class="case".*?</li>', browser.get(reverse("worklist")).content.decode(), re.DOTALL
    )
    assert len(rows) == 12
    bare = {re.sub(r"[0-9a-f-]{36}|[0-9A-Fa-f]{32}|[0-9A-F]{8}", "", plain(row)) for row in rows}
    received = re.compile(r"received [^R]*")
    assert len({received.sub("", row) for row in bare}) == 1
    study = Recheck.objects.filter(is_suspected=True).first().study_id
    assert "suspect" not in browser.get(reverse("case", args=[study])).content.decode().lower()
    assert urlencode({"by": "scores"}) not in "".join(rows)
