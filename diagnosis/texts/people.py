"""Accounts, teams, tokens, locks, notices and mails. Nothing here names a patient: it may leave the site."""

from __future__ import annotations

from diagnosis.states import AccountChange
from diagnosis.texts.findings import Wording

# What a program's token lacks (issued on the page of tokens).
TOKEN_NEEDS_NOTICE = "Confirm the notice of this version before you make a token."
NOT_YOUR_TEAM = "You are in no team of this name."
TOKEN_UNKNOWN = "This token is not known here."
TOKEN_EXPIRED = "This token has expired. Make a new one on the page API tokens."
TOKEN_REVOKED = "This token was revoked."
NO_DEMO_ACCOUNTS = (
    "Demo accounts are switched off on this site (COVIDWEB_DEMO_ACCOUNTS). "
    "`manage.py first_administrator NAME` makes the account that makes all others."
)
HAS_ADMINISTRATOR = (
    "This site has an administrator, who makes all other accounts. "
    "A lost password of the last one: `manage.py changepassword NAME`."
)
NAME_TAKEN = "There is an account of this name already."
TEAM_TAKEN = "There is a team of this name already."
PASSWORD_NEEDED = "Links that set your password go to this address. Type your current password to change it."
NOBODY_YET = (
    "Nobody has an account here yet.\n"
    "On the computer that runs this site, this command makes the first administrator:"
)
FIRST_ADMINISTRATOR = "manage.py first_administrator NAME"
NOT_ONESELF = "You cannot take this away from yourself. Another administrator can."
LAST_ADMINISTRATOR = "This is the last administrator. Make another one first."
TEAM_HAS_STUDIES = "This team has studies, or batches that were sent to it: it stays. You can rename it."
FORGOTTEN = (
    "If there is an account with this name or address, and it has an e-mail address, a link is on its way to it. "
    "It works once, for {hours}. Nothing has come? Ask an administrator for a link."
)
NO_MAIL = (
    "This site sends no e-mail. An administrator can make a link for you, with which you set a new password."
)
LINK_OVER = "It was used already, it is too old, or a newer one was made. Ask for a new one."
NO_LINK_INACTIVE = "A link would let nobody in: the account is not active. Reactivate it first."
SAVED = "Saved."
PASSWORD_SET = "Your password is set. Sign in with it."
PASSWORD_CHANGED = "Your password is changed. You are signed out everywhere else."


def hours(seconds: float) -> str:
    """A whole number of hours, or of minutes below two hours."""
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"{round(minutes / 60)} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def too_many_tries(until: str) -> str:
    return f"Too many tries. You can go on at {until}."


def team_deleted(name: str) -> str:
    return f"The team {name} is deleted. Its members keep their accounts."


def locked_out(until: str) -> Wording:
    """`until` carries its zone."""
    return Wording(
        "Too many wrong passwords.",
        f"This user name is locked from your address until {until}. An administrator can unlock it sooner.",
        tone="failed",
    )


def link_mail(username: str, *, address: str, lasts: str) -> Wording:
    """Subject and body."""
    return Wording(
        "A link to set your password",
        f"Somebody, perhaps you or an administrator, asked for a link to set the password of the account {username}. "
        f"It works once, for {lasts}:\n\n{address}\n\n"
        "If it was not you, you need not do anything: your password stays as it is.\n",
        tone="",
    )


def notice_mail(text: str, *, address: str) -> Wording:
    """Subject and body; the text names no patient, and what it is about is seen only after signing in."""
    return Wording(
        "A notice for you",
        f"{text}\n\n{address}\n\nYou can switch these mails off on the page of your account.\n",
        tone="",
    )


def upload_stopped(n: int) -> str:
    films = "1 film was" if n == 1 else f"{n} films were"
    return f"{films} stopped on the way in and not stored. The page of the batch says why."


def disagreement_answered(number: str) -> str:
    return f"Your disagreement on study {number} was answered."


def run_done(name: str, *, succeeded: bool) -> str:
    return f"The training run {name} is done." if succeeded else f"The training run {name} failed."


def account_event(old: str, new: str, reason: str) -> str:
    """What happened, for the history of an account or a team; a change of role has the roles themselves."""
    return {
        AccountChange.MADE: f"made as {reason}",
        AccountChange.EDITED: f"changed: {reason}",
        AccountChange.INACTIVE: "deactivated",
        AccountChange.ACTIVE: "reactivated",
        AccountChange.UNLOCKED: "unlocked",
        AccountChange.LINK_MADE: "link made",
        AccountChange.LINK_MAILED: "link sent by e-mail",
        AccountChange.PASSWORD_SET: "password set",
        AccountChange.JOINED: f"joined {reason}",
        AccountChange.LEFT: f"left {reason}",
        AccountChange.NAMED: f"renamed: {reason}",
        AccountChange.ADJUDICATOR: "marked as adjudicator",
        AccountChange.NO_ADJUDICATOR: "adjudicator no longer",
    }.get(new, f"role: {old} → {new}")
