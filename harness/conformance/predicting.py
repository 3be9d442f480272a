"""Checks of predictions: their form, that they repeat, and unusual samples."""

from __future__ import annotations

import numpy as np

from harness.conformance import samples
from harness.conformance.check import check
from harness.conformance.comparing import copied, difference, require_explained, require_valid
from harness.conformance.outcome import CheckFailedError
from harness.conformance.subject import Subject
from harness.contract import MethodError, Sample

__all__ = ["bigger", "black_image", "empty_cloud", "not_square", "own_arrays", "predict", "repeatable"]


@check("predict", "A prediction has square float32 maps, finite and not all constant, and a float as score.", "fit")
def predict(subject: Subject) -> None:
    """Predict every test sample, and explain it where the method can."""
    predictions = []
    for source in subject.test:
        prediction = subject.predict(source)
        require_valid(prediction, f"sample {source.id}")
        predictions.append(copied(prediction))
        require_explained(subject.explain(source), f"sample {source.id}")
    if all(np.ptp(prediction.anomaly_map) == 0 for prediction in predictions):
        raise CheckFailedError("The anomaly_map of every sample is constant.")
    subject.first = tuple(predictions)


@check("repeatable", "A prediction depends on its sample alone: not on the order, nor on earlier samples.", "predict")
def repeatable(subject: Subject) -> None:
    """Predict the test samples again, in the opposite order."""
    for source, first in reversed(tuple(zip(subject.test, subject.first, strict=True))):
        again = subject.predict(source)
        require_valid(again, f"sample {source.id}")
        differs = difference(first, again)
        if differs:
            raise CheckFailedError(f"Predicted again in another order, sample {source.id} has another {differs}.")


@check("own-arrays", "A prediction that was returned stays as it is.", "repeatable")
def own_arrays(subject: Subject) -> None:
    """Keep a prediction while another sample is predicted."""
    kept = subject.predict(subject.test[0])
    before = copied(kept)
    subject.predict(subject.test[-1])
    differs = difference(before, kept)
    if differs:
        raise CheckFailedError(f"The next prediction writes into the one before it: another {differs}.")


@check("empty-cloud", "A sample without any valid point gives a finite prediction or a MethodError.", "predict")
def empty_cloud(subject: Subject) -> None:
    """Predict a sample with an empty cloud."""
    _predict_or_refuse(subject, samples.empty_cloud(subject.test[0]))


@check("black-image", "A sample without any colour gives a finite prediction or a MethodError.", "predict")
def black_image(subject: Subject) -> None:
    """Predict a sample with a black image."""
    _predict_or_refuse(subject, samples.black_image(subject.test[0]))


def _predict_or_refuse(subject: Subject, source: Sample) -> None:
    try:
        prediction = subject.predict(source)
    except MethodError:
        return
    require_valid(prediction, f"sample {source.id}")


@check("not-square", "A sample that is not square and of odd height is predicted.", "predict")
def not_square(subject: Subject) -> None:
    """Predict a sample that is not square."""
    source = samples.not_square(subject.test[0])
    require_valid(subject.predict(source), f"sample {source.id} of shape {source.rgb.shape}")


@check("bigger", "A sample of another size than the training samples is predicted.", "predict")
def bigger(subject: Subject) -> None:
    """Predict a sample of twice the size."""
    source = samples.bigger(subject.test[0])
    require_valid(subject.predict(source), f"sample {source.id} of shape {source.rgb.shape}")
