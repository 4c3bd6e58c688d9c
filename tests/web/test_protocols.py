"""The pages of protocols and cohorts, the mark of adjudicators, and the label on the page of a study."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from diagnosis.models import Case, Cohort, DerivedLabel, Protocol, Read, User
from diagnosis.services import cohorts, protocols, revisions, worklist
from diagnosis.services.cohorts import Rule
from diagnosis.states import Answer, LabelRule, ReadKind, ReadStatus, Role
from diagnosis.texts import protocols as words
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief(sign_in):
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR, username="chief"))


@pytest.fixture
def readers():
    names = {"anna": False, "bob": False, "judge": True}
    return [
        factories.UserFactory(role=Role.RADIOLOGIST, username=name, is_adjudicator=marked)
        for name, marked in names.items()
    ]


@pytest.fixture
def rest():
    return protocols.rest()


def words_of(answer):
    """Without tags, blanks joined."""
    text = re.sub(r"<[^>]*>", " ", answer.content.decode()).replace("&#x27;", "'").replace("&gt;", ">")
    return re.sub(r"\s+", " ", text)


def fields(**other):
    """What the form sends of version 1 with two readers."""
    sent = {
        "version": "1", "n_readers": "2", "hides_peers": "on", "hides_ai": "on", "reveals": "on",
        "repeat_percent": "0", "random_percent": "20", "rule": LabelRule.ADJUDICATED,
        "reason": "A second opinion",
    }  # fmt: skip
    return {name: value for name, value in (sent | other).items() if value is not None}


def send(browser, cohort, /, **other):
    return browser.post(reverse("protocol", args=[cohort.pk]), fields(**other), follow=True)


# --- the list ---


def test_the_list_says_what_holds_in_order_and_what_stands_in_the_way(chief, rest):
    cohorts.make(Rule("Night shift"), by=None)
    page = words_of(chief.get(reverse("protocols")))
    assert page.index("Night shift") < page.index("All other studies")
    assert "One reader, blind to the AI; their read is the label." in page
    assert "It wants one reader, and there is nobody who can read." in page
    assert words.NO_CASES in page


def test_the_bar_has_a_key_that_says_the_same_in_numbers(chief, readers, rest):
    for n in range(3):
        study = factories.StudyFactory()
        worklist.enter(study)
        if n:
            factories.ReadFactory(study=study, reader=readers[0])
            worklist.refresh(study)
    answer = chief.get(reverse("protocols"))
    page = words_of(answer)
    assert "1 wait for a first read" in page and "2 done" in page
    bar = re.search(r'<svg class="stages__bar".*?</svg>', answer.content.decode())[0]
    parts = [(int(x), int(width)) for x, width in re.findall(r'x="(\d+)" width="(\d+)"', bar)]
    assert len(parts) == 2 and parts[0][0] == 0 and 990 <= sum(parts[-1]) <= 1000
    assert parts[1][1] > parts[0][1] * 1.8


def test_the_menu_leads_administrators_here_and_nobody_else(chief, sign_in):
    link = f'href="{reverse("protocols")}"'
    assert link in chief.get(reverse("studies")).content.decode()
    reader = sign_in(factories.UserFactory(role=Role.RADIOLOGIST))
    assert link not in reader.get(reverse("worklist")).content.decode()


# --- a new version ---


def test_a_version_is_looked_at_and_then_made(chief, readers, rest):
    study = factories.StudyFactory()
    worklist.enter(study)
    factories.ReadFactory(study=study, reader=readers[0])
    worklist.refresh(study)
    page = words_of(send(chief, rest))
    assert words.THIS_CHANGES in page and words.reopened(1) in page
    assert "Readers 1 → becomes 2" in page and "Rule single → becomes adjudicated" in page
    assert Protocol.objects.count() == 1
    page = words_of(send(chief, rest, confirmed="yes"))
    assert words.version_made(2) in page and "0 of 1 case follows version 2" in page
    made = protocols.current(rest)
    assert (made.n_readers, made.reason, made.made_by.username) == (2, "A second opinion", "chief")
    assert made.random_share == 0.2 and made.repeat_share == 0
    revisions.refresh_outdated()
    assert "1 of 1 case follows version 2." in words_of(chief.get(reverse("protocol", args=[rest.pk])))
    assert Case.objects.get(study=study).status == "open"


def test_shares_are_typed_in_percent_and_adjudicators_named(chief, readers, rest):
    send(
        chief, rest, confirmed="yes", repeat_percent="12.5", random_percent="40", adjudicators=[readers[0].pk]
    )
    made = protocols.current(rest)
    assert (made.repeat_share, made.random_share) == (0.125, 0.4)
    assert list(made.adjudicators.all()) == [readers[0]]
    answer = chief.get(reverse("protocol", args=[rest.pk]))
    assert 'name="repeat_percent" value="12.5"' in answer.content.decode()
    assert "Adjudicators all who are marked → becomes anna" in words_of(answer)


@pytest.mark.parametrize("confirmed", [None, "yes"])
@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        ({"reason": ""}, "reason", words.SAY_WHY),
        ({"reason": " "}, "reason", words.SAY_WHY),
        ({"repeat_percent": "51"}, "repeat_percent", words.REPEAT_SHARE),
        ({"random_percent": "nan"}, "random_percent", "Enter a number."),
        ({"random_percent": "-1"}, "random_percent", words.RANDOM_SHARE),
        ({"rule": LabelRule.SINGLE}, "rule", words.SINGLE_IS_ONE),
        ({"rule": "dice"}, "rule", "Select a valid choice"),
        ({"rule": LabelRule.MAJORITY}, "rule", words.MAJORITY_IS_THREE),
        ({"n_readers": "3", "rule": LabelRule.MAJORITY}, "n_readers", words.nobody_left(3, 3)),
        ({"n_readers": "7"}, "n_readers", "Select a valid choice"),
        ({"adjudicators": ["100000"]}, "adjudicators", "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_nothing_typed_is_lost(
    chief, readers, rest, wrong, field, why, confirmed
):
    sent = {"random_percent": "33", "repeat_percent": "7", "reason": "Because of <the audit>"} | wrong
    answer = send(chief, rest, confirmed=confirmed, hides_peers=None, **sent)
    form = answer.context["form"]
    assert answer.status_code == 200 and why in " ".join(form.errors[field])
    page = answer.content.decode()
    assert why.split("'")[0] in page and 'role="alert"' in page and words.THIS_CHANGES not in page
    kept = {name: str(form[name].value()) for name in ("random_percent", "repeat_percent", "reason")}
    assert kept == {name: sent[name] for name in kept}
    assert f'name="random_percent" value="{sent["random_percent"]}"' in page
    assert not form["hides_peers"].value() and form["hides_ai"].value()
    assert Protocol.objects.count() == 1


def test_a_protocol_for_people_who_are_not_there_is_refused_in_words(chief, rest):
    page = words_of(send(chief, rest, confirmed="yes"))
    assert "It wants two readers, and there is nobody who can read." in page and words.NO_ADJUDICATOR in page
    assert Protocol.objects.count() == 1


def test_whoever_is_overtaken_is_told_keeps_what_was_typed_and_can_go_on(chief, readers, rest):
    other = factories.UserFactory(role=Role.ADMINISTRATOR, username="other")
    protocols.revise(rest, by=other, reason="Quicker", random_share=0.5)
    answer = send(chief, rest, confirmed="yes", reason="Slower")
    page = words_of(answer)
    assert "other made version 2 while you had this page open" in page and "Slower" in page
    assert Protocol.objects.count() == 2
    seen = re.search(r'name="version" value="(\d+)"', answer.content.decode())[1]
    send(chief, rest, confirmed="yes", reason="Slower", version=seen)
    assert protocols.current(rest).reason == "Slower"


def test_a_slip_does_not_hide_that_somebody_was_faster(chief, readers, rest):
    protocols.revise(rest, by=None, reason="Quicker", random_share=0.5)
    answer = send(chief, rest, reason="")
    seen = re.search(r'name="version" value="(\d+)"', answer.content.decode())[1]
    assert seen == "1"
    assert "while you had this page open" in words_of(send(chief, rest, confirmed="yes", version=seen))


def test_one_goes_back_to_a_version_and_to_none_that_is_not_there(chief, readers, rest):
    send(chief, rest, confirmed="yes")
    way = reverse("protocol-return", args=[rest.pk])
    page = words_of(chief.post(way, {"version": "1"}, follow=True))
    assert words.version_made(3) in page and "Back to version 1" in page
    assert protocols.current(rest).n_readers == 1
    assert "says already" in words_of(chief.post(way, {"version": "3"}, follow=True))
    for version in ("9", "", "x", "9" * 30):
        assert chief.post(way, {"version": version}).status_code == 404


def test_the_part_that_counts_asks_until_all_cases_follow(chief, readers, rest):
    worklist.enter(factories.StudyFactory())
    send(chief, rest, confirmed="yes")
    way, htmx = reverse("protocol", args=[rest.pk]), {"HTTP_HX_REQUEST": "true"}
    part = chief.get(way, **htmx).content.decode()
    assert "<html" not in part and "hx-get" in part and "0 of 1 case" in words_of(chief.get(way, **htmx))
    revisions.refresh_outdated()
    assert "hx-get" not in chief.get(way, **htmx).content.decode()


# --- cohorts ---


def rule(**other):
    return {"name": "Night shift", "since": "2026-03-01", "until": "2026-03-31"} | other


def test_a_cohort_is_made_changed_moved_and_deleted(chief):
    source, lead = factories.SourceFactory(name="PACS west"), factories.UserFactory(username="lead")
    answer = chief.post(
        reverse("protocols-new"), rule(sources=[source.pk], lead=lead.pk, teams=[]), follow=True
    )
    page = words_of(answer)
    assert "The cohort Night shift is made." in page
    assert "Studies with source PACS west; received from 1 Mar 2026; received to 31 Mar 2026." in page
    assert "Study lead: lead." in page
    cohort = Cohort.objects.get(name="Night shift")
    change = reverse("protocol-rule", args=[cohort.pk])
    form = chief.get(change).content.decode()
    assert 'value="2026-03-01"' in form and 'value="2026-03-31"' in form
    chief.post(change, rule(name="Nights", until=""))
    cohort.refresh_from_db()
    assert (cohort.name, cohort.until, cohort.lead, cohort.sources.count()) == ("Nights", None, None, 0)
    cohorts.make(Rule("Second"), by=None)
    answer = chief.post(reverse("protocol-place", args=[cohort.pk]), {"to": "down"})
    assert answer.url.endswith(f"#cohort-{cohort.pk}")
    chief.post(reverse("protocol-place", args=[cohort.pk]), {"to": "sideways"})
    assert [one.name for one in Cohort.objects.all()] == ["Second", "Nights", "All other studies"]
    page = words_of(chief.post(reverse("protocol-deletion", args=[cohort.pk]), follow=True))
    assert "The cohort Nights is deleted." in page and Cohort.objects.count() == 2


@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        ({"name": "all OTHER studies"}, "name", words.NAME_TAKEN),
        ({"name": ""}, "name", "required"),
        ({"name": "x" * 81}, "name", "at most 80"),
        ({"until": "2026-02-01"}, "until", words.ENDS_BEFORE),
        ({"since": "31.12.2026"}, "since", "valid date"),
        ({"sources": ["100000"]}, "sources", "valid choice"),
        ({"lead": "100000"}, "lead", "valid choice"),
    ],
)
def test_a_rule_that_cannot_be_is_said_at_its_field_and_nothing_typed_is_lost(chief, rest, wrong, field, why):
    for way in (
        reverse("protocols-new"),
        reverse("protocol-rule", args=[cohorts.make(Rule("A"), by=None).pk]),
    ):
        answer = chief.post(way, rule(**wrong))
        form = answer.context["form"]
        assert answer.status_code == 200 and why in " ".join(form.errors[field])
        assert form["name"].value() == wrong.get("name", "Night shift")
        assert "2026-03-01" in answer.content.decode() or "since" in wrong
    assert sorted(one.name for one in Cohort.objects.all()) == ["A", "All other studies"]


def test_the_rest_has_a_name_and_a_lead_and_no_rule(chief, rest):
    way = reverse("protocol-rule", args=[rest.pk])
    assert "Received from" not in words_of(chief.get(way))
    chief.post(way, rule(name="Everything else", since="2026-03-01"))
    rest.refresh_from_db()
    assert (rest.name, rest.since) == ("Everything else", None)
    page = words_of(chief.post(reverse("protocol-deletion", args=[rest.pk]), follow=True))
    assert words.REST_STAYS in page


def test_a_cohort_with_labels_says_why_it_stays(chief):
    cohort = cohorts.make(Rule("West"), by=None)
    study = factories.StudyFactory()
    worklist.enter(study)
    factories.ReadFactory(study=study)
    worklist.refresh(study)
    assert words.has_labels(1) in words_of(chief.get(reverse("protocol", args=[cohort.pk])))
    page = words_of(chief.post(reverse("protocol-deletion", args=[cohort.pk]), follow=True))
    assert words.has_labels(1) in page and Cohort.objects.filter(pk=cohort.pk).exists()


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST])
def test_nobody_else_looks_at_protocols_or_changes_them(sign_in, role, rest, readers):
    browser = sign_in(factories.UserFactory(role=role))
    assert browser.get(reverse("protocols")).status_code == 403
    before = list(Cohort.objects.values()), list(Protocol.objects.values())
    ways = ("protocol", "protocol-return", "protocol-rule", "protocol-place", "protocol-deletion")
    for name in ways:
        way = reverse(name, args=[rest.pk])
        assert browser.post(way, fields(confirmed="yes", name="x", to="up")).status_code == 403
        assert browser.post(reverse(name, args=[10**6])).status_code == 403
    assert browser.post(reverse("protocols-new"), rule()).status_code == 403
    assert (list(Cohort.objects.values()), list(Protocol.objects.values())) == before


def test_a_cohort_that_is_not_there_is_not_found(chief):
    assert chief.get(reverse("protocol", args=[10**6])).status_code == 404


# --- the mark of adjudicators ---


def account(user, **other):
    return {"role": user.role, "first_name": "", "last_name": "", "email": ""} | other


def test_a_radiologist_is_marked_as_adjudicator_on_the_users_page(chief, readers):
    way = reverse("user", args=[readers[0].pk])
    page = words_of(chief.post(way, account(readers[0], is_adjudicator="on"), follow=True))
    assert "marked as adjudicator by chief" in page
    assert User.objects.get(username="anna").is_adjudicator
    assert words_of(chief.get(reverse("users"))).count("radiologist adjudicator") == 2
    page = words_of(chief.post(way, account(readers[0]), follow=True))
    assert "adjudicator no longer by chief" in page
    assert not User.objects.get(username="anna").is_adjudicator


def test_the_mark_goes_with_the_role_and_is_given_to_nobody_else(chief, readers):
    judge = readers[2]
    way = reverse("user", args=[judge.pk])
    chief.post(way, account(judge, role=Role.CLINICIAN, is_adjudicator="on"))
    judge.refresh_from_db()
    assert (judge.role, judge.is_adjudicator) == (Role.CLINICIAN, False)
    answer = chief.post(
        reverse("users-new"), account(judge, username="new", role=Role.RADIOLOGIST, is_adjudicator="on")
    )
    assert answer.status_code == 200 and User.objects.get(username="new").is_adjudicator


# --- where a label comes from ---


@pytest.fixture
def labelled(team, readers):
    """A study with a film that two readers differ on and a third settled."""
    factories.protocol(n_readers=2, rule=LabelRule.ADJUDICATED)
    study = factories.InstanceFactory(series__study__team=team).series.study
    worklist.enter(study)
    for number, (who, answer) in enumerate(((readers[0], Answer.TYPICAL), (readers[1], Answer.NORMAL)), 1):
        User.objects.filter(pk=who.pk).update(reader_number=number)
        factories.ReadFactory(study=study, reader=who, answer=answer)
        worklist.refresh(study)
    User.objects.filter(pk=readers[2].pk).update(reader_number=3)
    factories.ReadFactory(
        study=study, reader=readers[2], answer=Answer.NORMAL, kind=ReadKind.VERDICT, why="The base"
    )
    worklist.refresh(study)
    return study


def test_the_label_of_a_study_names_its_reads_its_rule_and_its_version(chief, labelled):
    answer = chief.get(reverse("study", args=[labelled.pk]))
    page = words_of(answer)
    assert "Non-COVID , decided" in page and "By the rule 'adjudicated' of" in page
    assert "All other studies, version 2" in page and "R-03 (adjudicator): Non-COVID" in page
    for read in Read.objects.filter(study=labelled):
        assert reverse("read", args=[read.pk]) in answer.content.decode()
    assert "Labels held before (2)" in page and "disputed: an adjudicator is wanted" in page
    assert page.count("; derivation") == DerivedLabel.objects.filter(study=labelled).count() == 3
    assert "anna" not in page


def test_a_read_that_was_taken_back_since_is_said_and_leads_nowhere(chief, labelled):
    verdict = Read.objects.get(kind=ReadKind.VERDICT)
    verdict.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    worklist.refresh(labelled)
    answer = chief.get(reverse("study", args=[labelled.pk]))
    assert "R-03: taken back since" in words_of(answer)
    assert reverse("read", args=[verdict.pk]) not in answer.content.decode()


def test_a_study_without_a_read_has_no_label_yet(chief, team):
    study = factories.InstanceFactory(series__study__team=team).series.study
    worklist.enter(study)
    page = words_of(chief.get(reverse("study", args=[study.pk])))
    assert "None , waits for reads" in page and "By All other studies version 1." in page


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST])
def test_nobody_else_is_shown_the_label_or_whose_reads_it_rests_on(sign_in, team, labelled, role):
    browser = sign_in(factories.UserFactory(role=role, team=team))
    page = words_of(browser.get(reverse("study", args=[labelled.pk])))
    assert "adjudicated" not in page and "Labels held before" not in page
