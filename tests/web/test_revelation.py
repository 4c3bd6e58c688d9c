"""The page of the AI's answer after one's own read; and that the page of a hidden repeat is that of a new case."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from diagnosis import texts
from diagnosis.models import Analysis, Case, Draft, Exposure, Prediction, Read, Repeat, User
from diagnosis.services import claims, keys, reading, repeats, withdrawal, worklist
from diagnosis.states import Finding, JobStatus, ReadKind, Role
from diagnosis.texts import reveals as words
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]

PART = {"X-Fragment": "case"}


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST, username="rita")


@pytest.fixture
def room(sign_in: Any, reader: User) -> Client:
    return sign_in(reader)


@pytest.fixture
def list_case(hang: Any, clinician: User, team: Any) -> Any:
    """A case with a film on disk; each waits longer than the next."""
    made: list[Case] = []

    def _case(**facts: Any) -> Case:
        study = factories.StudyFactory(team=team, uploaded_by=clinician, **facts)
        hang(of=study, view="PA")
        case = factories.CaseFactory(study=study, priority=100 - len(made))
        worklist.refresh(study)
        case.refresh_from_db()
        made.append(case)
        return case

    return _case


@pytest.fixture
def case(list_case: Any) -> Case:
    return list_case()


def film_of(case: Case) -> Any:
    return case.study.series.get().instances.get()


def predicted(case: Case, *, of: Any = None, **facts: Any) -> Prediction:
    made = factories.HeatmapFactory(
        **{f"prediction__{name}": value for name, value in facts.items()},
        prediction__analysis__instance=of or film_of(case),
    ).prediction
    case.study.leading = made
    case.study.save()
    return made


def at(name: str, of: Any) -> str:
    return reverse(name, args=[of.study_id if isinstance(of, Case) else of.pk])


def page_of(answer: Any) -> str:
    return answer.content.decode()


def submit(room: Client, case: Case, *, headers: Any = None, **fields: Any) -> Any:
    room.get(at("case", case))
    draft = Draft.objects.get(study=case.study_id)
    form = {"version": draft.version, "answer": "normal"} | fields
    return room.post(at("case-read", case), form, headers=headers)


def read_by(room: Client, case: Case, **fields: Any) -> Read:
    submit(room, case, **fields)
    return Read.objects.filter(study=case.study_id).latest("created_at")


def revealed(room: Client, read: Read) -> str:
    answer = room.post(at("read-revelation", read))
    assert (answer.status_code, answer.url) == (302, at("read-revelation", read))
    shown = room.get(answer.url)
    assert shown.status_code == 200 and "no-store" in shown["Cache-Control"]
    return page_of(shown)


# --- offered ---


def test_after_a_read_the_bar_of_the_next_case_offers_the_answer_with_its_key(room, case, list_case, reader):
    list_case()
    keys.save(reader, {"reveal": "j"})
    page = page_of(submit(room, case, headers=PART))
    read = Read.objects.get()
    assert f'action="{at("read-revelation", read)}"' in page
    assert f"{escape(words.SHOW)} <kbd>J</kbd>" in page


def test_where_nothing_is_left_it_is_offered_too(room, case):
    page = page_of(submit(room, case, headers=PART))
    assert f'action="{at("read-revelation", Read.objects.get())}"' in page


def test_a_protocol_that_keeps_the_answer_offers_none_and_its_address_says_so(room, case, list_case):
    list_case()
    factories.protocol(reveals=False)
    worklist.refresh(case.study)
    page = page_of(submit(room, case, headers=PART))
    read = Read.objects.get()
    assert at("read-taking-back", read) in page and "/revelation/" not in page
    for answer in (room.get(at("read-revelation", read)), room.post(at("read-revelation", read))):
        assert answer.status_code == 409
        assert escape(words.NOT_REVEALED_HERE) in page_of(answer)
    assert not Exposure.objects.exists()


def test_after_it_was_shown_the_bar_is_gone(room, case, list_case):
    following = list_case()
    revealed(room, read_by(room, case))
    assert "data-undo-bar" not in page_of(room.get(at("case", following)))


# --- shown ---


def test_before_it_is_asked_for_the_address_shows_nothing_of_the_ai(room, case):
    prediction = predicted(case, probability=0.8765)
    read = read_by(room, case)
    answer = room.get(at("read-revelation", read))
    page = page_of(answer)
    assert answer.status_code == 200 and words.MEANS.split(":")[0] in page
    for word in ("0.88", str(prediction.pk), "AI score", "COVID-19 pattern", "heatmap"):
        assert word not in page
    read.refresh_from_db()
    assert read.revealed_at is None and not Exposure.objects.exists()


@pytest.mark.parametrize(
    ("finding", "probability", "comparison"),
    [
        (Finding.ABOVE, 0.87, "Differs from the AI."),
        (Finding.BELOW, 0.08, "Agrees with the AI."),
        (Finding.UNCERTAIN, 0.38, words.AI_UNSURE),
    ],
)
def test_the_finding_stands_in_its_exact_words_beside_the_own_read(
    finding, probability, comparison, room, case
):
    prediction = predicted(case, finding=finding, probability=probability)
    read = read_by(room, case, confidence=2, findings=["nodule"], comment="Calm.")
    page = revealed(room, read)
    said = texts.finding_of(prediction)
    for sentence in (said.lead, said.rest, comparison, "Normal", "middle", "Nodule", "Calm."):
        assert escape(sentence) in page
    assert list(Exposure.objects.values_list("user__username", "prediction")) == [("rita", prediction.pk)]


def test_an_answer_that_stands_for_no_class_neither_agrees_nor_differs(room, case):
    predicted(case)
    assert words.READER_UNSURE in revealed(room, read_by(room, case, answer="indeterminate"))


def test_the_heatmap_may_be_asked_for_and_is_off_at_first(room, case):
    prediction = predicted(case)
    page = revealed(room, read_by(room, case))
    assert f'data-heatmap-url="{reverse("prediction-heatmap", args=[prediction.pk])}"' in page
    assert re.search(r'data-do="heatmap"[^>]* aria-pressed="false"', page)
    assert '"heatmap": "h"' in page


def test_a_reader_who_uses_h_otherwise_keeps_it(room, case, reader):
    keys.save(reader, {"auto": "h"})
    predicted(case)
    page = revealed(room, read_by(room, case))
    assert '"heatmap": ' not in page and '"auto": "h"' in page and "The button over the film" in page


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"status": JobStatus.QUEUED}, "Not analysed yet."),
        ({"status": JobStatus.FAILED, "error": "worker lost"}, "Analysis failed: worker lost."),
    ],
)
def test_without_a_result_it_says_why_in_the_exact_words(facts, sentence, room, case):
    factories.AnalysisFactory(instance=film_of(case), **facts)
    page = revealed(room, read_by(room, case))
    assert sentence in page
    assert "Differs from" not in page and "Agrees with" not in page
    assert not Exposure.objects.exists()


def test_a_film_that_is_not_assessed_says_so(room, case):
    instance = film_of(case)
    type(instance).objects.filter(pk=instance.pk).update(not_assessed="lateral view")
    Analysis.objects.create(instance=instance, status=JobStatus.NOT_ASSESSED, error="lateral view")
    page = revealed(room, read_by(room, case))
    assert str(texts.not_assessed("lateral view")) in re.sub(r"</?strong>", "", page)


def test_of_several_films_each_can_be_looked_at_and_what_is_shown_is_noted(room, case, hang):
    first, second = film_of(case), hang(of=case.study)
    other = factories.PredictionFactory(
        analysis__instance=second, probability=0.31, finding=Finding.UNCERTAIN
    )
    leading = predicted(case, of=first, probability=0.9)
    read = read_by(room, case)
    assert escape(words.OF_ANOTHER_FILM) not in revealed(room, read)
    page = page_of(room.get(f"{at('read-revelation', read)}?film={second.pk}"))
    assert "0.31" in page and escape(words.OF_ANOTHER_FILM) in page
    assert "Differs from the AI." in page  # the study's answer is that of the other film
    assert set(Exposure.objects.values_list("prediction", flat=True)) == {leading.pk, other.pk}


# --- whose, and when ---


def test_another_readers_read_is_not_there(room, case):
    read = factories.ReadFactory(study=case.study)
    assert room.get(at("read-revelation", read)).status_code == 404
    assert room.post(at("read-revelation", read)).status_code == 404
    assert room.post(at("read-revision", read)).status_code == 404


def test_a_withdrawn_study_shows_nothing(room, case, clinician):
    predicted(case)
    read = read_by(room, case)
    revealed(room, read)
    withdrawal.withdraw(case.study, by=clinician, reason="another's")
    assert room.get(at("read-revelation", read)).status_code == 404
    assert room.post(at("read-revelation", read)).status_code == 404
    assert room.post(at("read-revision", read)).status_code == 409


def test_taking_back_after_it_was_shown_is_too_late(room, case):
    predicted(case)
    read = read_by(room, case)
    revealed(room, read)
    assert room.post(at("read-taking-back", read)).status_code == 409


# --- on from there ---


def test_the_next_film_is_the_one_that_was_open(room, case, list_case):
    following, _ = list_case(), list_case()
    submit(room, case)
    room.get(at("case", following))
    page = revealed(room, Read.objects.get())
    assert re.search(rf'href="{at("case", following)}"[^>]* data-next', page)


def test_where_none_was_open_it_is_the_next_one(room, case, reader):
    submit(room, case)
    page = revealed(room, Read.objects.get())
    assert re.search(rf'href="{reverse("case-next")}"[^>]* data-next', page)


def test_a_revision_says_before_it_is_submitted_that_it_stands_beside_the_first_read(room, case):
    predicted(case)
    first = read_by(room, case, answer="normal", comment="Calm.")
    revealed(room, first)
    answer = room.post(at("read-revision", first))
    assert (answer.status_code, answer.url) == (302, at("case", case))
    page = page_of(room.get(answer.url))
    assert "that read stays the one that counts" in page and "Calm." in page
    assert re.search(r'value="normal"[^>]* checked', page)
    assert texts.reading.BLINDED.strip("*") not in page and "takes its place" not in page
    revision = read_by(room, case, answer="typical")
    assert (revision.kind, revision.supersedes) == (ReadKind.REVISION, first)
    both = page_of(room.get(at("read-revelation", first)))
    assert "Your revision" in both and "Typical" in both and "Normal" in both


def test_what_follows_an_unblinded_read_says_that_neither_counts(room, case, reader):
    first = factories.ReadFactory(study=case.study, reader=reader, is_blinded=False)
    Exposure.objects.create(user=reader, study=case.study, prediction=predicted(case))
    page = page_of(room.get(at("case", case)))
    assert "neither of them counts as blinded" in page
    assert first.pk


def test_under_a_protocol_that_hides_nothing_it_takes_the_place_of_the_read(room, case):
    factories.protocol(hides_ai=False)
    worklist.refresh(case.study)
    predicted(case)
    revealed(room, read_by(room, case))
    assert "takes the place of your read" in page_of(room.get(at("case", case)))


def test_without_the_answer_there_is_no_revision(room, case):
    answer = room.post(at("read-revision", read_by(room, case)))
    assert answer.status_code == 409 and words.NOT_REVEALED.split("'")[0] in page_of(answer)
    assert not Draft.objects.exists()


# --- hidden repeats (rule D5) ---

OWN = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r'csrfmiddlewaretoken" value="\w+"', "TOKEN"),
    (r'"version": \d+', "VERSION"),
    (r'name="version" value="\d+"', "VERSION"),
    (r'"saved_at": "[^"]+"', "MOMENT"),
)


def anonymous(page: str, case: Case) -> str:
    """Without what names this one study, its draft and this one answer."""
    for pattern, word in OWN:
        page = re.sub(pattern, word, page)
    return page.replace(case.study.number, "NUMBER").replace(case.study_id.hex, "ID")


def repeated(case: Case, reader: User) -> Repeat:
    first = factories.ReadFactory(
        study=case.study, reader=reader, answer="typical", comment="Both bases.", findings=["nodule"],
        created_at=timezone.now() - timedelta(days=20),
    )  # fmt: skip
    worklist.refresh(case.study)
    return Repeat.objects.create(study=case.study, reader=reader, first=first, due_at=timezone.now())


@pytest.fixture
def pair(list_case: Any, reader: User) -> tuple[Case, Case]:
    """A case that its reader never read, and one that comes to them once more; both of one kind and moment."""
    moment = timezone.now() - timedelta(days=30)
    new, old = (list_case(received_at=moment, sex="F", age_years=44) for _ in range(2))
    repeated(old, reader)
    return new, old


@pytest.mark.parametrize("is_part", [False, True])
@pytest.mark.parametrize("has_session", [False, True])
def test_the_page_of_a_repeat_is_that_of_a_new_case(is_part, has_session, room, pair, reader, list_case):
    headers = PART if is_part else None
    # A bar to take the last read back stands on both.
    submit(room, list_case())
    if has_session:
        room.post(reverse("sessions"), {"n_wanted": 20})
    pages = [re.sub(r'(data-seconds="|data-left>)\d+', "", page_of(room.get(at("case", case), headers=headers)))
             for case in pair]  # fmt: skip
    first, second = (anonymous(page, case) for page, case in zip(pages, pair, strict=True))
    assert "data-undo-bar" in first
    assert first == second


def test_looking_ahead_and_every_answer_of_the_room_tell_them_apart_by_nothing(
    room, pair, monkeypatch, list_case
):
    new, old = pair
    list_case()
    told = []
    for case, chance in ((new, 0.99), (old, 0.0)):
        monkeypatch.setattr(repeats, "chance", lambda *words, chance=chance: chance)
        peek = room.get(reverse("case-peek"))
        assert peek.json()["study"] == str(case.study_id)
        opened = room.get(reverse("case-next"), headers=PART)
        assert opened["X-Address"] == at("case", case)
        version = Draft.objects.get(study=case.study_id).version
        saved = room.put(
            at("case-draft", case),
            f'{{"version": {version}, "comment": "x"}}',
            content_type="application/json",
        )
        refused = submit_with(room, case, answer="")
        told.append([anonymous(page_of(one), case) for one in (peek, opened, saved, refused)])
        room.post(at("case-release", case), headers={"accept": "application/json"})
        Draft.objects.all().delete()
    assert told[0] == told[1]


def submit_with(room: Client, case: Case, **fields: Any) -> Any:
    version = Draft.objects.get(study=case.study_id).version
    return room.post(at("case-read", case), {"version": version, **fields}, headers=PART)


def test_its_pages_say_nothing_of_the_first_read_and_lists_do_not_mark_it(room, pair):
    _, old = pair
    for address in (
        at("case", old),
        f"{reverse('worklist')}?show=mine",
        f"{reverse('worklist')}?show=done",
    ):
        page = page_of(room.get(address))
        assert "Both bases." not in page and "You read this study" not in page and "Read by you" not in page


def test_once_it_is_read_it_is_marked_as_ever(room, pair):
    _, old = pair
    submit(room, old)
    assert Repeat.objects.get().status == "done"
    assert "Read by you" in page_of(room.get(f"{reverse('worklist')}?show=mine"))


def test_of_a_repeat_the_answer_is_offered_as_of_any_film(room, pair):
    _, old = pair
    predicted(old)
    page = page_of(submit(room, old, headers=PART))
    repeat = Read.objects.get(kind=ReadKind.REPEAT)
    assert at("read-taking-back", repeat) in page and at("read-revelation", repeat) in page
    assert not Exposure.objects.exists()
    shown = room.post(at("read-revelation", repeat), follow=True)
    assert shown.status_code == 200 and Exposure.objects.get().study == old.study


def test_in_another_readers_hands_it_is_held_as_any_case_is(room, pair):
    other = factories.UserFactory(role=Role.RADIOLOGIST)
    until = timezone.now() + timedelta(minutes=9)
    for case in pair:
        claims.claim(case, by=other)
    Case.objects.update(claim_until=until)
    pages = [anonymous(page_of(room.get(at("case", case))), case) for case in pair]
    assert pages[0] == pages[1] and other.reader_name in pages[0]


def test_what_was_said_of_it_is_kept_when_it_becomes_final(room, pair):
    _, old = pair
    read = read_by(room, old)
    Read.objects.filter(pk=read.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert reading.announce() == 2
    assert Repeat.objects.count() == 1
