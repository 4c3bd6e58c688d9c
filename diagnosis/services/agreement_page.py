"""The numbers of `services.agreement` as a page shows them: in words, with places on a chart, under readers' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings

from diagnosis import access, selectors
from diagnosis.models import Cohort
from diagnosis.services.agreement import Numbers
from diagnosis.services.agreement_board import (
    Axis,
    Board,
    Cell,
    Chart,
    PairRow,
    Point,
    ReaderRow,
    Shown,
    SwitchRow,
    Twice,
)
from diagnosis.services.scales import CLASSES, SCALES
from diagnosis.texts import agreement as words
from diagnosis.texts.exports import CLASSES as CLASS_WORDS
from diagnosis.texts.exports import reading_time

HIGH_PERCENT, LOW_KAPPA, ONE_SIDED = 0.8, 0.4, 0.8
ALL_READERS = "All readers"


def names_of(viewer: access.Viewer, cohort: Cohort | None, readers: Iterable[int]) -> dict[int, str]:
    """R-nn; to the study lead the name as well, and to oneself that it is oneself (rule D14)."""
    found = selectors.readers_by_pk(list(readers))
    shows_names = access.sees_names(viewer, cohort)
    names = {}
    for pk, reader in found.items():
        more = (
            " (you)"
            if pk == viewer.pk
            else f" {reader.get_full_name() or reader.username}"
            if shows_names
            else ""
        )
        names[pk] = reader.reader_name + more
    return names


def board(
    numbers: Numbers,
    scale: str,
    *,
    names: Mapping[int, str],
    cohort: Cohort | None,
    switches: Mapping[int, selectors.Switches] | None = None,
) -> Board:
    found = numbers["scales"].get(scale)
    repeats = _repeats(numbers["repeats"], names, Axis(-0.2))
    common: dict[str, Any] = {
        "scale": scale,
        "numbers": numbers,
        "ai": _twice(numbers["ai"]["rows"], names, Axis(-0.2)),
        "ai_table": _table(numbers["ai"]["rows"]),
        "ai_words": _ai_words(numbers["ai"]),
        "repeats": repeats,
        "repeats_words": _repeats_words(numbers["repeats"], cohort),
        "readers": [_reader(row, names) for row in numbers["readers"]],
        "switches": [_switch(names[pk], of) for pk, of in sorted((switches or {}).items()) if pk in names],
    }
    if not found:
        return Board(floor=("", ""), remarks=[], axis=Axis(-0.2), **common)
    axis = _axis(found)
    main = "kappa_quadratic" if SCALES[scale].is_ordered else "kappa"
    return Board(
        floor=_floor(found["overall"]),
        remarks=_remarks(found["overall"], scale),
        axis=axis,
        overall=[_shown(name, of, axis, _note(name, found)) for name, of in _statistics(found["overall"])],
        pairs=_pairs(numbers, found, names, axis, main=main, scale=scale),
        matrix=_matrix(found["pairs"], names, main),
        charts=_charts(found["periods"], numbers["unit"], axis),
        **common,
    )


# --- one number ---


def _shown(name: str, of: Numbers, axis: Axis, note: str = "") -> Shown:
    title, about = words.STATISTICS[name]
    value, low, high = of["value"], of["low"], of["high"]
    spell = words.percent if name == "percent" else words.number
    return Shown(
        name=name,
        title=title,
        about=about,
        words="–" if value is None else spell(value),
        interval=f"{spell(low)} to {spell(high)}" if low is not None else "",
        n=of["n"],
        why="" if of["why"] == "few_cases" else words.WHY.get(of["why"], ""),
        x=None if value is None else axis.place(value),
        low_x=None if low is None else axis.place(low),
        high_x=None if high is None else axis.place(high),
        note=note,
    )


def _statistics(of: Numbers) -> Iterable[tuple[str, Numbers]]:
    found: dict[str, Numbers] = of["statistics"]
    return found.items()


def _note(name: str, found: Numbers) -> str:
    overall = found["overall"]
    return (
        words.equal_readers(overall["fleiss_raters"], overall["statistics"][name]["n"])
        if name == "fleiss"
        else ""
    )


def _axis(found: Numbers) -> Axis:
    """Down to the lowest end of an interval that stands in the table of pairs, in steps of 0.2."""
    rows = [found["overall"], *found["pairs"], *found["periods"]]
    lows = [of["low"] if of["low"] is not None else of["value"] for row in rows for _, of in _statistics(row)]
    lowest = min((low for low in lows if low is not None), default=0)
    return Axis(-next(step / 5 for step in range(1, 6) if step == 5 or -step / 5 <= lowest))


# --- what to think of it ---


def _alpha(overall: Numbers) -> Numbers:
    found: dict[str, Numbers] = overall["statistics"]
    return found.get("alpha") or found["alpha_interval"]


def _floor(overall: Numbers) -> tuple[str, str]:
    alpha = _alpha(overall)
    kept = {name: alpha[name] for name in ("value", "low", "high", "n")}
    return words.floor(**kept, least=settings.KAPPA_FLOOR, enough=settings.KAPPA_CASES)


def _remarks(overall: Numbers, scale: str) -> list[str]:
    alpha, percent = _alpha(overall), overall["statistics"]["percent"]["value"]
    if not alpha["n"]:
        return [words.ONE_READER]
    most = max(range(len(overall["shares"])), key=overall["shares"].__getitem__)
    category = words.CATEGORIES[scale][most]
    if alpha["value"] is None:
        return [words.unanimous(category, alpha["n"])]
    if percent >= HIGH_PERCENT and alpha["value"] < LOW_KAPPA and overall["shares"][most] >= ONE_SIDED:
        return [words.skewed(percent, category, is_pair=False)]
    return []


def _skewed(pair: Numbers, kappa: Numbers, scale: str) -> str:
    """Whether two readers agree on much and kappa does not show it, by what both of them said together."""
    percent, table = pair["statistics"]["percent"]["value"], pair["table"]
    if percent is None or kappa["value"] is None or percent < HIGH_PERCENT or kappa["value"] >= LOW_KAPPA:
        return ""
    said = [sum(row) + sum(column) for row, column in zip(table, zip(*table, strict=True), strict=True)]
    most = max(range(len(said)), key=said.__getitem__)
    if said[most] < ONE_SIDED * sum(said):
        return ""
    return words.skewed(percent, words.CATEGORIES[scale][most], is_pair=True)


# --- pairs ---


def _pairs(
    numbers: Numbers, found: Numbers, names: Mapping[int, str], axis: Axis, *, main: str, scale: str
) -> list[PairRow]:
    """Those that agree least first; then those without an interval, then those of which kappa is not defined."""
    rows = []
    for pair, indices in zip(found["pairs"], numbers["indices"], strict=True):
        if not indices["n"]:
            continue
        statistics = {**pair["statistics"], **indices["statistics"]}
        first, second = (names[reader] for reader in pair["readers"])
        kappa = statistics.pop(main)
        others = [_shown(name, of, axis) for name, of in statistics.items()]
        row = PairRow(
            first, second, pair["n"], _shown(main, kappa, axis), others, _skewed(pair, kappa, scale)
        )
        rows.append((kappa["value"] is None, kappa["low"] is None, kappa["value"] or 0, first, second, row))
    return [row[-1] for row in sorted(rows, key=lambda row: row[:-1])]


def _matrix(pairs: Sequence[Numbers], names: Mapping[int, str], main: str) -> list[tuple[str, list[Cell]]]:
    cells = {}
    for pair in pairs:
        a, b = pair["readers"]
        cells[a, b] = cells[b, a] = _cell(pair, main)
    readers = sorted({reader for pair in cells for reader in pair}, key=names.__getitem__)
    itself = Cell("", "self", "")
    return [
        (names[row], [cells[row, column] if row != column else itself for column in readers])
        for row in readers
    ]


def _cell(pair: Numbers, main: str) -> Cell:
    kappa, n = pair["statistics"][main], pair["n"]
    if kappa["value"] is None:
        return Cell("–", "none", words.WHY[kappa["why"]])
    heat = min(max(int(kappa["value"] * 5) + 1, 0), 5) if kappa["value"] > 0 else 0
    return Cell(words.number(kappa["value"]), str(heat), words.plural(n, "case"))


# --- over time ---


def _charts(periods: Sequence[Numbers], unit: str, axis: Axis) -> list[Chart]:
    """Two stretches or more make a line; one is what stands above."""
    if len(periods) < 2:
        return []
    alpha = "alpha" if "alpha" in periods[0]["statistics"] else "alpha_interval"
    return [_chart(name, periods, unit, axis if name == alpha else Axis(0)) for name in (alpha, "percent")]


def _chart(name: str, periods: Sequence[Numbers], unit: str, axis: Axis) -> Chart:
    points = [
        Point(
            label=words.stretch(part["since"], unit),
            n=part["statistics"][name]["n"],
            x=round(100 * (i + 0.5) / len(periods), 2),
            shown=_shown(name, part["statistics"][name], axis),
        )
        for i, part in enumerate(periods)
    ]
    return Chart(words.STATISTICS[name][0], points, axis, is_share=name == "percent")


# --- two ratings of the same film ---


def _twice(rows: Sequence[Numbers], names: Mapping[int, str], axis: Axis) -> list[Twice]:
    found = []
    for row in rows:
        name = names[row["reader"]] if row["reader"] else ALL_READERS
        percent, kappa = (_shown(key, row["statistics"][key], axis) for key in ("percent", "kappa"))
        found.append(Twice(name, row["n"], percent, kappa))
    return found


def _table(rows: Sequence[Numbers]) -> list[tuple[str, list[int]]]:
    """What all readers said (rows) and what the AI did (columns)."""
    heads = [CLASS_WORDS[label] for label in CLASSES]
    return list(zip(heads, rows[0]["table"], strict=True)) if rows else []


def _ai_words(ai: Numbers) -> str:
    if ai["rows"]:
        return words.without_answer(ai["n_without_answer"])
    return words.NO_AI_ANSWER if ai["n_reads"] else words.NO_RANDOM


def _repeats(repeats: Numbers, names: Mapping[int, str], axis: Axis) -> list[tuple[Twice, Twice]]:
    """Of all readers and of each: on the five answers, and on the three classes."""
    rows = repeats["rows"]
    return list(zip(*(_twice(rows[scale], names, axis) for scale in ("answers", "classes")), strict=True))


def _repeats_words(repeats: Numbers, cohort: Cohort | None) -> str:
    if repeats["n"] or repeats["n_not_blind"]:
        return words.not_blind_repeats(repeats["n_not_blind"])
    return words.NO_REPEATS_YET if any(selectors.repeat_shares(cohort)) else words.NO_REPEATS_SHARE


def _reader(row: Numbers, names: Mapping[int, str]) -> ReaderRow:
    n = row["n_reads"]
    answers = [(answer, words.percent(k / n), round(100 * k / n, 1)) for answer, k in row["answers"].items()]
    return ReaderRow(names[row["reader"]], n, reading_time(row["median_ms"]), answers)


def _switch(name: str, of: selectors.Switches) -> SwitchRow:
    right = words.switched(of.n_switched_right, of.n_differed_right)
    wrong = words.switched(of.n_switched_wrong, of.n_differed_wrong)
    return SwitchRow(name, of.n_revealed, right, wrong, of.n_left_out)


def readers_in(numbers: Numbers) -> set[int]:
    """Everybody whom the numbers name."""
    twice = [*numbers["ai"]["rows"], *(row for rows in numbers["repeats"]["rows"].values() for row in rows)]
    return {row["reader"] for row in (*numbers["readers"], *twice) if row["reader"]}
