"""Records as a pandas table, for analyses of one's own."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from harness.store.store import Record

__all__ = ["records_frame"]


def records_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row for each record: identity, status, metrics, latencies, memory, seconds, whether it was contended.

    Parameters
    ----------
    records
        For example ``Store(Path("results")).all()``.

    Returns
    -------
    DataFrame
        Missing numbers are NaN. Metrics have their ids as names; median latencies end in ``_ms``, memory in ``_mb``.
        Where ``contended`` is true something else kept the device busy: such latencies belong in no comparison.
    """
    return pd.DataFrame([_row(record) for record in records])


def _row(record: Record) -> dict[str, object]:
    cell = record.cell
    row: dict[str, object] = {
        "id": cell.id,
        "method": cell.label,
        "dataset": cell.dataset,
        "category": cell.category,
        "shots": str(cell.shots),
        "split": cell.split,
        "preset": cell.protocol.preset,
        "weights": cell.protocol.weights,
        "status": record.status,
    }
    row |= record.metrics
    row |= {f"{window}_ms": values.get("median_ms") for window, values in record.latency.items()}
    row |= {f"{name}_mb": value["mb"] for name, value in record.memory.items() if "mb" in _fields(value)}
    row["paper_mb"] = record.memory.get("paper_mb")
    row["contended"] = bool(record.environment.get("contended", False))
    return row | {"seconds": record.wall_seconds, "created": record.created}


def _fields(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, dict) else ()
