"""What people type into pages."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from diagnosis.models import Team
from diagnosis.selectors import Filters
from diagnosis.states import Finding, Scope

SHOW = [
    ("", "All results"),
    (Finding.ABOVE, "Above threshold"),
    (Finding.UNCERTAIN, "Uncertain"),
    (Finding.BELOW, "No COVID-19 pattern"),
    ("waiting", "Not analysed yet"),
    ("failed", "Analysis failed"),
]


# Beyond these a midnight of some time zone lies outside the calendar.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)


class DayField(forms.DateField):
    """A day as date inputs send it."""

    widget = forms.DateInput(attrs={"type": "date"})
    default_validators = [MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)]


class FilterForm(forms.Form):
    """The study list's filters; days are those of the site's time zone."""

    search = forms.CharField(required=False, max_length=40, label="Study number or pseudonym")
    show = forms.ChoiceField(required=False, choices=SHOW, label="Result")
    team = forms.ModelChoiceField(
        required=False, queryset=Team.objects.none(), label="Team", empty_label="All teams"
    )
    since = DayField(required=False, label="Received from")
    until = DayField(required=False, label="Received to")

    def filters(self) -> Filters:
        """Call after `is_valid()`; fields that were wrong count as empty."""
        data = getattr(self, "cleaned_data", {})
        team, since, until = data.get("team"), data.get("since"), data.get("until")
        return Filters(
            search=data.get("search", ""),
            show=data.get("show", ""),
            team=team.pk if team else None,
            since=_midnight(since) if since else None,
            until=_midnight(until + timedelta(days=1)) if until else None,
        )


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class UploadForm(forms.Form):
    """The fields beside the files of an upload."""

    batch = forms.UUIDField(required=False)
    position = forms.IntegerField(required=False, min_value=0, max_value=100_000)
    team = forms.ModelChoiceField(required=False, queryset=Team.objects.none(), empty_label=None)


MAY = [
    (Scope.READ, "read studies, results, films and heatmaps"),
    (Scope.WRITE, "send films, withdraw studies, ask for another analysis"),
]


class TokenForm(forms.Form):
    """What a new token is called, what it may do, and for how long."""

    name = forms.CharField(max_length=80, label="Name", help_text="what it is for, such as 'PACS bridge'")
    scopes = forms.MultipleChoiceField(
        choices=MAY,
        widget=forms.CheckboxSelectMultiple,
        label="May",
        error_messages={"required": "Tick at least one."},
    )
    days = forms.IntegerField(min_value=1, label="Days until it expires")

    def __init__(self, *args: Any, max_days: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["days"].validators.append(MaxValueValidator(max_days))
        self.fields["days"].widget.attrs["max"] = max_days
        self.fields["days"].help_text = f"at most {max_days}"
