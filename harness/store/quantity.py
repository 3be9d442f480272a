"""A number of a record: where it lies, how it is printed, and why it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from harness.protocol import Math
from harness.store.measurements import Energy, LatencyWindow, Size
from harness.store.record import Record

__all__ = ["Kind", "Quantity"]

Kind = Literal["accuracy", "decision", "speed", "energy", "memory", "work"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a record.

    Parameters
    ----------
    id
        Its name in every format: CSV, JSON, leaderboard, data frame, command line.
    kind
        What it says something about.
    heading
        Of a column, lines between newlines.
    place
        Fields of the record that lead to it.
    help
        What it is, in one sentence.
    short
        Heading in a table whose title says the rest; ``heading`` where empty.
    unit
        Printed unit; empty where it has none.
    digits
        Decimals in tables.
    highest
        The highest possible number; the lowest one is 0.
    lowest
        Whether the lowest number is the best one.
    of_machine
        Whether it depends on the machine: numbers of different machines have no mean and do not compete.
    ranked
        Whether its best number is marked.
    too_few
        Why it is missing where its window was timed.
    reciprocal_of
        Where not 0, the number is this divided by what the record keeps, and a mean is taken of what it keeps.
    math
        How torch computed during the timed calls; None for what is not one of these times.
    """

    id: str
    kind: Kind
    heading: str
    place: tuple[str, ...]
    help: str
    short: str = ""
    unit: str = ""
    digits: int = 1
    highest: float = inf
    lowest: bool = True
    of_machine: bool = False
    ranked: bool = True
    too_few: str = ""
    reciprocal_of: float = 0.0
    math: Math | None = None

    @property
    def title(self) -> str:
        """The heading on one line."""
        return self.heading.replace("\n", " ")

    def is_possible(self, number: float) -> bool:
        """Return whether the quantity can have a value: a finite one from 0 to the highest; NaN is none."""
        return 0 <= number <= self.highest and number < inf

    def text(self, number: float) -> str:
        """Return the number as tables print it."""
        return f"{number:.{self.digits}f}"

    def number(self, record: Record, defect: str = "") -> float | None:
        """Return the number of a record, of one type of defect where it is named; None where it has none."""
        kept = self.kept(record, defect)
        return self.reciprocal_of / kept if self.reciprocal_of and kept else kept

    def why_missing(self, record: Record, defect: str = "") -> str:
        """Return why a record has no such number, of one type of defect where it is named; empty if it does not say."""
        if self.kind == "accuracy":
            return (record.undefined_by_defect.get(defect, {}) if defect else record.undefined).get(self.id, "")
        if self.kind == "decision":
            return record.decisions.reason or "its record has none"
        part = getattr(getattr(record, self.place[0]), self.place[1], None) if len(self.place) > 1 else None
        if isinstance(part, LatencyWindow) or self.kind == "speed":
            if part is not None and part.median_ms is not None:
                return self.too_few or "its record has none"
            return (part.reason if part is not None else "") or "not measured"
        return (part.reason if isinstance(part, Size | Energy) else "") or "its record has none"

    def source(self, record: Record) -> str:
        """Return the counter that a measured size or energy was read from; empty for other numbers."""
        part = getattr(getattr(record, self.place[0]), self.place[1]) if self.kind in ("memory", "energy") else None
        if not isinstance(part, Size | Energy) or self.kept(record) is None:
            return ""
        return part.source or "unknown"

    def kept(self, record: Record, defect: str = "") -> float | None:
        """Return what a record keeps: the number itself, or what it is the reciprocal of."""
        if self.kind == "accuracy":
            return (record.by_defect.get(defect, {}) if defect else record.metrics).get(self.id)
        value: object = record
        for name in self.place:
            value = value.get(name) if isinstance(value, Mapping) else getattr(value, name)
            if value is None:
                return None
        return float(value)  # type: ignore[arg-type]  # tests walk every place through the types
