"""Base of the dataset readers: one scan of a split's files, for reading and for verification."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.contract import MODALITIES, Sample
from harness.data.doubts import Doubts
from harness.dataset_contract import GOOD, DatasetInfo, SampleRef, Split
from harness.errors import DataError, UsageError
from harness.files.digest import digest
from harness.files.hashes import FileHashes
from harness.files.names import bad_name_reason
from harness.registry import nearest_names

__all__ = ["SPLITS", "FolderDataset", "SampleFiles", "Scan", "files_digest", "subfolders"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_CLOUDS = ("xyz", "cloud", "depth")
"""Kinds of files that coordinates come from."""

SampleFiles = Mapping[str, Path]
"""The files of a sample by kind: ``rgb``, ``xyz`` or ``depth``, ``mask`` where there is one, ``range``, ``pose``."""


@dataclass(slots=True)
class Scan:
    """The files of one category and split, by name; only metadata is read.

    Parameters
    ----------
    samples
        Files of every sample that can be read.
    problems
        A sentence for each sample that can't be: a file is missing, or two samples have the same id.
    warnings
        A sentence for each incomplete sample that does not keep the others from being read.
    notes
        A clause for what is left out or may be read in another way than it is meant.
    images
        Number of colour images, those without a partner included.
    """

    samples: dict[SampleRef, SampleFiles] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: int = 0
    _by_id: dict[str, SampleFiles] = field(default_factory=dict)

    def add(self, ref: SampleRef, files: SampleFiles) -> None:
        """Add a sample; a second one of the same id is a problem, and so is a name that no record can hold."""
        other = self._by_id.setdefault(ref.id, files)
        if other is not files:
            self.problem(f"{files['rgb']} and {other['rgb']} are both sample {ref.id}: rename one of them.")
        elif _printable(f"{ref.id} {ref.defect}") != f"{ref.id} {ref.defect}":
            self.problem(f"{files['rgb']} has a name that is not UTF-8: rename its file or folder.")
        elif reason := _bad_name(ref):
            self.problem(f"{files['rgb']} is a sample with a name that can't be used ({reason}): rename it.")
        else:
            self.samples[ref] = files

    def join(self, other: Scan) -> None:
        """Add the samples of another scan, and all that is said of them."""
        for ref, files in other.samples.items():
            self.add(ref, files)
        self.problems += other.problems
        self.warnings += other.warnings
        self.notes += other.notes
        self.images += other.images

    def problem(self, sentence: str) -> None:
        """Add a problem, once."""
        if (text := _printable(sentence)) not in self.problems:
            self.problems.append(text)

    def warn(self, sentence: str) -> None:
        """Add a warning."""
        self.warnings.append(_printable(sentence))

    def note(self, clause: str) -> None:
        """Add a note."""
        self.notes.append(_printable(clause))

    def note_missing_masks(self) -> None:
        """Note how many anomalous samples have no mask, where some have none."""
        anomalous = [files for ref, files in self.samples.items() if ref.defect != GOOD]
        missing = sum("mask" not in files for files in anomalous)
        if missing:
            self.note(f"{missing} of {len(anomalous)} anomalous samples have no mask")

    def refs(self) -> tuple[SampleRef, ...]:
        """Return the samples, sorted by id.

        Raises
        ------
        DataError
            With the first problem and the number of further ones.
        """
        if self.problems:
            first, more = self.problems[0], len(self.problems) - 1
            raise DataError(f"{first.removesuffix('.')} (and {more} more like it)." if more else first)
        return tuple(sorted(self.samples))

    def paths(self) -> tuple[Path, ...]:
        """Return the files of all samples; raise DataError as :meth:`refs` does."""
        return tuple(path for ref in self.refs() for path in self.samples[ref].values())


class FolderDataset(ABC):
    """A dataset whose root has a folder for each category. Every split is scanned once, on its first use.

    Parameters
    ----------
    root
        Folder of the categories.
    info
        Facts of the dataset: its categories are the only folders looked at. Those of the class where None.
    hint
        What the user can do about a bad file: the end of the error's sentence. By default, to replace it, for the
        folder may be of any origin.

    Attributes
    ----------
    doubts
        About the samples that were read so far.
    """

    info: DatasetInfo

    def __init__(self, root: Path, info: DatasetInfo | None = None, hint: str | None = None) -> None:
        if info is not None:
            self.info = info
        self.root = root
        self.hint = hint or f"replace it, and check all files with 'harness data verify {root}'"
        self.doubts = Doubts()
        self._scans: dict[tuple[str, Split], Scan] = {}
        self._hashes: FileHashes | None = None

    @staticmethod
    @abstractmethod
    def has_layout(folder: Path) -> bool:
        """Tell whether a category's folder has the dataset's layout."""

    @abstractmethod
    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background of a decoded sample."""

    @abstractmethod
    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""

    @abstractmethod
    def _scan(self, category: str, split: Split) -> Scan:
        """Look at the files of a split."""

    @abstractmethod
    def _decode(self, ref: SampleRef, files: SampleFiles) -> Sample:
        """Read the files of a sample as they are."""

    @classmethod
    def find(cls, data: Path) -> Path | None:
        """Return the folder of the official categories: ``data`` itself, or one in it of the dataset's known names."""
        places = (data, *(data / name for name in cls.info.folder_names))
        return next((root for root in places if cls.categories_in(root, cls.info)), None)

    @classmethod
    def categories_in(cls, root: Path, info: DatasetInfo) -> tuple[str, ...]:
        """Return the categories of ``info`` that lie below ``root`` in this layout, in the published order."""
        return tuple(name for name in info.categories if cls.has_layout(root / name))

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories found on disk, in the published order."""
        return self.categories_in(self.root, self.info)

    @property
    def unofficial(self) -> tuple[str, ...]:
        """Names of folders on disk that have the layout of a category and are none of the dataset's, ascending."""
        names = (path.name for path in subfolders(self.root))
        return tuple(name for name in names if name not in self.info.categories and self.has_layout(self.root / name))

    def scan(self, category: str, split: Split) -> Scan:
        """Return the files of a category and split; raise UsageError where the category is not on disk."""
        key = (category, split)
        if key not in self._scans:
            self._require(category)
            self._scans[key] = self._scan(category, split)
        return self._scans[key]

    def refs(self, category: str, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a category and split, sorted by id; none where the split's folder is missing.

        Raises
        ------
        DataError
            Where a file lacks its partner, two samples have the same id, or metadata can't be read.
        UsageError
            Where the category is not on disk.
        """
        return self.scan(category, split).refs()

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample's files as they are, with the background.

        Raises
        ------
        DataError
            With the file's name: missing, truncated, of another size or type, NaN or infinite, without a valid point,
            or an empty mask although its sample is anomalous.
        """
        return self._decode(ref, self._files(ref))

    def cloud_of(self, ref: SampleRef) -> tuple[str, str]:
        """Return the file of a sample's cloud, and what the user can do where its unit is wrong."""
        files = self._files(ref)
        return next((str(files[kind]) for kind in _CLOUDS if kind in files), f"{ref.category}/{ref.id}"), self.hint

    def load(self, ref: SampleRef) -> Sample:
        """Decode and clean."""
        return self.clean(self.decode(ref))

    def modalities(self, category: str) -> tuple[str, ...]:
        """Return what the samples of a category offer: all of :data:`harness.contract.MODALITIES`."""
        return MODALITIES

    def content_digest(self, refs: Sequence[SampleRef]) -> str:
        """Return a digest of the content of some samples' files and their names below the root.

        A file that has its size and times of the last reading is not read again.

        Raises
        ------
        DataError
            Where a file can't be read.
        """
        return self._content(
            [path for ref in refs for path in self.scan(ref.category, ref.split).samples[ref].values()]
        )

    def _content(self, paths: Iterable[Path]) -> str:
        """Return a digest of the content of some files and their names below the root."""
        if self._hashes is None:
            self._hashes = FileHashes(self.root)
        try:
            hashes = self._hashes.of(paths)
        except OSError as error:
            raise DataError(f"{error.filename} can't be read ({error.strerror}): {self.hint}.") from error
        return digest(sorted([path.relative_to(self.root).as_posix(), sha256] for path, sha256 in hashes.items()))

    def notes(self, category: str) -> tuple[str, ...]:
        """Return what is doubtful about the samples of a category that were listed or read so far, a clause each."""
        scans = [scan for (name, _), scan in self._scans.items() if name == category]
        return (*(note for scan in scans for note in scan.notes), *self.doubts.sentences(category))

    def _files(self, ref: SampleRef) -> SampleFiles:
        """Return the files of a sample; raise DataError where there is no such sample."""
        files = self.scan(ref.category, ref.split).samples.get(ref)
        if files is None:
            raise DataError(f"{self.root / ref.category} has no sample {ref.id}: {self.hint}.")
        return files

    def _require(self, category: str) -> None:
        """Raise UsageError with the nearest name where a category is not on disk."""
        if category not in self.categories:
            nearest = nearest_names(category, self.categories)
            raise UsageError(f"There is no category '{category}' in {self.root}: {nearest}")


def _bad_name(ref: SampleRef) -> str:
    """Return why the names of a sample can't stand in files and tables; empty where they can."""
    reasons = map(bad_name_reason, (ref.category, ref.defect, *ref.id.split("/")))
    return next(filter(None, reasons), "")


def _printable(text: str) -> str:
    """Return a text with the bytes of a path that are not UTF-8 written as ``\\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def subfolders(folder: Path) -> tuple[Path, ...]:
    """Return the folders below a folder by name, hidden ones left out; none where there is no such folder."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def files_digest(folder: Path, files: Iterable[Path], cleaning: Mapping[str, object], hint: str) -> str:
    """Return a digest of files' names below ``folder``, their sizes, and cleaning settings; reads no content.

    Raises
    ------
    DataError
        Where a name leads to no file, as a broken link does.
    """
    sizes = sorted([path.relative_to(folder).as_posix(), _size(path, hint)] for path in files)
    return digest({"files": sizes, "cleaning": cleaning})


def _size(path: Path, hint: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): {hint}.") from error
