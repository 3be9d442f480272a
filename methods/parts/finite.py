"""Features that are numbers, before a library sees them that raises errors of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import MethodError

__all__ = ["require_finite"]


def require_finite(values: NDArray[np.floating] | Tensor, dtype: object) -> None:
    """Raise :class:`MethodError` where features, or numbers made of them, are NaN or infinite.

    Parameters
    ----------
    values
        Of any shape, on any device.
    dtype
        In which the features are held, for the message.
    """
    finite = values.isfinite() if isinstance(values, Tensor) else np.isfinite(values)
    if not bool(finite.all()):
        raise MethodError(
            f"The features hold NaN, or values too large for {str(dtype).removeprefix('torch.')}: "
            "look for broken samples with 'harness data verify'."
        )
