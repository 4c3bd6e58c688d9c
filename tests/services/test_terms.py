"""The list of findings: codes are made once, nothing is deleted, every change is in the audit."""

from __future__ import annotations

import pytest

from diagnosis import selectors
from diagnosis.models import Event, FindingTerm
from diagnosis.services import terms
from diagnosis.services.terms import TermError
from diagnosis.states import Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief():
    return factories.UserFactory(role=Role.ADMINISTRATOR)


def names():
    return [term.name for term in selectors.finding_terms()[0]]


def audit():
    return [(event.new, event.reason) for event in reversed(selectors.term_history())]


def test_a_new_finding_stands_at_the_end_with_a_code_made_of_its_name(chief):
    term = terms.add("Reversed halo sign", by=chief)
    assert term.code == "reversed-halo-sign" and names()[-1] == "Reversed halo sign"
    assert audit() == [("made", "Reversed halo sign (reversed-halo-sign)")]
    assert Event.objects.get().by == chief


def test_a_code_that_is_taken_gets_a_number(chief):
    terms.add("Rib fracture", by=chief)
    assert [terms.add(name, by=chief).code for name in ("Rib-fracture", "Rib fracture!")] == [
        "rib-fracture-2",
        "rib-fracture-3",
    ]


def test_a_long_name_has_a_code_that_fits(chief):
    codes = [terms.add(f"{'very ' * 14}long {n}", by=chief).code for n in range(3)]
    assert len(set(codes)) == 3 and all(len(code) <= 40 for code in codes)


def test_a_name_is_there_once_whatever_its_case_and_a_code_needs_a_letter(chief):
    for name in ("CONSOLIDATION", "!!!"):
        with pytest.raises(TermError):
            terms.add(name, by=chief)
    with pytest.raises(TermError):
        terms.rename(FindingTerm.objects.get(code="nodule"), "consolidation", by=chief)
    assert audit() == []


def test_a_renamed_finding_keeps_its_code(chief):
    term = FindingTerm.objects.get(code="oedema")
    terms.rename(term, "Pulmonary oedema", by=chief)
    terms.rename(term, "Pulmonary oedema", by=chief)
    term.refresh_from_db()
    assert (term.code, term.name) == ("oedema", "Pulmonary oedema")
    assert audit() == [("named", "Oedema → Pulmonary oedema")]


def test_the_case_of_a_name_can_be_mended(chief):
    term = FindingTerm.objects.get(code="oedema")
    terms.rename(term, "OEDEMA", by=chief)
    assert "OEDEMA" in names()


def test_findings_change_places_and_the_ends_hold(chief):
    first, second = list(FindingTerm.objects.all())[:2]
    terms.shift(second, -1, by=chief)
    assert names()[:2] == [second.name, first.name]
    terms.shift(second, -1, by=chief)
    assert audit() == [("moved", f"{second.name} to place 1")]
    terms.shift(second, 1, by=chief)
    assert names()[:2] == [first.name, second.name]


def test_findings_at_the_same_place_can_be_told_apart(chief):
    FindingTerm.objects.update(position=10)
    before = names()
    terms.shift(FindingTerm.objects.get(name=before[3]), -1, by=chief)
    assert names()[2:4] == [before[3], before[2]]


def test_a_finding_off_the_list_is_kept_and_comes_back_at_the_end(chief):
    term = FindingTerm.objects.get(code="bilateral")
    terms.take_off(term, by=chief)
    terms.take_off(term, by=chief)
    assert "Bilateral" not in names() and selectors.finding_terms()[1] == [term]
    assert selectors.term_names()["bilateral"] == "Bilateral"
    with pytest.raises(TermError, match="off the list"):
        terms.add("bilateral", by=chief)
    terms.put_back(term, by=chief)
    terms.put_back(term, by=chief)
    assert names()[-1] == "Bilateral"
    assert audit() == [("off the list", "Bilateral"), ("on the list", "Bilateral")]


def test_what_is_off_the_list_has_no_place_to_change(chief):
    term = FindingTerm.objects.get(code="bilateral")
    terms.take_off(term, by=chief)
    before = names()
    terms.shift(term, -1, by=chief)
    assert names() == before
