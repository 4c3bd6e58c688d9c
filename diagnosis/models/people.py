"""Who uses the site: people with one role each, in teams that studies belong to."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from diagnosis.states import Role, choices


class Team(models.Model):
    name = models.CharField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    role = models.CharField(max_length=16, choices=choices(Role), default=Role.CLINICIAN)
    teams = models.ManyToManyField(Team, through="Membership", related_name="members")
    mails_notices = models.BooleanField(default=True, help_text="notices also go to the e-mail address")
    link_made_at = models.DateTimeField(
        null=True, blank=True, help_text="when the link was made by which a password may be set"
    )
    sessions_ended_at = models.DateTimeField(
        null=True, blank=True, help_text="sessions that began before are over for good"
    )

    reader_number = models.PositiveSmallIntegerField(
        null=True, blank=True, unique=True, help_text="R-nn: what others see of a reader (rule D14)"
    )
    is_adjudicator = models.BooleanField(
        default=False, help_text="settles cases on which readers differ, never those that they have read"
    )
    reading_keys = models.JSONField(
        default=dict,
        blank=True,
        help_text="key of each action of the reading room, where it is not the usual one",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=[value for value, _ in choices(Role)]), name="user_role_known"
            ),
        ]

    @property
    def is_clinician(self) -> bool:
        return self.role == Role.CLINICIAN

    @property
    def is_radiologist(self) -> bool:
        return self.role == Role.RADIOLOGIST

    @property
    def is_administrator(self) -> bool:
        return self.role == Role.ADMINISTRATOR

    @property
    def reader_name(self) -> str:
        """What others see of a reader: R-07."""
        return f"R-{self.reader_number or 0:02d}"

    def get_session_auth_hash(self) -> str:
        """What a session is held against at each request: it ends with the password, or with `sessions_ended_at`."""
        ended = self.sessions_ended_at
        return super().get_session_auth_hash() + (ended.isoformat() if ended else "")

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """What the admin asks before it shows a list of evidence. The role answers; single permissions play no part."""
        return (self.is_active and self.is_administrator) or super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        return (self.is_active and self.is_administrator) or super().has_module_perms(app_label)


class Membership(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    team = models.ForeignKey(Team, on_delete=models.PROTECT)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Acknowledgement(models.Model):
    """A user has read what the site is not, for one version of it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="acknowledgements")
    version = models.CharField(max_length=20)
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "version"], name="acknowledgement_once_a_version")
        ]

    def __str__(self) -> str:
        return f"{self.user} confirmed {self.version}"


class ApiToken(models.Model):
    """What a program signs in with: kept only as its hash, for some scopes, until a day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    start = models.CharField(max_length=12, help_text="its first characters, to tell it from others")
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.start}… of {self.user}"

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class Notice(models.Model):
    """Something that one user should know; read once it is opened or dismissed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=24)
    text = models.TextField()
    address = models.CharField(max_length=200, blank=True, help_text="the page that it is about")
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "read_at", "-created_at"], name="notice_unread_first")]

    def __str__(self) -> str:
        return self.text


class Mail(models.Model):
    """A mail that is to be sent, or was: the row is the queue. Its words are made when it is sent, its link too."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mails")
    notice = models.OneToOneField(
        Notice, null=True, blank=True, on_delete=models.CASCADE, help_text="none: a link to set a password"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(
        null=True, db_index=True, default=timezone.now, help_text="next try; none: sent or given up"
    )
    tries = models.PositiveSmallIntegerField(default=0)
    mailed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{'notice' if self.notice_id else 'link'} for {self.user}"
