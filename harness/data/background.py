"""What is taken away of a cloud before a method sees it: the protocol's cleaning, or what own data ask for instead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from harness.contract import Sample
from harness.data.clean import CLEANING, CleaningSettings, cached_clean_masks, clean_masks
from harness.data.units import cluster_doubts
from harness.geometry import valid_points

__all__ = ["NO_BACKGROUND", "PROTOCOL_BACKGROUND", "Background"]

_MUCH = 0.2
_LOSES_MUCH = f"lose more than {_MUCH:.0%} of their points off the plane, for cleaning keeps the largest cluster alone"
_LOSES_ALL = "have no point left after the background is taken away"


@dataclass(frozen=True, slots=True)
class Background:
    """A rule of cleaning; the default is the protocol's for MVTec 3D-AD.

    Parameters
    ----------
    rule
        ``plane``: the plane through the image's frame and all but the largest cluster; ``depth``: what is not between
        ``nearest`` and ``farthest``; ``marked``: what the reader has marked in ``Sample.plane``; ``none``.
    cleaning
        Thresholds of the rule ``plane``.
    clusters
        Whether the rule ``plane`` keeps the largest cluster alone.
    nearest, farthest
        Along z, metres.
    """

    rule: Literal["plane", "none", "depth", "marked"] = "plane"
    cleaning: CleaningSettings = CLEANING
    clusters: bool = True
    nearest: float = 0.0
    farthest: float = 100.0

    def to_json(self) -> dict[str, object]:
        """Return the rule as plain JSON values; that of the protocol is its settings alone."""
        return self.cleaning.to_json() if self == Background(cleaning=self.cleaning) else asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Background:
        """Return the rule that :meth:`to_json` wrote; raise TypeError or ValueError for anything else."""
        settings = value if "rule" not in value else value["cleaning"]
        cleaning = msgspec.convert(settings, CleaningSettings)
        lengths = cleaning.inlier_distance, cleaning.plane_distance, cleaning.eps
        own = replace(
            CLEANING, border=cleaning.border, inlier_distance=lengths[0], plane_distance=lengths[1], eps=lengths[2]
        )
        if cleaning != own or cleaning.border < 1 or not all(0 < length < math.inf for length in lengths):
            raise ValueError(f"it was cleaned by other rules, {cleaning}")
        return msgspec.convert({**value, "cleaning": settings}, cls) if "rule" in value else cls(cleaning=cleaning)

    def clean(self, sample: Sample, cache: Path | None = None) -> tuple[Sample, Mapping[str, str]]:
        """Return a sample without its background, and what is doubtful about the result.

        Parameters
        ----------
        sample
            With its background. One that was cleaned before stays as it is unless its object reaches the frame.
        cache
            Folder of results of the rule ``plane``; None computes it.

        Returns
        -------
        Sample
            Points of the background are (0, 0, 0) and marked in ``plane``; by the rule ``plane``, which is that of
            MVTec 3D-AD's preprocessing, all removed ones in ``blackened``. The cloud may end up empty.
        Mapping
            Words that follow "3 of 6 samples", to a detail (:class:`harness.data.doubts.Doubts`).
        """
        valid = valid_points(sample.xyz)
        doubts: Mapping[str, str] = {}
        if self.rule == "plane":
            masks = (
                clean_masks(sample.xyz, self.cleaning, clusters=self.clusters)
                if cache is None
                else cached_clean_masks(sample.xyz, cache, self.cleaning, clusters=self.clusters)
            )
            keep, plane = masks.keep, masks.plane
            off_plane = int(np.count_nonzero(valid & ~plane))
            lost = off_plane - int(np.count_nonzero(keep))
            doubts = {_LOSES_MUCH: f"{lost / off_plane:.0%}"} if lost > _MUCH * off_plane else {}
        elif self.rule == "depth":
            keep = valid & (sample.xyz[..., 2] >= self.nearest) & (sample.xyz[..., 2] <= self.farthest)
            plane = valid & ~keep
        else:
            keep = valid & ~sample.plane if self.rule == "marked" else valid
            plane = valid & ~keep
        xyz = sample.xyz.copy()
        xyz[~keep] = 0
        if not keep.any():
            doubts = {_LOSES_ALL: ""}
        elif self.rule == "plane" and self.clusters:
            doubts = {**doubts, **cluster_doubts(xyz, self.cleaning.eps)}
        blackened = valid & ~keep if self.rule == "plane" else sample.blackened
        return replace(sample, xyz=xyz, plane=sample.plane | plane, blackened=blackened), doubts


PROTOCOL_BACKGROUND = Background()

NO_BACKGROUND = Background(rule="none")
"""Of clouds that come without background."""
