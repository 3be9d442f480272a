"""All numbers as plain rows, and as pandas tables where pandas is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from harness.errors import PrerequisiteError
from harness.store.provenance import stale_reasons
from harness.store.quantities import QUANTITIES, quantities_of
from harness.store.record import Record

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pandas_frame", "records_frame", "tidy_rows"]

Row = Mapping[str, str | float | None]


def tidy_rows(records: Iterable[Record]) -> Iterator[Row]:
    """Yield one row for each number: its keys, quantity, value, source and note.

    Parameters
    ----------
    records
        Of any status; those without numbers yield none.

    Yields
    ------
    dict
        ``source`` (always ``measured``), ``dataset``, ``preset``, ``weights``, ``shots``, ``split``, ``method``,
        ``category``, ``defect``, ``device``, ``quantity``, ``value`` (None where it is missing) and ``note`` (why it
        is missing, or stale).
    """
    records = list(records)
    for record, stale in zip(records, stale_reasons(records), strict=True):
        if record.status == "ok":
            keys = {
                "source": "measured",
                **record.cell.keys,
                "shots": str(record.cell.shots),
                "device": record.environment.hardware,
            }
            for each in QUANTITIES.values():
                value = each.number(record)
                note = each.why_missing(record) if value is None else f"stale: {stale}" if stale else ""
                yield {**keys, "defect": "", "quantity": each.id, "value": value, "note": note}
            for defect in record.by_defect:
                for each in quantities_of("accuracy"):
                    yield {
                        **keys,
                        "defect": defect,
                        "quantity": each.id,
                        "value": each.number(record, defect),
                        "note": f"stale: {stale}" if stale else "",
                    }


def records_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Return one line for each record, with a column for each quantity; missing where the record has none.

    Raises
    ------
    PrerequisiteError
        Where pandas is not installed.
    """
    return pandas_frame(
        {
            **record.cell.keys,
            "shots": str(record.cell.shots),
            "status": record.status,
            **{each.id: each.number(record) for each in QUANTITIES.values()},
            "contended": record.environment.contended,
            "created": record.created,
        }
        for record in records
    )


def pandas_frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows as a pandas table; raise PrerequisiteError where pandas is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise PrerequisiteError("pandas is not installed: install it with 'pip install pandas'.") from error
    return pd.DataFrame(list(rows))
