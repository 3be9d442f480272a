"""The nominal pass: scores and peaks of the nominal samples that thresholds are set on."""

from __future__ import annotations

from collections.abc import Callable

from harness.contract import Prediction, Sample
from harness.dataset_contract import Dataset
from harness.measure.reading import read_ahead
from harness.metrics.regions import ImageFrame, peak_of
from harness.metrics.scoring import check_prediction, errors_name_sample, map_values
from harness.plan.samples import NominalSamples
from harness.store.nominal import NominalScores

__all__ = ["score_nominal"]


def score_nominal(
    predict: Callable[[Sample], Prediction],
    dataset: Dataset,
    samples: NominalSamples,
    size: int,
    progress: Callable[[int, int], None],
) -> NominalScores:
    """Score nominal samples as test samples are scored: blind, one by one.

    Parameters
    ----------
    predict
        Of the fitted method.
    dataset
        Where they lie, with what the method gets of a sample.
    samples
        Which they are.
    size
        Side of the evaluation geometry, pixels.
    progress
        Called with how many are scored, and how many there are.

    Raises
    ------
    MethodError
        Where a prediction can't be scored.
    """
    scores, peaks = [], []
    for done, sample in enumerate(read_ahead(dataset, samples.refs, {})):
        progress(done, len(samples.refs))
        with errors_name_sample(sample):
            prediction = predict(sample.blind())
            check_prediction(prediction, sample.id)
        scores.append(float(prediction.score))
        frame = ImageFrame.of(*sample.rgb.shape[:2])
        peaks.append(peak_of(map_values(prediction.anomaly_map, size), frame))
    progress(len(samples.refs), len(samples.refs))
    return NominalScores(tuple(ref.id for ref in samples.refs), tuple(scores), samples.source, tuple(peaks))
