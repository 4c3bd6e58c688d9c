"""What people type into pages."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.utils import timezone

from diagnosis import texts
from diagnosis.models import Checkpoint, Source, Team, User
from diagnosis.selectors import CaseFilters, Filters
from diagnosis.states import Finding, PatientOrigin, Role, Scope, Shelf, choices

SHOW = [
    ("", "All results"),
    (Finding.ABOVE, "Above threshold"),
    (Finding.UNCERTAIN, "Uncertain"),
    (Finding.BELOW, "No COVID-19 pattern"),
    ("waiting", "Not analysed yet"),
    ("failed", "Analysis failed"),
    ("not_assessed", "Not assessed"),
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
            since=midnight(since) if since else None,
            until=midnight(until + timedelta(days=1)) if until else None,
        )


def midnight(day: date) -> datetime:
    """When a day begins here."""
    return timezone.make_aware(datetime.combine(day, time.min))


class WorklistForm(forms.Form):
    """The worklist's filters; what would unblind a reader is asked of administrators alone (rule D1)."""

    show = forms.ChoiceField(required=False, choices=[(shelf, shelf) for shelf in texts.worklist.SHELVES])
    tier = forms.TypedChoiceField(
        required=False, choices=[(tier, name) for tier, name in texts.reading.TIERS.items()], coerce=int
    )
    search = forms.CharField(required=False, max_length=40, label="Study number or pseudonym")
    unread = forms.BooleanField(required=False, label="Not read by me")
    since = DayField(required=False, label="Received from")
    until = DayField(required=False, label="Received to")
    source = forms.ModelChoiceField(
        required=False, queryset=Source.objects.order_by("name"), label="Source", empty_label="All sources"
    )
    label = forms.ChoiceField(required=False, choices=texts.worklist.LABELS, label="Label")
    checkpoint = forms.ModelChoiceField(
        required=False,
        queryset=Checkpoint.objects.order_by("-registered_at"),
        label="Checkpoint",
        empty_label="All checkpoints",
    )

    def __init__(self, data: Any, *, user: Any) -> None:
        super().__init__(data)
        self.is_administrator = isinstance(user, User) and user.is_administrator
        for name in () if self.is_administrator else ("source", "label", "checkpoint"):
            del self.fields[name]

    def clean_show(self) -> str:
        show: str = self.cleaned_data["show"]
        return show if self.is_administrator or show != Shelf.OFF else Shelf.WAITING

    def filters(self) -> CaseFilters:
        """Call after `is_valid()`; fields that were wrong count as empty."""
        data = getattr(self, "cleaned_data", {})
        since, until, tier = data.get("since"), data.get("until"), data.get("tier")
        source, checkpoint = data.get("source"), data.get("checkpoint")
        return CaseFilters(
            shelf=data.get("show", ""),
            tier=tier if isinstance(tier, int) else None,
            search=data.get("search", "").strip(),
            is_unread=bool(data.get("unread")),
            since=midnight(since) if since else None,
            until=midnight(until + timedelta(days=1)) if until else None,
            source=source.pk if source else None,
            label=data.get("label", ""),
            checkpoint=checkpoint.pk if checkpoint else None,
        )

    @staticmethod
    def query_of_shelf(shelf: str) -> str:
        return urlencode({"show": shelf} if shelf else {})

    def query(self, **other: Any) -> str:
        """As an address carries it, without what was wrong; `other` values stand instead."""
        data = {name: self.data.get(name, "") for name in self.fields if name not in self.errors}
        return urlencode({name: value for name, value in (data | other).items() if value not in ("", None)})


class FilterNameForm(forms.Form):
    name = forms.CharField(
        max_length=60, label="Name", error_messages={"required": "Give these filters a name."}
    )


class UploadForm(forms.Form):
    """The fields beside the files of an upload."""

    batch = forms.UUIDField(required=False)
    position = forms.IntegerField(required=False, min_value=0, max_value=100_000)
    team = forms.ModelChoiceField(required=False, queryset=Team.objects.none(), empty_label=None)
    # The patient of these films, where their files do not say: hashed at once, stored and shown nowhere.
    patient = forms.CharField(required=False, max_length=64)
    origin = forms.ChoiceField(
        required=False,
        choices=[(o, o) for o in (PatientOrigin.TYPED, PatientOrigin.FOLDER, PatientOrigin.TABLE)],
    )


# --- identity ---


def number_field(label: str) -> forms.CharField:
    """For a number that a browser must not remember."""
    attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
    return forms.CharField(max_length=64, label=label, widget=forms.TextInput(attrs=attrs))


class NumberForm(forms.Form):
    """A record or accession number that is hashed and forgotten; the issuer makes it the number of one hospital."""

    number = number_field("Record or accession number")
    issuer = forms.CharField(required=False, max_length=64)


class ReasonForm(forms.Form):
    """Why something is done that others must be able to follow later."""

    reason = forms.CharField(
        max_length=300,
        label="Reason",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Others read it later. Do not name the patient.",
        error_messages={"required": "Say why: others must be able to follow it later."},
    )


