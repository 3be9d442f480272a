"""Several results folders merged into one: records, and what is kept beside them.

Of the records of a cell that were measured on the same hardware the newest ok one counts, else the newest; those of
other hardware lie side by side, as where several machines have measured the cell. Nothing is deleted: what gives way in
the folder that is merged into moves to its ``aside``, into a folder that can be read as results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from harness.cell import Cell
from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import sweep_temporaries, write_atomically
from harness.files.left_out import LeftOut, left_out_text
from harness.store.claims import lock_of
from harness.store.differences import differences
from harness.store.environment import Environment
from harness.store.found import BusyError, Found, copy_beside, discard_copies, found_in, found_of
from harness.store.means import UNKNOWN_DEVICE
from harness.store.several import rank, stores_in
from harness.store.store import MACHINES, Store, timestamp

__all__ = ["Conflict", "Merged", "merge_folders"]

_PARTS = ("cells", "failed", "counts", "maps", "fitted", "logs", "locks", "aside")
"""Folders of a results folder that a merge writes to."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two records of one cell, measured on the same hardware, of which one counts.

    Parameters
    ----------
    cell
        What both measured.
    won, lost
        Their files.
    differs
        What differs, as clauses: what the first has, then what the other has.
    moved_to
        Where the file of the other one lies now, if it was in the folder that is merged into; None elsewhere.
    """

    cell: Cell
    won: Path
    lost: Path
    differs: tuple[str, ...]
    moved_to: Path | None = None

    def to_json(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        moved = None if self.moved_to is None else str(self.moved_to)
        paths = {"won": str(self.won), "lost": str(self.lost), "moved_to": moved}
        return {**self.cell.keys, **paths, "differs": list(self.differs)}


@dataclass(slots=True)
class Merged:
    """What a merge has done.

    Parameters
    ----------
    folder
        That was merged into.
    copied
        Records that are new there.
    completed
        Records that were there, and lacked something beside them that another folder has.
    present
        Records that were there with all of it.
    conflicts
        Records that gave way to another one, each with that.
    side_by_side
        Cells that several machines have measured: each has a record of its own, and no mean is over several.
    busy
        Records that were not merged, as a process is measuring their cell, or has changed their files meanwhile.
    left_out
        Files that can't be used.
    """

    folder: Path
    copied: int = 0
    completed: int = 0
    present: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    side_by_side: list[Cell] = field(default_factory=list)
    busy: list[LeftOut] = field(default_factory=list)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence on the records that were not merged, and one on the files that can't be used, if there are any."""
        sentences = []
        if self.busy:
            sentences.append(left_out_text(self.busy, "records", "merge again when the run has ended."))
        if self.left_out:
            sentences.append(left_out_text(self.left_out, "files", "mend them or move them away, and merge again."))
        return tuple(sentences)

    @property
    def is_empty(self) -> bool:
        """Whether there was no record to merge."""
        return not (self.copied or self.completed or self.present or self.busy)

    def to_json(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        return {
            "folder": str(self.folder),
            "copied": self.copied,
            "completed": self.completed,
            "present": self.present,
            "conflicts": [conflict.to_json() for conflict in self.conflicts],
            "side_by_side": [cell.keys for cell in self.side_by_side],
            "busy": [record.to_json() for record in self.busy],
            "left_out": [file.to_json() for file in self.left_out],
        }


def merge_folders(
    folders: Sequence[Path], to: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Merged:
    """Merge results folders into one, which may hold records already and may be one of them.

    The same call goes on with a merge that was interrupted: each record is there with what belongs to it, or not yet.

    Parameters
    ----------
    folders
        Results folders; none of them is changed but ``to``, where it is among them.
    to
        The folder that is merged into; made where it is missing.
    progress
        Called with how many cells are done, and how many there are.

    Returns
    -------
    Merged
        What was copied, what gave way to what, and what could not be used.

    Raises
    ------
    UsageError
        Where a folder does not exist, there is none beside ``to``, or ``to`` lies in another one.
    PrerequisiteError
        Where ``to`` can't be written.
    """
    sources = _sources(folders, to)
    _refuse_overlap(sources, to)
    by_cell: dict[str, list[Found]] = {}
    for store in sources:
        for found in found_in(store):
            by_cell.setdefault(found.record.cell.id, []).append(found)
    merged, places = Merged(to), list[Store]()
    if by_cell:
        merger = _Merger(to, merged)
        for done, items in enumerate(sorted(by_cell.values(), key=lambda items: items[0].record.cell.stem), start=1):
            merger.merge(items)
            progress(done, len(by_cell))
        places = merger.places
        merged.conflicts.sort(key=lambda conflict: (conflict.cell.stem, conflict.lost))
    merged.left_out = tuple(file for store in (*sources, *places) for file in store.left_out)
    return merged


def _sources(folders: Sequence[Path], to: Path) -> list[Store]:
    """Return the folders to merge from as stores, each once."""
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"There is no results folder {folder}: name folders that 'harness run' has written to.")
    own = {store.folder.resolve() for store in stores_in(to)}
    others: dict[Path, Store] = {}
    for store in (store for folder in folders for store in stores_in(folder)):
        if (real := store.folder.resolve()) not in own:
            others.setdefault(real, store)
    if not others:
        raise UsageError(f"There is nothing to merge into {to} but itself: name another results folder.")
    return list(others.values())


def _refuse_overlap(sources: Sequence[Store], to: Path) -> None:
    """Raise UsageError where a folder that would be written to lies in one that must not change, be it by a link."""
    written = [to, to / MACHINES, *(place.folder / part for place in stores_in(to) for part in _PARTS)]
    for source in sources:
        folder, parts = source.folder.resolve(), {(source.folder / part).resolve() for part in _PARTS}
        for path in written:
            if (real := path.resolve()) in parts or real.is_relative_to(folder):
                raise UsageError(
                    f"{path} is in {source.folder}, which a merge does not change: name a folder outside with --to."
                )


class _Merger:
    """Merges cell after cell into a results folder.

    Parameters
    ----------
    folder
        That is merged into.
    merged
        What is done is noted there.
    """

    def __init__(self, folder: Path, merged: Merged) -> None:
        self._folder, self._merged = folder, merged
        self._places: dict[Path, Store] = {}
        self._aside = Path("aside") / timestamp()
        self._place(Store(folder)).ensure_writable()
        for place in stores_in(folder):
            for part in _PARTS:
                sweep_temporaries(place.folder / part)

    @property
    def places(self) -> list[Store]:
        """The folder, and those of other machines in it."""
        return list(self._places.values())

    def merge(self, items: Sequence[Found]) -> None:
        """Merge the records of a cell that the sources hold."""
        cell = items[0].record.cell
        try:
            with ExitStack() as locks:
                places = [self._place(store) for store in stores_in(self._folder)]
                if not self._take(locks, cell):
                    return
                own = {place.folder: found_of(place, cell) for place in places}
                for folder, contenders in self._assign(items, own).items():
                    self._settle(self._places[folder], cell, contenders)
        except OSError as error:
            raise PrerequisiteError(
                f"{error.filename or self._folder} can't be written ({error.strerror or error}): free some space or "
                "make the folder writable, and merge again; what is merged stays."
            ) from error

    def _place(self, store: Store) -> Store:
        return self._places.setdefault(store.folder, store)

    def _take(self, locks: ExitStack, cell: Cell) -> bool:
        """Lock a cell until the stack is closed; note it as busy where a process has it."""
        lock = lock_of(self._folder, cell)
        if not lock.take():
            self._note_busy(Store(self._folder).path(cell))
            return False
        locks.enter_context(lock)
        return True

    def _note_busy(self, path: Path) -> None:
        self._merged.busy.append(LeftOut(path, "a process is measuring its cell, or has changed it meanwhile"))

    def _assign(self, items: Sequence[Found], own: Mapping[Path, Sequence[Found]]) -> dict[Path, list[Found]]:
        """Return which records may be that of a cell in each place, those that are there first.

        Each hardware has a place. A record that is not ok was measured on none: it belongs where its machine has one.
        """
        taken: dict[Path, Environment] = {}
        for folder, found in ((folder, found) for folder, present in own.items() for found in present):
            if found.record.status == "ok":
                taken[folder] = found.record.environment
        assigned: dict[Path, list[Found]] = {}
        for found in sorted(items, key=lambda found: found.record.status != "ok"):
            environment = found.record.environment
            if found.record.status == "ok":
                same = [folder for folder, other in taken.items() if other.hardware == environment.hardware]
                folder = min(same) if same else next(path for path in self._possible(environment) if path not in taken)
                taken.setdefault(folder, environment)
            else:
                same = [folder for folder, present in own.items() if found.record in (one.record for one in present)]
                same = same or [folder for folder, other in taken.items() if other.machine == environment.machine]
                folder = min(same, default=self._folder)
            assigned.setdefault(folder, list(own.get(folder, ()))).append(found)
        if len({environment.hardware for environment in taken.values()}) > 1:
            self._merged.side_by_side.append(items[0].record.cell)
        return assigned

    def _possible(self, environment: Environment) -> Iterator[Path]:
        """Yield places for the record of a machine: the folder itself, then those of the machine."""
        base = Store(self._folder)
        machine, hardware = environment.machine or UNKNOWN_DEVICE, environment.hardware or UNKNOWN_DEVICE
        yield self._folder
        for name in chain((machine, hardware), (f"{hardware} {number}" for number in count(2))):
            yield self._place(base.on(name)).folder

    def _settle(self, place: Store, cell: Cell, contenders: Sequence[Found]) -> None:
        """Let one of the records that belong in a place count, with the last attempt after it that failed."""
        groups = _equal_records(contenders)
        best = max(groups, key=_rank)
        attempts = [group for group in groups if best[0].record.status == "ok" and _is_after(group, best)]
        attempt = max(attempts, key=_rank, default=[])
        discard_copies(place, cell)
        try:
            others = sorted(contenders, key=lambda found: rank(found.record), reverse=True)
            copies = copy_beside(place, best, attempt, others)
            written = {
                path: group[0].content(locked=group[0].store is place)
                for path, group in ((place.path(cell), best), (place.failed_path(cell), attempt))
                if group and all(found.path != path for found in group)
            }
        except BusyError as busy:
            discard_copies(place, cell)
            self._note_busy(busy.path)
            return
        moved = self._move_aside(place, cell, copies, written, attempt)
        for path in copies:
            place.new_path(path).replace(path)
        for path, content in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        if place.path(cell) in written:
            self._merged.copied += 1
        elif copies or written:
            self._merged.completed += 1
        else:
            self._merged.present += 1
        for group in groups:
            if group is not best and group is not attempt:
                won, lost = self._address(best), self._address(group)
                differs = differences(best[0].record, group[0].record)
                self._merged.conflicts.append(Conflict(cell, won, lost, differs, moved.get(lost)))

    def _move_aside(
        self, place: Store, cell: Cell, copies: Sequence[Path], written: Mapping[Path, bytes], attempt: Sequence[Found]
    ) -> dict[Path, Path]:
        """Move what gives way to a folder of its own, a record before its counts; return where it lies now."""
        leaving = [*written, *copies]
        if place.path(cell) in written:
            leaving += [place.counts_path(cell), place.maps_path(cell), place.log_path(cell)]
        if not attempt:
            leaving.append(place.failed_path(cell))
        moves = {path: place.folder / self._aside / path.relative_to(place.folder) for path in leaving}
        return {path: to for path, to in moves.items() if place.move_aside(path, to)}

    def _address(self, group: Sequence[Found]) -> Path:
        """Return where a record lies: in a folder that is merged from, if one has it."""
        return next((found.path for found in group if found.store.folder not in self._places), group[0].path)


def _equal_records(contenders: Sequence[Found]) -> list[list[Found]]:
    """Return records in groups of equal ones."""
    groups: list[list[Found]] = []
    for found in contenders:
        group = next((group for group in groups if group[0].record == found.record), None)
        if group is None:
            groups.append([found])
        else:
            group.append(found)
    return groups


def _rank(group: Sequence[Found]) -> tuple[bool, str]:
    return rank(group[0].record)


def _is_after(group: Sequence[Found], other: Sequence[Found]) -> bool:
    """Return whether a record is of an attempt that failed after another record was made."""
    record = group[0].record
    return record.status != "ok" and record.created > other[0].record.created
