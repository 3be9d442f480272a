"""Applying a fitted method to a single sample of the user."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.cell import Cell
from harness.contract import Method, MethodError, Prediction, Sample
from harness.data.background import Background
from harness.data.clouds.cloud import read_cloud, within_rows
from harness.data.images import GIVE_ANOTHER, read_rgb, read_xyz
from harness.data.smaller import sample_within
from harness.data.units import require_metres
from harness.errors import DataError, PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.measure import torch_state
from harness.metrics.scoring import check_prediction, resize_map
from harness.plan.modalities import used_modalities
from harness.running.devices import choose_device
from harness.store.fitted import Origin, load_fitted, read_cell, read_origin

__all__ = ["PredictedSample", "predict_files"]


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSample:
    """The prediction of a fitted method for a sample.

    Parameters
    ----------
    cell
        The cell that the method was fitted for.
    sample
        Cleaned; with its image and its cloud, whichever of them the method uses.
    anomaly_map : (S, S) float32
        In the evaluation geometry; higher is more anomalous.
    score
        Anomaly score of the image.
    """

    cell: Cell
    sample: Sample
    anomaly_map: NDArray[np.float32]
    score: float


def predict_files(
    method: str,
    fitted: Path,
    rgb: Path,
    xyz: Path,
    out: Path,
    *,
    clean: bool = True,
    camera: Path | None = None,
    weights_dir: Path | None = None,
    unverified: bool = False,
    device: str = "auto",
) -> PredictedSample:
    """Run a fitted method on an image and its point cloud, and write its map.

    Parameters
    ----------
    method
        Name, or ``FILE.py:CLASS`` for a method that is not installed; checked against the file.
    fitted
        File of :func:`harness.store.fitted.save_fitted`.
    rgb, xyz
        8-bit image, and the cloud of its pixels: a file as those of the own data that the method was fitted on, else a
        TIFF of (H, W, 3) floats in metres.
    out
        File of the map, an array for ``numpy.load``.
    clean
        Whether the background is removed as in the dataset that the method was fitted on.
    camera
        JSON file of the camera of a depth image, where each of the dataset's images has its own.
    weights_dir, unverified, device
        As for a run.

    Raises
    ------
    UsageError, PrerequisiteError, DataError
        Where the file holds another method, an input can't be used, or the map can't be written.
    """
    if out.suffix != ".npy":
        raise UsageError(f"The map's file must end in .npy, not '{out.suffix}': write '--out map.npy'.")
    cell, origin = read_cell(fitted), read_origin(fitted)
    sample = _read(rgb, xyz, origin, camera)
    name = registry.load_reference(method) if ":" in method else method
    if cell.method != name:
        raise UsageError(f"{fitted} holds '{cell.method}', not '{name}': name that method.")
    sample = _with_needed(sample, name)
    if clean:
        sample, _ = _required_background(origin, fitted, xyz).clean(sample)
    chosen = choose_device(device)
    torch_state.configure(chosen, cell.seed)
    model = load_fitted(fitted, weights_dir=weights_dir, unverified=unverified, device=chosen)
    used = sample.only(used_modalities(name, cell.parameters))
    prediction = _predict(model, used, f"{method} fails on this sample with {fitted}")
    values = resize_map(prediction.anomaly_map, cell.protocol.eval_size).astype(np.float32)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, _npy(values))
    except OSError as error:
        raise PrerequisiteError(f"{out} can't be written ({error.strerror}): name another file with --out.") from error
    return PredictedSample(cell, sample, values, prediction.score)


def _predict(model: Method, sample: Sample, failure: str) -> Prediction:
    """Return a checked prediction; raise DataError, which begins with ``failure`` where the method's code fails."""
    try:
        prediction = model.infer(model.prepare(sample))
        check_prediction(prediction, sample.id)
    except MethodError as error:
        raise DataError(f"{error}") from error
    except Exception as error:  # what a file of another fit makes of a method's code
        raise DataError(
            f"{failure} ({type(error).__name__}: {error}): "
            "fit it again with 'harness run --methods NAME --save-fitted'."
        ) from error
    return prediction


def _read(rgb: Path, xyz: Path, origin: Origin, camera: Path | None) -> Sample:
    colours = read_rgb(rgb)
    if origin.cloud is None:
        points = read_xyz(xyz)
    elif camera is None and origin.cloud.camera is not None and origin.cloud.camera.file:
        raise UsageError(
            f"Each image has a camera of its own where this method was fitted: name that of {xyz} with "
            "--camera FILE.json."
        )
    else:
        points = read_cloud(xyz, colours.shape[:2], origin.cloud, camera)
    if colours.shape[:2] != points.shape[:2]:
        raise DataError(
            f"{rgb} is {colours.shape[1]}x{colours.shape[0]} but {xyz} is {points.shape[1]}x{points.shape[0]}: "
            "both must have the same size, pixel by pixel."
        )
    nothing = np.zeros(points.shape[:2], bool)
    sample = Sample(id=rgb.stem, category="", defect="", rgb=colours, xyz=points, plane=nothing)
    require_metres(sample, xyz, GIVE_ANOTHER)
    used = sample if origin.cloud is None else within_rows(sample, origin.cloud)
    return sample_within(used, origin.max_side)


def _required_background(origin: Origin, fitted: Path, xyz: Path) -> Background:
    """Return the rule by which a new cloud can be cleaned as the others were; raise UsageError where there is none."""
    if origin.background is not None and origin.background.rule != "marked":
        return origin.background
    unknown = "whose dataset doesn't say how they are cleaned"
    why = unknown if origin.background is None else "whose objects are marked in images of their own"
    raise UsageError(
        f"{fitted} was fitted on clouds {why}: remove the background of {xyz} as it was done there, and add --no-clean."
    )


def _with_needed(sample: Sample, name: str) -> Sample:
    """Return the sample with the optional fields that a method needs, where its two files give them."""
    needs = registry.load(name).meta.needs
    if others := [field for field in needs if field != "measured"]:
        raise UsageError(
            f"Method '{name}' needs '{others[0]}', which an image and a cloud do not give: use another method."
        )
    return replace(sample, measured=sample.xyz) if needs else sample


def _npy(values: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()
