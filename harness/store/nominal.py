"""Scores of nominal samples, which thresholds are set on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import msgspec

__all__ = ["READ_BY_FIT", "NominalScores"]

READ_BY_FIT = "(which fit also read)"
"""Ends the source of samples that the method was not blind to: their scores may be too low."""


@dataclass(frozen=True, slots=True)
class NominalScores:
    """What a fitted method scores nominal samples that thresholds are set on.

    Parameters
    ----------
    ids
        Of the samples.
    scores
        Of each; higher is more anomalous.
    source
        Where the samples come from, as a noun in the plural.
    peaks
        The largest value of each sample's map in the evaluation geometry, inside the image; empty where not kept.
    """

    ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    source: str = ""
    peaks: tuple[float, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        lists = {"ids": list(self.ids), "scores": list(self.scores), "peaks": list(self.peaks)}
        return {**lists, "source": self.source}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> NominalScores:
        """Undo :meth:`to_json`; raise ValueError for anything else."""
        nominal = msgspec.convert(value, cls)
        if len(nominal.ids) != len(nominal.scores) or not nominal.scores or not all(map(isfinite, nominal.scores)):
            raise ValueError("not one finite score for each nominal sample")
        if len(nominal.peaks) not in (0, len(nominal.ids)) or not all(map(isfinite, nominal.peaks)):
            raise ValueError("not one finite peak for each nominal sample")
        return nominal
