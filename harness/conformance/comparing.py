"""Whether a prediction is well-formed, and whether two are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.conformance.outcome import CheckFailedError
from harness.contract import MethodError, Prediction
from harness.metrics.scoring import check_prediction

__all__ = ["copied", "difference", "require_explained", "require_valid"]


def require_valid(prediction: Any, sample: str) -> None:
    """Raise CheckFailedError where a prediction is not as :class:`Prediction` says.

    Parameters
    ----------
    prediction
        Whatever ``infer`` returned.
    sample
        Name of its sample, for the message.
    """
    if not isinstance(prediction, Prediction):
        raise CheckFailedError(f"infer returns {type(prediction).__name__} instead of Prediction.")
    if not isinstance(prediction.extras, Mapping):
        raise CheckFailedError(f"extras is {type(prediction.extras).__name__} instead of a mapping from names to maps.")
    for name, values in _maps(prediction):
        _require_map(name, values, sample)
    if not isinstance(prediction.score, float):
        raise CheckFailedError(f"The score of {sample} is of type {type(prediction.score).__name__} instead of float.")
    try:
        check_prediction(prediction, sample)
    except MethodError as error:
        raise CheckFailedError(str(error)) from error


def require_explained(maps: Any, sample: str) -> None:
    """Raise CheckFailedError where further maps are not as :class:`harness.contract.Explained` says.

    Parameters
    ----------
    maps
        Whatever ``explain`` returned.
    sample
        Name of their sample, for the message.
    """
    if not isinstance(maps, Mapping):
        raise CheckFailedError(f"explain returns {type(maps).__name__} instead of a mapping from names to maps.")
    for name, values in maps.items():
        _require_map(f"explained '{name}'", values, sample)
        if values.shape[0] != values.shape[1]:
            raise CheckFailedError(f"The explained '{name}' of {sample} is not square: it has shape {values.shape}.")


def _require_map(name: str, values: Any, sample: str) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        kind = f"of {values.dtype}" if hasattr(values, "dtype") else f"a {type(values).__name__}"
        raise CheckFailedError(f"The {name} of {sample} is {kind} instead of a numpy array of float32.")
    if values.ndim != 2:
        raise CheckFailedError(f"The {name} of {sample} has shape {values.shape} instead of two dimensions.")
    if not np.isfinite(values).all():
        raise CheckFailedError(f"The {name} of {sample} holds NaN or infinity.")


def copied(prediction: Prediction) -> Prediction:
    """Return a prediction with copies of the arrays."""
    pixel = prediction.pixel_map
    return Prediction(
        anomaly_map=prediction.anomaly_map.copy(),
        score=prediction.score,
        pixel_map=None if pixel is None else pixel.copy(),
        extras={name: values.copy() for name, values in prediction.extras.items()},
    )


def difference(first: Prediction, second: Prediction) -> str:
    """Return what differs between two valid predictions, such as ``score (0.25 and 0.5)``; empty where they agree."""
    if first.score != second.score:
        return f"score ({first.score:.6g} and {second.score:.6g})"
    maps, others = dict(_maps(first)), dict(_maps(second))
    if maps.keys() != others.keys():
        return f"maps ({', '.join(maps)} and {', '.join(others)})"
    unequal = (name for name, values in maps.items() if not np.array_equal(values, others[name]))
    return next((f"{name} ({_distance(maps[name], others[name])})" for name in unequal), "")


def _distance(first: NDArray[Any], second: NDArray[Any]) -> str:
    if first.shape != second.shape:
        return f"shapes {first.shape} and {second.shape}"
    return f"by up to {np.abs(first.astype(float) - second).max():.3g}"


def _maps(prediction: Prediction) -> Iterator[tuple[str, Any]]:
    yield "anomaly_map", prediction.anomaly_map
    if prediction.pixel_map is not None:
        yield "pixel_map", prediction.pixel_map
    yield from ((f"extras['{name}']", values) for name, values in prediction.extras.items())
