"""What people type into pages of reads and of findings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from diagnosis import access, texts
from diagnosis.forms import DayField, midnight
from diagnosis.models import Source, User
from diagnosis.selectors import EVERY, ReadFilters, readers
from diagnosis.states import ReadStatus

BLINDED = [("", "Blinded or not"), ("yes", "Blinded"), ("no", "Not blinded")]
STANDING = [("", "Reads that stand"), (ReadStatus.SUPERSEDED, "Replaced reads"), (EVERY, "All reads")]


class ReadFilterForm(forms.Form):
    """The filters of the list of reads and of its exports. Who may not see a thing is not offered its filter."""

    reader = forms.ModelChoiceField(
        required=False,
        queryset=User.objects.none(),
        label="Reader",
        empty_label="All readers",
        to_field_name="reader_number",
    )
    answer = forms.ChoiceField(
        required=False, choices=[("", "All answers"), *texts.reading.ANSWERS.items()], label="Answer"
    )
    label = forms.ChoiceField(
        required=False, choices=[("", "All classes"), *texts.exports.CLASSES.items()], label="Class"
    )
    blinded = forms.ChoiceField(required=False, choices=BLINDED, label="Blinded")
    status = forms.ChoiceField(required=False, choices=STANDING, label="Status")
    source = forms.ModelChoiceField(
        required=False,
        queryset=Source.objects.none(),
        label="Source",
        empty_label="All sources",
        to_field_name="slug",
    )
    since = DayField(required=False, label="Read from")
    until = DayField(required=False, label="to")

    def __init__(self, data: Any = None, *, user: access.Viewer) -> None:
        super().__init__(data)
        sees_all = access.sees_all_studies(user)
        if isinstance(user, User) and user.is_administrator:
            self.fields["reader"].queryset = readers()  # type: ignore[attr-defined]
            # As others know them (rule D14).
            self.fields["reader"].label_from_instance = lambda reader: reader.reader_name  # type: ignore[attr-defined]
        else:
            del self.fields["reader"]
        if sees_all:
            self.fields["source"].queryset = Source.objects.order_by("name")  # type: ignore[attr-defined]
        else:
            del self.fields["source"], self.fields["status"]

    def filters(self) -> ReadFilters:
        """Call after `is_valid()`; fields that were wrong count as empty."""
        data = getattr(self, "cleaned_data", {})
        reader, source, since, until = (data.get(name) for name in ("reader", "source", "since", "until"))
        return ReadFilters(
            reader=reader.reader_number if reader else None,
            source=source.slug if source else "",
            blinded={"yes": True, "no": False}.get(data.get("blinded", "")),
            since=midnight(since) if since else None,
            until=midnight(until + timedelta(days=1)) if until else None,
            **{name: data.get(name, "") for name in ("answer", "label", "status")},
        )


class FindingTermForm(forms.Form):
    name = forms.CharField(
        max_length=80, label="Finding", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