class MoveForm(ReasonForm):
    """Another patient for a study, or none."""

    number = number_field("Patient number (record number)")
    issuer = forms.CharField(
        required=False,
        max_length=64,
        label="Issuer, if the site has several",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="As the films of this patient state it. Empty for most sites.",
    )
    seen = forms.CharField(required=False, max_length=12, widget=forms.HiddenInput)
    although = forms.BooleanField(
        required=False, label="It is the same person although sex or birth date differ: I have made sure"
    )
    is_removal = forms.BooleanField(required=False, widget=forms.HiddenInput)

    field_order = ("number", "issuer", "reason", "although", "seen", "is_removal")

    def __init__(self, *args: Any, can_insist: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not can_insist:
            del self.fields["although"]

    def clean(self) -> dict[str, Any]:
        """A study that is to have no patient needs no number."""
        data = super().clean() or {}
        if data.get("is_removal") and "number" in self.errors:
            del self.errors["number"]
        return data


class DecisionForm(ReasonForm):
    """Whether a film in conflict shows the patient whose number it carries."""

    is_same = forms.TypedChoiceField(
        choices=[("same", "Same person"), ("other", "Another person")], coerce=lambda value: value == "same"
    )


# --- doubts ---


class DisagreementForm(forms.Form):
    """What somebody disagrees with; `prediction` is the one that was on the screen."""

    # `services.reviews` says how long it may be.
    text = forms.CharField(required=False, label=texts.reviews.DISAGREE_ASKS, widget=forms.Textarea)
    prediction = forms.UUIDField(required=False, widget=forms.HiddenInput)


# --- people ---

DESCRIBED = ("first_name", "last_name", "email")


class ForgottenForm(forms.Form):
    name = forms.CharField(
        max_length=254,
        label="User name or e-mail address",
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


class UserFilterForm(forms.Form):
    search = forms.CharField(required=False, max_length=80, label="Name or e-mail address")
    role = forms.ChoiceField(required=False, choices=[("", "All roles"), *choices(Role)], label="Role")


class UserForm(forms.Form):
    """What an administrator decides of an account; the password is its owner's."""

    first_name = forms.CharField(required=False, max_length=150, label="First name")
    last_name = forms.CharField(required=False, max_length=150, label="Last name")
    email = forms.EmailField(required=False, max_length=254, label="E-mail address")
    role = forms.ChoiceField(choices=choices(Role), initial=Role.CLINICIAN, label="Role")
    teams = forms.ModelMultipleChoiceField(
        queryset=Team.objects.order_by("name"),
        required=False,
        label="Teams",
        widget=forms.CheckboxSelectMultiple,
    )
    is_adjudicator = forms.BooleanField(
        required=False, label="Adjudicator", help_text=texts.protocols.ADJUDICATOR
    )

    def account(self) -> dict[str, Any]:
        """For `accounts.create()` and `accounts.edit()`."""
        return self.cleaned_data


class NewUserForm(UserForm):
    username = forms.CharField(
        max_length=150,
        label="User name",
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    field_order = ("username",)

    def clean_username(self) -> str:
        """Two names that differ by their case alone would be taken for one another."""
        username: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(texts.NAME_TAKEN)
        return username


class AccountForm(forms.Form):
    """What everybody decides of the own account."""

    first_name = forms.CharField(required=False, max_length=150, label="First name")
    last_name = forms.CharField(required=False, max_length=150, label="Last name")
    email = forms.EmailField(required=False, max_length=254, label="E-mail address")
    password = forms.CharField(
        required=False,
        strip=False,
        label="Current password, to change the address",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    mails_notices = forms.BooleanField(required=False, label="Send me my notices by e-mail too")

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data, initial={name: getattr(user, name) for name in (*DESCRIBED, "mails_notices")})
        self.user = user

    def clean(self) -> None:
        """Links that set a password go to the address: changing it takes more than a screen left unlocked."""
        super().clean()
        changed = "email" in self.cleaned_data and self.cleaned_data["email"] != self.user.email
        if changed and not self.user.check_password(self.cleaned_data.get("password", "")):
            self.add_error("password", texts.PASSWORD_NEEDED)

    def described(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in DESCRIBED}


class NewTeamForm(forms.Form):
    name = forms.CharField(max_length=80, label="Name")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if self.others().filter(name__iexact=name).exists():
            raise forms.ValidationError(texts.TEAM_TAKEN)
        return name

    def others(self) -> QuerySet[Team]:
        return Team.objects.all()


class TeamForm(NewTeamForm):
    members = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), required=False, label="Members", widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: Any = None, *, team: Team) -> None:
        members = list(team.members.all())
        super().__init__(data, initial={"name": team.name, "members": members})
        self.team = team
        # Those who are not active any more can be taken out, but not in.
        offered = User.objects.filter(Q(is_active=True) | Q(pk__in=[user.pk for user in members]))
        self.fields["members"].queryset = offered.order_by("username")  # type: ignore[attr-defined]

    def others(self) -> QuerySet[Team]:
        return Team.objects.exclude(pk=self.team.pk)


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
