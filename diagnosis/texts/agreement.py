"""How far readers agree: what each number is, why one is missing, and what to think of it."""

from __future__ import annotations

from datetime import date

from diagnosis.texts.exports import CLASSES
from diagnosis.texts.reading import ANSWERS

ONLY_LEADS = "This page is for administrators and for the study lead of a cohort."
ALL_COHORTS = "All cohorts"
SPACE = "\N{NO-BREAK SPACE}"

SCALES = {
    "answers": ("Five answers", "The five answers as they were given; Cannot assess is one of them."),
    "assessable": (
        "Without Cannot assess",
        "The other four answers. Cannot assess counts as if the reader had not read the film.",
    ),
    "classes": (
        "Three classes",
        "What the answers stand for: COVID-19 (Typical), Non-COVID (Atypical, Normal), unknown (Indeterminate, Cannot "
        "assess). Labels are made of these.",
    ),
    "ordered": (
        "Ordered, with confidence",
        "Seven steps. Typical with confidence high, middle, low: 6, 5, 4. Indeterminate: 3. Atypical or Normal with "
        "confidence low, middle, high: 2, 1, 0. No confidence counts as middle, Cannot assess as not read. Answers "
        "that lie far apart count as a larger disagreement.",
    ),
}
CATEGORIES = {
    "answers": tuple(ANSWERS.values()),
    "assessable": tuple(ANSWERS.values())[:4],
    "classes": tuple(CLASSES.values()),
    "ordered": tuple(f"step {step}" for step in range(7)),
}
# name → what the page calls it, what it is. docs/agreement.md has the sources.
STATISTICS = {
    "percent": (
        "Percent agreement",
        "Of all pairs of readers of the same film, the share that said the same. It does not ask how much of it is "
        "chance: where nearly all films are alike it is high by itself.",
    ),
    "fleiss": (
        "Fleiss' kappa",
        "Agreement beyond chance among readers who may be others on each film; only films with the same number of "
        "readers.",
    ),
    "alpha": (
        "Krippendorff's alpha",
        "Agreement beyond chance for any number of readers a film. Uses every film with two reads or more, so look at "
        "it first.",
    ),
    "alpha_ordinal": (
        "Krippendorff's alpha, ordinal",
        "The same for ordered steps: a disagreement counts by how many ratings lie between the two.",
    ),
    "alpha_interval": (
        "Krippendorff's alpha, interval",
        "The same with the seven steps equally far apart: a disagreement counts by the square of its steps.",
    ),
    "ac1": (
        "Gwet's AC1",
        "Agreement beyond chance, where chance is guessing on hard films only. It stays usable where nearly all films "
        "are alike.",
    ),
    "kappa": (
        "Cohen's kappa",
        "Agreement beyond chance of two readers, from what each of them tends to say.",
    ),
    "kappa_quadratic": (
        "Weighted kappa",
        "Cohen's kappa where a disagreement counts by the square of its steps.",
    ),
    "kappa_linear": ("Weighted kappa, linear", "Cohen's kappa where a disagreement counts by its steps."),
    "prevalence_index": (
        "Prevalence index",
        "Films that both call COVID-19 less those that neither does, of all. Near −1 or 1 nearly all films are alike, "
        "and kappa is low even where readers agree.",
    ),
    "bias_index": (
        "Bias index",
        "How much more often the first reader says COVID-19 than the second, of all films. 0: equally often.",
    ),
}
# Why a statistic is not there, or has no interval.
WHY = {
    "no_pairs": "No case has two such reads.",
    "one_category": "All gave the same answer, so there is no chance to correct for.",
    "not_binary": "Only for two categories.",
    "few_cases": "No interval: fewer than 20 patients.",
    "no_spread": "No interval: every sample of these cases says the same.",
    "often_undefined": "No interval: in many samples of these cases all answers are the same.",
    "not_resampled": "No interval was asked for.",
}
INTERVALS = (
    "Intervals: 95 %, from 1,000 samples of whole patients, drawn with replacement; near 0 and 100 % by Wilson. The "
    "same reads always give the same numbers."
)
FEW = (
    "A number without an interval rests on fewer than 20 patients, unless a reason stands beside it: too few to say "
    "how far off it may be."
)
COUNTED = (
    "Each reader counts with one read a case: the newest first read, and where the protocol hides the AI, only if the "
    "AI's answer had not been sent to them. What they changed after it was shown, verdicts and hidden repeats do not "
    "count here, nor do withdrawn and synthetic studies."
)

