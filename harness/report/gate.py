"""What moved between the leaderboard and a run, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from statistics import NormalDist
from textwrap import shorten

from harness.gate.compare import KINDS, Comparison, Kind, Verdict
from harness.gate.leaderboard import Board
from harness.gate.tolerances import DEFAULTS, Tolerances
from harness.report.board import board_title, by_training, number_text
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.store.quantities import quantity

__all__ = ["compared_text", "moved_grids"]

_NOTE = 300
"""Characters of a failed cell's reason that a footnote quotes."""

_TITLES = {"worse": "Worse than on the leaderboard", "better": "Better than on the leaderboard"}
_COLUMNS = tuple(Column(name, {"column": name}) for name in ("leaderboard", "now", "change", "tolerance"))
_NAMES: dict[Kind, tuple[str, str]] = {
    "cell": ("cell", "cells"),
    "metric": ("metric", "metrics"),
    "mean": ("mean over categories", "means over categories"),
    "speed": ("speed", "speeds"),
    "memory": ("memory figure", "memory figures"),
}


def moved_grids(board: Board, comparison: Comparison, tolerances: Tolerances) -> list[Grid]:
    """Return what is worse, then what is better: a line for each number, none for those within their tolerance.

    Parameters
    ----------
    board
        What the cells were compared with.
    comparison
        Its result.
    tolerances
        With which they were compared: the tables say what they are.
    """
    return [
        _grid(f"{title}: {board_title(board, verdicts[0].key)}", verdicts, comparison, _caption(verdicts, tolerances))
        for outcome, title in _TITLES.items()
        for verdicts in by_training(
            [verdict for verdict in comparison.verdicts if verdict.outcome == outcome], lambda verdict: verdict.key
        ).values()
    ]


def compared_text(comparison: Comparison) -> str:
    """Return how much was compared, and how much was not and why, in one sentence part."""
    numbers = {kind: comparison.compared(kind) for kind in KINDS}
    counts = [_counted(count, kind) for kind, count in numbers.items() if count or kind != "mean"]
    skipped = [f"{_counted(count, kind)} ({reason})" for (kind, reason), count in comparison.skipped.items()]
    return f"{', '.join(counts)} compared{'; skipped: ' if skipped else ''}{', '.join(skipped)}"


def _counted(count: int, kind: Kind) -> str:
    single, many = _NAMES[kind]
    return f"{count} {single if count == 1 else many}"


def _grid(title: str, verdicts: Sequence[Verdict], comparison: Comparison, caption: str) -> Grid:
    headings = ("method", "category", "what")
    rows = []
    for position, verdict in enumerate(verdicts):
        last = verdicts[position - 1] if position else None
        rows.append(_row(verdict, last, comparison.settings.get(verdict.key, "")))
    return Grid(title, headings, _COLUMNS, tuple(rows), caption)


def _row(verdict: Verdict, last: Verdict | None, settings: str) -> Row:
    new_cell = last is None or last.key != verdict.key
    new_method = last is None or last.key.method != verdict.key.method
    labels = (
        Value(verdict.key.method if new_method else ""),
        Value(verdict.key.category if new_cell else "", note=settings if new_cell else ""),
        Value(
            "status" if verdict.kind == "cell" else quantity(verdict.what).title,
            note=shorten(verdict.note, _NOTE, placeholder=" ..."),
        ),
    )
    keys = {"method": verdict.key.method, "category": verdict.key.category, "what": verdict.what}
    return Row(labels, _values(verdict), keys, starts=new_cell)


def _values(verdict: Verdict) -> tuple[Value, ...]:
    if verdict.kind == "cell":
        return Value("ok"), Value("not ok"), Value(""), Value("")
    shown = [_shown(verdict.what, number) for number in (verdict.old, verdict.new)]
    return *shown, Value(_change(verdict)), Value(verdict.limit)


def _shown(name: str, number: float | None) -> Value:
    return missing("undefined") if number is None else Value(number_text(name, number), number)


def _change(verdict: Verdict) -> str:
    if verdict.old is None or verdict.new is None:
        return ""
    if verdict.kind in ("metric", "mean"):
        return f"{verdict.new - verdict.old:+.4f}"
    return f"×{verdict.new / verdict.old:.2f}" if verdict.old else f"+{number_text(verdict.what, verdict.new)}"


def _caption(verdicts: Sequence[Verdict], tolerances: Tolerances) -> str:
    kinds = {verdict.kind for verdict in verdicts}
    rules = [rule for kind, rule in _RULES.items() if kind in kinds]
    value = {name: f"{tolerances[name].value:g}" for name in DEFAULTS}
    value["speed_alarm"] = _speed_alarm(tolerances)
    return "; ".join([f"tolerances: {tolerances.source}", *(rule.format_map(value) for rule in rules)])


def _speed_alarm(tolerances: Tolerances) -> str:
    """Return how often the ratio alone is passed by two runs of equal speed; empty where no spread is measured."""
    ratio = tolerances["speed_ratio"]
    if not ratio.spread:
        return ""
    alarm = NormalDist().cdf(-log(ratio.value) / (sqrt(2) * ratio.spread))
    return f" (where runs vary by {ratio.spread:.1%}, equal speeds do so in {alarm:.2%} of comparisons)"


_RULES: dict[Kind, str] = {
    "speed": "a speed moves where its ratio is above {speed_ratio}, its difference above {speed_floor_ms} ms, and the "
    "intervals of the medians don't overlap{speed_alarm}",
    "mean": "a mean over categories moves where it changes by more than a category's tolerance over the root of their "
    "number",
    "memory": "a peak moves where its ratio is above {peak_ratio} and its difference {peak_floor_mb} MB or more, "
    "parameters and bank where their ratio is above {memory_ratio}",
}
