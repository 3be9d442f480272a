"""The nominal pass: scores of the nominal samples that thresholds are set on."""

from __future__ import annotations

from collections.abc import Callable

from harness.contract import Prediction, Sample
from harness.dataset_contract import Dataset
from harness.measure.reading import read_ahead
from harness.metrics.scoring import check_prediction, errors_name_sample
from harness.plan.samples import NominalSamples
from harness.store.nominal import NominalScores

__all__ = ["score_nominal"]


def score_nominal(
    predict: Callable[[Sample], Prediction],
    dataset: Dataset,
    samples: NominalSamples,
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
    progress
        Called with how many are scored, and how many there are.

    Raises
    ------
    MethodError
        Where a prediction can't be scored.
    """
    scores = []
    for done, sample in enumerate(read_ahead(dataset, samples.refs, {})):
        progress(done, len(samples.refs))
        with errors_name_sample(sample):
            prediction = predict(sample.blind())
            check_prediction(prediction, sample.id)
        scores.append(float(prediction.score))
    progress(len(samples.refs), len(samples.refs))
    return NominalScores(tuple(ref.id for ref in samples.refs), tuple(scores), samples.source)
