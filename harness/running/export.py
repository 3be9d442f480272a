"""Networks of a fitted method as ONNX files, each compared with what the method itself computes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contract import Exportable, MethodError, Network
from harness.distribution import DISTRIBUTION
from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.running.predict import FittedMethod

__all__ = ["Exported", "export_networks"]

_ROWS = 512
_LARGEST_DIFFERENCE = 1e-4
"""Relative to the largest output: a hundred times what another order of sums makes of float32."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A network in a file.

    Parameters
    ----------
    path
        The ONNX file.
    difference
        Largest absolute difference of an output from that of the method, on random rows.
    largest
        Largest absolute output of the method on them.
    """

    path: Path
    difference: float
    largest: float


def export_networks(method: FittedMethod, folder: Path) -> list[Exported]:
    """Write the networks of a fitted method to ``NAME.onnx``, and run them beside the method on the same rows.

    Raises
    ------
    UsageError
        Where the method has none, or none that is the same function in ONNX; nothing is written then.
    PrerequisiteError
        Where a package is missing, a file can't be written, or ONNX Runtime computes something else.
    """
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise PrerequisiteError(f"Export needs {missing[0]}: pip install '{DISTRIBUTION}[onnx]'.")
    if not isinstance(method.method, Exportable):
        raise UsageError(
            f"Method '{method.cell.method}' has no networks for export: choose cfm, cfm-m, cfm-s or cfm-t."
        )
    try:
        networks = method.method.networks()
    except MethodError as error:
        raise UsageError(str(error)) from error
    return [_export(network, folder / f"{name}.onnx") for name, network in networks.items()]


def _export(network: Network, path: Path) -> Exported:
    rows = np.random.default_rng(0).standard_normal((_ROWS, network.inputs)).astype(np.float32)
    expected, found = network.apply(rows), _run(network.onnx, rows)
    difference, largest = float(np.abs(found - expected).max()), float(np.abs(expected).max())
    if not difference <= _LARGEST_DIFFERENCE * largest:
        raise PrerequisiteError(
            f"{path.stem} differs by {difference:.2g} in ONNX Runtime, for outputs up to {largest:.2g}, and is not "
            "written: install another version with 'pip install --upgrade onnxruntime'."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, network.onnx)
    except OSError as error:
        raise PrerequisiteError(f"{path} can't be written ({error.strerror}): name another folder.") from error
    return Exported(path, difference, largest)


def _run(model: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (mapped,) = session.run(None, {session.get_inputs()[0].name: rows})
    return np.asarray(mapped, np.float32)
