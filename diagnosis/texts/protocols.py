"""Sentences about protocols: what they want, and what stands in their way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from diagnosis.states import LabelRule, LabelState

if TYPE_CHECKING:
    from diagnosis.models import Cohort, Protocol

ONE_TO_THREE = "One, two or three independent readers."
SINGLE_IS_ONE = "The rule 'single' takes the read of one reader. Choose one reader, or another rule."
MAJORITY_IS_THREE = "A majority needs three readers. Choose three, or another rule."
TWO_AT_LEAST = "This rule compares reads: choose two or three readers."
REPEAT_SHARE = "Between 0 and 50 of 100 films."
RANDOM_SHARE = "Between 0 and 100 of 100 cases."
NO_ADJUDICATOR = (
    "Where readers differ somebody must settle it, and nobody may. Mark a radiologist as adjudicator on their "
    "user page, or choose another rule."
)
NOT_A_READER = "Only radiologists settle cases on which readers differ."
NOT_AN_ADJUDICATOR = "This protocol names others to settle cases on which readers differ."
OWN_CASE = "You have read this case yourself. Somebody who has not read it settles it."
SAW_THE_AI = "You were shown the AI's answer to this case. Somebody who was not settles it."


def people(n: int) -> str:
    return {0: "nobody", 1: "one person"}.get(n, f"{n} people")


def too_few_readers(n_wanted: int, n: int) -> str:
    """A protocol that wants more readers than there are."""
    wanted = {1: "one reader", 2: "two readers", 3: "three readers"}[n_wanted]
    verb = "is" if n <= 1 else "are"
    return (
        f"It wants {wanted}, and there {verb} {people(n)} who can read. Make an account with the role radiologist, "
        "or choose fewer readers."
    )


def nobody_left(n_readers: int, n: int) -> str:
    """All who can read are needed as readers, so that nobody is left who has not read the case."""
    return (
        f"It wants {n_readers} readers and somebody else who settles where they differ: {n_readers + 1} people. There "
        f"are {n}. Make another account with the role radiologist, or choose another rule."
    )


# --- what a protocol says ---

READERS = {1: "One reader", 2: "Two readers", 3: "Three readers"}
RULES = {
    LabelRule.SINGLE: "The read of the one reader is the label.",
    LabelRule.UNANIMOUS: "What all readers agree on; where they differ, the label is unknown.",
    LabelRule.MAJORITY: "What more than half of three readers say; where each says something else, an adjudicator "
    "decides.",
    LabelRule.ADJUDICATED: "What all readers agree on; where they differ, an adjudicator decides who has not read the "
    "case.",
    LabelRule.IMPORTED: "What the source states that the film was imported from; reads are kept and compared with it.",
}
RULE_NAMES = {
    LabelRule.SINGLE: "Single",
    LabelRule.UNANIMOUS: "Unanimous",
    LabelRule.MAJORITY: "Majority",
    LabelRule.ADJUDICATED: "Adjudicated",
    LabelRule.IMPORTED: "Imported",
}
IN_SHORT = {
    LabelRule.SINGLE: "their read is the label",
    LabelRule.UNANIMOUS: "where they differ, the label is unknown",
    LabelRule.MAJORITY: "the majority decides, and where there is none an adjudicator",
    LabelRule.ADJUDICATED: "where they differ, an adjudicator decides",
    LabelRule.IMPORTED: "the label is what the source states",
}
STATES = {
    LabelState.WAITING: "waits for reads",
    LabelState.DISPUTED: "disputed: an adjudicator is wanted",
    LabelState.DECIDED: "decided",
}
STAGES = {
    "first": "wait for a first read",
    "second": "wait for a second read",
    "third": "wait for a third read",
    "disputed": "disputed",
    "again": "wait for another look",
    "done": "done",
}
ADJUDICATOR = (
    "Settles cases on which readers differ, never one that they have read. Counts for radiologists alone."
)
SAY_WHY = "Say why it is changed: whoever looks at the labels later will ask."
ALL_MARKED = "all who are marked"
FIRST_VERSION = "As all other studies until then"
HINTS = {
    "n_readers": "Independent reads that a case wants before it is done.",
    "hides_peers": "Readers see no other read of a case, before theirs and after.",
    "hides_ai": "Until they have read a case, readers see nothing of the AI's answer, on no page.",
    "reveals": "Where the AI is hidden: its answer may be asked for after one's own read. That read counts; what is "
    "changed after it is kept and counts nowhere.",
    "repeat_percent": "Of a reader's films, unmarked, some days later: how well readers agree with themselves.",
    "random_percent": "Drawn independently of the score, for cases that come in from now on: agreement between "
    "readers and AI is measured on these alone.",
    "adjudicators": "Nobody settles a case that they have read. None ticked: everybody who is marked as adjudicator.",
    "reason": "Stands beside the version for ever.",
}


@dataclass(frozen=True)
class Difference:
    """One thing that two versions say differently."""

    what: str
    before: str
    after: str


def in_words(protocol: Protocol) -> str:
    """'Two readers, blind to each other and to the AI; where they differ, an adjudicator decides.'"""
    return f"{READERS[protocol.n_readers]}, {_sight(protocol)}; {IN_SHORT[protocol.rule]}."


def _sight(protocol: Protocol) -> str:
    is_alone = protocol.n_readers == 1
    if protocol.hides_ai and (protocol.hides_peers or is_alone):
        return "blind to the AI" if is_alone else "blind to each other and to the AI"
    if protocol.hides_ai:
        return "blind to the AI, seeing each other's reads"
    if protocol.hides_peers and not is_alone:
        return "blind to each other, seeing the AI's answer"
    return "seeing the AI's answer" if is_alone else "seeing each other's reads and the AI's answer"


def besides(protocol: Protocol) -> list[str]:
    """What else it says, a phrase each."""
    said = [f"{percent(protocol.random_share)} of cases drawn at random"]
    if protocol.repeat_share:
        said.append(f"{percent(protocol.repeat_share)} of films come once more")
    if protocol.hides_ai:
        said.append(
            "the AI's answer may be seen after one's own read"
            if protocol.reveals
            else "the AI's answer is never shown"
        )
    return said


def said(protocol: Protocol, adjudicators: list[str]) -> dict[str, str]:
    """All that it says, by name."""
    return {
        "Readers": str(protocol.n_readers),
        "Blind to each other": yes(protocol.hides_peers),
        "Blind to the AI": yes(protocol.hides_ai),
        "The AI's answer after one's own read": yes(protocol.reveals),
        "Hidden repeats": percent(protocol.repeat_share),
        "Random cases": percent(protocol.random_share),
        "Rule": RULE_NAMES[protocol.rule].lower(),
        "Adjudicators": ", ".join(adjudicators) or ALL_MARKED,
    }


def differences(before: dict[str, str], after: dict[str, str]) -> list[Difference]:
    return [Difference(what, before[what], now) for what, now in after.items() if before[what] != now]


def yes(answer: object) -> str:
    return "yes" if answer else "no"


def percent(share: float) -> str:
    return f"{100 * share:.4g}\N{NO-BREAK SPACE}%"


def overtaken(newest: Protocol) -> str:
    who = newest.made_by.username if newest.made_by else "the site"
    return (
        f"{who} made version {newest.version} while you had this page open, and nothing of yours was stored. It stands "
        "below, and what you chose is still in the form: look at both, then save again to make the version after it."
    )


def nothing_changed(version: int) -> str:
    return f"This is what version {version} says already: nothing was stored."


def back_to(version: int) -> str:
    return f"Back to version {version}"


def version_made(version: int) -> str:
    return f"Version {version} holds from now on. The cases follow by themselves; this page counts them."


# --- what a new version does to cases ---


def cases(n: int) -> str:
    return "1 case" if n == 1 else f"{n} cases"


def stand_under(n: int) -> str:
    return (
        f"{cases(n)} of this cohort {'is' if n == 1 else 'are'} on the worklist or done and will follow it."
    )


def reopened(n: int) -> str:
    if not n:
        return "No case that is done opens again."
    return f"{cases(n)} that {'is' if n == 1 else 'are'} done will open again: another read is wanted."


def closed(n: int) -> str:
    if not n:
        return "No open case has enough reads by it."
    have = "has" if n == 1 else "have"
    return f"{cases(n)} that {'is' if n == 1 else 'are'} open {have} enough reads by it and will be done."


def no_longer_disputed(n: int) -> str:
    return f"{cases(n)} on which readers differ will be decided as unknown: nobody settles them any more."


def may_be_disputed(n: int) -> str:
    return (
        f"Where readers differ an adjudicator will be wanted: {cases(n)} of those that are done could open again "
        "for one."
    )


def counted_otherwise(*, hides_ai: bool) -> str:
    if hides_ai:
        return "Reads that were made after the AI's answer was seen will count nowhere: cases may open again for them."
    return "Reads that were made after the AI's answer was seen will count, too: cases may be done by them."


# --- cohorts ---

NAME_TAKEN = "There is a cohort of this name already."
ENDS_BEFORE = "It ends before it begins."
REST_STAYS = "The cohort of all other studies takes whatever fits no other. It stays the last one."
CASES_CAME = "A case has come to it just now. Look at the page again."
REST_RULE = "Whatever fits no other cohort."


def rule(cohort: Cohort) -> str:
    """Which studies it takes: 'PACS west or PACS east; team Ward 7; received from 1 Mar 2026'."""
    if cohort.is_rest:
        return REST_RULE
    parts = []
    sources = sorted(source.name for source in cohort.sources.all())
    teams = sorted(team.name for team in cohort.teams.all())
    if sources:
        parts.append(f"source {' or '.join(sources)}")
    if teams:
        parts.append(f"team {' or '.join(teams)}")
    if cohort.since:
        parts.append(f"received from {_day(cohort.since)}")
    if cohort.until:
        parts.append(f"received to {_day(cohort.until - timedelta(days=1))}")
    return f"Studies with {'; '.join(parts)}." if parts else "All studies that fit no cohort before it."


def _day(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %Y}"


def has_labels(n: int) -> str:
    labels = "1 label rests" if n == 1 else f"{n} labels rest"
    return (
        f"{labels} on its protocol. Evidence names what it was made under, so the cohort stays. To read no more cases "
        "by it, narrow its rule: they fall to the next cohort that fits."
    )


def has_cases(n: int) -> str:
    stand = "stands" if n == 1 else "stand"
    return (
        f"{cases(n)} {stand} under it. Narrow its rule or move it down first: they fall to the next cohort that fits, "
        "and then it can be deleted."
    )


def made(name: str) -> str:
    return f"The cohort {name} is made. It is read as all other studies are until you give it a protocol of its own."


def deleted(name: str) -> str:
    return f"The cohort {name} is deleted."


# --- what stands in its way ---


def lost(username: str) -> str:
    return (
        f"{username} was named to settle differences and cannot read any more. Name somebody else in a new version, or "
        "give the role back on the user page."
    )


def nobody_to_settle(n: int) -> str:
    have = "is one disputed case" if n == 1 else f"are {n} disputed cases"
    return (
        f"There {have} that everybody who may settle has read. Mark another radiologist as adjudicator on their user "
        "page."
    )


def nobody_to_read(n: int) -> str:
    wait = "1 case waits" if n == 1 else f"{n} cases wait"
    them = "it" if n == 1 else "them"
    return (
        f"{wait} for a read that nobody can give: all who can read have read {them} or seen the AI's answer. Make "
        "another account with the role radiologist, or choose fewer readers."
    )


def draft_lies(who: str, n: int, since: str, *, can_read: bool) -> str:
    films = "a film" if n == 1 else f"{n} films"
    said = f"{who} began {films} and has not submitted; the oldest draft lies since {since}."
    if can_read:
        return f"{said} Ask them to finish: the worklist shows it under 'Mine'. Others may read the case meanwhile."
    return f"{said} The account does not read any more: the case goes to others."


def waits_for_next(n: int, since: str, limit: timedelta) -> str:
    if n == 1:
        return (
            f"1 case was read longer than {hours(limit)} ago and waits for the next reader; it is on the list since "
            f"{since}. Ask those who have not read it, or choose fewer readers."
        )
    return (
        f"{n} cases were read longer than {hours(limit)} ago and wait for the next reader; the oldest is on the list "
        f"since {since}. Ask those who have not read them, or choose fewer readers."
    )


def idle(who: str, last: str, n_waiting: int) -> str:
    wait = "1 case waits" if n_waiting == 1 else f"{n_waiting} cases wait"
    read = f"has not read since {last}" if last else "has never read"
    return f"{who} {read}, though {wait}. Ask them; if they read no more, change the role on their user page."


def hours(limit: timedelta) -> str:
    n = limit.total_seconds() / 3600
    return f"{n:.3g} hours" if n != 1 else "an hour"


def unmet_notice(names: list[str]) -> str:
    if len(names) == 1:
        return f"The protocol of the cohort {names[0]} cannot be met any more: the page Protocols says why."
    return f"The protocols of {len(names)} cohorts cannot be met any more: the page Protocols says why."


# --- the pages ---

INTRODUCTION = (
    "How the cases of each cohort are read. A study is asked from the top: the first cohort that fits it holds. A "
    "change is a new version; labels keep the version that they were made under."
)
NO_CASES = "No case stands under it."
LOOK_AGAIN = "Nothing was stored yet: what is wrong stands where it is to be mended."
THIS_CHANGES = "This is what changes"
EVIDENCE_STAYS = "Nothing is lost: all reads stay, and each label keeps the version that it was made under."
NO_RADIOLOGIST = "There is no radiologist yet: make an account on the page Users."
DELETION = "No case and no label rests on it. Its versions go with it; what was done stays in the audit."
RULE_HINT = "A study belongs to it that fits all of what is set here. What is left empty fits any."
LEAD_HINT = "Readers are R-nn to everybody; the study lead alone sees them by name."