NOTHING = "No read counts yet"
NOTHING_HERE = "Once radiologists have submitted reads of these cases, this page compares them."
ONE_READER = (
    "No case has been read by two readers, so nothing can be compared. A protocol that asks for two readers or more "
    "brings cases to a second one."
)
NO_RANDOM = (
    "No blinded read of a film that was drawn at random. Films that are on the list for another reason, such as an "
    "unsure AI, would make the AI look worse or better than it is, so they are not used here."
)
NO_AI_ANSWER = "The films drawn at random that were read blind have no answer of the AI."
NO_REPEATS_SHARE = (
    "No repeats yet: the protocol asks for none (share of hidden repeats 0). Change it there to learn how steady each "
    "reader is."
)
NO_REPEATS_YET = "No repeats yet: the protocol asks for some, and none has been read a second time."
ENDS_BEFORE = "This day lies before the first one."
# What the lines of a reader mean, for those who take the numbers along.
READER_LINES = {
    "reads": "Reads that count.",
    "median_ms": "Middle one of the times of these reads, without idle time, in milliseconds.",
    "share": "Share of this answer among the reads that count.",
}
SKEWED_TAG = "skewed"
FOR_A_READER = (
    "You read films yourself: cases on which you are still blind are in none of these numbers, so that your reads stay "
    "your own."
)
SWITCHES = (
    "Of reads after which the AI's answer was shown and differed: how many readers then changed to it. Right and wrong "
    "by labels that rest on others, too; where there is none, the read is left out."
)
CANNOT_TELL = "Cannot tell."
BELOW = (
    "Readers differ too much for labels from single reads: look at the pairs that agree least, and talk about cases on "
    "which they differ."
)
NAMES_ARE_YOURS = "You see names because you lead this study. Nobody else does, and downloads have none."


def working(n_readers: int, n_cases: int) -> str:
    """While the numbers are worked out."""
    return f"Working out the agreement of {plural(n_readers, 'reader')} over {plural(n_cases, 'case')} …"


def extent(*, n_reads: int, n_readers: int, n_cases: int, n_double: int) -> str:
    return (
        f"{plural(n_reads, 'read')} of {plural(n_cases, 'case')} by {plural(n_readers, 'reader')}; "
        f"{n_double:,} read by two or more."
    )


def plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def number(value: float) -> str:
    """A kappa: '0.62', '−0.05'; no '-0.00'."""
    shown = f"{value:.2f}"
    return shown.replace("-", "" if float(shown) == 0 else "−")


def percent(share: float) -> str:
    """Rounded, but no '0 %' or '100 %' that is not true."""
    shown = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{shown}{SPACE}%"


def of_hundred(share: float) -> int:
    return min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)


def floor(
    *, value: float | None, low: float | None, high: float | None, n: int, least: float, enough: int
) -> tuple[str, str]:
    """Whether readers agree well enough, or why nobody can tell (rule E4). Krippendorff's alpha is the kappa here."""
    cases = f"{plural(n, 'case')} with two reads or more"
    if n < enough:
        more = (
            f"From {enough} on this page says whether readers agree better than the floor of {number(least)}."
        )
        return CANNOT_TELL, f"{cases}. {more}"
    if value is None:
        return CANNOT_TELL, f"{cases}, and all answers are the same: there is no chance to correct for."
    if low is None or high is None:
        return CANNOT_TELL, f"Krippendorff's alpha {number(value)} has no interval, {cases}."
    said = f"Krippendorff's alpha {number(value)} (95 % interval {number(low)} to {number(high)}), {cases}."
    if low >= least:
        return f"Above the floor of {number(least)}.", said
    if high < least:
        return f"Below the floor of {number(least)}.", f"{said} {BELOW}"
    return (
        CANNOT_TELL,
        f"{said} The floor of {number(least)} lies inside the interval; more cases read twice settle it.",
    )


def skewed(share: float, category: str, *, is_pair: bool) -> str:
    """Much agreement, and kappa near zero all the same."""
    where = "the prevalence index" if is_pair else "the prevalence index of each pair"
    return (
        f"Readers agree on {of_hundred(share)} of 100 films, but nearly all are {category}: kappa says little here. "
        f"Look at AC1 and {where}."
    )


def unanimous(category: str, n: int) -> str:
    return (
        f"All readers gave the same answer to {plural(n, 'case')} ({category}). Percent agreement is 100 %; kappa and "
        "alpha are not defined, since there is no chance to correct for."
    )


def switched(n: int, n_differed: int) -> str:
    """How many of so many reads; no share of nothing."""
    return f"{n:,} of {n_differed:,}" if n_differed else "none differed"


def not_blind(n: int) -> str:
    return f"{plural(n, 'read')} not counted: the reader had been shown the AI's answer." if n else ""


def not_blind_repeats(n: int) -> str:
    return (
        f"{plural(n, 'repeat')} not counted: the reader had been shown the AI's answer in between."
        if n
        else ""
    )


def without_answer(n: int) -> str:
    return f"{plural(n, 'read')} left out: the AI gave no answer on the film." if n else ""


def equal_readers(m: int, n: int) -> str:
    """What Fleiss' kappa rests on."""
    return f"{plural(n, 'case')} with exactly {m} reads" if m else ""


def stretch(since: str, unit: str) -> str:
    """'Mar 2026', 'week of 2 Mar 2026', '2026'."""
    day = date.fromisoformat(since)
    if unit == "year":
        return f"{day:%Y}"
    return f"{day:%b %Y}" if unit == "month" else f"week of {day.day} {day:%b %Y}"
