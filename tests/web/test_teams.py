"""The pages on which administrators keep teams."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Team
from diagnosis.services import cohorts
from diagnosis.services.cohorts import Rule
from diagnosis.states import Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(sign_in) -> Client:
    return sign_in(factories.UserFactory(username="chief", role=Role.ADMINISTRATOR))


def page(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def test_a_site_without_teams_says_what_they_are_for(desk):
    assert "No team yet" in page(desk.get(reverse("teams")))


def test_a_team_is_made_and_opens(desk):
    answer = desk.post(reverse("teams"), {"name": " Ward 7 "}, follow=True)
    assert "Ward 7" in page(answer) and "made as Ward 7 by chief" in page(answer)
    assert Team.objects.get().name == "Ward 7"


@pytest.mark.parametrize(
    ("name", "why"), [("WARD 7", texts.TEAM_TAKEN), ("", "required"), ("x" * 81, "at most 80")]
)
def test_a_name_that_cannot_be_is_said(desk, name, why):
    Team.objects.create(name="Ward 7")
    assert why in page(desk.post(reverse("teams"), {"name": name}))
    assert Team.objects.count() == 1


def test_the_list_counts_members_and_studies(desk, team, clinician):
    factories.UserFactory(team=team)
    factories.StudyFactory(team=team, uploaded_by=clinician)
    factories.TeamFactory(name="Empty")
    shown = page(desk.get(reverse("teams")))
    assert f"{team.name} 2 members 1 study" in shown and "Empty 0 members 0 studies" in shown


def test_a_team_is_renamed_and_its_members_change_and_see_so_at_once(desk, team, clinician, study, sign_in):
    theirs, newcomer = sign_in(clinician), factories.UserFactory()
    assert theirs.get(reverse("study", args=[study.pk])).status_code == 200
    answer = desk.post(
        reverse("team", args=[team.pk]), {"name": "Ward 9", "members": [newcomer.pk]}, follow=True
    )
    assert "Saved." in page(answer) and "renamed:" in page(answer)
    team.refresh_from_db()
    assert team.name == "Ward 9" and list(team.members.all()) == [newcomer]
    assert theirs.get(reverse("study", args=[study.pk])).status_code == 404
    assert sign_in(newcomer).get(reverse("study", args=[study.pk])).status_code == 200


def test_a_team_keeps_its_own_name_but_takes_no_other_teams(desk, team):
    other = factories.TeamFactory()
    way = reverse("team", args=[team.pk])
    assert desk.post(way, {"name": team.name.upper()}).status_code == 302
    assert texts.TEAM_TAKEN in page(desk.post(way, {"name": other.name}))


def test_who_is_not_active_can_be_taken_out_of_a_team_but_not_put_in(desk, team):
    gone, member = factories.UserFactory(is_active=False), factories.UserFactory(is_active=False, team=team)
    way = reverse("team", args=[team.pk])
    shown = page(desk.get(way))
    assert member.username in shown and gone.username not in shown
    assert "valid choice" in page(desk.post(way, {"name": team.name, "members": [gone.pk]}))
    desk.post(way, {"name": team.name})
    assert not team.members.exists()


def test_a_team_with_studies_cannot_be_deleted(desk, team, study):
    assert "Delete…" not in page(desk.get(reverse("team", args=[team.pk])))
    answer = desk.post(reverse("team-deletion", args=[team.pk]), follow=True)
    assert texts.TEAM_HAS_STUDIES in page(answer) and Team.objects.filter(pk=team.pk).exists()


def test_a_team_to_which_films_were_sent_cannot_be_deleted(desk, team, clinician):
    factories.BatchFactory(team=team, by=clinician)
    answer = desk.post(reverse("team-deletion", args=[team.pk]), follow=True)
    assert texts.TEAM_HAS_STUDIES in page(answer) and list(team.members.all()) == [clinician]


def test_a_team_that_the_rule_of_a_cohort_names_cannot_be_deleted(desk, team):
    cohort = cohorts.make(Rule("Ward 7", teams=[team]), by=None)
    answer = desk.post(reverse("team-deletion", args=[team.pk]), follow=True)
    assert "The rule of the cohort Ward 7 names this team." in page(answer)
    assert list(cohort.teams.all()) == [team]


def test_an_empty_team_is_deleted(desk, team, clinician):
    answer = desk.post(reverse("team-deletion", args=[team.pk]), follow=True)
    assert f"The team {team.name} is deleted." in page(answer)
    assert not Team.objects.exists() and not clinician.teams.exists()
