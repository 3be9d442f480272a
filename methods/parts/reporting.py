"""What methods tell of their training while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

__all__ = ["mean_loss"]


def mean_loss(losses: Sequence[float]) -> dict[str, float]:
    """Return the mean of some losses as a progress callback takes it; nothing where there is none."""
    return {"loss": fmean(losses)} if losses else {}
