"""Paired differences, and DeLong against its own definition and simulation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml import comparison, metrics
from ml.__main__ import main
from ml.data import Record
from ml.scores import Scores, ScoresError


def films(n: int = 200, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, good scores, and scores that are the same with more noise."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < 0.4).astype(int)
    good = random.normal(y * 1.5, 1)
    return y, good, good + random.normal(0, 1.5, n)


def test_delong_on_a_table_worked_by_hand() -> None:
    """Ill 3, 5; well 1, 4: of four pairs 3 are in order. Placements: ill 1/2, 1; well 1, 1/2; each variance 1/8, so
    the variance is 1/8 / 2 + 1/8 / 2 = 1/8."""
    estimate = comparison.delong([1, 1, 0, 0], [3, 5, 1, 4])
    assert estimate.value == 0.75
    assert estimate.low == pytest.approx(0.75 - 1.959964 * 0.125**0.5)
    assert estimate.high == 1.0


def test_delong_agrees_with_the_bootstrap_on_independent_films() -> None:
    y, good, noisy = films(400)
    drawn = comparison.auc_difference(y, good, noisy, np.arange(400), seed=1)
    stated = comparison.delong_difference(y, good, noisy)
    assert stated.value == pytest.approx(drawn.value)
    assert (stated.low, stated.high) == pytest.approx((drawn.low, drawn.high), abs=0.01)
    assert comparison.delong(y, good).value == pytest.approx(metrics.auc(y, good))


def test_delong_covers_the_truth_in_about_95_of_100_draws() -> None:
    truth = 0.8556  # Φ(1.5 / √2)
    covered = 0
    for seed in range(400):
        y, good, _ = films(120, seed=seed)
        estimate = comparison.delong(y, good)
        covered += estimate.low <= truth <= estimate.high
    assert 0.92 <= covered / 400 <= 0.98


def test_a_difference_with_itself_is_nothing() -> None:
    y, good, _ = films()
    for estimate in (
        comparison.delong_difference(y, good, good),
        comparison.auc_difference(y, good, good, np.arange(len(y)), seed=0),
    ):
        assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


def test_copies_of_a_film_do_not_shrink_the_paired_interval() -> None:
    y, good, noisy = films(80)
    once = comparison.auc_difference(y, good, noisy, np.arange(80), seed=2)
    ten = [np.repeat(values, 10) for values in (y, good, noisy, np.arange(80))]
    tenfold = comparison.auc_difference(*ten, seed=2)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_delong_refuses_what_it_cannot_judge() -> None:
    with pytest.raises(ValueError, match="two films of each class"):
        comparison.delong([1, 0, 0], [0.9, 0.1, 0.2])


def test_one_film_a_patient_is_the_first_and_nameless_films_are_all_kept() -> None:
    assert comparison.one_a_patient(["a", "b", "a", "", ""]).tolist() == [0, 1, 3, 4]


def tables(n: int = 120) -> tuple[Scores, Scores]:
    """The same films scored with much and with less noise, in folds A and C0 to C4, and COVID-19 alone in B."""
    random = np.random.default_rng(3)
    parts: tuple[list[Scores], list[Scores]] = ([], [])
    for fold in ("A", "B", "C0", "C1", "C2", "C3", "C4"):
        y = np.ones(n, dtype=int) if fold == "B" else (random.random(n) < 0.5).astype(int)
        source = "radiographydb_covid_bimcv" if fold == "B" else "ieee8023"
        records = [
            Record(
                f"{fold}{i}.png", int(label), "train", source if i % 4 else "armiro", f"g{i // 2}", f"p{i}"
            )
            for i, label in enumerate(y)
        ]
        for scores, noise in zip(parts, (3.0, 1.0), strict=True):
            scores.append(Scores.made(records, fold=fold, logits=random.normal(y * 1.5, noise)))
    return Scores.joined(parts[0]), Scores.joined(parts[1])


def test_a_challenger_is_compared_in_each_fold_on_the_same_films() -> None:
    baseline, challenger = tables()
    mixed = challenger.chosen(np.random.default_rng(0).permutation(len(challenger)))
    rows = comparison.compare(baseline, mixed)
    assert [(row.fold, row.films) for row in rows] == [
        ("A", "ieee8023"),
        ("A", "pooled"),
        ("B", "pooled"),
        ("C", "ieee8023"),
        ("C", "pooled"),
    ]
    a, c = rows[0], rows[3]
    first, second = (scores.of(fold="A", source="ieee8023") for scores in (baseline, challenger))
    expected = metrics.auc(second.label, second.logit) - metrics.auc(first.label, first.logit)
    assert a.difference.value == pytest.approx(expected)
    assert a.challenger - a.baseline == pytest.approx(expected)
    assert a.of_patients.value == pytest.approx(expected)  # a film a patient here
    assert (a.n_covid + a.n_noncovid, c.n_covid + c.n_noncovid) == (90, 450)
    assert c.difference.low > 0
    assert (rows[2].baseline, rows[2].difference.value, rows[2].of_patients) == (None, None, None)


def test_delong_sees_one_film_a_patient() -> None:
    baseline, challenger = (scores.of(fold="A") for scores in tables())
    same = replace(baseline, patient=np.array([f"p{i // 3}" for i in range(len(baseline))]))
    row = comparison.compare(same, challenger, contrasts=["pooled"])[0]
    assert row.n_patients == 40
    one = np.arange(0, 120, 3)
    expected = comparison.delong_difference(same.label[one], challenger.logit[one], same.logit[one])
    assert row.of_patients == expected


def test_different_films_are_not_compared() -> None:
    baseline, challenger = tables()
    with pytest.raises(
        ScoresError, match=r"different films or labels: 1 are in one only, such as A0\.png in fold A"
    ):
        comparison.compare(baseline, challenger.chosen(np.arange(1, len(challenger))))
    with pytest.raises(ScoresError, match="no fold in common"):
        comparison.compare(baseline.of(fold="A"), challenger.of(fold="B"))
    with pytest.raises(ScoresError, match="no fold holds a film of elsewhere"):
        comparison.compare(baseline, challenger, contrasts=["elsewhere"])


def test_the_command_prints_each_paired_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    baseline, challenger = tables()
    baseline.write(tmp_path / "a.csv")
    challenger.write(tmp_path / "b.csv")
    assert main(["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]) == 0
    said = capsys.readouterr().out
    a = comparison.compare(baseline, challenger)[0]
    assert f"fold A, ieee8023: {a.n_covid} COVID-19, {a.n_noncovid} Non-COVID films\n" in said
    d = a.difference
    assert (
        f"AUC {a.baseline:.3f} → {a.challenger:.3f}, difference {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
        in said
    )
    assert "one film a patient (90), DeLong: difference" in said
    assert "fold B, pooled: 120 COVID-19, 0 Non-COVID films: one class only, no AUC" in said
    assert main(["compare", str(tmp_path / "a.csv"), str(tmp_path / "none.csv")]) == 1
    assert "none.csv cannot be read" in caplog.text
