"""The contract between the harness and a method: all that the author of a method must read.

A method is a class with a constructor whose keyword arguments are its parameters, a :class:`Meta`, and four
functions (:class:`Method`). Announce it under the entry-point group ``harness.methods`` and it takes part in every
verb of the command line. Seeds, device, synchronisation, warm-up, timing, memory, ground truth, scoring and resuming
are the work of the harness; a method does none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.implementations import Implementation, NamesImplementations
from harness.sample import MODALITIES, OPTIONAL_FIELDS, Sample, random_id

__all__ = [
    "MODALITIES",
    "OPTIONAL_FIELDS",
    "Cache",
    "Checkpointed",
    "ChoosesModalities",
    "ChoosesWeights",
    "Explained",
    "Exportable",
    "Implementation",
    "Meta",
    "Method",
    "MethodError",
    "NamesImplementations",
    "Network",
    "ParameterValue",
    "Portable",
    "Prediction",
    "Progress",
    "Sample",
    "UnsupportedError",
    "UsesCache",
    "UsesValidation",
    "UsesWeights",
    "WeightFile",
    "random_id",
]

ParameterValue = bool | int | float | str


class MethodError(Exception):
    """The method cannot process this input; the message says why in one sentence.

    For example: no valid point, a NaN loss, a corrupt file.
    """


class UnsupportedError(MethodError):
    """The method cannot run this cell at all; the message says why in one sentence.

    For example: not on this device, not on this dataset, or a package is missing.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The output of a method for a sample; higher is more anomalous everywhere.

    Parameters
    ----------
    anomaly_map : (h, w) float32
        Map in the evaluation geometry: the image zero-padded to a square. Any size; the harness resizes bilinearly.
    score
        Anomaly score of the whole image.
    pixel_map : (h, w) float32, optional
        The map for P-AUROC, where the reference of a method scales it differently for each image.
    extras
        Further named maps, (h, w) float32 each, for figures.
    """

    anomaly_map: NDArray[np.float32]
    score: float
    pixel_map: NDArray[np.float32] | None = None
    extras: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of pretrained weights.

    Parameters
    ----------
    name
        File name under the weights folder.
    url
        Address that ``harness weights fetch`` downloads it from.
    licence
        SPDX identifier, or a short name.
    size
        Bytes, where published.
    sha256
        Hexadecimal digest, where published; its first eight digits at least.
    alternatives
        Names of other files that hold the same weights in another format, without a published digest of their own.
    shipped
        Path of the file in an installed package, ``package/folder/file``, where one ships it: it need not be in the
        weights folder, and is not downloaded.
    extra
        Extra that installs this package.
    """

    name: str
    url: str
    licence: str
    size: int | None = None
    sha256: str | None = None
    alternatives: tuple[str, ...] = ()
    shipped: str = ""
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Meta:
    """What the harness must know about a method before it imports anything heavy.

    Parameters
    ----------
    name
        Name on the command line.
    title
        Name in tables, as the paper prints it.
    family
        Methods of one family share code.
    paper
        Citation: authors, venue, year.
    modalities
        Those of :data:`MODALITIES` that it uses, ``xyz`` only where it needs metres or x and y; by default parameters,
        where they decide it (:class:`ChoosesModalities`). On a dataset that does not offer them its cells are
        unsupported. Of the others it gets no content (:meth:`Sample.only`), so a method that blackens an image where
        cleaning removed points uses ``depth``, too.
    weights
        Pretrained files the method needs, or may need, where its parameters decide it (:class:`ChoosesWeights`); empty
        for a method that needs none.
    extras
        Extras of the package that must be installed, for example ``("btf",)``.
    presets
        Parameters that a preset sets, by preset name; parameters that a user names take precedence.
    uses_torch
        Whether the method uses torch. Where it does not, its cells start seconds earlier on a CPU.
    uses_gpu
        Whether the method computes on the device that it is given. Where it does not, a cluster allocates no GPU for
        its cells.
    cores
        Cores that a cell can keep busy; a cluster allocates this many.
    cache_order
        Among methods of a family, those with a higher number run first on a category: what they add to the cache
        (:class:`UsesCache`) serves those with a lower number.
    needs
        Those of :data:`OPTIONAL_FIELDS` that every sample must have; the others are None. On a dataset that does not
        offer them the method's cells are unsupported. Every dataset offers ``measured``.
    tolerates_missing
        Modalities that may be missing at test time, ``rgb`` or ``xyz`` or both: predictions stay meaningful where a
        test sample has a black image, or no points. Where it uses what is missing and does not name it here, its cells
        are unsupported under the conditions ``missing:rgb`` and ``missing:xyz``.
    note
        What a reader of its numbers must know, part of a sentence: a footnote of its rows in tables.
    """

    name: str
    title: str
    family: str
    paper: str = ""
    modalities: tuple[str, ...] = ("rgb", "xyz")
    weights: tuple[WeightFile, ...] = ()
    extras: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, ParameterValue]] = field(default_factory=dict)
    uses_torch: bool = True
    uses_gpu: bool = True
    cores: int = 4
    cache_order: int = 0
    needs: tuple[str, ...] = ()
    tolerates_missing: tuple[str, ...] = ()
    note: str = ""


@runtime_checkable
class Progress(Protocol):
    """Callback by which a method reports its progress; cheap enough to be called at every step."""

    def __call__(self, stage: str, done: int, total: int, **values: float) -> None:
        """Report that ``done`` of ``total`` steps of ``stage`` are finished, and numbers of the last one: its loss."""


