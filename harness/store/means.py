"""Means of a quantity over records, and why there is none: several machines, several counters, a busy machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum
from textwrap import shorten

from harness.store.quantities import Quantity
from harness.store.record import Record

__all__ = [
    "UNKNOWN_DEVICE",
    "busy_reason",
    "computed_by",
    "is_time",
    "machine_of",
    "machines_of",
    "mean_over",
    "why_no_times",
]

UNKNOWN_DEVICE = "an unknown device"

_QUOTED = 200
"""Characters that a reason quotes of what kept machines busy."""

_LISTED = 2
"""Categories that a reason names one by one even where they are all."""


def machine_of(record: Record) -> str:
    """Return the machine that a record was measured on."""
    return record.environment.hardware or UNKNOWN_DEVICE


def machines_of(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the machines that records were measured on."""
    return tuple(dict.fromkeys(map(machine_of, records)))


def computed_by(record: Record) -> str:
    """Return what computed the parts of a record's method that can be computed in several ways; empty if none can."""
    return ", ".join(f"{part} by {name}" for part, name in sorted(record.environment.implementations.items()))


_MEASURE_AGAIN = (
    "; close what runs and measure again with 'harness run --methods NAME --rerun all', "
    "or show these times with --contended"
)


def busy_reason(records: Mapping[str, Record]) -> str:
    """Return which records, by category, hold times of a busy machine and what kept it busy; empty where none does."""
    busy = {name: record.environment.busy_reason for name, record in records.items() if record.environment.contended}
    reasons = shorten("; ".join(dict.fromkeys(busy.values())), _QUOTED, placeholder=" ...")
    return f"{', '.join(busy)}: {reasons}" if busy and len(records) > 1 else reasons


def why_no_times(records: Mapping[str, Record]) -> str:
    """Return why records have no times that count, and what to do about it; empty where no machine was busy."""
    reason = busy_reason(records)
    return f"{'no mean without ' if len(records) > 1 else ''}{reason}{_MEASURE_AGAIN}" if reason else ""


def _spoiled(quantity: Quantity, records: Mapping[str, Record], *, contended: bool) -> str:
    """Return why a quantity has no mean over records although each may have a number."""
    machines = machines_of(records.values()) if quantity.of_machine else ()
    if len(machines) > 1:
        return f"measured on several devices: {', '.join(machines)}"
    if quantity.of_machine and len(ways := dict.fromkeys(filter(None, map(computed_by, records.values())))) > 1:
        return f"computed in several ways: {' / '.join(ways)}"
    if is_time(quantity) and not contended and (reason := why_no_times(records)):
        return reason
    sources = dict.fromkeys(filter(None, (quantity.source(record) for record in records.values())))
    return f"measured in several ways: {', '.join(sources)}" if len(sources) > 1 else ""


def is_time(quantity: Quantity) -> bool:
    """Return whether other load on the machine disturbs a quantity."""
    return quantity.kind in ("speed", "energy") and quantity.of_machine


def mean_over(
    quantity: Quantity, records: Mapping[str, Record], defect: str = "", *, contended: bool = False
) -> tuple[float | None, str]:
    """Return the mean of a quantity over ok records, or None and the reason.

    Numbers of several machines or counters have no mean, nor have times where a machine was busy with something else:
    what others did to a category can't be separated from what the method did. A number that one record lacks leaves
    the mean undefined.

    Parameters
    ----------
    quantity
        Of which the mean is taken.
    records
        By category.
    defect
        One type of defect against all good samples; all where empty.
    contended
        Whether times of a busy machine count, too.
    """
    if not records:
        return None, "no category is measured"
    if reason := _spoiled(quantity, records, contended=contended):
        return None, reason
    kept = {name: quantity.kept(record, defect) for name, record in records.items()}
    undefined = [name for name, value in kept.items() if value is None]
    if undefined:
        reasons = (quantity.why_missing(records[name], defect) for name in undefined)
        listed = ", ".join(dict.fromkeys(filter(None, reasons)))
        everywhere = len(undefined) == len(kept) > _LISTED
        where = f"all {len(kept)} categories" if everywhere else ", ".join(undefined)
        return None, f"undefined in {where}{f': {listed}' if listed else ''}"
    mean = fsum(value for value in kept.values() if value is not None) / len(kept)
    return (quantity.reciprocal_of / mean if quantity.reciprocal_of and mean else mean), ""
