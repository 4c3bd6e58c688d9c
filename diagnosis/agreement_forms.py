"""What people choose on the page of readers' agreement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from diagnosis import access, texts
from diagnosis.forms import DayField, midnight
from diagnosis.models import Cohort, User
from diagnosis.selectors import Extent


class AgreementForm(forms.Form):
    """Whose reads, from when to when, and how they are compared. A study lead chooses among their own cohorts."""

    cohort = forms.ModelChoiceField(
        required=False,
        queryset=Cohort.objects.none(),
        label="Cohort",
        empty_label=texts.agreement.ALL_COHORTS,
    )
    since = DayField(required=False, label="Read from")
    until = DayField(required=False, label="to")
    scale = forms.ChoiceField(
        required=False,
        label="Compare",
        widget=forms.HiddenInput,
        choices=[(name, title) for name, (title, _) in texts.agreement.SCALES.items()],
    )

    def __init__(self, data: Any = None, *, user: access.Viewer) -> None:
        super().__init__(data)
        self.cohorts = access.compared_cohorts_of(user)
        self.reader = user if isinstance(user, User) and access.is_blindable(user) else None
        self.sees_all = isinstance(user, User) and user.is_administrator
        field = self.fields["cohort"]
        field.queryset = self.cohorts  # type: ignore[attr-defined]
        if not self.sees_all:
            field.empty_label = None  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and until < since:
            self.add_error("until", texts.agreement.ENDS_BEFORE)
        return data

    def extent(self) -> Extent:
        """Call after `is_valid()`; fields that were wrong count as empty."""
        data = getattr(self, "cleaned_data", {})
        since, until = data.get("since"), data.get("until")
        cohort = data.get("cohort") or (None if self.sees_all else self.cohorts.first())
        return Extent(
            cohort=cohort,
            since=midnight(since) if since else None,
            until=midnight(until + timedelta(days=1)) if until else None,
            reader=self.reader,
        )

    def chosen_scale(self) -> str:
        return getattr(self, "cleaned_data", {}).get("scale") or next(iter(texts.agreement.SCALES))
