"""The page of readers' agreement: who sees it, what it says where there is little to say, and what is taken along."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnosis import selectors, texts
from diagnosis.models import Cohort, Event, Read, Study, User
from diagnosis.selectors import Extent, RatedRead, ReadTwice, Switches
from diagnosis.services import agreement, agreement_exports, agreement_page, protocols
from diagnosis.services.scales import SCALES
from diagnosis.states import ANSWER_TABLES, Answer, Finding, LabelRule, Role
from diagnosis.texts import agreement as words
from tests import factories
from tests.compared import ANSWERS, compared

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(db: None) -> User:
    return factories.UserFactory(role=Role.ADMINISTRATOR)


@pytest.fixture
def readers(db: None) -> list[User]:
    return [
        factories.UserFactory(
            role=Role.RADIOLOGIST, reader_number=n, first_name="Ada", last_name=f"Lovelace{n}"
        )
        for n in (1, 2, 3)
    ]


@pytest.fixture
def look(sign_in: Any, administrator: User) -> Any:
    """The words of the part with the numbers, without markup."""

    def _look(*, by: User | None = None, **query: Any) -> str:
        answer = sign_in(by or administrator).get(reverse("agreement-numbers"), query)
        assert answer.status_code == 200
        return in_words(answer.content.decode())

    return _look


def in_words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def double_read(answers: list[tuple[str, ...]], readers: list[User], **case: Any) -> list[Study]:
    studies = []
    for said in answers:
        study = factories.StudyFactory()
        factories.CaseFactory(study=study, **case)
        for reader, answer in zip(readers, said, strict=False):
            if answer:
                factories.ReadFactory(study=study, reader=reader, answer=answer)
        studies.append(study)
    return studies


# --- who sees it ---


def test_the_study_lead_sees_the_own_cohort_and_no_other(sign_in, readers):
    lead = factories.UserFactory(first_name="Marie", last_name="Curie")
    own, other = (Cohort.objects.create(name=name, position=n) for n, name in enumerate(("Own", "Other")))
    Cohort.objects.filter(pk=own.pk).update(lead=lead)
    for cohort, answer in ((own, Answer.TYPICAL), (other, Answer.NORMAL)):
        rules = cohort.protocols.create(version=1, n_readers=2, rule=LabelRule.UNANIMOUS)
        double_read([(answer, answer)], readers, protocol=rules)
    browser = sign_in(lead)
    page = browser.get(reverse("agreement"), {"cohort": other.pk}).content.decode()
    assert "Own" in page and "Other" not in page and words.ALL_COHORTS not in page
    for address in ("agreement-numbers", "agreement-json"):
        answer = browser.get(reverse(address))
        assert answer.status_code == 200 and "typical" in answer.content.decode().lower()
    # Another cohort cannot be chosen: the page falls back to the own one and says so, a file is not made.
    said = in_words(browser.get(reverse("agreement-numbers"), {"cohort": other.pk}).content.decode())
    assert "This filter is not applied" in said and "(Typical)" in said and "(Normal)" not in said
    assert browser.get(reverse("agreement-csv"), {"cohort": other.pk}).status_code == 400


def test_a_radiologist_or_clinician_who_leads_nothing_is_told_whose_page_it_is(sign_in, readers):
    for user in (readers[0], factories.UserFactory()):
        for name in ("agreement", "agreement-numbers", "agreement-csv", "agreement-json"):
            answer = sign_in(user).get(reverse(name))
            assert answer.status_code == 403 and words.ONLY_LEADS in answer.content.decode()


def test_who_is_no_longer_the_lead_sees_nothing_from_then_on(sign_in):
    lead = factories.UserFactory()
    cohort = protocols.rest()
    Cohort.objects.filter(pk=cohort.pk).update(lead=lead)
    browser = sign_in(lead)
    assert browser.get(reverse("agreement")).status_code == 200
    Cohort.objects.filter(pk=cohort.pk).update(lead=None)
    assert browser.get(reverse("agreement")).status_code == 403


def test_a_study_lead_finds_the_page_from_their_account(sign_in):
    lead = factories.UserFactory()
    address = reverse("agreement")
    assert address not in sign_in(lead).get(reverse("account")).content.decode()
    Cohort.objects.filter(pk=protocols.rest().pk).update(lead=lead)
    assert address in sign_in(lead).get(reverse("account")).content.decode()


def test_readers_are_numbers_to_administrators_and_names_to_the_study_lead(look, readers, administrator):
    double_read([("typical", "normal")], readers)
    cohort, lead = protocols.rest(), factories.UserFactory()
    Cohort.objects.filter(pk=cohort.pk).update(lead=lead)
    for_administrator = look(cohort=cohort.pk)
    assert "R-01" in for_administrator and "Lovelace" not in for_administrator
    assert "R-01 Ada Lovelace1" in look(by=lead)


def final(studies: list[Study]) -> None:
    """Reads that can no longer be taken back."""
    Read.objects.filter(study__in=studies).update(created_at=timezone.now() - timedelta(minutes=5))


def test_a_lead_who_reads_is_told_which_number_is_theirs(look, readers):
    final(double_read([("typical", "normal")], readers))
    Cohort.objects.filter(pk=protocols.rest().pk).update(lead=readers[0])
    said = look(by=readers[0])
    assert "R-01 (you)" in said and "R-02 Ada Lovelace2" in said


@pytest.mark.parametrize(
    "protocol", [{"hides_ai": True, "hides_peers": False}, {"hides_ai": False, "hides_peers": True}]
)
def test_a_lead_who_reads_learns_nothing_of_cases_on_which_they_are_still_blind(
    protocol, look, readers, sign_in
):
    """Not even in a number: a period of one day may hold a single case (rule D1)."""
    rules, lead = factories.protocol(**protocol), readers[2]
    Cohort.objects.filter(pk=rules.cohort_id).update(lead=lead)
    unread = double_read([("typical", "normal")], readers, protocol=rules, is_random=True)
    for study in unread:
        study.leading = factories.PredictionFactory(analysis__instance__series__study=study)
        study.save()
    final(unread)
    assert (
        "1 case by" not in look(by=lead)
        and words.NOTHING in look(by=lead)
        and words.FOR_A_READER in look(by=lead)
    )
    page = sign_in(lead).get(reverse("agreement")).content.decode()
    assert "0 readers over 0 cases" in page
    final(double_read([("typical", "normal", "normal")], readers, protocol=rules))
    assert "3 reads of 1 case by 3 readers" in look(by=lead)


def test_nobody_sees_names_of_all_cohorts_together(look, readers, administrator):
    double_read([("typical", "normal")], readers)
    Cohort.objects.filter(pk=protocols.rest().pk).update(lead=administrator)
    assert "Lovelace" not in look()
    assert "Lovelace" in look(cohort=protocols.rest().pk)


# --- each bad case in words ---


def test_no_read_at_all(look):
    said = look()
    assert words.NOTHING in said and words.NO_RANDOM in said and words.NO_REPEATS_SHARE in said


def test_reads_that_none_of_which_counts(look, readers):
    factories.ReadFactory(study=factories.CaseFactory().study, reader=readers[0], is_blinded=False)
    said = look()
    assert words.NOTHING in said and words.not_blind(1) in said


def test_one_reader_alone(look, readers):
    double_read([("typical",)] * 3, readers)
    said = look()
    assert words.ONE_READER in said and "Cannot tell. 0 cases" in said


def test_readers_who_never_read_the_same_case(look, readers):
    double_read([("typical", ""), ("", "normal")], readers)
    assert words.ONE_READER in look()


def test_all_readers_agree_on_one_answer_so_that_kappa_is_not_defined(look, readers):
    double_read([("normal", "normal")] * 60, readers)
    said = look()
    assert words.unanimous("Normal", 60) in said
    assert "Cannot tell. 60 cases with two reads or more, and all answers are the same" in said


def test_fewer_cases_than_a_verdict_needs(look, readers):
    double_read([("normal", "normal"), ("typical", "normal")] * 20, readers)
    said = look()
    assert "Cannot tell. 40 cases with two reads or more. From 50 on" in said


def test_a_verdict_names_n_and_interval(look, readers):
    double_read([("normal", "normal"), ("typical", "typical")] * 30, readers)
    double = re.search(r"Above the floor of 0.40\. Krippendorff's alpha 1\.00", look())
    assert double is None  # all agree: no spread, so nobody can tell how sure it is
    assert "Krippendorff's alpha 1.00 has no interval, 60 cases" in look()
    double_read([("typical", "normal")], readers)
    assert re.search(
        r"Above the floor of 0\.40\. Krippendorff's alpha 0\.97 \(95 % interval 0\.\d\d to 1\.00\), 61 cases",
        look(),
    )


def test_readers_below_the_floor(look, readers):
    double_read([("normal", "typical"), ("typical", "normal"), ("normal", "normal")] * 20, readers)
    said = look()
    assert "Below the floor of 0.40." in said and words.BELOW in said


def test_the_floor_and_the_cases_that_it_needs_are_settings(look, readers, settings):
    settings.KAPPA_FLOOR, settings.KAPPA_CASES = 0.98, 20
    double_read([("normal", "normal"), ("typical", "typical")] * 30 + [("typical", "normal")] * 9, readers)
    assert "Below the floor of 0.98." in look()


def test_a_skewed_table_is_shown_as_such(look, readers):
    """95 of 100 cases alike and kappa near zero (Byrt, Bishop & Carlin 1993): said of all readers and of the pair."""
    skewed = [("normal", "normal")] * 95 + [("typical", "normal")] * 3 + [("normal", "typical")] * 2
    double_read(skewed, readers)
    said = look()
    assert words.skewed(0.95, "Normal", is_pair=False) in said
    assert f"{words.SKEWED_TAG} {words.skewed(0.95, 'Normal', is_pair=True)}" in said
    assert "Readers agree on 95 of 100 films, but nearly all are Normal: kappa says little here." in said


def test_a_balanced_table_with_the_same_percent_is_not_called_skewed(look, readers):
    balanced = [("normal", "normal")] * 48 + [("typical", "typical")] * 47 + [("typical", "normal")] * 5
    double_read(balanced, readers)
    assert "kappa says little here" not in look()


def test_no_case_was_drawn_at_random_and_the_ai_gave_no_answer_are_two_things(look, readers):
    double_read([("typical", "typical")], readers)
    assert words.NO_RANDOM in look()
    double_read([("typical", "typical")], readers, is_random=True)
    assert words.NO_AI_ANSWER in look()


def test_why_there_are_no_repeats(look, readers):
    double_read([("typical", "normal")], readers)
    assert words.NO_REPEATS_SHARE in look()
    factories.protocol(repeat_share=0.1)
    assert words.NO_REPEATS_YET in look()


def test_a_reader_whose_role_was_withdrawn_keeps_what_they_said(look, readers):
    double_read([("typical", "normal")], readers)
    User.objects.filter(pk=readers[0].pk).update(role=Role.CLINICIAN, is_active=False)
    assert "R-01" in look()


@pytest.mark.parametrize(
    "query", [{"since": "nonsense"}, {"cohort": "999999"}, {"cohort": "x"}, {"scale": "other"}]
)
def test_a_filter_that_cannot_be_right_is_said_and_no_file_is_made(query, sign_in, administrator):
    browser = sign_in(administrator)
    page = browser.get(reverse("agreement"), query).content.decode()
    assert "This filter is not applied" in page
    answer = browser.get(reverse("agreement-csv"), query)
    assert answer.status_code == 400 and "Not exported" in answer.content.decode()


def test_a_period_that_ends_before_it_begins_is_said(sign_in, administrator):
    page = sign_in(administrator).get(reverse("agreement"), {"since": "2026-03-02", "until": "2026-03-01"})
    assert words.ENDS_BEFORE in page.content.decode()


# --- the page ---


def test_the_page_stands_before_anything_is_worked_out(sign_in, administrator, readers, monkeypatch):
    double_read([("typical", "normal")] * 2, readers)
    monkeypatch.setattr(
        agreement, "work_out", lambda *_, **__: pytest.fail("worked out before the page stood")
    )
    page = sign_in(administrator).get(reverse("agreement"), {"scale": "classes"}).content.decode()
    assert "Working out the agreement of 2 readers over 2 cases …" in page
    assert f'hx-get="{reverse("agreement-numbers")}?scale=classes"' in page


def test_without_a_script_the_whole_page_comes_with_its_numbers(sign_in, administrator, readers):
    double_read([("typical", "normal")] * 2, readers)
    browser, address = sign_in(administrator), reverse("agreement-numbers")
    whole, part = browser.get(address), browser.get(address, headers={"HX-Request": "true"})
    assert "<h1>" in whole.content.decode() and "All readers together" in whole.content.decode()
    assert "<h1>" not in part.content.decode() and "All readers together" in part.content.decode()


def test_each_scale_shows_its_own_statistics(look):
    cohort = compared("Ward", n_cases=30, n_readers=3)
    assert "Weighted kappa" in look(cohort=cohort.pk, scale="ordered")
    assert "Fleiss' kappa" in look(cohort=cohort.pk, scale="classes")
    assert "Weighted kappa" not in look(cohort=cohort.pk, scale="classes")


def test_pairs_that_agree_least_come_first_and_the_rest_is_folded_away(sign_in, administrator):
    cohort = compared("Ward", n_cases=60, n_readers=7)
    numbers = agreement.numbers_of(Extent(cohort=cohort))
    names = agreement_page.names_of(administrator, cohort, agreement_page.readers_in(numbers))
    board = agreement_page.board(numbers, "classes", names=names, cohort=cohort)
    known = [float(row.main.words.replace("−", "-")) for row in board.pairs if row.main.interval]
    assert known == sorted(known)
    assert len(board.few) == 10 and len(board.few) + len(board.more) == len(board.pairs)


def test_a_picture_has_each_number_of_its_table_in_its_place(readers, administrator):
    double_read([("normal", "normal"), ("typical", "typical"), ("typical", "normal")] * 20, readers)
    numbers = agreement.numbers_of(Extent())
    names = agreement_page.names_of(administrator, None, agreement_page.readers_in(numbers))
    board = agreement_page.board(numbers, "answers", names=names, cohort=None)
    axis = board.axis
    assert axis.ticks[0] == "−0.2" and axis.ticks[-1] == "1" and "0" in axis.ticks
    for shown in board.overall:
        value = numbers["scales"]["answers"]["overall"]["statistics"][shown.name]["value"]
        assert shown.x == pytest.approx(100 * (value + 0.2) / 1.2, abs=0.01)
        assert shown.low_x <= shown.x <= shown.high_x


def test_over_time_there_is_a_line_and_its_numbers(look, readers):
    now = timezone.now()
    for days in (10, 130):
        for study in double_read([("typical", "normal"), ("normal", "normal")] * 12, readers):
            study.reads.update(created_at=now - timedelta(days=days))
    said = look()
    assert "Over time" in said and f"{now - timedelta(days=130):%b %Y}" in said
    assert "Over time" not in look(since=(now - timedelta(days=12)).date().isoformat())


def test_how_often_readers_go_over_to_the_ai_stands_under_all_cohorts_alone(look, readers, monkeypatch):
    double_read([("typical", "normal")], readers)
    found = Switches(n_revealed=9, n_differed_right=4, n_switched_right=3, n_left_out=2)
    monkeypatch.setattr(selectors, "switches", lambda: {readers[0].pk: found})
    assert "R-01 9 3 of 4 none differed 2" in look()
    assert "Going over to the AI" not in look(cohort=protocols.rest().pk)


# --- taken along ---


def test_the_file_holds_every_number_with_its_interval_and_meaning_and_no_name(
    sign_in, readers, administrator
):
    cohort = compared("Ward", n_cases=40, n_readers=4)
    Cohort.objects.filter(pk=cohort.pk).update(lead=administrator)
    answer = sign_in(administrator).get(reverse("agreement-csv"), {"cohort": cohort.pk})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row["statistic"] for row in rows} >= {"fleiss", "alpha", "ac1", "kappa_quadratic", "bias_index"}
    assert all(row["definition"] for row in rows)
    assert {row["reader"] for row in rows if row["part"] == "pair"} <= {f"R-{n}" for n in range(100, 110)}
    alpha = next(row for row in rows if (row["part"], row["statistic"]) == ("all readers", "alpha"))
    assert float(alpha["low"]) <= float(alpha["value"]) <= float(alpha["high"]) and alpha["n"] == "40"
    document = sign_in(administrator).get(reverse("agreement-json"), {"cohort": cohort.pk}).content.decode()
    for text in (answer.content.decode(), document):
        assert not re.search("Lovelace|Hopper|Meitner|Noether|Ward \\d", text)
    numbers = json.loads(document)["numbers"]
    assert numbers["scales"]["answers"]["pairs"][0]["readers"][0].startswith("R-")
    assert numbers["readers"][0]["reader"].startswith("R-")


def test_who_took_what_along_is_recorded(sign_in, administrator):
    sign_in(administrator).get(reverse("agreement-json"), {"since": "2026-03-01"})
    event = Event.objects.get(kind="agreement export")
    assert (event.by, event.new) == (administrator, "agreement.json") and "since=2026-03-01" in event.reason


# --- whatever readers say ---


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(*[st.sampled_from((None, *ANSWERS)) for _ in range(3)], st.sampled_from((None, 1, 2, 3))),
        max_size=24,
    )
)
def test_no_number_is_ever_nan_on_the_page_or_in_a_file(readers, cases):
    """Over any table of answers: pages, both files, every scale."""
    basis = agreement.Basis([], [], [], 0)
    for n, (*said, confidence) in enumerate(cases):
        for reader, answer in zip((reader.pk for reader in readers), said, strict=True):
            if answer:
                basis.counted.append(rated(n, reader, answer, confidence))
                basis.against_ai.append(basis.counted[-1])
                basis.repeats.append(twice(n, reader, answer, said[0] or answer))
    numbers = json.loads(json.dumps(agreement.work_out(basis, seed=1, n_resamples=40), allow_nan=False))
    names = {reader.pk: reader.reader_name for reader in readers}
    for scale in words.SCALES:
        board = agreement_page.board(numbers, scale, names=names, cohort=None)
        page = render_to_string("agreement/_numbers.html", {"board": board, "words": words, "scales": []})
        shown = in_words(page) + " ".join(re.findall(r' (?:d|points|width)="([^"]*)"', page))
        assert not re.search(r"\b[Nn]a[Nn]\b|\binf\b|None", shown)
    for text in (agreement_exports.as_csv(numbers, Extent()), agreement_exports.as_json(numbers, Extent())):
        assert not re.search(r"\bnan\b|\binf(inity)?\b", text, re.IGNORECASE)


def rated(n: int, reader: int, answer: str, confidence: int | None) -> Any:
    label, finding = ANSWER_TABLES[1][answer], (Finding.ABOVE, Finding.BELOW, Finding.UNCERTAIN, "")[n % 4]
    moment = timezone.now() - timedelta(days=40 * n)
    study = uuid.UUID(int=n)
    return RatedRead(
        uuid.UUID(int=10 * n + reader), study, reader, "first", "submitted", True, moment, answer, confidence, label,
        1000 * n, n % 5 or None, True, True, finding, None,
    )  # fmt: skip


def twice(n: int, reader: int, answer: str, again: str) -> Any:
    labels = ANSWER_TABLES[1][answer], ANSWER_TABLES[1][again]
    return ReadTwice(reader, uuid.UUID(int=n), None, timezone.now(), True, True, (answer, again), labels)


def test_the_words_of_each_scale_name_each_of_its_categories():
    for name, scale in SCALES.items():
        assert len(texts.agreement.CATEGORIES[name]) == len(scale.categories)
