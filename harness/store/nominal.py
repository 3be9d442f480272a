"""Scores of nominal samples, which thresholds are set on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import msgspec

__all__ = ["NominalScores"]


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
    """

    ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    source: str = ""

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {"ids": list(self.ids), "scores": list(self.scores), "source": self.source}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> NominalScores:
        """Undo :meth:`to_json`; raise ValueError for anything else."""
        nominal = msgspec.convert(value, cls)
        if len(nominal.ids) != len(nominal.scores) or not nominal.scores or not all(map(isfinite, nominal.scores)):
            raise ValueError("not one finite score for each nominal sample")
        return nominal
