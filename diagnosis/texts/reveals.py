"""The AI's answer after one's own read, and what one says then."""

from __future__ import annotations

from diagnosis.texts.reviews import AGREES, DIFFERS

SHOW = "Show the AI's answer"
MEANS = (
    "Your read becomes final: it cannot be taken back any more, and it stays the one that counts. "
    "What you say of this study from then on is kept beside it as a revision."
)
NOT_REVEALED = "The AI's answer is shown after a read of your own that stands."
NOT_REVEALED_HERE = (
    "The protocol of these films does not show the AI's answer to their readers, not even afterwards."
)
REVEALED_AT_ONCE = (
    "The AI's answer to these films is shown in the seconds after a read, as long as it can be taken back. "
    "This read is final."
)
# Where one of them names no class there is nothing to compare.
READER_UNSURE = "Neither agrees with the AI nor differs: your answer stands for no class."
AI_UNSURE = "Neither agrees with the AI nor differs: the AI gives no answer."
OF_ANOTHER_FILM = (
    "The AI's answer to the study is that of the film with the highest score; this is another film of it."
)
REVISE_MEANS = "A revision leaves your read as it is."

REVISION = (
    "You have been shown the AI's answer. What you submit now is kept beside your read of {at} ({answer}) as a "
    "revision: it never counts as blinded, and that read stays the one that counts."
)
REVISION_OF_UNBLINDED = (
    "You have been shown the AI's answer. What you submit now is kept beside your read of {at} ({answer}) as a "
    "revision: neither of them counts as blinded, and no label follows from them."
)
REVISION_COUNTS = (
    "You have been shown the AI's answer. What you submit now takes the place of your read of {at} ({answer}), "
    "and says that it was made with it."
)


def revision(*, is_blinded: bool, counts: bool) -> str:
    """What is said before one submits a revision; `counts`: under a protocol that hides nothing."""
    if counts:
        return REVISION_COUNTS
    return REVISION if is_blinded else REVISION_OF_UNBLINDED


def comparison(*, differs: bool | None, has_class: bool) -> str:
    """How one's own read stands to the AI's answer; `has_class`: the AI's answer names one."""
    if differs is None:
        return READER_UNSURE if has_class else AI_UNSURE
    return DIFFERS if differs else AGREES
