"""Who uses the site: people with one role each, in teams that studies belong to."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models

from diagnosis.states import Role, choices


class Team(models.Model):
    name = models.CharField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    role = models.CharField(max_length=16, choices=choices(Role), default=Role.CLINICIAN)
    teams = models.ManyToManyField(Team, through="Membership", related_name="members")

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

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """What the admin asks before it shows users and teams. The role answers; single permissions play no part."""
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
