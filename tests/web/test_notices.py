"""The bell, the page of notices, and the switch for mails."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Notice
from diagnosis.services import notices
from diagnosis.states import NoticeKind
from tests import factories

pytestmark = pytest.mark.django_db


def page(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def bell(answer) -> str:
    return re.search(r'<a [^>]*id="bell"[^>]*aria-label="([^"]*)"', answer.content.decode())[1]


def test_a_bell_on_every_page_counts_what_is_unread(browser, clinician):
    assert bell(browser.get(reverse("studies"))) == "0 unread notices"
    notices.tell([clinician], NoticeKind.RUN_DONE, "one")
    assert bell(browser.get(reverse("uploads"))) == "1 unread notice"
    notices.tell([clinician, factories.UserFactory()], NoticeKind.RUN_DONE, "two")
    assert bell(browser.get(reverse("studies"))) == "2 unread notices"


def test_a_stranger_has_no_bell(client, db):
    assert 'id="bell"' not in client.get(reverse("login")).content.decode()


def test_the_bell_counts_on_while_a_page_stays_open(browser, clinician):
    """What every page asks for every 15 s brings the bell along, to be put in the place of the old one."""
    notices.tell([clinician], NoticeKind.RUN_DONE, "one")
    part = browser.get(reverse("lateness"), headers={"HX-Request": "true"})
    assert bell(part) == "1 unread notice" and 'hx-swap-oob="true"' in part.content.decode()
    assert "hx-swap-oob" not in browser.get(reverse("studies")).content.decode()


def test_without_notices_the_page_says_what_will_stand_there(browser):
    assert "No notices" in page(browser.get(reverse("notices")))


def test_unread_ones_come_first_and_then_the_newest(browser, clinician):
    _, read, _ = (factories.NoticeFactory(user=clinician, text=text) for text in ("old", "read", "new"))
    notices.mark_read(read)
    assert [notice.text for notice in browser.get(reverse("notices")).context["notices"]] == [
        "new",
        "old",
        "read",
    ]


def test_opening_one_reads_it_and_leads_to_what_it_is_about(browser, clinician):
    notice = factories.NoticeFactory(user=clinician, address="/uploads/")
    assert browser.post(reverse("notice-reading", args=[notice.pk])).url == "/uploads/"
    notice.refresh_from_db()
    first = notice.read_at
    browser.post(reverse("notice-reading", args=[notice.pk]))
    notice.refresh_from_db()
    assert first and notice.read_at == first


@pytest.mark.parametrize(
    "address", ["", "https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_it_leads_nowhere_else(browser, clinician, address):
    notice = factories.NoticeFactory(user=clinician, address=address)
    assert browser.post(reverse("notice-reading", args=[notice.pk])).url == reverse("notices")


def test_one_is_marked_as_read_without_leaving_the_page(browser, clinician):
    notice = factories.NoticeFactory(user=clinician)
    answer = browser.post(reverse("notice-reading", args=[notice.pk]), {"stay": "yes"}, follow=True)
    assert answer.redirect_chain == [(reverse("notices"), 302)] and bell(answer) == "0 unread notices"


def test_all_are_marked_as_read_at_once_but_not_those_of_others(browser, clinician):
    theirs = factories.NoticeFactory()
    for _ in range(3):
        factories.NoticeFactory(user=clinician)
    assert "Mark all as read" in page(browser.get(reverse("notices")))
    answer = browser.post(reverse("notices-readings"), follow=True)
    assert bell(answer) == "0 unread notices" and "Mark all as read" not in page(answer)
    theirs.refresh_from_db()
    assert theirs.read_at is None


def test_a_long_list_takes_few_queries(browser, clinician, django_assert_max_num_queries):
    for _ in range(120):
        factories.NoticeFactory(user=clinician)
    with django_assert_max_num_queries(12):
        answer = browser.get(reverse("notices"))
    assert len(answer.context["notices"]) == 100 and "99+" in page(answer)


def test_the_switch_for_mails_is_there_where_the_site_sends_them(browser, clinician, settings):
    fields = {"first_name": "", "last_name": "", "email": ""}
    assert "by e-mail" not in page(browser.get(reverse("account")))
    browser.post(reverse("account"), fields)
    clinician.refresh_from_db()
    assert clinician.mails_notices
    settings.NOTICE_EMAILS = True
    assert "Send me my notices by e-mail too" in page(browser.get(reverse("account")))
    for ticked in ({}, {"mails_notices": "on"}):
        browser.post(reverse("account"), fields | ticked)
        clinician.refresh_from_db()
        assert clinician.mails_notices == bool(ticked)


def test_every_kind_of_notice_fits_its_column_and_every_text_ends():
    kinds = [value for name, value in vars(NoticeKind).items() if name.isupper()]
    longest = Notice._meta.get_field("kind").max_length
    assert all(len(kind) <= longest for kind in kinds)
    sentences = [texts.upload_stopped(1), texts.upload_stopped(3)]
    sentences += [texts.disagreement_answered("3F2A"), texts.run_done("D3 on 2026-11", succeeded=False)]
    assert all(sentence.endswith(".") for sentence in sentences)
