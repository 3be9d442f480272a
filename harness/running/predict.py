"""A fitted method that predicts new samples, and decides about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.cell import Cell
from harness.contract import Method, MethodError, Prediction, Sample
from harness.errors import DataError, UsageError
from harness.files.paths import user_path
from harness.measure import torch_state
from harness.metrics.regions import Region, regions_above
from harness.metrics.scoring import check_prediction, map_values
from harness.plan.modalities import used_modalities
from harness.running.devices import choose_device
from harness.running.new_samples import NewSample, SampleReader
from harness.running.verdicts import FALSE_ALARMS, DecisionRule, Verdict, decision_rule
from harness.store import fitted as fitted_file

__all__ = ["FittedMethod", "PredictedSample", "load_fitted"]


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSample:
    """What a fitted method says of a sample.

    Parameters
    ----------
    id
        Of the sample.
    verdict
        ``anomaly`` where the score is above the threshold, else ``good``; ``undecided`` where no threshold is known.
    score
        Anomaly score of the image, the same as in the record of the method's cell, bit for bit.
    threshold
        That of the verdict; None where none is known.
    meaning
        Where the threshold comes from, a sentence.
    anomaly_map : (S, S) float32
        In the evaluation geometry: the image padded to a square; higher is more anomalous.
    pixel_threshold
        Level of the map above which regions are marked; None where none is known.
    regions
        Connected regions above it, in pixels of the image that was given, the highest peak first; None where no level
        is known. They are found apart from the verdict.
    sample
        What was made of the input: cleaned, and smaller where the method's dataset says so.
    """

    id: str
    verdict: Verdict
    score: float
    threshold: float | None
    meaning: str
    anomaly_map: NDArray[np.float32]
    pixel_threshold: float | None
    regions: tuple[Region, ...] | None
    sample: Sample


class FittedMethod:
    """A fitted method in memory, on its device; made by :func:`load_fitted`.

    Parameters
    ----------
    path
        Its file, as messages name it.
    cell
        What it was fitted for.
    method
        Ready for ``prepare`` and ``infer``.
    reader
        Makes samples of files and arrays.
    rule
        Decides.
    """

    def __init__(self, path: Path, cell: Cell, method: Method, reader: SampleReader, rule: DecisionRule) -> None:
        self.path, self.cell, self.method, self.reader, self.rule = path, cell, method, reader, rule
        self._modalities = used_modalities(cell.method, cell.parameters)

    @property
    def warning(self) -> str:
        """A sentence about random weights; empty where the weights are pretrained, or there are none."""
        if self.cell.protocol.weights != "random" or not registry.load(self.cell.method).meta.weights:
            return ""
        return (
            f"{self.path} was fitted with random weights, which tests the way and not the parts: fit it with "
            "'harness run --weights pretrained' before you go by what it says."
        )

    def predict(self, rgb: NDArray[Any], xyz: NDArray[Any], *, id: str = "") -> PredictedSample:
        """Predict a sample in memory.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
            Colour image, sRGB.
        xyz : (H, W, 3) float
            Point of every pixel in metres, x to the right, y down, z away from the camera; (0, 0, 0) where there is
            none.
        id
            Of the sample.

        Raises
        ------
        DataError
            Where an array can't be used, or the method can't predict the sample.
        """
        return self.predict_sample(self.reader.take(rgb, xyz, id=id))

    def predict_files(self, rgb: str | Path, xyz: str | Path, camera: str | Path | None = None) -> PredictedSample:
        """Predict the sample of an image and a cloud, files such as the method was fitted on.

        Parameters
        ----------
        rgb, xyz
            8-bit image, and the cloud of its pixels: a file as those of the own data that the method was fitted on,
            else a TIFF of (H, W, 3) floats in metres.
        camera
            JSON file of the camera of a depth image, where each of the dataset's images has its own.

        Raises
        ------
        DataError, UsageError
            Where a file can't be used, or the method can't predict the sample.
        """
        place = None if camera is None else user_path(camera)
        return self.predict_sample(self.reader.read(user_path(rgb), user_path(xyz), place))

    def predict_sample(self, new: NewSample) -> PredictedSample:
        """Predict a sample that the reader made; raise DataError where the method can't."""
        sample, rule = new.sample, self.rule
        prediction = self._infer(sample)
        values = map_values(prediction.anomaly_map, self.cell.protocol.eval_size)
        level = rule.pixel_threshold
        return PredictedSample(
            id=sample.id,
            verdict=rule.verdict(float(prediction.score)),
            score=float(prediction.score),
            threshold=rule.threshold,
            meaning=rule.meaning,
            anomaly_map=values,
            pixel_threshold=level,
            regions=None if level is None else regions_above(values, level, new.frame),
            sample=sample,
        )

    def _infer(self, sample: Sample) -> Prediction:
        """Return a checked prediction of a sample that the method gets as in its cell: blind, of its modalities."""
        try:
            prediction = self.method.infer(self.method.prepare(sample.only(self._modalities).blind()))
            check_prediction(prediction, sample.id)
        except MethodError as error:
            raise DataError(f"{error}") from error
        except Exception as error:  # what a file of another fit makes of a method's code
            raise DataError(
                f"{self.cell.method} fails on this sample with {self.path} ({type(error).__name__}: {error}): "
                "fit it again with 'harness run --methods NAME --save-fitted'."
            ) from error
        return prediction


