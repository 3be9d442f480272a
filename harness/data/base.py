"""The interface of dataset readers, and the cache folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal, Protocol

from harness.contract import Sample, random_id

__all__ = ["DATASETS", "Dataset", "DatasetInfo", "SampleRef", "SampleSequence", "Split", "dataset_title"]

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """Facts about a dataset that are known without its files.

    Parameters
    ----------
    name, title
        Name on the command line and in tables.
    categories
        All official categories, in the order of the published tables.
    counts
        Published number of samples of each category by split; empty where none is published.
    licence, homepage
        As stated by the authors.
    folder_names
        Names under which the dataset's folder is looked for below a ``--data`` folder.
    """

    name: str
    title: str
    categories: tuple[str, ...]
    counts: Mapping[str, Mapping[Split, int]]
    licence: str
    homepage: str
    folder_names: tuple[str, ...]

    def count(self, category: str, split: Split) -> int | None:
        """Return the published number of samples of a category and split, None where none is published."""
        return self.counts[category][split] if category in self.counts else None

    def total(self, split: Split) -> int | None:
        """Return the published number of samples of a split over all categories, None where none is published."""
        return sum(counts[split] for counts in self.counts.values()) if self.counts else None


def _counts(train: int, validation: int, test: int) -> Mapping[Split, int]:
    return {"train": train, "validation": validation, "test": test}


_TOY = dict.fromkeys(("bump", "ridge"), _counts(50, 4, 24))
_MVTEC_3D = {
    "bagel": _counts(244, 22, 110),
    "cable_gland": _counts(223, 23, 108),
    "carrot": _counts(286, 29, 159),
    "cookie": _counts(210, 22, 131),
    "dowel": _counts(288, 34, 130),
    "foam": _counts(236, 27, 100),
    "peach": _counts(361, 42, 132),
    "potato": _counts(300, 33, 114),
    "rope": _counts(298, 33, 101),
    "tire": _counts(210, 29, 112),
}
_EYECANDIES = dict.fromkeys(
    (
        *("CandyCane", "ChocolateCookie", "ChocolatePraline", "Confetto", "GummyBear", "HazelnutTruffle"),
        *("LicoriceSandwich", "Lollipop", "Marshmallow", "PeppermintCandy"),
    ),
    _counts(1000, 100, 50),
)

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="toy",
            title="Toy (embedded)",
            categories=tuple(_TOY),
            counts=_TOY,
            licence="Apache-2.0",
            homepage="",
            folder_names=("toy",),
        ),
        DatasetInfo(
            name="mvtec3d",
            title="MVTec 3D-AD",
            categories=tuple(_MVTEC_3D),
            counts=_MVTEC_3D,
            licence="CC BY-NC-SA 4.0",
            homepage="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
            folder_names=("mvtec3d", "mvtec_3d_anomaly_detection", "mvtec3d-ad", "mvtec_3d"),
        ),
        DatasetInfo(
            name="eyecandies",
            title="Eyecandies",
            categories=tuple(_EYECANDIES),
            counts=_EYECANDIES,
            licence="CC BY-NC-SA 4.0",
            homepage="https://eyecan-ai.github.io/eyecandies",
            folder_names=("eyecandies", "Eyecandies", "eyecandies_preprocessed"),
        ),
    )
}


def dataset_title(name: str) -> str:
    """Return the title of a dataset; the name itself where it is unknown here."""
    return DATASETS[name].title if name in DATASETS else name


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
    """A dataset on disk. Opening one reads no file's content."""

    info: DatasetInfo
    root: Path

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories found on disk, in the published order."""

    @property
    def unofficial(self) -> tuple[str, ...]:
        """Names of folders on disk that have the layout of a category and are none of the dataset's, ascending."""

    def refs(self, category: str, split: Split) -> tuple[SampleRef, ...]:
        """Return the samples of a category and split, sorted by id; raise DataError where a file has no partner."""

    def decode(self, ref: SampleRef) -> Sample:
        """Read one sample's files as they are; raise DataError with the file's name where one can't be used."""

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

    def digest(self, category: str) -> str:
        """Return a digest of the category's file names and sizes and of the cleaning's settings."""

    def content_digest(self, refs: Sequence[SampleRef]) -> str:
        """Return a digest of the content of some samples' files; one that is unchanged since is not read again."""

    def notes(self, category: str) -> tuple[str, ...]:
        """Return what is doubtful about the samples of a category that were listed or read so far, a clause each."""


class SampleSequence(Sequence[Sample]):
    """Blind samples of a dataset, loaded when they are indexed and not kept in memory.

    ``last_read`` names the sample that was loaded last, ``seconds`` is the time spent loading.
    """

    def __init__(self, dataset: Dataset, refs: Sequence[SampleRef]) -> None:
        self._dataset = dataset
        self._refs = tuple(refs)
        self._ids = tuple(random_id() for _ in self._refs)
        self.last_read = "none"
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            part = copy(self)
            part._refs, part._ids = self._refs[index], self._ids[index]
            return part
        ref = self._refs[index]
        self.last_read = f"{ref.category}/{ref.id}"
        started = perf_counter()
        sample = self._dataset.load(ref).blind(self._ids[index])
        self.seconds += perf_counter() - started
        return sample

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))
