"""What people type into pages."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from diagnosis.models import Source, Team
from diagnosis.selectors import Filters
from diagnosis.states import Finding

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
    source = forms.ModelChoiceField(
        required=False, queryset=Source.objects.none(), label="Source", empty_label="All sources"
    )
    since = DayField(required=False, label="Received from")
    until = DayField(required=False, label="Received to")

    def filters(self) -> Filters:
        """Call after `is_valid()`; fields that were wrong count as empty."""
        data = getattr(self, "cleaned_data", {})
        team, source, since, until = (data.get(name) for name in ("team", "source", "since", "until"))
        return Filters(
            search=data.get("search", ""),
            show=data.get("show", ""),
            team=team.pk if team else None,
            source=source.pk if source else None,
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
