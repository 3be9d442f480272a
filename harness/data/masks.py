"""Which values of a ground-truth mask are labels, for files and for the arrays that metrics are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_soft"]


def is_soft(values: NDArray[Any], top: float) -> bool:
    """Return whether values of a mask are not labels, so that its region depends on a threshold.

    Labels are 0 and one other whole number, or 0 and class ids that count down from the highest, as MVTec 3D-AD's 255,
    254 and 253: above half of it, any threshold up to there gives the same region. What compression, scaling and
    smoothing leave around a region is below.

    Parameters
    ----------
    values : real, of any shape
        Of a mask or several; in any order, repeated or not.
    top
        The highest of all of them.
    """
    labels = values[values != 0]
    return not ((labels > top / 2) & (labels == np.floor(labels))).all()
