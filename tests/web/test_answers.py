"""The list *Answers nobody has opened* (rule D13), and its count in the bar of every page."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Membership, Reply
from diagnosis.selectors import replies
from diagnosis.states import Answer, ReadStatus, Role, StudyStatus
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def reply(team, clinician):
    """One more answer to the team; `asked` says that somebody disagreed."""

    def _reply(*, asked=True, of=team, **facts):
        study = factories.StudyFactory(team=of, uploaded_by=clinician)
        request = factories.ReviewRequestFactory(study=study, by=clinician) if asked else None
        read = factories.ReadFactory(study=study, answer=Answer.TYPICAL, reader__reader_number=None, **facts)
        read.reader.reader_number = read.reader.pk
        read.reader.save()
        return Reply.objects.create(read=read, request=request)

    return _reply


def listed(browser: Any) -> str:
    answer = browser.get(reverse("answers"))
    assert answer.status_code == 200
    return answer.content.decode()


def words_of(markup: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", markup)))


def count_in_bar(browser: Any) -> str:
    page = browser.get(reverse("account")).content.decode()
    found = re.search(r'<span class="bar__n">([\d+]+)', page)
    return found[1] if found else ""


def test_an_answer_waits_until_a_member_opens_it(browser, reply, clinician, sign_in, team):
    one = reply()
    number = one.read.study.number
    words = words_of(listed(browser))
    assert (
        f"Study {number}: {one.read.reader.reader_name} read the film after {clinician.username} disagreed"
        in words
    )
    assert one.request.text in words and count_in_bar(browser) == "1"
    opened = browser.post(reverse("answer-opening", args=[one.pk]))
    assert opened.url == reverse("study", args=[one.read.study_id])
    page = listed(sign_in(factories.UserFactory(team=team)))
    assert texts.reviews.ANSWERS_EMPTY in unescape(page)
    assert re.search(rf"opened by {clinician.username}, \d\d:\d\d [A-Z]+, \d+ \w+ \d{{4}}", words_of(page))
    assert count_in_bar(browser) == ""


def test_a_read_that_nobody_asked_for_says_why_it_is_here(browser, reply):
    one = reply(asked=False)
    assert f"{one.read.reader.reader_name} read the film otherwise than the AI." in words_of(listed(browser))


def test_the_list_does_not_say_the_answer_itself(browser, reply):
    """It would be read here and stay unopened for the team."""
    reply()
    assert "Typical" not in listed(browser)


def test_the_one_that_waits_longest_stands_first(browser, reply):
    first, second = reply(), reply()
    page = listed(browser)
    assert page.index(first.read.study.number) < page.index(second.read.study.number)


def test_another_teams_answers_are_not_ones_own(browser, reply):
    reply(of=factories.TeamFactory())
    assert texts.reviews.ANSWERS_EMPTY in unescape(listed(browser))
    assert count_in_bar(browser) == ""


def test_administrators_see_all_and_only_look(reply, sign_in):
    one = reply()
    chief = sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))
    page = unescape(listed(chief))
    assert "1 answer<" in page
    assert one.read.study.number in page and texts.reviews.ONLY_MEMBERS_OPEN in page
    assert reverse("answer-opening", args=[one.pk]) not in page
    assert count_in_bar(chief) == "1"


def test_an_administrator_in_the_team_opens_as_a_member(reply, sign_in, team):
    one = reply()
    chief = factories.UserFactory(role=Role.ADMINISTRATOR, team=team)
    browser = sign_in(chief)
    assert reverse("answer-opening", args=[one.pk]) in listed(browser)
    browser.post(reverse("answer-opening", args=[one.pk]))
    assert Reply.objects.get().opened_by == chief


def test_a_radiologist_is_led_to_no_answers(reply, sign_in, team):
    reply()
    browser = sign_in(factories.UserFactory(role=Role.RADIOLOGIST, team=team))
    assert texts.reviews.ANSWERS_EMPTY in unescape(listed(browser))
    page = browser.get(reverse("account")).content.decode()
    assert reverse("answers") not in page


def test_what_was_replaced_or_withdrawn_waits_for_nobody(browser, reply, clinician):
    one, two = reply(), reply()
    one.read.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)
    two.read.study.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN, by=clinician)
    assert texts.reviews.ANSWERS_EMPTY in unescape(listed(browser))
    assert count_in_bar(browser) == ""
    assert browser.post(reverse("answer-opening", args=[two.pk])).status_code == 404


def test_who_leaves_the_team_leaves_its_answers(browser, reply):
    one = reply()
    Membership.objects.all().delete()
    assert browser.post(reverse("answer-opening", args=[one.pk])).status_code == 404
    assert one.read.study.number not in listed(browser)


def test_a_long_list_says_how_many_there_are(browser, reply, monkeypatch):
    monkeypatch.setattr(replies, "MOST_UNOPENED", 2)
    for _ in range(3):
        reply()
    page = listed(browser)
    assert "the 2 oldest of 3" in page and page.count("told--unread") == 2


def test_a_hundred_are_too_many_to_count_in_the_bar(browser, reply, monkeypatch):
    monkeypatch.setattr("diagnosis.selectors.n_unopened", lambda user: 100)
    assert count_in_bar(browser) == "99+"


def test_a_long_list_takes_few_queries(browser, reply, django_assert_max_num_queries):
    for _ in range(12):
        reply()
    with django_assert_max_num_queries(13):
        listed(browser)


def test_a_part_of_a_page_counts_nothing(browser, reply, django_assert_max_num_queries):
    with django_assert_max_num_queries(12) as asked:
        browser.get(reverse("studies"), headers={"HX-Request": "true"})
    assert not any("diagnosis_reply" in query["sql"] for query in asked.captured_queries)


@pytest.mark.parametrize(
    ("text", "said"),
    [("Dense left lower zone", "“Dense left lower zone”."), ("Why?", "“Why?”"), ("No.", "“No.”")],
)
def test_a_quoted_sentence_ends_once(text, said):
    assert texts.reviews.said("14:10 CET, 3 Mar 2026", text) == f"You said on 14:10 CET, 3 Mar 2026: {said}"
