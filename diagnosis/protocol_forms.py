"""What administrators type into the pages of protocols and cohorts. What contradicts itself, the services say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone

from diagnosis import texts
from diagnosis.forms import DayField, midnight
from diagnosis.models import Cohort, Protocol, Source, Team, User
from diagnosis.states import Role

WORDS = texts.protocols
HINTS = WORDS.HINTS
READERS = [(n, said) for n, said in WORDS.READERS.items()]
RULES = [(rule, f"{name}: {WORDS.RULES[rule]}") for rule, name in WORDS.RULE_NAMES.items()]


def person(user: User) -> str:
    """By user name; who cannot read any more can be taken out."""
    name = user.get_full_name()
    said = f"{user.username} ({name})" if name else user.username
    return said if user.is_active and user.is_radiologist else f"{said}, cannot read any more"


class ProtocolForm(forms.Form):
    """The next version of a protocol; `version` is the one that was looked at."""

    n_readers = forms.TypedChoiceField(
        choices=READERS, coerce=int, label="Readers", widget=forms.RadioSelect, help_text=HINTS["n_readers"]
    )
    hides_peers = forms.BooleanField(
        required=False, label="Readers are blind to each other", help_text=HINTS["hides_peers"]
    )
    hides_ai = forms.BooleanField(
        required=False, label="Readers are blind to the AI", help_text=HINTS["hides_ai"]
    )
    reveals = forms.BooleanField(
        required=False, label="The AI's answer may be seen after one's own read", help_text=HINTS["reveals"]
    )
    repeat_percent = forms.FloatField(label="Hidden repeats, in %", help_text=HINTS["repeat_percent"])
    random_percent = forms.FloatField(label="Random cases, in %", help_text=HINTS["random_percent"])
    rule = forms.ChoiceField(choices=RULES, label="The label is", widget=forms.RadioSelect)
    adjudicators = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), required=False, label="Adjudicators",
        widget=forms.CheckboxSelectMultiple, help_text=HINTS["adjudicators"],
    )  # fmt: skip
    reason = forms.CharField(
        max_length=500, label="Reason for the change", widget=forms.Textarea(attrs={"rows": 2}),
        help_text=HINTS["reason"], error_messages={"required": WORDS.SAY_WHY},
    )  # fmt: skip
    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, now: Protocol) -> None:
        named = list(now.adjudicators.all())
        super().__init__(data, initial=_initial(now, named))
        able = Q(role=Role.RADIOLOGIST, is_active=True) | Q(pk__in=[user.pk for user in named])
        adjudicators: Any = self.fields["adjudicators"]
        adjudicators.queryset = User.objects.filter(able).order_by("username")
        adjudicators.label_from_instance = person
        for name, most in (("repeat_percent", 50), ("random_percent", 100)):
            self.fields[name].widget.attrs.update(min=0, max=most, step="any", inputmode="decimal")

    def said(self) -> dict[str, Any]:
        """For `revisions.revise()`."""
        data = self.cleaned_data
        kept = ("n_readers", "hides_ai", "hides_peers", "reveals", "rule")
        shares = {f"{name}_share": data[f"{name}_percent"] / 100 for name in ("repeat", "random")}
        return {name: data[name] for name in kept} | shares

    def add_errors(self, errors: dict[str, str]) -> None:
        """Of the service, at the fields that show them."""
        for name, said in errors.items():
            field = name.replace("_share", "_percent")
            self.add_error(field if field in self.fields else None, said)


def _initial(now: Protocol, named: list[User]) -> dict[str, Any]:
    same = ("n_readers", "hides_ai", "hides_peers", "reveals", "rule", "version")
    shares = {f"{name}_percent": f"{100 * getattr(now, f'{name}_share'):g}" for name in ("repeat", "random")}
    return {name: getattr(now, name) for name in same} | shares | {"adjudicators": named}


class CohortForm(forms.Form):
    """What a cohort is called, which studies it takes, who leads the study; days are those of the site's time zone."""

    name = forms.CharField(max_length=80, label="Name", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    sources = forms.ModelMultipleChoiceField(
        queryset=Source.objects.order_by("name"), required=False, label="Sources",
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    teams = forms.ModelMultipleChoiceField(
        queryset=Team.objects.order_by("name"), required=False, label="Teams",
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    since = DayField(required=False, label="Received from")
    until = DayField(required=False, label="to")
    lead = forms.ModelChoiceField(
        queryset=User.objects.none(), required=False, label="Study lead", empty_label="Nobody"
    )

    def __init__(self, data: Any = None, *, cohort: Cohort | None = None) -> None:
        super().__init__(data, initial=_rule_of(cohort) if cohort else None)
        can_lead = Q(is_active=True) | Q(pk=cohort.lead_id if cohort else None)
        lead: Any = self.fields["lead"]
        lead.queryset = User.objects.filter(can_lead).order_by("username")
        if cohort and cohort.is_rest:
            for name in ("sources", "teams", "since", "until"):
                del self.fields[name]

    def rule(self) -> dict[str, Any]:
        """For `cohorts.Rule`."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        moments = {
            "since": midnight(since) if since else None,
            "until": midnight(until + timedelta(days=1)) if until else None,
        }
        return {**self.cleaned_data, **moments}

    def add_errors(self, errors: dict[str, str]) -> None:
        for name, said in errors.items():
            self.add_error(name if name in self.fields else None, said)


def _rule_of(cohort: Cohort) -> dict[str, Any]:
    last = timezone.localtime(cohort.until) - timedelta(days=1) if cohort.until else None
    return {
        "name": cohort.name,
        "sources": cohort.sources.all(),
        "teams": cohort.teams.all(),
        "since": timezone.localtime(cohort.since).date() if cohort.since else None,
        "until": last.date() if last else None,
        "lead": cohort.lead_id,
    }
