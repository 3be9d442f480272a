"""What differs between two records of one cell, in words."""

from __future__ import annotations

from dataclasses import fields

from harness.store.provenance import code_change, data_change, mixed_versions
from harness.store.quantities import QUANTITIES, Quantity
from harness.store.record import Record

__all__ = ["differences"]

_LISTED = 3
"""Numbers that are named before it is said how many more differ."""


def differences(kept: Record, other: Record) -> tuple[str, ...]:
    """Return how two records of a cell differ, as clauses that name what the first has before what the other has.

    Status and time come first, then numbers, code, data and versions; where none of these differs, the names of the
    parts of a record that do.
    """
    clauses = []
    if kept.status != other.status:
        clauses.append(f"status {kept.status} and {other.status}")
    if kept.created != other.created:
        clauses.append(f"created {kept.created or 'at an unknown time'} and {other.created or 'at an unknown time'}")
    if kept.status == other.status == "ok":
        clauses += _numbers(kept, other)
    clauses.append(code_change(other.environment.provider, kept.environment.provider))
    clauses += [data_change(other.content, kept.content), mixed_versions([kept, other])]
    parts = [part.name for part in fields(Record) if getattr(kept, part.name) != getattr(other, part.name)]
    return tuple(filter(None, clauses)) or (f"other {', '.join(parts)}",)


def _numbers(kept: Record, other: Record) -> list[str]:
    """Return the numbers that differ; accuracy first."""
    pairs = [(quantity, quantity.number(kept), quantity.number(other)) for quantity in QUANTITIES.values()]
    clauses = [
        f"{quantity.id} {_text(quantity, a, b)} and {_text(quantity, b, a)}" for quantity, a, b in pairs if a != b
    ]
    more = len(clauses) - _LISTED
    return clauses[:_LISTED] + ([f"{more} more number{'' if more == 1 else 's'}"] if more > 0 else [])


def _text(quantity: Quantity, number: float | None, other: float | None) -> str:
    """Return a number as tables print it, with more digits where it would look like the other one."""
    if number is None:
        return "none"
    text = quantity.text(number)
    return f"{number:.10g}" if other is not None and text == quantity.text(other) else text
