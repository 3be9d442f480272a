"""The contract between the harness and a dataset: all that the author of a reader must read.

A reader is a class with a :class:`DatasetInfo` under the name ``info``, a class method that finds its folder, a
constructor that takes the folder, and the functions of :class:`Dataset`. Announce it under the entry-point group
``harness.datasets`` and it takes part in every verb of the command line::

    [project.entry-points."harness.datasets"]
    brackets = "my_package:Brackets"

Where every category has a folder of files, derive from :class:`harness.data.folder.FolderDataset`, which leaves three
functions to write; where the layout is that of MVTec 3D-AD, from :class:`harness.data.mvtec3d.MVTec3D`, which leaves
none. ``harness verify --dataset NAME`` checks a reader. Splits, ground truth, scoring and timing are the work of the
harness; a reader lists samples and reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from harness.contract import Sample

__all__ = [
    "GOOD",
    "Archive",
    "ByInstance",
    "Dataset",
    "DatasetInfo",
    "DatasetReader",
    "EmbeddedReader",
    "NamesClouds",
    "OffersFields",
    "SampleRef",
    "Split",
]

Split = Literal["train", "validation", "test"]

GOOD = "good"
"""Name of the defect of nominal samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """A published file that holds categories of a dataset, for ``harness data fetch``.

    Parameters
    ----------
    name
        File name to keep it under.
    url
        Where it is published, by http or https.
    unpacked
        The categories that it holds, and about how many bytes of a disk each becomes.
    md5
        Hexadecimal digest, None where none is published.
    md5_source
        Who published the digest.
    size
        Bytes, None where not published: the server is asked.
    """

    name: str
    url: str
    unpacked: Mapping[str, int]
    md5: str | None = None
    md5_source: str = ""
    size: int | None = None

    @property
    def check(self) -> str:
        """How the file can be verified, in words."""
        return "no checksum is published" if self.md5 is None else f"MD5 {self.md5}, {self.md5_source}"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """Facts about a dataset that are known without its files.

    Parameters
    ----------
    name, title
        Name on the command line and in records, and in tables.
    categories
        All official categories, in the order of the published tables; empty where a folder says what they are.
    counts
        Published number of samples of each category by split; empty where none is published.
    defects
        Published number of test samples of each category by defect, ``good`` among them; without categories of which
        it is unknown.
    licence, homepage
        As stated by the authors.
    archives
        What ``harness data fetch`` downloads; empty where nothing can be downloaded without the authors' consent.
    folder_names
        Names under which the dataset's folder is looked for below a ``--data`` folder.
    default_preset
        Preset of its cells where none is chosen.
    embedded
        True where the harness makes the files itself (:class:`EmbeddedReader`): no folder is asked for, random weights
        stand in for pretrained ones that are missing, and ``--suite`` is rehearsed on it.
    published_ids
        Pattern of the ids of published training samples, for lists that are drawn without the files; ``{index}`` is
        the number of a sample in its category, from 0. Empty where lists are drawn from the files that are there.
    fields
        Optional fields of a sample that its files hold (:class:`OffersFields`); ``measured`` goes without saying.
    position
        Place among the datasets in lists and reports: lower ones come first.
    """

    name: str
    title: str
    categories: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[Split, int]] = field(default_factory=dict)
    defects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    licence: str = ""
    homepage: str = ""
    archives: tuple[Archive, ...] = ()
    folder_names: tuple[str, ...] = ()
    default_preset: str = "paper"
    embedded: bool = False
    published_ids: str = ""
    fields: tuple[str, ...] = ()
    position: int = 1000

    def count(self, category: str, split: Split) -> int | None:
        """Return the published number of samples of a category and split, None where none is published."""
        return self.counts[category][split] if category in self.counts else None

    def total(self, split: Split) -> int | None:
        """Return the published number of samples of a split over all categories, None where none is published."""
        return sum(counts[split] for counts in self.counts.values()) if self.counts else None


@dataclass(frozen=True, slots=True, order=True)
class SampleRef:
    """The name of a sample, without its content.

    Parameters
    ----------
    category
        For example ``bagel``.
    id
        Unique inside the category and the same on every machine, for example ``train/good/007``; sorts in file order.
    split
        ``train``, ``validation`` or ``test``.
    defect
        ``good`` for nominal samples.
    """

    category: str
    id: str
    split: Split
    defect: str


