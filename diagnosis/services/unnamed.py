"""The reads of a case side by side, without their readers: what an adjudicator is shown, and no more.

No number, no time of day and no session is in here, and the order follows from the reads' own keys, which are drawn at
random: what is not here cannot give anybody away.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from diagnosis import texts
from diagnosis.models import Case, FindingTerm, Read, Region
from diagnosis.services import labels, protocols
from diagnosis.states import ReadKind, ReadStatus


@dataclass(frozen=True)
class Unnamed:
    """What one reader said, under a letter."""

    letter: str
    answer: str
    reason: str
    confidence: str
    findings: list[str]
    comment: str
    why: str = ""
    regions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"Reader {self.letter}" if self.letter else "Earlier verdict"


def reads_of(case: Case) -> list[Unnamed]:
    """The reads that differ, each under a letter that stays the same as long as no read joins them."""
    protocol = case.protocol or protocols.protocol_of(case.study)
    standing = _rows(case).exclude(status=ReadStatus.TAKEN_BACK)
    counted = sorted(labels.counted(standing, protocol), key=_shuffled)
    names = _names()
    return [_unnamed(read, letter, names) for letter, read in zip(ascii_uppercase, counted, strict=False)]


def earlier_verdict(case: Case) -> Unnamed | None:
    """One that settled it before reads came in that contradict it."""
    verdicts = _rows(case).filter(kind=ReadKind.VERDICT, status=ReadStatus.SUBMITTED)
    last = verdicts.order_by("-created_at", "-pk").first()
    return _unnamed(last, "", _names()) if last else None


def layers(reads: list[Unnamed]) -> list[dict[str, Any]]:
    """What the page's scripts draw: by letter, what each reader drew on which film."""
    return [{"letter": read.letter, "regions": read.regions} for read in reads]


def _rows(case: Case) -> Any:
    return Read.objects.filter(study=case.study_id, reader__isnull=False).prefetch_related("regions")


def _shuffled(read: Read) -> str:
    return hashlib.sha256(f"{read.study_id} {read.pk}".encode()).hexdigest()


def _names() -> dict[str, str]:
    return dict(FindingTerm.objects.values_list("code", "name"))


def _unnamed(read: Read, letter: str, names: dict[str, str]) -> Unnamed:
    return Unnamed(
        letter=letter,
        answer=texts.reading.ANSWERS.get(read.answer, read.answer),
        reason=texts.reading.CANNOT_REASONS.get(read.reason, ""),
        confidence=texts.reading.CONFIDENCES.get(read.confidence or 0, "not given"),
        findings=[names.get(code, code) for code in read.findings],
        comment=read.comment,
        why=read.why,
        regions=[_drawn(region, names) for region in sorted(read.regions.all(), key=_place)],
    )


def _drawn(region: Region, names: dict[str, str]) -> dict[str, Any]:
    return {
        "instance": str(region.instance_id),
        "kind": region.kind,
        "points": region.points,
        "name": names.get(region.finding, region.finding),
    }


def _place(region: Region) -> tuple[str, str]:
    """By what it is, not by when it was drawn."""
    return str(region.instance_id), str(region.points)
