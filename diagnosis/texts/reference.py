"""What a score rests on: the prevalence it assumes, how often the finding was right elsewhere, what that means here."""

from __future__ import annotations

from typing import Protocol

NOT_CALIBRATED = "not stated: this checkpoint is not calibrated"
NO_COVERAGE = "not stated: no source has enough films that chose no threshold"
NO_LOCAL = "local prevalence not set"
NO_SHIFT = "Neither predictive values nor a shifted score: this checkpoint is not calibrated."
FINDING_STAYS = "The finding does not depend on it."


class Rate(Protocol):
    """A share with its 95 % interval and the films that it was counted on."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...


def percent(share: float) -> str:
    """'3 %', '0.5 %': no digits that say nothing."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "\N{NO-BREAK SPACE}%"


def whole(share: float) -> str:
    """Rounded, but no '0 %' or '100 %' that is not true."""
    shown = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{shown}\N{NO-BREAK SPACE}%"


def of_patients(share: float) -> str:
    """'3 of 100', '5 of 1,000': the smallest round number of patients that makes a whole number of ill ones."""
    for n in (100, 1000, 10_000):
        if abs(share * n - round(share * n)) < 1e-6 or n == 10_000:
            return f"{max(1, round(share * n))} of {n:,}"
    raise AssertionError


def of_films(share: float) -> str:
    """'about 37 of 100', without a certainty that nobody has."""
    n = round(100 * share)
    if n < 1:
        return "fewer than 1 of 100"
    return f"about {n} of 100" if n < 100 else "more than 99 of 100"


def assumed(prevalence: float) -> str:
    return (
        f"{percent(prevalence)}: the AI score counts as if {of_patients(prevalence)} films showed COVID-19, "
        "which is not so on your ward"
    )


def at_point(sensitivity: Rate, specificity: Rate) -> str:
    """What the operating point did on films that the networks had not seen."""
    return (
        "At the operating point, on films that the AI had not seen: "
        f"sensitivity {with_interval(sensitivity)}, {sensitivity.n:,} COVID-19 films; "
        f"specificity {with_interval(specificity)}, {specificity.n:,} Non-COVID films."
    )


def with_interval(rate: Rate) -> str:
    return f"{whole(rate.value)} ({round(100 * rate.low)}–{round(100 * rate.high)})"


def coverage(rate: Rate, *, label: str, source: str, aim: float) -> str:
    """The stated coverage for somebody who reads films: how often the answer was not wrong where it did worst."""
    return (
        f"at least {round(100 * rate.value)} of 100 findings were right or Uncertain where it did worst: "
        f"{rate.n:,} {label} films of {source} (95\N{NO-BREAK SPACE}% interval {round(100 * rate.low)}–"
        f"{round(100 * rate.high)}; the aim was {round(100 * aim)}). At another hospital it can be worse."
    )


def local(prevalence: float, *, source: str, date: str) -> str:
    return f"{percent(prevalence)} ({source}, {date})"


def above(prevalence: float, predictive: float, *, sensitivity: Rate, specificity: Rate) -> str:
    """The sentence on prevalence for films above threshold (safety rules, exact text)."""
    return (
        f"If {of_patients(prevalence)} patients here have COVID-19, {of_films(predictive)} films above threshold are "
        f"COVID-19 (sensitivity {whole(sensitivity.value)}, specificity {whole(specificity.value)}, reference set, "
        f"{sensitivity.n:,} COVID-19 and {specificity.n:,} Non-COVID films)."
    )


def below(predictive: float, *, of_covid: Rate, of_noncovid: Rate) -> str:
    """The same for films without a COVID-19 pattern."""
    return (
        f"Of films below the band {of_films(predictive)} are Non-COVID ({whole(of_covid.value)} of the COVID-19 and "
        f"{whole(of_noncovid.value)} of the Non-COVID films of the reference set lie there)."
    )
