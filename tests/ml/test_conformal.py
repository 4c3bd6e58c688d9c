"""The uncertain band covers what it says, of either class, whatever the prevalence; and what it says elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.conformal import Thresholds, conformal, judged, thresholds
from ml.finding import finding_of
from ml.scores import Scores
from tests.ml import tables


def probabilities(films: Scores) -> np.ndarray:
    return 1 / (1 + np.exp(-films.logit))


def test_the_threshold_of_nineteen_films_is_the_second_lowest() -> None:
    """Of n films k = ⌊α (n + 1)⌋ may be missed, that to come counted: 2 of 20 at α = 0.1."""
    p = np.linspace(0.05, 0.95, 19)
    films = tables.scores([1] * 19 + [0] * 19, np.zeros(38))
    found = thresholds(films, np.concatenate([p, p]), alpha=0.1)
    assert found.covid == pytest.approx(p[1]) and found.noncovid == pytest.approx(p[-2])


def test_eight_films_are_too_few_to_miss_any() -> None:
    films = tables.scores([1] * 8 + [0] * 9, np.zeros(17))
    found = thresholds(films, np.linspace(0.1, 0.9, 17), alpha=0.1)
    assert found.covid == 0 and found.noncovid < 1
    assert not found.are_finite


def test_films_of_one_patient_share_one_place() -> None:
    """Nine patients of one film and one of ninety: the ninety count as much as each of the nine."""
    group = [f"g{i}" for i in range(9)] + ["crowd"] * 90
    p = np.concatenate([np.linspace(0.5, 0.9, 9), np.full(90, 0.1)])
    films = tables.scores([1] * 99 + [0], np.zeros(100), group=[*group, "other"])
    found = thresholds(films, np.append(p, 0.2), alpha=0.2)
    assert found.covid == pytest.approx(
        0.5
    )  # 1/11 may come, 1/11 is the crowd: both fit into 0.2, a third does not


def test_ties_stay_inside() -> None:
    films = tables.scores([1] * 40 + [0] * 40, np.zeros(80))
    found = thresholds(films, np.full(80, 0.4), alpha=0.1)
    assert found == Thresholds(0.4, 0.4)
    assert found.covered(films.label, np.full(80, 0.4)).all()


@pytest.mark.parametrize("prevalence", [0.5, 0.05])
@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_coverage_of_each_class_holds_when_only_the_prevalence_changes(
    prevalence: float, alpha: float
) -> None:
    """Over many draws; with no more slack than the one film to come and the draws' own scatter allow."""
    shares: dict[int, list[float]] = {0: [], 1: []}
    for seed in range(100):
        known = tables.drawn(300, seed=seed)
        chosen = thresholds(known, probabilities(known), alpha=alpha)
        ward, logit = tables.ward(8000, seed=10_000 + seed, prevalence=prevalence)
        covered = chosen.covered(ward, 1 / (1 + np.exp(-logit)))
        for label, of_class in shares.items():
            of_class.append(covered[ward == label].mean())
    for of_class in shares.values():
        assert 1 - alpha - 0.01 < np.mean(of_class) < 1 - alpha + 0.02


def in_sources(seed: int, n: dict[str, int], *, films_each: int = 1) -> Scores:
    """Sources that differ much, of very different sizes, every group with up to `films_each` films of its own level."""
    random = np.random.default_rng(seed)
    rows = []
    for place, (source, groups) in enumerate(n.items()):
        for g in range(groups):
            label = g % 2
            level = random.normal(2 * label - 1 - place, 1)
            for _ in range(random.integers(1, films_each + 1)):
                rows.append((label, level + random.normal(0, 0.5), source, f"{source}-{label}-{g}"))
    label, logit, source, group = zip(*rows, strict=True)
    return tables.scores(label, logit, source=source, group=group)


