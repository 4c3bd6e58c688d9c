"""'I disagree' on the page of a study, and what a reader answered on page and paper."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from diagnosis import texts
from diagnosis.models import Cohort, FindingTerm, Read, Reply, ReviewRequest
from diagnosis.services import reviews, worklist
from diagnosis.states import Answer, Finding, ReadStatus, ReviewStatus, Role
from tests import factories
from tests.web.test_study_page import predicted

pytestmark = pytest.mark.django_db

SENTENCE = "The left lower zone is dense & <b>white</b>."
BUTTON = f'<summary class="button">{texts.reviews.DISAGREE}</summary>'


@pytest.fixture
def prediction(study, hang):
    made = predicted(hang(), Finding.ABOVE)
    study.leading = made
    study.save()
    return made


@pytest.fixture
def say(browser, study, prediction):
    def _say(text=SENTENCE, *, by=browser, **fields):
        fields = {"text": text, "prediction": prediction.pk, **fields}
        return by.post(reverse("study-disagreement", args=[study.pk]), fields)

    return _say


@pytest.fixture
def answered(study):
    """A read of the study by R-07, a minute ago; whoever disagrees has done so before."""

    def _answered(answer=Answer.INDETERMINATE, *, ago=timedelta(minutes=1), **facts):
        ReviewRequest.objects.update(created_at=timezone.now() - timedelta(hours=1))
        number = 7 + Read.objects.count()
        return factories.ReadFactory(
            study=study, answer=answer, created_at=timezone.now() - ago,
            reader__reader_number=number, reader__first_name="Ada", **facts,
        )  # fmt: skip

    return _answered


def page_of(browser: Any, study: Any, **options: Any) -> str:
    return browser.get(reverse("study", args=[study.pk]), **options).content.decode()


def words_of(markup: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", "", markup)))


# --- saying so ---


def test_below_every_result_stands_the_button(browser, study, prediction):
    page = page_of(browser, study)
    assert BUTTON in page and texts.reviews.NAME_NOBODY in page
    assert f'name="prediction" value="{prediction.pk}"' in page


def test_without_a_result_there_is_no_button(browser, study, hang):
    factories.AnalysisFactory(instance=hang())
    assert BUTTON not in page_of(browser, study)


def test_a_synthetic_film_has_no_button(browser, study, prediction):
    study.is_demo = True
    study.save()
    assert BUTTON not in page_of(browser, study)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST, Role.ADMINISTRATOR])
def test_once_said_it_stands_there_with_its_date_and_can_be_taken_back(role, say, study, sign_in, team):
    user = factories.UserFactory(role=role, team=team)
    if role == Role.RADIOLOGIST:
        factories.ReadFactory(study=study, reader=user, created_at=timezone.now() - timedelta(hours=1))
    browser = sign_in(user)
    assert say(by=browser).url.startswith(reverse("study", args=[study.pk]))
    page = page_of(browser, study)
    assert BUTTON not in page and "<b>white" not in page
    assert re.search(
        rf"You said on \d\d:\d\d [A-Z]+, \d+ \w+ \d{{4}}: “{re.escape(SENTENCE)}” "
        r"The film is on the reading list\.",
        words_of(page),
    )
    request = ReviewRequest.objects.get()
    answer = browser.post(reverse("disagreement-taking-back", args=[request.pk]), follow=True)
    assert texts.reviews.TAKEN_BACK in words_of(answer.content.decode())
    assert BUTTON in answer.content.decode()


def test_it_is_about_what_was_on_the_screen(say, study, prediction, hang):
    newer = predicted(prediction.analysis.instance, Finding.BELOW)
    study.leading = newer
    study.save()
    assert f"?film={prediction.analysis.instance_id}#disagreement" in say().url
    assert ReviewRequest.objects.get().prediction == prediction


@pytest.mark.parametrize("wrong", ["", "nonsense", "other"])
def test_a_damaged_or_foreign_key_loses_no_sentence(say, study, prediction, wrong):
    say(prediction=factories.PredictionFactory().pk if wrong == "other" else wrong)
    assert ReviewRequest.objects.get().prediction == prediction


@pytest.mark.parametrize("text", ["", "no", "x" * 501])
def test_what_is_too_short_or_too_long_is_said_and_what_was_typed_stays(say, text):
    answer = say(text)
    assert answer.status_code == 422 and not ReviewRequest.objects.exists()
    page = answer.content.decode()
    assert texts.reviews.UNCLEAR in unescape(page) and f">{text}</textarea>" in page
    assert 'role="alert"' in page and 'aria-invalid="true"' in page


def test_from_a_second_tab_it_is_said_once_and_nothing_is_lost(say):
    say()
    answer = say("Something else.")
    page = unescape(answer.content.decode())
    assert answer.status_code == 409 and ">Something else.</textarea>" in page
    assert "You have said so already" in page and SENTENCE in page
    assert ReviewRequest.objects.count() == 1


def test_what_was_answered_meanwhile_cannot_be_taken_back(say, browser, study, answered):
    say()
    reviews.answer(answered())
    address = reverse("disagreement-taking-back", args=[ReviewRequest.objects.get().pk])
    assert texts.reviews.ANSWERED_MEANWHILE in words_of(browser.post(address, follow=True).content.decode())
    assert ReviewRequest.objects.get().status == ReviewStatus.ANSWERED


def test_a_colleague_sees_who_has_said_so_and_may_say_so_too(say, study, sign_in, team, clinician):
    say()
    page = page_of(sign_in(factories.UserFactory(team=team)), study)
    assert f"{clinician.username} said on" in page and BUTTON in page
    assert "disagreements/" not in page


# --- a reader's answer ---


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        (Answer.INDETERMINATE, "", "Indeterminate."),
        (Answer.NORMAL, "", "Normal. Differs from the AI."),
        (Answer.TYPICAL, "", "Typical. Agrees with the AI."),
        (Answer.CANNOT, "quality", "Cannot assess: poor quality."),
    ],
)
def test_a_readers_answer_stands_on_the_page_in_these_words(
    browser, study, prediction, answered, answer, reason, said
):
    answered(answer, reason=reason)
    expected = f"Research read by R-07 (radiologist): {said} Not the clinical report."
    assert expected in words_of(page_of(browser, study))


def test_where_the_ai_gives_no_answer_nothing_is_compared(browser, study, prediction, answered):
    study.leading = predicted(prediction.analysis.instance, Finding.UNCERTAIN)
    study.save()
    answered(Answer.NORMAL)
    assert "(radiologist): Normal. Not the clinical report." in words_of(page_of(browser, study))


def test_it_comes_with_confidence_findings_comment_and_date(browser, study, prediction, answered):
    FindingTerm.objects.get_or_create(code="effusion-x", name="Small effusion")
    answered(confidence=3, findings=["effusion-x", "gone"], comment="Rotated <a little>.")
    page = page_of(browser, study)
    words = words_of(page)
    assert "Confidence: high. Findings: Small effusion, gone." in words
    assert "Comment: “Rotated <a little>.”" in words and "<a little>" not in page
    assert re.search(r"gone\. \d\d:\d\d [A-Z]+, \d+ \w+ \d{4}", words)


def test_a_read_that_may_still_be_taken_back_is_shown_to_nobody_else(browser, study, prediction, answered):
    answered(ago=timedelta(seconds=3))
    assert "Research read" not in page_of(browser, study)


@pytest.mark.parametrize("status", [ReadStatus.SUPERSEDED, ReadStatus.TAKEN_BACK])
def test_what_was_replaced_or_taken_back_is_not_shown(browser, study, prediction, answered, status):
    answered().move(ReadStatus.SUBMITTED, status)
    assert "Research read" not in page_of(browser, study)


def test_what_a_source_states_is_no_readers_answer(browser, study, prediction):
    Read.objects.create(study=study, source=factories.SourceFactory(), label="covid")
    assert "Research read" not in page_of(browser, study)


def test_who_it_was_is_known_to_themselves_and_to_the_lead_of_the_study(
    browser, study, prediction, answered, sign_in
):
    """Rule D14: not to administrators, nor to who leads another study."""
    reader = answered().reader
    chief, lead = (factories.UserFactory(role=Role.ADMINISTRATOR) for _ in range(2))
    Cohort.objects.create(name="Another study", lead=chief)
    assert worklist.enter(study)
    Cohort.objects.filter(is_rest=True).update(lead=lead)
    for viewer in (browser, sign_in(chief)):
        assert "Research read by R-07 (radiologist)" in words_of(page_of(viewer, study))
        assert "Ada" not in page_of(viewer, study)
    assert "Research read by R-07, Ada (radiologist)" in words_of(page_of(sign_in(lead), study))
    assert "Research read by R-07, you (radiologist)" in words_of(page_of(sign_in(reader), study))


def test_a_radiologist_sees_no_other_readers_answer_unless_they_asked(
    study, prediction, answered, sign_in, say
):
    user = factories.UserFactory(role=Role.RADIOLOGIST, reader_number=70)
    reader = sign_in(user)
    answered()
    assert "Research read" not in page_of(reader, study)
    factories.ReadFactory(study=study, reader=user, created_at=timezone.now() - timedelta(hours=2))
    assert "Research read by R-07 (radiologist)" not in words_of(page_of(reader, study))
    say(by=reader)
    second = answered(Answer.NORMAL)
    assert "Research read by R-07 (radiologist)" not in words_of(page_of(reader, study))
    reviews.answer(second)
    assert "Research read by R-07 (radiologist)" in words_of(page_of(reader, study))


def test_the_answer_names_what_it_answers(say, browser, study, answered, clinician):
    say()
    reviews.answer(answered())
    assert f"Answers {clinician.username}, who said on" in words_of(page_of(browser, study))
    assert SENTENCE in words_of(page_of(browser, study))


def test_it_is_on_paper_too_without_its_comment(browser, study, prediction, answered):
    answered(confidence=2, comment="A word that stays here.")
    paper = words_of(browser.get(reverse("study-print", args=[study.pk])).content.decode())
    report = browser.get(reverse("study-pdf", args=[study.pk])).content
    (page,) = PdfReader(io.BytesIO(report)).pages
    for text in (paper, re.sub(r"\s+", " ", page.extract_text())):
        assert "Research read by R-07 (radiologist): Indeterminate." in text
        assert "Not the clinical report. Confidence: middle." in text
        assert "A word that stays here" not in text


def test_a_study_that_the_ai_does_not_look_at_shows_what_a_reader_answered(browser, study, hang, answered):
    hang(not_assessed="lateral view")
    answered(Answer.NORMAL)
    assert "(radiologist): Normal. Not the clinical report." in words_of(page_of(browser, study))


# --- looking at it opens it ---


def test_a_member_who_looks_at_the_study_has_opened_the_answer(say, browser, study, answered, clinician):
    say()
    reviews.answer(answered())
    address = reverse("study", args=[study.pk])
    browser.head(address)
    browser.get(address, headers={"HX-Request": "true"})
    browser.get(reverse("studies"))
    assert Reply.objects.get().opened_at is None
    browser.get(address)
    assert Reply.objects.get().opened_by == clinician


def test_a_radiologist_or_an_administrator_who_looks_opens_nothing(say, study, answered, sign_in):
    say()
    reviews.answer(answered())
    for role in (Role.RADIOLOGIST, Role.ADMINISTRATOR):
        page_of(sign_in(factories.UserFactory(role=role)), study)
    assert Reply.objects.get().opened_at is None
