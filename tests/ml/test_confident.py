"""Labels that look wrong are found by the rule of the paper, ranked by margin, or it is said why none can be."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ml.confident import FEWEST, Suspect, suspicion


def films(*groups: tuple[int, int, float]) -> tuple[list[int], list[float]]:
    """Labels and probabilities of so many films each: (how many, label, probability of class 1)."""
    return (
        [label for n, label, _ in groups for _ in range(n)],
        [p for n, _, p in groups for _ in range(n)],
    )


def test_a_worked_example() -> None:
    """By hand after section 3 of Northcutt, Jiang & Chuang (2021): t_0 = 15.6 / 20, t_1 = 13.65 / 20.

    Labelled 0: 16 films reach t_0, two at .9 reach t_1, two at .5 neither. Labelled 1: 15 at .8 reach t_1, three at
    .15 reach t_0, two at .6 neither.
    """
    found = suspicion(*films((16, 0, 0.1), (2, 0, 0.9), (2, 0, 0.5), (15, 1, 0.8), (3, 1, 0.15), (2, 1, 0.6)))
    assert found.thresholds == (pytest.approx(0.78, abs=1e-12), pytest.approx(0.6825, abs=1e-12))
    assert found.joint == ((16, 2), (3, 15))
    assert [(s.index, s.given, s.suggested) for s in found.suspects] == [
        (16, 0, 1),
        (17, 0, 1),
        (35, 1, 0),
        (36, 1, 0),
        (37, 1, 0),
    ]
    assert [s.margin for s in found.suspects] == pytest.approx([0.8, 0.8, 0.7, 0.7, 0.7], abs=1e-12)
    assert [s.self_confidence for s in found.suspects] == pytest.approx(
        [0.1, 0.1, 0.15, 0.15, 0.15], abs=1e-12
    )
    scaled = [[Fraction(n, 18) * 20 for n in row] for row in found.joint]
    for i in (0, 1):
        for j in (0, 1):
            share = scaled[i][j] / (scaled[0][j] + scaled[1][j])
            assert found.noise[i][j] == pytest.approx(float(share), abs=1e-12)
    assert (found.n, found.why) == (40, "")


def test_rows_of_the_joint_are_scaled_to_all_films_with_that_label() -> None:
    found = suspicion(*films((60, 0, 0.1), (20, 0, 0.35), (20, 0, 0.9), (20, 1, 0.8), (5, 1, 0.1)))
    assert found.joint == ((60, 20), (5, 20))
    of_0, of_1 = (75, 25), (5, 20)  # 100 films labelled 0 as 60 : 20, 25 labelled 1 as they are
    assert found.noise[0] == pytest.approx((of_0[0] / 80, of_0[1] / 45))
    assert found.noise[1] == pytest.approx((of_1[0] / 80, of_1[1] / 45))


def test_where_both_thresholds_are_reached_the_likelier_class_counts_and_a_tie_keeps_the_label() -> None:
    likelier = suspicion(*films((18, 0, 0.4), (2, 0, 1.0), (18, 1, 0.45), (2, 1, 0.0)))
    assert likelier.joint == ((18, 2), (20, 0))
    assert [s.margin for s in likelier.suspects if s.given] == pytest.approx([1.0] * 2 + [0.1] * 18)
    assert (likelier.noise[0][1], likelier.noise[1][1]) == (1, 0)
    tie = suspicion(*films((18, 0, 0.49), (2, 0, 1.0), (18, 1, 0.5), (2, 1, 0.0)))
    assert tie.joint == ((18, 2), (2, 18))


def test_noise_of_a_class_that_no_film_is_confidently_of_is_unknown() -> None:
    """Ranked right, but by less than a rounding: all reach both thresholds, and all are likelier 0."""
    found = suspicion(*films((30, 0, 0.3), (30, 1, 0.3 + 1e-12)))
    assert found.joint == ((30, 0), (30, 0))
    assert found.noise == ((0.5, None), (0.5, None))


def by_the_paper(labels: Sequence[int], of_class: Sequence[Sequence[float]]) -> list[list[set[int]]]:
    """Equation 1, film by film: X̂[i][j] of films labelled i that are confidently of class j."""
    n_classes = len(of_class[0])
    t = [
        np.mean([p[j] for p, label in zip(of_class, labels, strict=True) if label == j])
        for j in range(n_classes)
    ]
    counted: list[list[set[int]]] = [[set() for _ in range(n_classes)] for _ in range(n_classes)]
    for x, (label, p) in enumerate(zip(labels, of_class, strict=True)):
        reached = [j for j in range(n_classes) if p[j] >= t[j] - 1e-9]
        if reached:
            likeliest = max(reached, key=lambda j: (p[j], j == label))
            counted[label][likeliest].add(x)
    return counted


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(FEWEST, 60), st.integers(FEWEST, 60), st.sampled_from([1, 2, 9]))
def test_suspects_are_those_of_the_paper(seed: int, n_well: int, n_ill: int, digits: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation([0] * n_well + [1] * n_ill)
    p = np.round(1 / (1 + np.exp(-random.normal(2 * labels - 1.3, 1.5))), digits)  # with ties
    found = suspicion(labels, p)
    assume(not found.why)
    counted = by_the_paper(labels.tolist(), np.stack([1 - p, p], axis=1).tolist())
    assert found.joint == tuple(tuple(len(films) for films in row) for row in counted)
    assert {s.index for s in found.suspects if s.given == 0} == counted[0][1]
    assert {s.index for s in found.suspects if s.given == 1} == counted[1][0]
    assert [s.margin for s in found.suspects] == sorted((s.margin for s in found.suspects), reverse=True)
    for j in (0, 1):
        assert found.noise[0][j] is None or found.noise[0][j] + found.noise[1][j] == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_films_and_of_the_two_labels_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation([0] * 40 + [1] * 30)
    p = 1 / (1 + np.exp(-random.normal(3 * labels - 1.5, 1.2)))
    order = random.permutation(70)
    first, shuffled = suspicion(labels, p), suspicion(labels[order], p[order])
    assert [s.index for s in first.suspects] == [order[s.index] for s in shuffled.suspects]
    swapped = suspicion(1 - labels, 1 - p)
    assert [(s.index, 1 - s.given) for s in first.suspects] == [(s.index, s.given) for s in swapped.suspects]
    assert swapped.joint == (first.joint[1][::-1], first.joint[0][::-1])


def ward(n: int, seed: int, *, flipped: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with a share flipped, probabilities of a network that never saw them, and which were flipped."""
    random = np.random.default_rng(seed)
    truth = (random.random(n) < 0.4).astype(int)
    wrong = random.random(n) < flipped
    p = 1 / (1 + np.exp(-random.normal(5 * truth - 2.5, 1.5)))
    return np.where(wrong, 1 - truth, truth), p, wrong