def test_coverage_holds_for_a_film_of_a_new_patient_of_a_source_drawn_alike() -> None:
    """A large, a middling and a small source, patients with up to five films: pooling would cover the large one."""
    misses: list[float] = []
    for seed in range(60):
        known = in_sources(seed, {"large": 400, "middle": 120, "small": 60}, films_each=5)
        chosen = thresholds(known, probabilities(known), alpha=0.2)
        ward = in_sources(50_000 + seed, {"large": 60, "middle": 60, "small": 60}, films_each=5)
        missed = ~chosen.covered(ward.label, probabilities(ward))
        units, of_group = np.unique(ward.group, return_inverse=True)
        misses.append(float(np.mean(np.bincount(of_group, weights=missed) / np.bincount(of_group))))
        assert len(units) == 180
    assert 0.16 < np.mean(misses) < 0.21


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_band_of_rule_a2_says_what_the_sets_say(covid: float, noncovid: float, p: float) -> None:
    """One label is the finding; none and both are no answer, but for the very edges, which are uncertain."""
    chosen = Thresholds(covid, noncovid)
    low, high = chosen.band
    holds_covid, holds_noncovid = p >= covid, p <= noncovid
    said = "above" if holds_covid else "below"
    if holds_covid == holds_noncovid or p in (low, high):
        said = "uncertain"
    assert finding_of(p, band_low=low, band_high=high) == said
    assert ("below", "uncertain", "above")[chosen.findings(np.array([p]))[0]] == said


def test_a_source_is_judged_by_thresholds_that_never_saw_it() -> None:
    """Whatever the films of the harbour score, the thresholds that judge them are those of the hill alone."""
    films = tables.drawn(400, sources=("hill", "harbour"))
    p = probabilities(films)
    harbour = films.source == "harbour"
    of_hill = thresholds(films.chosen(~harbour), p[~harbour], alpha=0.1)
    judgement = judged(films, p, alpha=0.1)
    assert (judgement.covered[harbour] == of_hill.covered(films.label[harbour], p[harbour])).all()
    assert set(judgement.left_out.tolist()) == {"source"}


def test_a_source_that_stands_alone_is_judged_group_by_group() -> None:
    films = tables.drawn(200)
    judgement = judged(films, probabilities(films), alpha=0.1)
    assert set(judgement.left_out.tolist()) == {"groups"}
    assert 0.8 < judgement.covered.mean() < 0.97


def test_a_hospital_that_looks_different_is_covered_less_and_that_is_stated() -> None:
    """COVID-19 of the harbour scores two lower: the stated coverage is its, far below the aim."""
    films = tables.drawn(900, sources=("hill", "harbour", "moor"))
    moved = films.logit - 2 * ((films.source == "harbour") & (films.label == 1))
    films = tables.scores(films.label, moved, source=films.source)
    made = conformal(films, probabilities(films))
    assert made.stated is not None
    assert (made.stated.source, made.stated.label) == ("harbour", "COVID-19")
    assert made.stated.coverage.value < 0.6
    assert made.stated.coverage.low < made.stated.coverage.value < made.stated.coverage.high
    assert {row.source for row in made.rows} == {"hill", "harbour", "moor"} and len(made.rows) == 6
    shown = made.findings["COVID-19"]
    assert sum(rate.value for rate in shown.values()) == pytest.approx(1)


def test_few_films_state_nothing() -> None:
    made = conformal(tables.drawn(60, sources=("hill", "harbour")), np.linspace(0.1, 0.9, 60))
    assert max(row.coverage.n for row in made.rows) < 40
    assert made.stated is None


def test_a_film_of_two_folds_is_counted_once_and_judged_in_both() -> None:
    once = tables.drawn(120, sources=("hill", "harbour"))
    twice = Scores.joined(
        [once, tables.scores(once.label, once.logit + 0.1, source=once.source, fold=["C1"] * 120)]
    )
    made = conformal(twice, probabilities(twice))
    n = int((once.label == 1).sum())
    assert made.findings["COVID-19"]["above"].n == made.findings["COVID-19"]["above"].n_groups == n
    assert {row.fold for row in made.rows} == {"A", "C"}


@pytest.mark.parametrize("alpha", [0, 0.5, 1, -0.1])
def test_an_alpha_that_means_nothing_is_refused(alpha: float) -> None:
    films = tables.drawn(50)
    with pytest.raises(ValueError, match="alpha must lie between"):
        conformal(films, probabilities(films), alpha=alpha)
