"""What methods report of their training: losses while it runs, and what to do where one is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

__all__ = ["lower_learning_rate", "mean_loss"]


def mean_loss(losses: Sequence[float]) -> dict[str, float]:
    """Return the mean of some losses as a progress callback takes it; nothing where there is none."""
    return {"loss": fmean(losses)} if losses else {}


def lower_learning_rate(method: str, rate: float, parameter: str = "lr") -> str:
    """Return what a user can do where a loss is not finite: a tenth of the learning rate, as part of a sentence."""
    return f"lower the learning rate, for example '{method}[{parameter}={rate / 10:g}]'"
