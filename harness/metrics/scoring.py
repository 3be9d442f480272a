"""The score pass: every test sample through the method, every map into the evaluation geometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.contract import MethodError, Prediction, Sample
from harness.geometry import square_pad
from harness.metrics.inputs import require_exact
from harness.metrics.testset import RankedTestSet

__all__ = ["Scored", "check_prediction", "errors_name_sample", "ground_truth", "map_values", "resize_map"]

_NAMED = 3


def ground_truth(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Return a mask in the evaluation geometry, (size, size): zero-padded to a centred square, resized by Pillow.

    Pillow's ``NEAREST`` is what the references use; its rounding at exact ties is part of the protocol.
    """
    padded = Image.fromarray(square_pad(mask).astype(np.uint8))
    resized: NDArray[np.uint8] = np.asarray(padded.resize((size, size), Image.Resampling.NEAREST))
    truth: NDArray[np.bool_] = resized != 0
    return truth


def resize_map(anomaly_map: NDArray[Any], size: int) -> NDArray[np.floating[Any]]:
    """Resize a square map bilinearly (pixel centres aligned, no antialiasing) to (size, size).

    Maps of equal values give equal maps, whatever their dtype: the result is in single precision where this holds the
    map's values, else in double.

    Raises
    ------
    ValueError
        Where the map is not real, or double precision does not hold its values.
    """
    values = _as_float(anomaly_map)
    if values.shape == (size, size):
        return values
    rows = _axis_weights(values.shape[0], size)
    columns = _axis_weights(values.shape[1], size)
    return (rows @ values.astype(np.float64) @ columns.T).astype(values.dtype)


def map_values(anomaly_map: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Return a square map in the evaluation geometry, (size, size), as it is kept in files and marked."""
    return resize_map(anomaly_map, size).astype(np.float32)


def _as_float(values: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return the same values as float32 or, where it can't hold them, as float64; NaN stays NaN."""
    if values.dtype == np.float32:
        return values
    if values.dtype.kind not in "buif":
        raise ValueError(f"has dtype {values.dtype}, and only real numbers can be scored")
    require_exact(values, np.dtype(np.float64))
    double = values.astype(np.float64)
    with np.errstate(over="ignore"):
        single = double.astype(np.float32)
    return single if np.array_equal(single, double, equal_nan=True) else double


def _axis_weights(source: int, target: int) -> NDArray[np.float64]:
    centres = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.minimum(np.floor(centres).astype(int), source - 1)
    high = np.minimum(low + 1, source - 1)
    part = centres - low
    weights = np.zeros((target, source))
    np.add.at(weights, (np.arange(target), low), 1 - part)
    np.add.at(weights, (np.arange(target), high), part)
    return weights


def check_prediction(prediction: Prediction, sample_id: str) -> None:
    """Raise MethodError where a prediction can't be scored: wrong type, dimensions or dtype, NaN or infinity."""
    require_prediction(prediction, sample_id)
    maps: dict[str, object] = {"anomaly_map": prediction.anomaly_map}
    if prediction.pixel_map is not None:
        maps["pixel_map"] = prediction.pixel_map
    for name, values in maps.items():
        if not isinstance(values, np.ndarray):
            raise MethodError(f"The {name} of sample {sample_id} is a {type(values).__name__}, not an array.")
        if values.ndim != 2 or values.shape[0] != values.shape[1]:
            raise MethodError(f"The {name} of sample {sample_id} has shape {values.shape} and is not square.")
        try:
            _as_float(values)
        except ValueError as error:
            raise MethodError(f"The {name} of sample {sample_id} {error}.") from error
        if not np.isfinite(values).all():
            raise MethodError(f"The {name} of sample {sample_id} holds NaN or infinity.")
    try:
        finite = np.isfinite(float(prediction.score))
    except (TypeError, ValueError):
        finite = np.False_
    if not finite:
        raise MethodError(f"The score of sample {sample_id} is {prediction.score}.")


def require_prediction(prediction: object, sample_id: str) -> None:
    """Raise MethodError where a method returned something else than a prediction."""
    if not isinstance(prediction, Prediction):
        kind = type(prediction).__name__
        raise MethodError(f"infer() returned a {kind} for sample {sample_id} and not a Prediction.")


@contextmanager
def errors_name_sample(sample: Sample) -> Iterator[None]:
    """Begin the message of a MethodError raised inside the block with the sample's category and id."""
    try:
        yield
    except MethodError as error:
        raise type(error)(f"Sample {sample.category}/{sample.id}: {error}") from error


@dataclass(slots=True)
class Scored:
    """Predictions and ground truth of a test set, in the evaluation geometry.

    Parameters
    ----------
    size
        Side of the evaluation geometry, pixels.

    Attributes
    ----------
    vanished
        Ids of the samples whose mask has no pixel left in the evaluation geometry: all of them count as normal.
    """

    size: int
    maps: list[NDArray[Any]] = field(default_factory=list)
    pixel_maps: list[NDArray[Any]] = field(default_factory=list)
    masks: list[NDArray[np.bool_] | None] = field(default_factory=list)
    regions: list[Mapping[str, NDArray[np.bool_]]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Check a prediction and append it with its ground truth."""
        check_prediction(prediction, sample.id)
        resized = resize_map(prediction.anomaly_map, self.size)
        truth = None if sample.mask is None else ground_truth(sample.mask, self.size)
        self.maps.append(resized)
        self.pixel_maps.append(resized if prediction.pixel_map is None else resize_map(prediction.pixel_map, self.size))
        self.masks.append(truth)
        self.regions.append({name: ground_truth(part, self.size) for name, part in (sample.regions or {}).items()})
        if sample.mask is not None and truth is not None and sample.mask.any() and not truth.any():
            self.vanished.append(sample.id)
        self.labels.append(int(bool(sample.anomalous)))
        self.scores.append(float(prediction.score))
        self.defects.append(sample.defect)
        self.ids.append(sample.id)

    def lost_masks(self, defect: str = "") -> str:
        """How many masks vanished, of one defect or of all, and of which samples; empty where none did."""
        rows = zip(self.ids, self.masks, self.defects, self.regions, strict=True)
        of = {name: mask for name, mask, own, parts in rows if not defect or defect == own or defect in parts}
        lost = [name for name in self.vanished if name in of]
        if not lost:
            return ""
        masks = len(lost) + sum(mask is not None and bool(mask.any()) for mask in of.values())
        named = ", ".join(lost[:_NAMED]) + (", ..." if len(lost) > _NAMED else "")
        return f"{len(lost)} of {masks} masks have no pixel at {self.size} x {self.size} ({named})"

    def arrange(self, ids: Sequence[str]) -> None:
        """Put the samples into the order of their ids that is given."""
        places = {name: place for place, name in enumerate(self.ids)}
        order = [places[name] for name in ids]
        columns: tuple[list[Any], ...] = (
            *(self.maps, self.pixel_maps, self.masks, self.regions),
            *(self.labels, self.scores, self.defects, self.ids),
        )
        for column in columns:
            column[:] = [column[place] for place in order]
        gone = set(self.vanished)
        self.vanished[:] = [name for name in ids if name in gone]

    def ranked(self) -> RankedTestSet:
        """Return the test set with its pixels sorted, for metrics and counts."""
        pixel_maps, regions = self.pixel_maps, self.regions
        return RankedTestSet.of(self.maps, self.masks, self.labels, self.scores, self.defects, pixel_maps, regions)
