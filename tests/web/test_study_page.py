"""The study page in every state that it has words for, and the part of it that asks for itself."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from diagnosis import pseudonyms, texts
from diagnosis.models import Analysis, Instance, Prediction, Read, Study
from diagnosis.states import Finding, JobStatus
from tests import factories

HTMX = {"HX-Request": "true"}
SCORES = {Finding.ABOVE: 0.87, Finding.UNCERTAIN: 0.38, Finding.BELOW: 0.08}


@pytest.fixture
def instance(hang: Any) -> Instance:
    return hang()


def predicted(instance: Instance, finding: str = Finding.ABOVE, **facts: Any) -> Prediction:
    """An answer as the worker stores it: with a heatmap unless it lies below the band."""
    values = {"probability": SCORES[finding], "finding": finding, **facts}
    prediction = factories.PredictionFactory(analysis__instance=instance, **values)
    if finding != Finding.BELOW:
        factories.HeatmapFactory(prediction=prediction)
    Study.objects.filter(pk=instance.series.study_id).update(leading=prediction)
    return prediction


def words(browser: Client, study: Study, **query: Any) -> str:
    """What a reader reads on the page, in one line."""
    answer = browser.get(reverse("study", args=[study.pk]), query)
    assert answer.status_code == 200
    return plain(answer.content.decode())


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def markup(browser: Client, study: Study, **query: Any) -> str:
    return browser.get(reverse("study", args=[study.pk]), query).content.decode()


def part(browser: Client, study: Study, **query: Any) -> Any:
    """The fragment, as htmx asks for it."""
    return browser.get(reverse("study", args=[study.pk]), query, headers=HTMX)


@pytest.mark.parametrize("finding", SCORES)
def test_a_finding_is_shown_in_the_agreed_words_with_its_score_and_band(browser, study, instance, finding):
    prediction = predicted(instance, finding)
    page = words(browser, study)
    said = texts.finding_of(prediction)
    assert said.lead in page and said.rest in page
    assert f"AI score {SCORES[finding]:.2f}" in page
    assert "uncertain band 0.21–0.61" in page and "operating point 0.40" in page
    assert texts.VIEW_NOT_CHECKED in page


@pytest.mark.parametrize(("probability", "shown"), [(0.001, "0.01"), (0.999, "0.99")])
def test_a_score_is_never_0_or_1(browser, study, instance, probability, shown):
    predicted(instance, Finding.ABOVE if probability > 0.5 else Finding.BELOW, probability=probability)
    assert f"AI score {shown}" in words(browser, study)


def test_below_the_band_nothing_is_green_ticked_normal_or_clear(browser, study, instance):
    predicted(instance, Finding.BELOW)
    page = markup(browser, study)
    said = plain(page[page.index("<main") : page.index("</main>")]).lower()
    assert "tone--below" in page and "✓" not in page
    assert re.findall(r"\b(clear|healthy|negative|probability)\b", said.replace("not a healthy", "")) == []
    assert said.count("normal") == said.count("not mean a normal film") == 1


def test_the_heatmap_comes_with_its_words_and_one_scale(browser, study, instance):
    prediction = predicted(instance)
    page = markup(browser, study)
    assert f'data-heatmap-url="{reverse("prediction-heatmap", args=[prediction.pk])}"' in page
    assert texts.heatmap(rows=7, columns=7) in plain(page)
    assert "2 and above, the same scale for every film" in plain(page)


def test_below_the_band_there_is_no_heatmap_and_the_page_says_why(browser, study, instance):
    predicted(instance, Finding.BELOW)
    page = markup(browser, study)
    assert "data-heatmap-url" not in page
    assert texts.NO_HEATMAP in plain(page)


def test_a_film_that_no_map_could_be_made_of_is_told_from_one_below_the_band(browser, study, instance):
    factories.PredictionFactory(analysis__instance=instance)
    page = words(browser, study)
    assert texts.NO_MAP_MADE in page and texts.NO_HEATMAP not in page


@pytest.mark.parametrize("status", JobStatus.WAITING)
def test_a_film_that_waits_says_how_many_are_ahead(browser, study, instance, status):
    factories.AnalysisFactory.create_batch(3)
    factories.AnalysisFactory(instance=instance, status=status)
    page = words(browser, study)
    assert str(texts.without_result(status, ahead=3)) in page
    assert "AI score" not in page and "Heatmap Where" not in page


def test_a_failed_film_gives_its_reason_and_a_way_on_without_a_script(browser, study, instance):
    factories.AnalysisFactory(instance=instance, status=JobStatus.FAILED, error="worker lost")
    page = markup(browser, study)
    assert str(texts.without_result(JobStatus.FAILED, reason="worker lost")) in plain(page)
    assert f'<form method="post" action="{reverse("study-analyses", args=[study.pk])}">' in page
    assert "hx-get" not in fragment_of(page) and "Try again" in page


def test_try_again_asks_for_one_more_analysis_and_keeps_the_failed_one(browser, study, instance):
    failed = factories.AnalysisFactory(instance=instance, status=JobStatus.FAILED, error="worker lost")
    answer = browser.post(reverse("study-analyses", args=[study.pk]), {"film": instance.pk})
    assert answer.url == f"{reverse('study', args=[study.pk])}?film={instance.pk}"
    newer = Analysis.objects.exclude(pk=failed.pk).get(instance=instance)
    assert newer.requested_by.username == browser.get("/studies/").context["user"].username
    assert "History (2)" in words(browser, study)
    assert "Analysis failed: worker lost." in words(browser, study)


@pytest.mark.parametrize("film", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_try_again_for_a_film_of_another_study_is_not_found(browser, study, instance, film):
    assert browser.post(reverse("study-analyses", args=[study.pk]), {"film": film}).status_code == 404
    assert not Analysis.objects.exists()


def test_a_new_analysis_does_not_hide_the_answer_that_there_is(browser, study, instance):
    prediction = predicted(instance)
    factories.AnalysisFactory(instance=instance)
    page = words(browser, study)
    assert texts.finding_of(prediction).lead in page and "New analysis Not analysed yet." in page


def test_the_history_lists_every_answer_with_its_checkpoint_and_zone(browser, study, instance):
    first = predicted(instance, Finding.BELOW)
    first.checkpoint.move("promoted", "retired")
    second = predicted(instance)
    page = words(browser, study)
    assert "History (2)" in page and second.checkpoint != first.checkpoint
    assert f"No COVID-19 pattern · AI score 0.08 · checkpoint {first.checkpoint.short}" in page
    assert f"Above threshold · AI score 0.87 · checkpoint {second.checkpoint.short}" in page
    assert re.search(r"\d\d:\d\d UTC, \d+ \w{3} \d{4}", page)


def test_what_made_the_answer_is_named(browser, study, instance):
    prediction = predicted(instance)
    page = words(browser, study)
    for fact in (prediction.checkpoint.sha256[:12], "Tiny-ImageNet", "0123456789ab", "fp32", "42 ms"):
        assert fact in page


# --- the part that asks for itself ---


def fragment_of(page: str) -> str:
    """The opening tag of the part that may ask."""
    found = re.search(r'<div id="analysis"[^>]*>', page)
    assert found
    return html.unescape(found.group(0))


@pytest.mark.parametrize(("polls", "delay"), [(0, "0.15"), (11, "0.15"), (12, "0.5"), (13, "1")])
def test_it_asks_soon_at_first_and_counts_its_questions(browser, study, instance, polls, delay):
    factories.AnalysisFactory(instance=instance)
    tag = fragment_of(part(browser, study, polls=polls).content.decode())
    assert f"load delay:{delay}s, every 2s, wake from:body" in tag
    assert f"film={instance.pk}&polls={polls + 1}&" in tag


@pytest.mark.parametrize("polls", ["14", "15", "99999999999999"])
def test_then_it_asks_every_two_seconds(browser, study, instance, polls):
    factories.AnalysisFactory(instance=instance)
    tag = fragment_of(part(browser, study, polls=polls).content.decode())
    assert 'hx-trigger="every 2s, wake from:body"' in tag and "&polls=14&" in tag


def test_while_nothing_changed_it_is_left_alone(browser, study, instance):
    analysis = factories.AnalysisFactory(instance=instance)
    first = fragment_of(part(browser, study, polls=14).content.decode())
    seen = re.search(r"seen=([\w.]+)", first).group(1)
    assert part(browser, study, polls=14, seen=seen).status_code == 204
    assert part(browser, study, polls=1, seen=seen).status_code == 200
    assert browser.get(reverse("study", args=[study.pk]), {"polls": 14, "seen": seen}).status_code == 200
    analysis.move("queued", "running")
    assert part(browser, study, polls=14, seen=seen).status_code == 204
    analysis.move("running", "failed", error="worker lost")
    assert "worker lost" in part(browser, study, polls=14, seen=seen).content.decode()


def test_one_film_less_ahead_is_a_change(browser, study, instance):
    ahead = factories.AnalysisFactory()
    factories.AnalysisFactory(instance=instance)
    seen = re.search(r"seen=([\w.]+)", part(browser, study, polls=14).content.decode()).group(1)
    ahead.move("queued", "cancelled")
    assert "0 films are ahead" in plain(part(browser, study, polls=14, seen=seen).content.decode())


def test_finished_it_asks_no_more(browser, study, instance):
    predicted(instance)
    assert "hx-" not in fragment_of(markup(browser, study))


def test_the_part_is_no_page(browser, study, instance):
    factories.AnalysisFactory(instance=instance)
    answer = part(browser, study)
    assert "<html" not in answer.content.decode() and "no-cache" in answer.headers["Cache-Control"]


# --- identity ---


def test_who_and_when_stand_at_the_top(browser, study, instance):
    patient = factories.PatientFactory()
    Study.objects.filter(pk=study.pk).update(
        patient=patient, age_years=62, sex="F", acquired_date="20260301", acquired_time="001500.000"
    )
    Instance.objects.update(view="AP", laterality="")
    page = words(browser, study)
    assert patient.pseudonym == pseudonyms.pseudonym_of(patient.key) and patient.pseudonym in page
    for fact in ("62 years", "female", "View AP", "Acquired 2026-03-01 00:15, as sent", "Side not recorded"):
        assert fact in page
    assert re.search(r"Received \d\d:\d\d UTC, \d+ \w{3} \d{4}", page) and study.number in page


def test_the_wall_clock_of_a_film_is_not_shifted_to_the_site_and_receipt_is(
    settings, browser, study, instance
):
    """Server in UTC, site in Berlin, film at 00:15 (rule A12)."""
    settings.TIME_ZONE = "Europe/Berlin"
    Study.objects.update(
        acquired_date="20260301", acquired_time="001500", received_at="2026-03-01T23:30:00+00:00"
    )
    page = words(browser, study)
    assert "2026-03-01 00:15, as sent" in page and "00:30 CET, 2 Mar 2026" in page


def test_what_a_film_does_not_say_is_said_so(browser, study, instance):
    page = words(browser, study)
    assert "Patient no patient" in page
    assert page.count("not recorded") >= 4


# --- several films, several readers ---


def test_of_several_films_the_highest_score_is_shown_and_each_can_be_chosen(browser, study, hang):
    low, high = hang(), hang()
    predicted(low, Finding.BELOW)
    predicted(high, Finding.ABOVE)
    page = markup(browser, study)
    assert "2 films in this study" in plain(page) and "AI score 0.87, highest" in plain(page)
    assert reverse("instance-pixels", args=[high.pk]) in page
    assert f"?film={low.pk}" in page
    chosen = markup(browser, study, film=low.pk)
    assert reverse("instance-pixels", args=[low.pk]) in chosen
    assert texts.NO_HEATMAP in plain(chosen)


@pytest.fixture
def lateral(hang: Any) -> Instance:
    return hang(view="LL", not_assessed="lateral view")


def test_a_lateral_film_beside_a_frontal_one_is_counted_and_not_assessed(browser, study, lateral, instance):
    predicted(instance)
    page = words(browser, study)
    assert "1 frontal film, 1 lateral not assessed" in page and "Not assessed: lateral view" in page
    assert "COVID-19 pattern: above threshold." in page, "the frontal film is the one that is looked at"
    chosen = words(browser, study, film=lateral.pk)
    assert str(texts.not_assessed("lateral view")) in chosen
    assert "COVID-19 pattern: above threshold." not in chosen


def test_a_lateral_film_offers_nothing_that_cannot_help(browser, study, lateral):
    page = markup(browser, study)
    assert str(texts.not_assessed("lateral view")) in plain(page)
    assert "Try again" not in page and "Analyse again" not in page and "History" not in page
    assert "hx-" not in fragment_of(page)


@pytest.mark.parametrize("chosen", [True, False])
def test_another_analysis_is_not_asked_for_a_lateral_film(browser, study, lateral, chosen):
    data = {"film": lateral.pk} if chosen else {}
    assert browser.post(reverse("study-analyses", args=[study.pk]), data).status_code == 302
    assert not Analysis.objects.exists()


def test_the_frontal_film_that_waits_is_looked_at_before_a_lateral_one(browser, study, lateral, hang):
    frontal = hang()
    factories.AnalysisFactory(instance=frontal)
    page = markup(browser, study)
    assert reverse("instance-pixels", args=[frontal.pk]) in page and "Not analysed yet" in plain(page)


def test_list_and_print_say_that_a_lateral_film_is_not_assessed(browser, study, lateral):
    listed = plain(browser.get(reverse("studies")).content.decode())
    assert (
        "1 lateral not assessed" in listed
        and "Not analysed yet" not in listed.split("Study " + study.number)[1]
    )
    assert "Not assessed: lateral view No result is not a negative result." in listed
    printed = plain(browser.get(reverse("study-print", args=[study.pk])).content.decode())
    assert str(texts.not_assessed("lateral view")) in printed


def test_while_another_film_of_the_study_waits_the_page_goes_on_asking(browser, study, hang):
    done, waiting = hang(), hang()
    predicted(done)
    factories.AnalysisFactory(instance=waiting)
    page = markup(browser, study, film=done.pk)
    assert "hx-get" in fragment_of(page) and "Film 2" in plain(page) and "Not analysed yet" in plain(page)


def test_an_unknown_film_leads_to_the_one_that_the_study_shows(browser, study, instance):
    predicted(instance)
    assert reverse("instance-pixels", args=[instance.pk]) in markup(browser, study, film="nonsense")


def test_a_study_without_films_says_so(browser, study):
    assert "This study has no film that can be shown." in words(browser, study)


@pytest.mark.parametrize("name", ["study", "study-print"])
def test_a_study_of_another_team_does_not_exist(sign_in, study, instance, name):
    stranger = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert stranger.get(reverse(name, args=[study.pk])).status_code == 404
    assert stranger.post(reverse("study-analyses", args=[study.pk])).status_code == 404
    assert not Analysis.objects.exists()


def test_a_synthetic_film_is_marked(browser, study, instance):
    Study.objects.update(is_demo=True)
    assert "synthetic film" in words(browser, study)


def test_the_number_of_queries_does_not_grow_with_films_and_answers(
    browser, study, hang, django_assert_max_num_queries
):
    for _ in range(5):
        instance = hang()
        for finding in SCORES:
            predicted(instance, finding)
    factories.AnalysisFactory(instance=instance)
    markup(browser, study)
    # Among them one for each of: what was noted before, reads, doubts, and the count in the bar.
    with django_assert_max_num_queries(16):
        markup(browser, study)


def window(name: str, low: float, high: float) -> dict[str, Any]:
    return {"name": name, "low": low, "high": high}


def test_several_windows_are_offered_by_name_and_one_is_not(browser, study, instance):
    instance.windows = [window("NORMAL", 1000, 2999), window("", 1300, 2299)]
    instance.save()
    page = markup(browser, study)
    options = re.findall(r'<option data-low="([^"]+)" data-high="([^"]+)">([^<]+)</option>', page)
    assert options == [("1000", "2999", "Window: NORMAL"), ("1300", "2299", "Window 2")]
    assert "next window that came with the film" in page
    instance.windows = instance.windows[:1]
    instance.save()
    page = markup(browser, study)
    assert "<option" not in page and "next window" not in page
    assert 'title="Window as sent: NORMAL"' in page


def test_a_window_may_be_called_anything(browser, study, instance):
    instance.windows = [window('"><script>alert(1)</script>', 1, 2), window("<b>", 3, 4)]
    instance.save()
    assert "<script>alert" not in markup(browser, study) and "<b>" not in markup(browser, study)


# --- imported films ---


@pytest.fixture
def imported(study: Study, instance: Instance) -> Study:
    source = factories.SourceFactory(name="Atlas")
    Study.objects.update(source=source)
    Read.objects.create(study=study, source=source, label="covid")
    return study


@pytest.mark.parametrize(
    ("role", "sees_source", "sees_label"),
    [("clinician", False, False), ("radiologist", True, False), ("administrator", True, True)],
)
def test_a_label_is_shown_to_administrators_alone_and_the_source_to_nobody_who_waits(
    sign_in, team, imported, role, sees_source, sees_label
):
    browser = sign_in(factories.UserFactory(role=role, team=team))
    for page in (words(browser, imported), plain(part(browser, imported).content.decode())):
        assert ("Label from source Atlas: COVID-19" in page) == sees_label
        assert ("COVID-19" in page) == sees_label
    assert ("source: Atlas" in words(browser, imported)) == sees_source


def test_a_film_that_nobody_asked_about_says_so_and_can_be_analysed(browser, imported):
    page = words(browser, imported)
    assert str(texts.NOT_ASKED) in page and "Analyse now" in page and "Try again" not in page
    browser.post(reverse("study-analyses", args=[imported.pk]))
    assert Analysis.objects.get().priority == 0
