"""The decision layer of M3DM: two linear one-class machines whose weights combine the banks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import SGDOneClassSVM

from harness.contract import MethodError
from methods.parts.finite import require_finite

__all__ = ["DecisionLayer", "one_class_weights"]

_ITERATIONS = 1000
_STATE = 42


@dataclass(frozen=True, slots=True, eq=False)
class DecisionLayer:
    """The weights of both machines; a score is a weighted sum without an offset.

    Parameters
    ----------
    image, pixel : (k,) float64
        Weights of k banks, for image scores and for maps; all positive.
    """

    image: NDArray[np.float64]
    pixel: NDArray[np.float64]

    @classmethod
    def fit(
        cls, scores: NDArray[np.float32], pixels: NDArray[np.float32], *, nu: float, names: Sequence[str]
    ) -> DecisionLayer:
        """Learn the weights from nominal samples.

        Parameters
        ----------
        scores : (N, k) float32
            Image scores, a column per bank.
        pixels : (N * H * W, k) float32
            Pixels of all maps, a column per bank.
        nu
            Upper bound on the share of nominal rows classified as anomalous.
        names
            Names of the banks, for errors.

        Raises
        ------
        MethodError
            If a weight is not positive.
        """
        return cls(one_class_weights(scores, nu, names), one_class_weights(pixels, nu, names))

    def score(self, values: NDArray[np.float32]) -> float:
        """Return the score of an image with scores (k,) of the banks."""
        return float(values @ self.image)

    def map(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the map (H, W) of an image with maps (k, H, W) of the banks."""
        return np.tensordot(self.pixel, maps, 1).astype(np.float32)


def one_class_weights(rows: NDArray[np.float32], nu: float, names: Sequence[str]) -> NDArray[np.float64]:
    """Fit scikit-learn's ``SGDOneClassSVM`` with the authors' settings; return its weights, (k,) float64.

    ``score_samples`` of that machine is the product of a row and these weights. A higher product means more anomalous
    only if all weights are positive.

    Raises
    ------
    MethodError
        If a weight is not positive, a score is not finite, or all scores of a bank are 0.
    """
    require_finite(rows, rows.dtype)
    for name, column in zip(names, rows.T, strict=True):
        if not column.any():
            raise MethodError(
                f"All training samples score 0 against the {name} bank, since it holds all their patches: keep fewer, "
                "for example 'm3dm[coreset=0.02]', train on more samples, or use the default drop_path=on."
            )
    machine = SGDOneClassSVM(nu=nu, max_iter=_ITERATIONS, random_state=_STATE).fit(rows)
    weights = np.asarray(machine.coef_, np.float64).ravel()
    for name, weight in zip(names, weights, strict=True):
        if not weight > 0:
            raise MethodError(
                f"The decision layer gives the {name} bank the weight {weight:.3g}, so a higher score would not mean "
                "more anomalous: train on more samples, or sum the banks without it, 'm3dm[combine=sum]'."
            )
    return weights