def load_fitted(
    path: str | Path,
    *,
    method: str = "",
    false_alarms: float = FALSE_ALARMS,
    threshold: float | None = None,
    clean: bool = True,
    weights_dir: str | Path | None = None,
    unverified: bool = False,
    device: str = "auto",
) -> FittedMethod:
    """Load a fitted method once, to predict any number of samples.

    Parameters
    ----------
    path
        File that ``harness run --save-fitted`` wrote.
    method
        ``FILE.py:CLASS`` of a method that is not installed.
    false_alarms
        Share of good parts that may be called anomalies, from 0 to below 1: the thresholds of scores and of maps are
        set for it on nominal samples that the method's cell has scored.
    threshold
        A sample is an anomaly where its score is above it; None for that of ``false_alarms``.
    clean
        Whether the background is removed as in the dataset that the method was fitted on.
    weights_dir, unverified, device
        As for a run: folder of pretrained files, whether others than the published ones are taken, and ``cpu``,
        ``cuda:0`` or ``auto``.

    Raises
    ------
    UsageError, PrerequisiteError
        Where the file can't be used, or what it needs is missing: the message says how to mend it.
    """
    place = user_path(path)
    cell, origin = fitted_file.read_cell(place), fitted_file.read_origin(place)
    _require_method(place, cell, method)
    reader, rule = (
        SampleReader(place, cell, origin, clean=clean),
        decision_rule(fitted_file.read_nominal(place), false_alarms, threshold),
    )
    chosen = choose_device(device)
    torch_state.configure(chosen, cell.seed, uses_torch=registry.load(cell.method).meta.uses_torch)
    weights = None if weights_dir is None else user_path(weights_dir)
    loaded = fitted_file.load_fitted(place, weights_dir=weights, unverified=unverified, device=chosen)
    return FittedMethod(place, cell, loaded, reader, rule)


def _require_method(path: Path, cell: Cell, reference: str) -> None:
    """Import the method of a file; raise UsageError where the reference leads to another, or it is not installed."""
    if reference and (name := registry.load_reference(reference)) != cell.method:
        raise UsageError(f"{path} holds '{cell.method}', and {reference} is '{name}': name the class of that method.")
    known = cell.method in registry.method_names() or registry.imported_class(cell.method) is not None
    if not known:
        raise UsageError(
            f"{path} holds '{cell.method}', which is not installed: name its class with --method FILE.py:CLASS."
        )
