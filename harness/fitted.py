"""Fitted methods on disk: a safetensors file whose header says how to build the method again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from harness import registry
from harness.atomic import write_atomically
from harness.cell import Cell
from harness.contract import Method, MethodError, Portable, UsesWeights
from harness.errors import PrerequisiteError, UsageError
from harness.weights import WeightStore

__all__ = ["FittedHeader", "load_fitted", "read_header", "save_fitted"]

_KEY = "harness"


@dataclass(frozen=True, slots=True)
class FittedHeader:
    """What a file of a fitted method says of itself.

    Parameters
    ----------
    cell
        The cell that the method was fitted for.
    weights
        SHA-256 of each pretrained file; empty for random weights.
    """

    cell: Cell
    weights: dict[str, str]


def save_fitted(path: Path, method: Method, cell: Cell, weights: dict[str, str]) -> None:
    """Write a fitted method atomically; raise UsageError where it has no portable state."""
    if not isinstance(method, Portable):
        raise UsageError(f"Method '{cell.method}' can't be saved: it does not implement state() and restore().")
    header = json.dumps({"cell": cell.to_json(), "weights": weights})
    arrays = {name: np.ascontiguousarray(array) for name, array in method.state().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(arrays, metadata={_KEY: header}))


def read_header(path: Path) -> FittedHeader:
    """Read what a fitted method is, without its tensors.

    Raises
    ------
    PrerequisiteError
        Where the file is missing or was not written by :func:`save_fitted`.
    """
    return _header(path, _open(path).metadata())


def load_fitted(path: Path, *, weights_dir: Path | None, unverified: bool, device: str) -> tuple[Method, FittedHeader]:
    """Build the method of a file again, ready for prepare and infer.

    Raises
    ------
    PrerequisiteError
        Where the file, or a pretrained file it was fitted with, is missing or another one.
    """
    opened = _open(path)
    header = _header(path, opened.metadata())
    method = _build(path, header)
    if header.weights and isinstance(method, UsesWeights):
        found = WeightStore(weights_dir).resolve(method.meta.weights, unverified=unverified)
        other = [name for name, one in found.items() if header.weights.get(name) != one.sha256]
        if other:
            raise PrerequisiteError(
                f"{path} was fitted with another file '{other[0]}' than the one in the weights folder: "
                "name the folder of the one used at fitting with --weights-dir."
            )
        method.load_weights({name: one.path for name, one in found.items()})
    if not isinstance(method, Portable):
        raise UsageError(f"Method '{header.cell.method}' can't be loaded from a file: it has no restore().")
    state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - safe_open is no mapping
    try:
        method.restore(state, seed=header.cell.seed, device=device)
    except (MethodError, RuntimeError, KeyError, ValueError) as error:
        raise PrerequisiteError(f"{path} can't be restored: {error}") from error
    return method, header


def _build(path: Path, header: FittedHeader) -> Method:
    try:
        return registry.load(header.cell.method)(**header.cell.parameters)
    except (TypeError, ValueError) as error:
        raise PrerequisiteError(
            f"{path} was written by another version of '{header.cell.method}' ({error}): fit it again with "
            "'harness run ... --save-fitted'."
        ) from error


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise PrerequisiteError(
            f"{path} is no fitted method ({error}): write one with 'harness run ... --save-fitted'."
        ) from error


def _header(path: Path, metadata: dict[str, str] | None) -> FittedHeader:
    if not metadata or _KEY not in metadata:
        raise PrerequisiteError(f"{path} is no fitted method: write one with 'harness run ... --save-fitted'.")
    try:
        value = json.loads(metadata[_KEY])
        return FittedHeader(Cell.from_json(value["cell"]), value["weights"])
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise PrerequisiteError(
            f"The header of {path} can't be read ({error}): fit it again with 'harness run ... --save-fitted'."
        ) from error
