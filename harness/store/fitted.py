"""Fitted methods on disk: a safetensors file whose header holds the cell, from which the method is built again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from harness import registry
from harness.cell import UNREADABLE, Cell
from harness.contract import Method, Portable, UsesWeights
from harness.data.background import PROTOCOL_BACKGROUND, Background
from harness.data.own.description import CloudDescription, Description, Files, Naming
from harness.data.own.reading import faults_in
from harness.data.registry import DATASETS, load_reader
from harness.data.weights import WeightStore
from harness.dataset_contract import Dataset
from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.store.nominal import NominalScores

__all__ = ["Origin", "load_fitted", "read_cell", "read_nominal", "read_origin", "restore_fitted", "save_fitted"]

_KEY = "harness"


@dataclass(frozen=True, slots=True)
class Origin:
    """How a dataset reads and cleans clouds; a new cloud is given to a method fitted on it in the same way.

    Parameters
    ----------
    background
        What is taken away of a cloud; None where the dataset doesn't say, or offers no points in metres.
    cloud
        What the files of own data hold; None for TIFF files of metres.
    max_side
        Pixels of the longer side above which samples are made smaller; 0 for never.
    files
        How the files of own data are named; None for other datasets, and where a list names them.
    """

    background: Background | None = PROTOCOL_BACKGROUND
    cloud: CloudDescription | None = None
    max_side: int = 0
    files: Files | None = None

    @classmethod
    def of(cls, dataset: Dataset, category: str) -> Origin:
        """Return how a dataset does it for a category."""
        background = getattr(dataset, "background", None) if "xyz" in dataset.modalities(category) else None
        cloud, files = getattr(dataset, "cloud", None), getattr(dataset, "files", None)
        return cls(background, cloud, getattr(dataset, "max_side", 0), files)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "background": self.background and self.background.to_json(),
            "cloud": msgspec.to_builtins(self.cloud),
            "side": self.max_side,
            "files": msgspec.to_builtins(self.files),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Origin:
        """Return what :meth:`to_json` wrote; raise TypeError, ValueError or KeyError for anything else."""
        cloud = msgspec.convert(value["cloud"], CloudDescription | None)
        side = msgspec.convert(value["side"], int)
        files = msgspec.convert(value.get("files"), Files | None)
        described = Description(cloud or CloudDescription(unit="m"), Naming(max_side=side), files or Files())
        if faults := faults_in(described):
            raise ValueError(" ".join(faults[0]))
        background = msgspec.convert(value["background"], dict[str, object] | None)
        return cls(None if background is None else Background.from_json(background), cloud, side, files)


def save_fitted(
    path: Path, method: Method, cell: Cell, origin: Origin | None = None, nominal: NominalScores | None = None
) -> None:
    """Write a fitted method atomically; raise UsageError where it has no portable state.

    Parameters
    ----------
    path, method, cell
        The file, what is fitted, and for which cell.
    origin
        How its dataset reads and cleans clouds; that of the protocol by default.
    nominal
        What it scores the samples that thresholds are set on; None where there are none.
    """
    if not isinstance(method, Portable):
        raise UsageError(f"Method '{cell.method}' can't be saved: it does not implement state() and restore().")
    header: dict[str, object] = {"cell": cell.to_json(), "origin": (origin or Origin()).to_json()}
    if nominal is not None:
        header["nominal"] = nominal.to_json()
    arrays = {name: np.ascontiguousarray(array) for name, array in method.state().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(arrays, metadata={_KEY: json.dumps(header)}))


def read_cell(path: Path) -> Cell:
    """Read the cell that a method was fitted for, without its tensors.

    Raises
    ------
    PrerequisiteError
        Where the file is missing or was not written by :func:`save_fitted`.
    """
    return _header(path)[0]


def read_origin(path: Path) -> Origin:
    """Read how the clouds that a method was fitted on were read and cleaned; raise PrerequisiteError as others do."""
    cell, header = _header(path)
    if "origin" not in header:  # of version 0.1
        known = cell.dataset in DATASETS
        return Origin(getattr(load_reader(cell.dataset), "background", None)) if known else Origin()
    try:
        return Origin.from_json(header["origin"])
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def read_nominal(path: Path) -> NominalScores | None:
    """Read what a fitted method scores the samples that thresholds are set on; raise PrerequisiteError as others do.

    Returns
    -------
    NominalScores or None
        None where there were no such samples, as for files of version 0.1.
    """
    _, header = _header(path)
    try:
        return NominalScores.from_json(header["nominal"]) if "nominal" in header else None
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def load_fitted(path: Path, *, weights_dir: Path | None, unverified: bool, device: str) -> Method:
    """Build the fitted method of a file, ready for prepare and infer.

    Raises
    ------
    PrerequisiteError
        Where the file is missing or unreadable, and where a pretrained file is missing or another than at fitting.
    """
    opened = _open(path)
    cell, _ = _header(path, opened)
    method = _build(path, cell)
    if cell.weights and isinstance(method, UsesWeights):
        files = WeightStore(weights_dir).resolve(
            registry.weights_of(cell.method, cell.parameters), unverified=unverified
        )
        other = [name for name, file in files.items() if cell.weights.get(name) != file.sha256]
        if other:
            raise PrerequisiteError(
                f"{path} was fitted with another file '{other[0]}' than that in the weights folder: "
                "name the folder of the file used at fitting with --weights-dir."
            )
        method.load_weights({name: file.path for name, file in files.items()})
    restore_fitted(path, method, cell, device=device)
    return method


def restore_fitted(path: Path, method: Method, cell: Cell, *, device: str) -> None:
    """Put the state in a file into a method that was built for its cell and has its weights.

    Raises
    ------
    PrerequisiteError
        Where the file is missing or unreadable.
    UsageError
        Where the method has no portable state.
    """
    opened = _open(path)
    if not isinstance(method, Portable):
        raise UsageError(f"Method '{cell.method}' can't be loaded from a file: it has no restore().")
    try:
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - safe_open is not a mapping
        method.restore(state, seed=cell.seed, device=device)
    except Exception as error:  # a damaged state may raise anything in the code of a method
        raise PrerequisiteError(f"{path} can't be restored ({type(error).__name__}: {error}): fit it again.") from error


def _build(path: Path, cell: Cell) -> Method:
    kind = registry.load(cell.method)
    try:
        return kind(**cell.parameters)
    except Exception as error:
        raise PrerequisiteError(
            f"{path} was written by another version of '{cell.method}' ({error}): fit it again with "
            "'harness run --methods NAME --save-fitted'."
        ) from error


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise PrerequisiteError(
            f"{path} is not a fitted method ({error}): write one with 'harness run --methods NAME --save-fitted'."
        ) from error


def _header(path: Path, opened: Any = None) -> tuple[Cell, dict[str, Any]]:
    """Return the cell of a file, opened or not, and its whole header."""
    metadata: dict[str, str] | None = (opened or _open(path)).metadata()
    if not metadata or _KEY not in metadata:
        raise PrerequisiteError(
            f"{path} is not a fitted method: write one with 'harness run --methods NAME --save-fitted'."
        )
    try:
        header: dict[str, Any] = json.loads(metadata[_KEY])
        cell = Cell.from_json(header["cell"])
        cell.id  # noqa: B018 - raises where the cell can't be identified
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return cell, header


def _unreadable(path: Path, error: Exception) -> PrerequisiteError:
    return PrerequisiteError(
        f"The header of {path} can't be read ({error}): fit it again with 'harness run --methods NAME --save-fitted'."
    )
