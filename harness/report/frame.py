"""Records as a pandas table, for analyses of one's own."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from harness.store.quantities import QUANTITIES
from harness.store.record import Record

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
    row |= {one.id: one.number(record) for one in QUANTITIES.values() if one.kind != "accuracy"}
    return row | {"contended": record.environment.contended, "created": record.created}
