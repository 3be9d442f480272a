"""Count and read every file of a dataset, for ``harness data verify``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.data.folder import SPLITS, FolderDataset, SampleFiles, Scan
from harness.data.images import read_depth, read_mask, read_rgb, read_xyz
from harness.data.open import open_found
from harness.data.units import decode_in_metres
from harness.dataset_contract import Dataset, DatasetInfo, SampleRef, Split
from harness.errors import DataError, UsageError
from harness.registry import nearest_names

__all__ = ["ALL_CATEGORIES", "CountRow", "Problem", "VerifyProgress", "VerifyReport", "verify_dataset"]

VerifyProgress = Callable[[str, int, int], None]
"""Called with the category being read, the number of samples read so far, and that of the dataset."""

ALL_CATEGORIES = "all"
"""Category of the rows that hold totals."""

_HINT = "replace it"
_READ: dict[str, Callable[[Path, str], object]] = {
    "rgb": read_rgb,
    "xyz": read_xyz,
    "depth": read_depth,
    "mask": read_mask,
}

_Scans = dict[tuple[str, Split], Scan]


@dataclass(frozen=True, slots=True)
class CountRow:
    """Number of samples on disk and published number (None of some categories together) of a category and split.

    Of one defect where it is named.
    """

    category: str
    split: Split
    found: int
    published: int | None
    defect: str = ""

    @property
    def ok(self) -> bool:
        """True unless the number differs from the published one."""
        return self.published is None or self.found == self.published


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong or doubtful with files of a category and split, in one sentence or clause that names them."""

    category: str
    split: Split
    message: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The state of a dataset's folder.

    Parameters
    ----------
    dataset
        Its name.
    root
        Folder of the categories.
    counts
        A row per category and split, then the totals.
    defects
        A row per category and defect of the test samples, where their number is published.
    missing_categories
        Those that were asked for and are not there; of all official ones where none was named.
    unofficial
        Folders with the layout of a category that are not official ones; they are not read.
    problems
        Every unmatched or unreadable file.
    notes
        What can be used and may be read in another way than it is meant.
    decoded
        Number of samples that were read; 0 where only names were checked.
    """

    dataset: str
    root: Path
    counts: tuple[CountRow, ...]
    defects: tuple[CountRow, ...]
    missing_categories: tuple[str, ...]
    unofficial: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    decoded: int

    @property
    def as_published(self) -> bool:
        """True where every category that is there has the published number of samples, of each defect, too."""
        return all(row.ok for row in (*self.counts, *self.defects))

    @property
    def ok(self) -> bool:
        """True where what was asked for is complete and every file that was looked at can be used."""
        return not self.missing_categories and not self.problems and self.as_published

    def to_json(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return {**asdict(self), "root": str(self.root), "ok": self.ok}


def verify_dataset(
    root: Path,
    name: str | None = None,
    *,
    categories: Sequence[str] = (),
    fast: bool = False,
    progress: VerifyProgress | None = None,
) -> VerifyReport:
    """Compare a dataset with what is published of it and look for files that can't be used.

    Parameters
    ----------
    root
        Folder of the categories, or the folder above it.
    name
        Name of the dataset; recognised by the folder's content where None.
    categories
        These alone, official ones or others that are there; all where empty.
    fast
        Check names only: nothing is decoded.
    progress
        Called after every decoded sample.

    Raises
    ------
    UsageError
        Where the folder holds no such dataset, or the dataset has no such category.
    """
    reader = open_found(root, name)
    if isinstance(reader, FolderDataset):
        reader.hint = _HINT
    info, wanted = reader.info, _wanted(reader, categories)
    present = tuple(category for category in reader.categories if category in wanted)
    scans = {(category, split): _scan(reader, category, split) for category in present for split in SPLITS}
    problems = [
        Problem(category, split, message)
        for (category, split), scan in scans.items()
        for message in (*scan.problems, *scan.warnings)
    ]
    problems = [*{problem.message: problem for problem in reversed(problems)}.values()][::-1]  # of a folder once
    if not fast:
        problems += _decode_all(reader, scans, progress)
    return VerifyReport(
        dataset=info.name,
        root=reader.root,
        counts=_count(info, present, scans),
        defects=tuple(row for category in present for row in _count_defects(info, category, scans)),
        missing_categories=tuple(category for category in wanted if category not in present),
        unofficial=() if categories else reader.unofficial,
        problems=tuple(problems),
        notes=tuple(
            Problem(category, split, note)
            for (category, split), scan in scans.items()
            for note in (*scan.notes, *_doubts(reader, category, scan))
        ),
        decoded=0 if fast else sum(len(scan.samples) for scan in scans.values()),
    )


def _wanted(reader: Dataset, categories: Sequence[str]) -> tuple[str, ...]:
    """Return the categories that are looked at, in the published order; raise UsageError for one that is unknown."""
    known = tuple(dict.fromkeys((*reader.info.categories, *reader.categories)))
    for name in categories:
        if name not in known:
            raise UsageError(f"{reader.info.title} has no category '{name}': {nearest_names(name, known)}")
    return tuple(name for name in known if not categories or name in categories)


def _scan(reader: Dataset, category: str, split: Split) -> Scan:
    """Return the files of a split; of a reader that keeps no files in folders, its samples without files."""
    if isinstance(reader, FolderDataset):
        return reader.scan(category, split)
    scan = Scan()
    try:
        refs = reader.refs(category, split)
    except DataError as error:
        scan.problem(str(error))
        return scan
    scan.samples = {ref: {} for ref in refs}
    scan.images = len(refs)
    return scan


def _doubts(reader: Dataset, category: str, scan: Scan) -> tuple[str, ...]:
    """Return what is doubtful about the samples of a split; a reader without scans says it of a whole category."""
    if isinstance(reader, FolderDataset):
        return reader.doubts.sentences(category, scan.samples)
    return reader.notes(category) if any(ref.split == "test" for ref in scan.samples) else ()


def _decode_all(reader: Dataset, scans: _Scans, progress: VerifyProgress | None) -> list[Problem]:
    total = sum(len(scan.samples) for scan in scans.values())
    problems, done, cleaned = [], 0, set[str]()
    for (category, split), scan in scans.items():
        for ref, files in sorted(scan.samples.items()):
            messages = _unreadable(reader, ref, files, clean=category not in cleaned)
            problems += [Problem(category, split, message) for message in messages]
            if not messages:
                cleaned.add(category)
            done += 1
            if progress is not None:
                progress(category, done, total)
    return problems


def _unreadable(reader: Dataset, ref: SampleRef, files: SampleFiles, *, clean: bool) -> tuple[str, ...]:
    """Return a sentence for every file that can't be used; none where the sample is fine.

    Where it is to be cleaned, too, the reader learns what is doubtful about its cleaning.
    """
    try:
        sample = decode_in_metres(reader, ref, _HINT)
        if not sample.anomalous and "mask" in files:
            read_mask(files["mask"], _HINT)  # decoding a nominal sample leaves it out
        if clean:
            reader.clean(sample)
    except DataError as error:
        failures = [_failure(kind, path) for kind, path in files.items() if kind in _READ]
        return tuple(dict.fromkeys([*filter(None, failures), str(error)]))
    return ()


def _failure(kind: str, path: Path) -> str | None:
    try:
        _READ[kind](path, _HINT)
    except DataError as error:
        return str(error)
    return None


def _count(info: DatasetInfo, categories: tuple[str, ...], scans: _Scans) -> tuple[CountRow, ...]:
    rows = [
        CountRow(category, split, scan.images, info.count(category, split)) for (category, split), scan in scans.items()
    ]
    return (*rows, *(_total(info, rows, split, complete=len(categories) == len(info.categories)) for split in SPLITS))


def _count_defects(info: DatasetInfo, category: str, scans: _Scans) -> Iterator[CountRow]:
    published = info.defects.get(category)
    counted = Counter(ref.defect for ref in scans[category, "test"].samples)
    if published is not None and not published.keys().isdisjoint(counted):
        for defect in dict.fromkeys((*published, *sorted(counted))):
            yield CountRow(category, "test", counted[defect], published.get(defect, 0), defect)


def _total(info: DatasetInfo, rows: list[CountRow], split: Split, *, complete: bool) -> CountRow:
    counted = sum(row.found for row in rows if row.split == split)
    return CountRow(ALL_CATEGORIES, split, counted, info.total(split) if complete else None)
