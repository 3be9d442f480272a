"""The gate: measured cells against the lines of the leaderboard, number by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean
from typing import Literal

from harness.gate.rows import METRIC_IDS, ON_CUDA_ALONE, BoardRow, CellKey
from harness.gate.tolerances import Tolerances
from harness.store.published import MEAN
from harness.store.quantities import quantity
from harness.store.record import Record

__all__ = ["KINDS", "Comparison", "Kind", "Outcome", "Verdict", "compare"]

Kind = Literal["cell", "metric", "mean", "speed", "memory"]
KINDS: tuple[Kind, ...] = ("cell", "metric", "mean", "speed", "memory")
Outcome = Literal["same", "worse", "better", "skipped"]

_FEWEST_OF_A_MEAN = 2
_NOISE = 1e-9
"""Far below the decimals of the leaderboard, far above the rounding of a difference of two of its numbers."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison of one number of a cell, or of its status.

    Parameters
    ----------
    key
        The cell.
    kind
        ``cell`` for its status, ``mean`` for a metric's mean over categories, in place of a category.
    what
        Column of the leaderboard; ``status`` for the cell itself.
    outcome
        ``same`` within the limits; ``skipped`` where a comparison would mean nothing.
    old, new
        On the leaderboard and now.
    limit
        The limit that decides, in words.
    note
        Why it is skipped, undefined or not ok; intervals of a speed; where the limit comes from.
    """

    key: CellKey
    kind: Kind
    what: str
    outcome: Outcome
    old: float | None = None
    new: float | None = None
    limit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measured cells against a leaderboard.

    Parameters
    ----------
    verdicts
        On every cell of the leaderboard and every number of those that are ok, in its order.
    settings
        Cells that were measured with other settings than those of the leaderboard, and what differs.
    new
        Cells that are not on the leaderboard, and their status.
    """

    verdicts: tuple[Verdict, ...]
    settings: Mapping[CellKey, str]
    new: Mapping[CellKey, str]

    @property
    def regressed(self) -> bool:
        """Whether anything is worse."""
        return any(verdict.outcome == "worse" for verdict in self.verdicts)

    @property
    def says_nothing(self) -> bool:
        """Whether no number was compared and no cell is missing: that nothing is worse means nothing then."""
        return not self.regressed and not any(self.compared(kind) for kind in KINDS if kind != "cell")

    def with_outcome(self, outcome: Outcome) -> tuple[Verdict, ...]:
        """Return the verdicts of one outcome."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == outcome)

    def compared(self, kind: Kind) -> int:
        """Return how many numbers (or cells) of a kind were compared."""
        return sum(verdict.kind == kind and verdict.outcome != "skipped" for verdict in self.verdicts)

    @property
    def skipped(self) -> Mapping[tuple[Kind, str], int]:
        """How many numbers were not compared, by kind and reason."""
        return Counter((verdict.kind, verdict.note) for verdict in self.with_outcome("skipped"))


def compare(rows: Sequence[BoardRow], records: Mapping[CellKey, Record], tolerances: Tolerances) -> Comparison:
    """Compare the newest records of a dataset and preset with the lines of their leaderboard.

    Parameters
    ----------
    rows
        Lines of the leaderboard.
    records
        Whatever their status.
    tolerances
        The limits.
    """
    verdicts: list[Verdict] = []
    settings: dict[CellKey, str] = {}
    pairs: dict[CellKey, list[tuple[BoardRow, BoardRow]]] = {}
    for row in rows:
        record = records.get(row.key)
        verdicts.append(_on_status(row.key, record))
        if record is None or record.status != "ok":
            continue
        new = BoardRow.of(record)
        if (row.cell, row.protocol) != (new.cell, new.protocol):
            settings[row.key] = _difference(row, new)
        pairs.setdefault(replace(row.key, category=MEAN), []).append((row, new))
        judge = _Judge(row, new, tolerances)
        verdicts += [*judge.metrics(record.undefined), *judge.speeds(), *judge.memory()]
    verdicts += [verdict for key, both in pairs.items() for verdict in _on_means(key, both, tolerances)]
    known = {row.key for row in rows}
    new_cells = {key: record.status for key, record in records.items() if key not in known}
    return Comparison(tuple(verdicts), settings, new_cells)


def _on_status(key: CellKey, record: Record | None) -> Verdict:
    if record is None:
        return Verdict(key, "cell", "status", "worse", limit="ok", note="missing: the results have no record of it")
    if record.status != "ok":
        return Verdict(key, "cell", "status", "worse", limit="ok", note=f"{record.status}: {record.reason}")
    return Verdict(key, "cell", "status", "same", limit="ok")


def _on_means(key: CellKey, pairs: Sequence[tuple[BoardRow, BoardRow]], tolerances: Tolerances) -> Iterator[Verdict]:
    """Judge the mean of each metric over several categories, which may move by its tolerance over their root.

    Noise of one category is none of another, so a mean moves by so much less: a fall just inside the tolerance in
    every category is not noise.
    """
    for name in METRIC_IDS:
        numbers = [(old.numbers[name], new.numbers[name]) for old, new in pairs]
        known = [(old, new) for old, new in numbers if old is not None and new is not None]
        if len(known) < _FEWEST_OF_A_MEAN:
            continue
        old, new = (fmean(values) for values in zip(*known, strict=True))
        limit = tolerances[name].value / sqrt(len(known))
        outcome = _moved(name, old, new, limit)
        note = f"over {len(known)} categories, the tolerance of one over the root of their number"
        yield Verdict(key, "mean", name, outcome, old, new, f"{limit:.2g}", note)


def _moved(name: str, old: float, new: float, limit: float) -> Outcome:
    """Return whether a metric moved by more than a limit, and to which side."""
    fall = new - old if quantity(name).lowest else old - new
    return _outcome(fall > limit + _NOISE, -fall > limit + _NOISE)


def _difference(old: BoardRow, new: BoardRow) -> str:
    if old.protocol != new.protocol:
        return "another protocol than on the leaderboard"
    return "other parameters, data, samples or weight files than on the leaderboard"


@dataclass(frozen=True, slots=True)
class _Judge:
    """A line of the leaderboard and that of a new record, judged number by number."""

    old: BoardRow
    new: BoardRow
    tolerances: Tolerances

    def metrics(self, undefined: Mapping[str, str]) -> Iterator[Verdict]:
        for name in METRIC_IDS:
            tolerance = self.tolerances[name]
            old, new = self.old.numbers[name], self.new.numbers[name]
            note = tolerance.origin
            if old is None or new is None:
                outcome, note = _on_undefined(old, new, undefined.get(name, ""))
            else:
                outcome = _moved(name, old, new, tolerance.value)
            yield self._verdict("metric", name, outcome, f"{tolerance.value:g}", note)

    def speeds(self) -> Iterator[Verdict]:
        ratio, floor = self.tolerances["speed_ratio"].value, self.tolerances["speed_floor_ms"].value
        for window in ("device", "end_to_end", "device_default", "end_to_end_default"):
            name = f"{window}_median_ms"
            if name in ON_CUDA_ALONE and self.old.numbers[name] is self.new.numbers[name] is None:
                continue
            reason = self._other_hardware() or self._contended() or self._not_timed(window)
            if reason:
                yield self._verdict("speed", name, "skipped", "", reason)
                continue
            old, new = _Speed.of(self.old, window), _Speed.of(self.new, window)
            outcome = _outcome(
                new.slower_than(old, ratio, floor), new.low is not None and old.slower_than(new, ratio, floor)
            )
            note = f"95% interval of the median: {old.interval} on the leaderboard, {new.interval} now"
            yield self._verdict("speed", name, outcome, f"×{ratio:g}", note)

    def memory(self) -> Iterator[Verdict]:
        ratio, floor = self.tolerances["peak_ratio"].value, self.tolerances["peak_floor_mb"].value
        yield self._memory("peak_inference_mb", ratio, floor, self._other_hardware())
        yield self._memory("memory_mb", self.tolerances["memory_ratio"].value, 0.0, "")

    def _memory(self, name: str, ratio: float, floor: float, reason: str) -> Verdict:
        old, new = self.old.numbers[name], self.new.numbers[name]
        if old is None or new is None or reason:
            return self._verdict("memory", name, "skipped", "", reason or "not measured")
        outcome = _outcome(_higher(new, old, ratio, floor), _higher(old, new, ratio, floor))
        return self._verdict("memory", name, outcome, f"×{ratio:g}")

    def _verdict(self, kind: Kind, name: str, outcome: Outcome, limit: str, note: str = "") -> Verdict:
        return Verdict(self.old.key, kind, name, outcome, self.old.numbers[name], self.new.numbers[name], limit, note)

    def _other_hardware(self) -> str:
        if not self.old.hardware or not self.new.hardware:
            return "unknown hardware"
        return "" if self.old.hardware == self.new.hardware else "other hardware"

    def _contended(self) -> str:
        return "contended" if self.old.contended or self.new.contended else ""

    def _not_timed(self, window: str) -> str:
        if any(row.numbers[f"{window}_median_ms"] is None for row in (self.old, self.new)):
            return "not measured"
        return "" if _Speed.of(self.old, window).has_interval else "too few calls"


@dataclass(frozen=True, slots=True)
class _Speed:
    """A median latency and its interval, in milliseconds; None for both ends where the calls were too few."""

    median: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, row: BoardRow, window: str) -> _Speed:
        """Take a window's numbers from a line that has a median."""
        median, low, high = (row.numbers[f"{window}_{part}"] for part in ("median_ms", "low_ms", "high_ms"))
        assert median is not None
        return cls(median, low, high) if low is not None and high is not None else cls(median, None, None)

    @property
    def has_interval(self) -> bool:
        return self.low is not None

    @property
    def interval(self) -> str:
        return "too few calls for one" if self.low is None else f"{self.low:.2f} to {self.high:.2f} ms"

    def slower_than(self, other: _Speed, ratio: float, floor: float) -> bool:
        """Compare with a speed that has an interval; without one of its own, the median must exceed it by the ratio."""
        assert other.high is not None
        apart = self.median > ratio * other.high + _NOISE if self.low is None else self.low > other.high
        slower = self.median > ratio * other.median + _NOISE and self.median - other.median > floor + _NOISE
        return slower and apart


def _outcome(worse: bool, better: bool) -> Outcome:
    return "worse" if worse else "better" if better else "same"


def _on_undefined(old: float | None, new: float | None, why: str) -> tuple[Outcome, str]:
    if old is None and new is None:
        return "skipped", "undefined"
    if old is None:
        return "better", "was undefined"
    return "worse", f"undefined: {why or 'no reason is recorded'}"


def _higher(number: float, other: float, ratio: float, floor: float) -> bool:
    return number > ratio * other + _NOISE and number - other >= floor - _NOISE
