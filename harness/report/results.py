"""Records of results folders, and what is made of them: tables, answers, data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, overload

from harness.report.answer.make import answers
from harness.report.tables import TableRequest, measured_grids
from harness.report.uncertainty import Uncertainty
from harness.store.published import read_published
from harness.store.query import RecordQuery
from harness.store.record import Record
from harness.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.answer.answer import Answer
    from harness.report.grid import Grid

__all__ = ["Results"]


class Results(Sequence[Record]):
    """Records of one or several results folders.

    Parameters
    ----------
    records
        In the order of file names.
    store
        Where they lie, with what is kept beside them.
    failed
        Attempts of a run to measure cells again that went wrong: their earlier records, which are ok, stay.
    contended
        Whether tables show times of a busy machine, too, marked.
    """

    def __init__(
        self, records: Iterable[Record], store: Store, failed: Iterable[Record] = (), *, contended: bool = False
    ) -> None:
        self.records, self.store, self.failed = tuple(records), store, tuple(failed)
        self.contended = contended

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...

    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        return self.records[index]

    def __repr__(self) -> str:
        ok = sum(record.status == "ok" for record in self)
        return f"<{len(self)} records, {ok} ok, of {self.store.folder}>"

    def tables(
        self, name: str, *, metrics: Sequence[str] = (), source: Literal["measured", "both"] = "both"
    ) -> list[Grid]:
        """Return a table of :func:`harness.api.tables` from these records."""
        published = read_published()
        request = TableRequest(RecordQuery(contended=self.contended), (name,), tuple(metrics))
        request.check(self.records, published)
        beside = published if source == "both" else None
        return measured_grids(self.records, beside, request, Uncertainty(self.store), self.store.elsewhere)

    def compare(self, metric: str = "") -> list[Answer]:
        """Return the answers of :func:`harness.api.compare` from these records."""
        query = RecordQuery(contended=self.contended)
        return answers(self.records, query, Uncertainty(self.store), metric, self.store.elsewhere)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each record, with a column for each quantity."""
        from harness.report.frame import records_frame

        return records_frame(self.records)

    def to_tidy_pandas(self) -> pd.DataFrame:
        """Return one line for each number: keys, quantity, value, source and note."""
        from harness.report.frame import pandas_frame, tidy_rows

        return pandas_frame(tidy_rows(self.records))