class Dataset(Protocol):
    """A dataset on disk. Opening one reads no file's content.

    Attributes
    ----------
    info
        Facts of the dataset; of an opened one, those of its folder.
    root
        Folder of the categories.

    Notes
    -----
    A reader may have four attributes by which ``harness predict`` treats a new cloud as those that a method was fitted
    on: ``background`` is the rule of :meth:`clean` (:class:`harness.data.background.Background`), ``cloud`` what files
    hold that are no TIFF of metres (:class:`harness.data.own.description.CloudDescription`), ``max_side`` the pixels
    of the longer side above which :meth:`decode` makes samples smaller, and ``files`` how images and clouds are named
    (:class:`harness.data.own.description.Files`). Without ``background`` it refuses to clean a new cloud.
    """

    info: DatasetInfo
    root: Path

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories found on disk, in the published order."""

    @property
    def unofficial(self) -> tuple[str, ...]:
        """Names of folders on disk that have the layout of a category and are none of the dataset's, ascending."""

    def refs(self, category: str, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a category and split, sorted by id; raise DataError where a file has no partner.

        Those of ``train`` and ``validation`` are nominal; a dataset without a validation split has none of it.
        """

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample's files as they are; raise DataError with the file's name where one can't be used.

        The mask of an anomalous sample without one is None: metrics of pixels are then not measured.
        """

    def clean(self, sample: Sample, *, remember: bool = True) -> Sample:
        """Remove the background of a decoded sample: the protocol's cleaning.

        Parameters
        ----------
        sample
            As :meth:`decode` returns it.
        remember
            Use the cached result where there is one; False computes it again, to time it.
        """

    def load(self, ref: SampleRef) -> Sample:
        """Decode and clean."""

    def modalities(self, category: str) -> tuple[str, ...]:
        """Return what the samples of a category offer of :data:`harness.contract.MODALITIES`; may read one of them.

        A method that uses another one is unsupported there.
        """

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""

    def content_digest(self, refs: Sequence[SampleRef]) -> str:
        """Return a digest of the content of some samples' files; one that is unchanged since is not read again."""

    def notes(self, category: str) -> tuple[str, ...]:
        """Return what is doubtful about the samples of a category that were listed or read so far, a clause each."""


@runtime_checkable
class ByInstance(Protocol):
    """A dataset with several samples of one instance of a part: few-shot lists take another instance each time."""

    def instance(self, ref: SampleRef) -> str:
        """Return the name of the instance that a training sample shows, unique inside its category."""


class NamesClouds(Dataset, Protocol):
    """A dataset with a file for each cloud: errors of a wrong unit name it."""

    def cloud_of(self, ref: SampleRef) -> tuple[str, str]:
        """Return the file of a sample's cloud, and what the user can do where its unit is wrong."""


class OffersFields(Dataset, Protocol):
    """A dataset whose ``info.fields`` names optional fields of a sample: they are read for methods that need them."""

    def lacking(self, category: str, names: Sequence[str]) -> str:
        """Return why the samples of a category have not all of these fields, a sentence; empty where they have.

        Names of files alone are looked at.
        """

    def read_fields(self, ref: SampleRef, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """Read these fields of a sample, on the pixels of its image; raise DataError as :meth:`decode` does."""

    def fields_digest(self, refs: Sequence[SampleRef], names: Sequence[str]) -> str:
        """Return a digest of the content of the files that hold these fields of some samples."""


class DatasetReader(Protocol):
    """The class of a reader: what is asked before a dataset is opened."""

    info: DatasetInfo

    def __call__(self, root: Path) -> Dataset:
        """Open the dataset in a folder that :meth:`find` returned."""

    def find(self, data: Path) -> Path | None:
        """Return the folder to open where this dataset is in ``data`` or below it, else None; reads no content."""


class EmbeddedReader(DatasetReader, Protocol):
    """The class of a reader whose files the harness makes."""

    def folder(self) -> Path:
        """Return the folder of the files, whether they are made yet or not."""

    def make(self) -> Path:
        """Return the folder of the files, made first where it isn't there; raise PrerequisiteError where it can't."""
