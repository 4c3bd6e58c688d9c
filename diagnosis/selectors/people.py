"""Who uses the site, how their accounts stand, and what they have been told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Event, Notice, Team, User
from diagnosis.states import AccountState

MOST_USERS = 200
MOST_NOTICES = 100
MOST_EVENTS = 20


@dataclass(frozen=True)
class UserState:
    """One account; `until` is when the lock or the link that `state` names ends."""

    user: User
    state: str
    until: datetime | None = None


@dataclass(frozen=True)
class Users:
    found: list[UserState]
    n_more: int


def users(search: str = "", *, role: str = "") -> Users:
    """Those whose user name, name or address has `search` in it, in order of user name."""
    rows = User.objects.prefetch_related("teams").order_by("username")
    if search:
        fields = ("username", "first_name", "last_name", "email")
        rows = rows.filter(Q(*((f"{field}__icontains", search) for field in fields), _connector=Q.OR))
    if role:
        rows = rows.filter(role=role)
    locked = locks()
    found = [user_state(user, locked=locked) for user in rows[:MOST_USERS]]
    return Users(found, n_more=max(0, rows.count() - MOST_USERS))


def user_state(user: User, *, locked: dict[str, datetime] | None = None) -> UserState:
    """What counts most of how an account stands."""
    lock = (locks() if locked is None else locked).get(user.username)
    link = link_ends_at(user)
    if not user.is_active:
        return UserState(user, AccountState.INACTIVE)
    if lock:
        return UserState(user, AccountState.LOCKED, until=lock)
    if link:
        return UserState(user, AccountState.LINK_OPEN, until=link)
    return UserState(user, AccountState.ACTIVE if user.last_login else AccountState.NEVER)


def link_ends_at(user: User) -> datetime | None:
    """Until when the link that an administrator made can be used; None if there is none to be used."""
    if user.link_made_at is None:
        return None
    ends = user.link_made_at + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    return ends if ends > timezone.now() else None


def failed_sign_ins(username: str) -> QuerySet[AccessAttempt]:
    """What is remembered of wrong passwords for this user name, from any address."""
    found: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(username=username)
    return found


def locks() -> dict[str, datetime]:
    """User names that are locked from some address, with the end of the longest lock."""
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    tries = AccessAttempt.objects.filter(attempt_time__gt=since).order_by()
    groups = tries.values("username", "ip_address").annotate(
        n=Sum("failures_since_start"), last=Max("attempt_time")
    )
    found: dict[str, datetime] = {}
    for group in groups.filter(n__gte=settings.AXES_FAILURE_LIMIT).order_by("last"):
        found[group["username"]] = group["last"] + settings.AXES_COOLOFF_TIME
    return found


def locked_until(username: str, *, address: str | None) -> datetime:
    """When one who is locked out at this address may try again."""
    tries = failed_sign_ins(username).filter(ip_address=address)
    last: datetime = tries.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
    return last + settings.AXES_COOLOFF_TIME


def has_users() -> bool:
    return User.objects.exists()


def history(row: User | Team) -> list[Event]:
    """What the audit has of an account or a team, the newest first."""
    events = Event.objects.filter(object_id=Event.key_of(row)).select_related("by")
    return list(events.order_by("-at", "-pk")[:MOST_EVENTS])


def teams() -> QuerySet[Team]:
    """All, in order of name, with the numbers of their members and studies."""
    counts = {"n_members": Count("members", distinct=True), "n_studies": Count("studies", distinct=True)}
    return Team.objects.annotate(**counts).order_by("name")


# --- notices ---


def notices(user: access.Viewer) -> list[Notice]:
    """The newest, unread first."""
    unread_first = access.notices_of(user).order_by("-created_at")
    rows = list(unread_first.filter(read_at=None)[:MOST_NOTICES])
    return rows + list(unread_first.exclude(read_at=None)[: MOST_NOTICES - len(rows)])


def n_unread(user: access.Viewer) -> int:
    return access.notices_of(user).filter(read_at=None).count()
