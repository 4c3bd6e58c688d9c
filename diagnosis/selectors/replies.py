"""What readers answered: on the page of a study, and on the team's list of what nobody has opened (rule D13)."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from diagnosis import access, texts
from diagnosis.models import FindingTerm, Prediction, Read, Reply, ReviewRequest, Study
from diagnosis.states import LABEL_OF_FINDING, Label, ReviewStatus

MOST_UNOPENED, MOST_OPENED = 200, 20


@dataclass(frozen=True)
class ReaderAnswer:
    """One read as its study's page and paper show it."""

    read: Read
    words: texts.Wording
    more: str
    reply: Reply | None


@dataclass(frozen=True)
class Answers:
    """The list of a user; `n_unopened` counts those beyond its end too. `teams`: where opening counts."""

    unopened: list[Reply]
    opened: list[Reply]
    n_unopened: int
    teams: set[int]

    @property
    def are_of_others(self) -> bool:
        return any(reply.read.study.team_id not in self.teams for reply in self.unopened)


@dataclass(frozen=True)
class Doubts:
    """Who disagrees with the AI's answer to a study and waits for a reader."""

    own: ReviewRequest | None
    others: list[ReviewRequest]


def reader_answers(user: access.Viewer, study: Study) -> list[ReaderAnswer]:
    """Newest first. A few queries, one if there are none."""
    found = access.answers_of(user, study).select_related(
        "reader", "reply__request__by", "reply__read__study"
    )
    reads = list(found.order_by("-created_at", "pk"))
    if not reads:
        return []
    names = dict(FindingTerm.objects.values_list("code", "name"))
    of_ai = None if access.is_hidden(user, study.pk) else study.leading
    is_told = access.knows_readers(user, study.pk)
    return [
        _answer(read, names, name=_name_of(read, user, is_told=is_told), differs=_differs(read, of_ai))
        for read in reads
    ]


def doubts(user: access.Viewer, study: Study) -> Doubts:
    """None to whoever is blind to the answer that they are about."""
    if access.is_hidden(user, study.pk):
        return Doubts(None, [])
    found = ReviewRequest.objects.filter(study=study, status=ReviewStatus.OPEN).select_related("by")
    requests = list(found.order_by("created_at", "pk"))
    own = next((request for request in requests if request.by_id == user.pk), None)
    return Doubts(own, [request for request in requests if request is not own])


def answers(user: access.Viewer) -> Answers:
    """Those that wait longest first; below them what was opened lately."""
    replies = access.replies_of(user).select_related(
        "read__reader", "read__study__team", "read__study__patient", "request__by", "opened_by"
    )
    unopened = _unopened(replies).order_by("created_at", "pk")
    rows = list(unopened[:MOST_UNOPENED])
    opened = replies.exclude(opened_at=None).order_by("-opened_at", "pk")
    n = len(rows) if len(rows) < MOST_UNOPENED else n_unopened(user)
    teams = set(access.teams_of(user).values_list("pk", flat=True))
    return Answers(rows, list(opened[:MOST_OPENED]), n, teams)


def n_unopened(user: access.Viewer) -> int:
    """For the bar of every page: one query at most."""
    return _unopened(access.replies_of(user)).count()


def _unopened(replies: QuerySet[Reply]) -> QuerySet[Reply]:
    return replies.filter(opened_at=None)


def _answer(read: Read, names: dict[str, str], *, name: str, differs: bool | None) -> ReaderAnswer:
    assert read.reader is not None
    words = texts.reviews.research_read(
        read.reader.reader_name, name=name, answer=read.answer, reason=read.reason, differs=differs
    )
    ticked = [names.get(code, code) for code in read.findings]
    more = [texts.reviews.confidence(read.confidence), texts.reviews.ticked(ticked)]
    return ReaderAnswer(read, words, " ".join(filter(None, more)), getattr(read, "reply", None))


def _differs(read: Read, shown: Prediction | None) -> bool | None:
    """Whether it says another class than the AI now says of the study; None where one of them is unsure or hidden."""
    of_ai = LABEL_OF_FINDING.get(shown.finding) if shown else None
    return None if of_ai is None or read.label == Label.UNKNOWN else read.label != of_ai


def _name_of(read: Read, user: access.Viewer, *, is_told: bool) -> str:
    """Readers are R-nn to all but themselves and whoever leads the study (rule D14)."""
    reader = read.reader
    assert reader is not None
    if reader.pk == user.pk:
        return "you"
    return (reader.get_full_name() or reader.username) if is_told else ""
