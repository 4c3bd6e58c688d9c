"""'I disagree' with what the AI said of a study, and the reads that answer it (rule D13).

A read answers what clinicians said before it, and it is put before the team as well where it names another class than
a clinician was shown. Everything here may be called twice.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from diagnosis import access, notation, texts
from diagnosis.models import Event, Exposure, Prediction, Read, Reply, ReviewRequest, Study, User
from diagnosis.services import notices, worklist
from diagnosis.states import LABEL_OF_FINDING, Label, NoticeKind, ReadStatus, ReviewStatus, Role

UNOPENED, OPENED = "unopened", "opened"


class NotSaidError(Exception):
    """Nothing was stored; the sentence says why."""


class UnclearError(NotSaidError):
    """A sentence is needed, and not more."""


class SaidAlreadyError(NotSaidError):
    """One at a time: an earlier one waits for its answer."""


# --- a clinician says so ---


@transaction.atomic
def disagree(study: Study, *, by: User, text: str, prediction: Prediction | None = None) -> ReviewRequest:
    """Put a study at the top of the worklist; `prediction` is what was on the screen, else what the study shows."""
    sentence = " ".join(text.split())
    if not texts.reviews.SHORTEST <= len(sentence) <= texts.reviews.LONGEST:
        raise UnclearError(texts.reviews.UNCLEAR)
    if study.is_demo:
        raise NotSaidError(texts.reviews.NOBODY_READS_IT)
    if access.is_hidden(by, study.pk):
        raise NotSaidError(texts.reading.HIDDEN.lead)
    shown = prediction or study.leading
    if shown is None:
        raise NotSaidError(texts.reviews.NOTHING_SHOWN)
    request = _ask(study, by=by, prediction=shown, text=sentence)
    Event.record(request, "", ReviewStatus.OPEN, by=by)
    worklist.enter(study, by=by)
    worklist.refresh(study)
    return request


@transaction.atomic
def take_back(request: ReviewRequest, *, by: User) -> bool:
    """False: it was answered meanwhile, or taken back already."""
    moved = request.move(ReviewStatus.OPEN, ReviewStatus.TAKEN_BACK, by=by)
    if moved:
        worklist.refresh(request.study)
    return moved


def _ask(study: Study, *, by: User, prediction: Prediction, text: str) -> ReviewRequest:
    try:
        with transaction.atomic():
            return ReviewRequest.objects.create(study=study, by=by, prediction=prediction, text=text)
    except IntegrityError:
        earlier = ReviewRequest.objects.get(study=study, by=by, status=ReviewStatus.OPEN)
        at = notation.moment(earlier.created_at)
        raise SaidAlreadyError(texts.reviews.SAID_ALREADY.format(at=at, text=earlier.text)) from None


# --- a reader answers ---


@transaction.atomic
def answer(read: Read) -> Reply | None:
    """A read has become final: it answers all that was open before it, and those who asked are told.

    Its reply, where the team should see it: it answers, it differs from what a clinician was shown, or it stands in
    for a reply that nobody has opened.
    """
    if read.reader_id is None or read.status != ReadStatus.SUBMITTED:
        return None
    asked = list(_open_before(read))
    before = Reply.objects.filter(read=read.supersedes_id).select_related("request", "read").first()
    reply = Reply.objects.filter(read=read).first()
    if reply is None and (asked or differs_from_shown(read) or _stands_in(read, before)):
        request = asked[0] if asked else before.request if before else None
        reply, _ = Reply.objects.get_or_create(read=read, defaults={"request": request})
    for request in asked:
        if request.move(ReviewStatus.OPEN, ReviewStatus.ANSWERED, by=read.reader, reason=_by(read)):
            _tell(request)
    worklist.refresh(read.study)
    return reply


@transaction.atomic
def reopen(read: Read, *, by: User | None = None) -> int:
    """A read that had answered was taken back: its reply goes, what it answered is open again. How many that are."""
    Reply.objects.filter(read=read).delete()
    kind = ReviewRequest._meta.model_name
    events = Event.objects.filter(kind=kind, new=ReviewStatus.ANSWERED, reason=_by(read))
    answered = ReviewRequest.objects.filter(
        pk__in=events.values("object_id"), status=ReviewStatus.ANSWERED, study=read.study
    )
    n = sum(_reopen(request, by=by) for request in answered)
    worklist.refresh(read.study)
    return n


def differs_from_shown(read: Read) -> bool:
    """Whether a clinician of the team was shown the other class. Who is unsure, reader or AI, differs from nothing."""
    if read.label == Label.UNKNOWN:
        return False
    return bool(shown_to_clinicians(read.study) - {read.label})


def shown_to_clinicians(study: Study) -> set[str]:
    """The classes that the study's clinicians were shown: for each, the highest of the newest answers of the films."""
    noted = Exposure.objects.filter(
        study=study, user__role=Role.CLINICIAN, user__teams=study.team_id
    ).select_related("prediction__analysis")
    newest: dict[int, dict[object, Prediction]] = {}
    for exposure in noted.order_by("prediction__created_at", "pk"):
        newest.setdefault(exposure.user_id, {})[exposure.prediction.analysis.instance_id] = (
            exposure.prediction
        )
    leading = [max(films.values(), key=lambda one: one.rank) for films in newest.values()]
    classes = [LABEL_OF_FINDING.get(prediction.finding) for prediction in leading]
    return {label for label in classes if label}


# --- somebody of the team opens it ---


def mark_opened(replies: Iterable[Reply], *, by: User) -> int:
    """Members of the study's team open a reply, for all of them; others only look. How many are opened by this."""
    waiting = [reply for reply in replies if reply.opened_at is None]
    teams = set(access.teams_of(by).values_list("pk", flat=True)) if waiting else set()
    return sum(_open(reply, by=by) for reply in waiting if reply.read.study.team_id in teams)


@transaction.atomic
def _open(reply: Reply, *, by: User) -> bool:
    if reply.read.reader_id == by.pk:
        return False
    unopened = Reply.objects.filter(pk=reply.pk, opened_at=None)
    opened = unopened.update(opened_at=timezone.now(), opened_by=by)
    if opened:
        Event.record(reply, UNOPENED, OPENED, by=by)
    return bool(opened)


# --- private ---


def _open_before(read: Read) -> Iterable[ReviewRequest]:
    """Who disagreed while the read could still be taken back waits for the next one, as the case does."""
    open_now = ReviewRequest.objects.filter(study=read.study_id, status=ReviewStatus.OPEN)
    found = open_now.filter(created_at__lte=read.created_at)
    return found.select_related("by", "study").order_by("created_at", "pk")


def _stands_in(read: Read, before: Reply | None) -> bool:
    """Whether the read that this one replaces was before the team, and this one is news to it."""
    return before is not None and (before.opened_at is None or before.read.answer != read.answer)


def _reopen(request: ReviewRequest, *, by: User | None) -> bool:
    if ReviewRequest.objects.filter(
        study=request.study_id, by=request.by_id, status=ReviewStatus.OPEN
    ).exists():
        return False
    return request.move(ReviewStatus.ANSWERED, ReviewStatus.OPEN, by=by)


def _by(read: Read) -> str:
    """What the audit keeps of how a request was answered; `reopen` finds it by this."""
    return f"read {read.pk}"


def _tell(request: ReviewRequest) -> None:
    """Who has left the team is told nothing."""
    if not access.studies_of(request.by).filter(pk=request.study_id).exists():
        return
    address = reverse("study", args=[request.study_id])
    words = texts.disagreement_answered(request.study.number)
    notices.tell([request.by], NoticeKind.DISAGREEMENT_ANSWERED, words, address=address)