@runtime_checkable
class Method(Protocol):
    """An anomaly detector. Its constructor takes its parameters by keyword, checks them and does nothing else."""

    meta: ClassVar[Meta]

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Learn from nominal samples.

        Parameters
        ----------
        samples
            Nominal training samples, blind, read from disk each time they are indexed: keep what is needed again. A
            sample keeps its id while fit runs, and has another in the next run.
        seed
            Seed for every random choice; two fits with the same seed on a machine give identical predictions.
        device
            A torch device name, ``cpu`` or ``cuda:0``.
        progress
            Callback for progress bars.
        """

    def prepare(self, sample: Sample) -> Any:
        """Pad, resize and normalise a sample, and return the inputs of :meth:`infer`, on the device."""

    def infer(self, inputs: Any) -> Prediction:
        """Return the prediction, in host memory, for inputs on the device."""

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes in use after fit under the keys ``weights``, ``bank`` and ``other``."""


@runtime_checkable
class UsesWeights(Protocol):
    """A method with pretrained weights. Without a call of ``load_weights`` it uses seeded random weights."""

    def load_weights(self, files: Mapping[str, Path]) -> None:
        """Keep the paths of the files in ``meta.weights``, by their names; called before :meth:`Method.fit`."""


@runtime_checkable
class ChoosesWeights(Protocol):
    """A method whose parameters decide which pretrained files it needs; asked before any cell runs."""

    def weight_files(self) -> tuple[WeightFile, ...]:
        """Return those of ``meta.weights`` that it needs with its parameters."""


class Cache(Protocol):
    """Arrays that depend on a sample and on nothing that was learned, shared by the cells of a family."""

    def fetch(
        self,
        sample: Sample,
        names: Collection[str],
        make: Callable[[], Mapping[str, NDArray[Any]]],
        **settings: ParameterValue,
    ) -> Mapping[str, NDArray[Any]]:
        """Return the arrays ``names`` of a sample: read from the cache, else made and added to it.

        Parameters
        ----------
        sample
            Whose arrays; its content is part of the key.
        names
            Names of the arrays that are needed.
        make
            Returns these arrays, and others that cost little more and that another method of the family may need. It
            must always return the same arrays, bit for bit.
        settings
            Everything else that the arrays depend on, with a version to raise whenever the code makes other numbers.
            Weight files, versions of packages, device and threads are part of the key already.
        """


@runtime_checkable
class UsesCache(Protocol):
    """A method that caches what it extracts from training samples. It must work without a cache, too."""

    def use_cache(self, cache: Cache) -> None:
        """Use the cache in the next :meth:`Method.fit`, and nowhere else.

        Latency and memory of ``prepare`` and ``infer`` are measured, so these never read the cache, which raises then.
        """


@runtime_checkable
class Checkpointed(Protocol):
    """A method whose authors released trained weights that replace :meth:`Method.fit`."""

    def find_checkpoint(self, folder: Path, category: str) -> tuple[Path, ...]:
        """Return the files of a category; raise :class:`MethodError` where one is missing."""

    def load_checkpoint(self, folder: Path, category: str, *, seed: int, device: str) -> None:
        """Load trained weights; called instead of :meth:`Method.fit`."""


@runtime_checkable
class ChoosesModalities(Protocol):
    """A method whose parameters decide which modalities it uses, and gets; asked before any cell runs."""

    def modalities(self) -> tuple[str, ...]:
        """Return those of :data:`MODALITIES` that it uses with its parameters."""


@runtime_checkable
class UsesValidation(Protocol):
    """A method that also needs nominal samples it is not trained on.

    They are those of the validation split that the authors of the dataset drew, all of them however few the training
    samples are. Where a dataset has none, the method's cells are unsupported.
    """

    def wants_validation(self) -> bool:
        """Return whether it uses them with its parameters; asked before any cell runs."""

    def use_validation(self, samples: Sequence[Sample]) -> None:
        """Keep the validation samples for the next :meth:`Method.fit`; called before it where they are wanted.

        Parameters
        ----------
        samples
            Blind, cleaned, with the fields of ``Meta.needs`` and read at each access, as training samples are; as
            those, not to be read after fit. Time and memory that they take are those of fit.
        """


@runtime_checkable
class Explained(Protocol):
    """A fitted method that can show how its predictions come about.

    Called only where maps are saved (``harness run --save-maps``), after all measurements: it may be slow.
    """

    def explain(self, inputs: Any) -> Mapping[str, NDArray[np.float32]]:
        """Return further maps for figures by name, from the inputs of :meth:`Method.infer`.

        Each is (h, w) float32 in the geometry of ``anomaly_map``, of any size. A map with the name of a map in
        ``Prediction.extras`` replaces it.
        """


@runtime_checkable
class Portable(Protocol):
    """A fitted method that can be written to a safetensors file and read back."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return what fit learned, as named arrays, without pretrained weights."""

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Restore :meth:`state` in a new object with the same parameters, seed and weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A fitted network that maps rows of features, as another program can run it.

    Parameters
    ----------
    onnx
        An ONNX model with one input (n, inputs) and one output (n, outputs), float32, for any n.
    inputs
        Channels of a row.
    apply
        What the method itself makes of rows (n, inputs), float32 in host memory.
    """

    onnx: bytes
    inputs: int
    apply: Callable[[NDArray[np.float32]], NDArray[np.float32]]


@runtime_checkable
class Exportable(Protocol):
    """A fitted method with networks that are the same function in ONNX; asked only by ``harness export``."""

    def networks(self) -> Mapping[str, Network]:
        """Return its networks by name; raise :class:`UnsupportedError` where its parameters make them another function.

        The package ``onnx`` is installed when it is called.
        """