@pytest.mark.parametrize("seed", range(3))
def test_planted_flips_are_found(seed: int) -> None:
    """Of 2,000 films with 6 % of labels flipped.

    Over 300 seeds 74 % of the flips are suspected (54 to 86 %), and 92 % of the suspects are flips (80 to 99 %).
    """
    labels, p, wrong = ward(2000, seed, flipped=0.06)
    found = suspicion(labels, p)
    suspected = np.zeros(2000, dtype=bool)
    suspected[[s.index for s in found.suspects]] = True
    recall, precision = (suspected & wrong).sum() / wrong.sum(), (suspected & wrong).sum() / suspected.sum()
    assert recall > 0.6 and precision > 0.8
    first = [s.index for s in found.suspects[:40]]
    assert wrong[first].mean() >= 0.95  # those with the largest margin first


def test_clean_labels_that_the_network_tells_apart_have_no_suspects() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    p = np.where(labels == 1, random.uniform(0.8, 1, 200), random.uniform(0, 0.2, 200))
    found = suspicion(labels, p)
    assert (found.suspects, found.why) == ((), "")
    assert found.joint[0][1] == found.joint[1][0] == 0
    assert found.noise == ((1, 0), (0, 1))


def test_films_that_all_have_one_probability_reach_their_own_mean() -> None:
    """The mean of equal numbers may come out above them by a rounding: they are confident all the same."""
    for n in range(FEWEST, FEWEST + 30):
        assert suspicion(*films((n, 0, 0.1), (n, 1, 0.7))).joint == ((n, 0), (0, n))


@pytest.mark.parametrize(
    ("labels", "p", "why"),
    [
        ([], [], "no_films"),
        ([1] * 50, [0.9] * 50, "one_class"),
        ([0] * 50 + [1] * (FEWEST - 1), [0.1] * 50 + [0.9] * (FEWEST - 1), "few_films"),
        ([0, 1] * 50, [0.5] * 100, "not_telling"),
        ([0, 1] * 50, [0.9, 0.1] * 50, "not_telling"),
    ],
)
def test_what_nothing_can_be_said_of_says_why(labels: list[int], p: list[float], why: str) -> None:
    found = suspicion(labels, p)
    assert (found.suspects, found.thresholds, found.joint, found.noise) == ((), None, None, None)
    assert (found.n, found.why) == (len(labels), why)


def test_a_network_that_guesses_judges_no_labels() -> None:
    """Without this half of all films would be suspected; 1.96 errors let 2.5 % of guessing networks through."""
    random = np.random.default_rng(3)
    labels = np.repeat([0, 1], 60)
    whys = [suspicion(labels, random.random(120)).why for _ in range(200)]
    assert 0.94 <= np.mean([why == "not_telling" for why in whys]) < 1


@pytest.mark.parametrize(
    ("labels", "p", "said"),
    [
        ([0, 1], [0.1, float("nan")], "not at nan"),
        ([0, 1], [0.1, 1.01], "not at 1.01"),
        ([0, 1], [-0.1, 1], "not at -0.1"),
        ([0, 2], [0.1, 0.9], "0 or 1"),
        ([0, 1, 1], [0.1, 0.9], "one label and one probability"),
        ([[0, 1]], [[0.1, 0.9]], "one label and one probability"),
    ],
)
def test_what_is_no_label_and_no_probability_is_refused(labels: object, p: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        suspicion(labels, p)


def test_a_suspect_carries_its_reasons() -> None:
    found = suspicion(*films((20, 0, 0.1), (1, 0, 0.95), (20, 1, 0.9)))
    assert found.suspects == (Suspect(20, 0, 1, pytest.approx(0.05), pytest.approx(0.9)),)
    assert found.suspects[0].self_confidence < 1 - found.suspects[0].self_confidence >= found.thresholds[1]
