"""The state of every cell of a results folder: measured, gone wrong, being run now, or only planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from harness.cell import Cell
from harness.report.groups import Group, MethodRecords, group_records
from harness.store.claims import Holder, holders, lost_holders
from harness.store.pending import unfinished
from harness.store.provenance import stale_reasons
from harness.store.query import RecordQuery
from harness.store.record import Record, Status
from harness.store.store import Store

__all__ = ["CellState", "State", "StatusGroup", "advice", "count_states", "counts_text", "group_states", "read_states"]

State = Status | Literal["stale", "running", "queued", "lost", "planned"]

_NOT_WRONG: tuple[State, ...] = ("ok", "stale", "running", "queued", "lost", "planned")
_ORDER: tuple[State, ...] = (
    *("ok", "stale", "failed", "oom", "timeout", "killed", "unsupported"),
    *("running", "queued", "lost", "planned"),
)


@dataclass(frozen=True, slots=True)
class CellState:
    """What has become of a cell.

    Parameters
    ----------
    cell
        What was to be measured.
    state
        Status of its record; ``stale`` where its code or data have changed since, ``running`` where a process is at it
        now, ``queued`` where a puller on a cluster is to measure it, ``lost`` where that process is gone and has left
        no record, ``planned`` where some run still has to do it.
    reason
        Why its record is not ``ok``, or stale.
    created
        When its record was written, ISO 8601 with zone; empty where it has none yet.
    record
        Its record, where it has one.
    log
        What its worker wrote to standard error; None where nothing is kept of it.
    attempt
        The last attempt to measure it again, where that failed and its earlier record was kept.
    holder
        Who measures it, or was to measure it and is gone.
    """

    cell: Cell
    state: State
    reason: str = ""
    created: str = ""
    record: Record | None = None
    log: Path | None = None
    attempt: Record | None = None
    holder: Holder | None = None

    @property
    def went_wrong(self) -> bool:
        """Whether its record is not ``ok``."""
        return self.state not in _NOT_WRONG

    def placeholder_record(self) -> Record:
        """Return a record in its place, for what groups and selects records; it is as new as the state."""
        return Record(self.cell, "ok", created=self.created or datetime.now(UTC).isoformat(timespec="seconds"))

    def is_meant(self, query: RecordQuery) -> bool:
        """Return whether a query chooses the cell; a cell without a record has no status and no device."""
        if self.record is not None:
            return query.keeps(self.record)
        return not query.statuses and not query.device and query.keeps_cell(self.cell)

    def to_json(self) -> dict[str, object]:
        """Return the state as plain JSON values."""
        cell, log = self.cell, self.log
        return {
            "id": cell.id,
            **cell.keys,
            "state": self.state,
            "reason": self.reason,
            "created": self.created or None,
            "log": str(log) if log else None,
            "failed_attempt": {name: getattr(self.attempt, name) for name in ("status", "reason", "created")}
            if self.attempt
            else None,
            "holder": self.holder.to_json() if self.holder else None,
        }


@dataclass(frozen=True, slots=True)
class StatusGroup:
    """Cells that share a table: one dataset, preset, kind of weights, training-set size and split.

    Parameters
    ----------
    title
        What they share, in words.
    categories
        Columns: those of the dataset.
    methods
        Rows: label to the state in each category that was ever planned.
    replaced
        Number of older records of other data or splits, which the table leaves out.
    """

    title: str
    categories: tuple[str, ...]
    methods: Mapping[str, Mapping[str, CellState]]
    replaced: int = 0

    @property
    def states(self) -> list[CellState]:
        """All states of the table."""
        return [state for row in self.methods.values() for state in row.values()]


def read_states(store: Store, queued: frozenset[str] = frozenset()) -> list[CellState]:
    """Return the state of every cell that has a record or that some run has planned.

    Parameters
    ----------
    store
        Where they lie.
    queued
        Stems of cells that pullers on a cluster are to measure.

    Returns
    -------
    list of CellState
        Each cell once. Other runs may be at work: claims are read before plans and these before records, so that a
        cell which ends meanwhile is met once, and never lost.
    """
    folders = store.folders_read
    running = {stem: holder for folder in folders for stem, holder in holders(folder).items()}
    lost = {stem: holder for folder in folders for stem, holder in lost_holders(folder).items()}
    states = {cell.stem: CellState(cell, "planned") for folder in folders for cell in unfinished(folder)}
    records = store.all()
    for record, stale in zip(records, stale_reasons(records), strict=True):
        state: State = "stale" if stale else record.status
        states[record.cell.stem] = CellState(record.cell, state, stale or record.reason, record.created, record)
    for attempt in store.all_failed():
        present = states.get(attempt.cell.stem)
        if present is None or present.record is None:
            present = CellState(attempt.cell, attempt.status, attempt.reason, attempt.created, attempt)
        elif present.record.status == "ok":
            present = replace(present, attempt=attempt)
        states[attempt.cell.stem] = present
    for stem in lost.keys() & states.keys():
        if states[stem].state == "planned":
            states[stem] = replace(states[stem], state="lost", reason=f"{lost[stem]} is gone", holder=lost[stem])
    for stem in queued & states.keys():
        if states[stem].state in ("planned", "lost"):
            states[stem] = replace(states[stem], state="queued", reason="", holder=None)
    for stem in running.keys() & states.keys():
        holder = running[stem]
        if states[stem].created >= holder.since > "":  # measured: the same process is at other conditions of its fit
            continue
        states[stem] = replace(states[stem], state="running", reason="", created="", record=None, holder=holder)
    return [replace(state, log=_log(folders, stem)) for stem, state in states.items()]


def _log(folders: Sequence[Path], stem: str) -> Path | None:
    paths = (folder / "logs" / f"{stem}.log" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def group_states(states: Iterable[CellState]) -> tuple[StatusGroup, ...]:
    """Sort states into tables, in the order of ``harness tables``; the newest cell of a category counts."""
    places = [(state.placeholder_record(), state) for state in states]
    of = {id(record): state for record, state in places}

    def row(method: MethodRecords) -> dict[str, CellState]:
        return {category: of[id(record)] for category, record in method.records.items()}

    def table(group: Group) -> StatusGroup:
        rows = {method.label: row(method) for method in group.methods}
        replaced = sum(len(method.replaced) for method in group.methods)
        return StatusGroup(group.title, group.categories, rows, replaced)

    return tuple(map(table, group_records(record for record, _ in places)))


def count_states(states: Iterable[CellState]) -> dict[State, int]:
    """Return how many cells are in each state that occurs: ok first, then what went wrong, then what is to come."""
    number = Counter(state.state for state in states)
    return {state: number[state] for state in _ORDER if number[state]}


def counts_text(counts: Mapping[State, int]) -> str:
    """Return counts in words: ``12 of 16 ok, 1 failed, 1 running, 2 planned``."""
    others = [f"{number} {state}" for state, number in counts.items() if state != "ok"]
    return ", ".join([f"{counts.get('ok', 0)} of {sum(counts.values())} ok", *others])


def advice(states: Sequence[CellState]) -> tuple[str, ...]:
    """Return what to do next, in sentences."""
    wrong = any(state.went_wrong for state in states)
    again = any(state.attempt for state in states)
    present = {state.state for state in states}
    sentences = []
    if again:
        sentences.append("Some cells failed when measured again, and keep their earlier numbers.")
    if wrong or again:
        sentences.append("Why cells went wrong: harness status --failed.")
    if "queued" in present:
        sentences.append("Pullers on a cluster will measure queued cells: 'harness run --collect' follows them.")
    if "running" in present:
        sentences.append("A run is at work.")
    elif "queued" not in present and (wrong or present & {"planned", "lost", "stale"}):
        sentences.append("Run the same 'harness run' command again to go on: it skips what is measured.")
    if "stale" in present:
        sentences.append("Stale cells were measured with other code or data: they run again, too.")
    if "ok" in present:
        sentences.append("The numbers: harness tables.")
    return tuple(sentences)
