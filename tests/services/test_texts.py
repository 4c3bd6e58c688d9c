"""One text for every status and finding; none says more than it may (rules A1 to A4)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis import states, texts

FINDINGS = [value for value, _ in states.choices(states.Finding)]
STATUSES = [value for value, _ in states.choices(states.JobStatus)]
WITHOUT_RESULT = [status for status in STATUSES if status != states.JobStatus.SUCCEEDED]


def shown(finding: str, probability: float = 0.87) -> texts.Wording:
    return texts.finding(finding, probability=probability, band_low=0.21, band_high=0.61)


def test_the_exact_words_of_each_finding():
    assert str(shown("above")) == (
        "COVID-19 pattern: above threshold. AI score 0.87 (uncertain band 0.21–0.61). Other pneumonias, oedema and "
        "lung injury can look the same. Confirm with a SARS-CoV-2 test and the radiologist's report."
    )
    assert str(shown("below", 0.08)) == (
        "No COVID-19 pattern found (class: Non-COVID). AI score 0.08. This does not exclude COVID-19, above all in the "
        "first days. It does not mean a normal film: the AI looks for nothing else – not pneumothorax, effusion, "
        "nodule, fracture or tubes."
    )
    assert str(shown("uncertain", 0.38)) == (
        "Uncertain: the AI gives no answer. AI score 0.38 lies in the band 0.21–0.61. The film is on the reading list. "
        "Nobody has been called."
    )


def test_the_exact_words_without_a_result():
    assert str(texts.without_result("queued", ahead=4)) == (
        "Not analysed yet. 4 films are ahead. Read the film as usual; do not wait for this."
    )
    assert str(texts.without_result("failed", reason="worker lost")) == (
        "Analysis failed: worker lost. There is no AI result. No result is not a negative result."
    )
    assert str(texts.late(12)) == (
        "AI results are late. The oldest film has waited 12 minutes. Read films as usual."
    )


@pytest.mark.parametrize("finding", FINDINGS)
def test_every_finding_has_a_text(finding):
    assert shown(finding).lead and shown(finding).tone == finding


@pytest.mark.parametrize("status", WITHOUT_RESULT)
def test_every_status_without_a_result_has_a_text(status):
    assert texts.without_result(status, reason="something").lead


def test_a_missing_result_never_reads_as_a_negative_one():
    assert "No result is not a negative result." in str(texts.without_result("failed", reason="x"))
    assert texts.without_result("failed", reason="x").can_retry


@pytest.mark.parametrize("finding", FINDINGS)
def test_no_text_says_probability_or_clear(finding):
    assert not re.search(r"probab|\bclear\b|healthy film|negative", str(shown(finding)), re.IGNORECASE)


@given(st.floats(0, 1))
def test_a_score_has_two_decimals_and_is_never_certain(probability):
    assert re.fullmatch(r"0\.\d\d", texts.score(probability))
    assert 0.01 <= float(texts.score(probability)) <= 0.99


def test_the_heatmap_says_its_cells():
    assert texts.heatmap(rows=7, columns=7) == (
        "Where the score came from, in cells of about 6 cm (7 × 7). Not the outline of disease. "
        "A cold area is not a healthy area."
    )


def test_the_acknowledgement_names_sources_and_claims_nothing_unmeasured():
    text = texts.acknowledgement(["ieee8023", "BIMCV"])
    assert text.startswith(texts.FOOTER) and "Trained on ieee8023, BIMCV." in text
    assert "At hospitals it had not seen: not measured yet." in text
