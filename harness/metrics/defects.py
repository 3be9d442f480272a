"""Ranks of the pixels of a whole test set and of each of its defects, with every normal pixel sorted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.inputs import Images, check_same_images, foregrounds, score_maps
from harness.metrics.ranks import PixelRanks, Regions, find_regions, rank_pixels

__all__ = ["NOMINAL", "SetRanks", "find_regions_by_image", "images_of", "rank_test_set"]

NOMINAL = "good"
"""Name of the defect in images without one."""


@dataclass(frozen=True, slots=True, eq=False)
class SetRanks:
    """Where anomalous pixels stand among normal ones.

    Parameters
    ----------
    whole
        Of all images.
    by_defect
        Of the images of each defect together with the nominal ones; names ascending.
    """

    whole: PixelRanks
    by_defect: dict[str, PixelRanks]


def find_regions_by_image(masks: Images) -> list[Regions]:
    """Label the 8-connected components of every mask, each image by itself.

    Parameters
    ----------
    masks : (n, H, W) bool or real, or n arrays of (H, W)
        Ground truth of 0 and 1, or of 0 and 255.

    Raises
    ------
    ValueError
        Where a mask is soft or not (H, W).
    """
    return [find_regions([mask]) for mask in foregrounds(masks)]


def images_of(defect: str, defects: Sequence[str]) -> list[int]:
    """Return which images show a defect or are nominal."""
    return [index for index, name in enumerate(defects) if name in (NOMINAL, defect)]


def rank_test_set(maps: Images, regions: Sequence[Regions], defects: Sequence[str], name: str = "maps") -> SetRanks:
    """Return what :func:`rank_pixels` does for all images, and for those of each defect with the nominal ones.

    Counts add over images: the normal pixels of each kind of image are counted once, against all anomalous scores.

    Parameters
    ----------
    maps : (n, H, W) real, or n arrays of (H, W)
        Anomaly maps, higher is more anomalous; compared in a precision that holds them all.
    regions
        Defects of each image.
    defects : (n,) str
        Name of the defect in each image, ``good`` in nominal ones.
    name
        How a complaint calls the maps.

    Raises
    ------
    ValueError
        Where a map is not finite, not real, or not of the size of its mask.
    """
    images, dtype = score_maps(maps, name)
    masks = [one.masks[0] for one in regions]
    check_same_images(images, masks, name)
    found = [image[mask].astype(dtype) for image, mask in zip(images, masks, strict=True)]
    whole = _Anomalous.of(found, regions)
    normal = {}
    for kind in {*defects, NOMINAL}:
        own = [index for index, one in enumerate(defects) if one == kind]
        normal[kind] = _rank([images[index][~masks[index]] for index in own], whole.scores, np.ones(whole.scores.size))
    by_defect = {}
    for defect in sorted(normal.keys() - {NOMINAL}):
        chosen = images_of(defect, defects)
        own_found = _Anomalous.of([found[index] for index in chosen], [regions[index] for index in chosen])
        by_defect[defect] = own_found.among([normal[NOMINAL], normal[defect]], whole.scores)
    return SetRanks(whole.among(list(normal.values()), whole.scores), by_defect)


@dataclass(frozen=True, slots=True, eq=False)
class _Anomalous:
    """The anomalous pixels of some images: their distinct scores ascending, and ranks among no normal pixel yet."""

    scores: NDArray[Any]
    ranks: PixelRanks

    @classmethod
    def of(cls, found: Sequence[NDArray[Any]], regions: Sequence[Regions]) -> _Anomalous:
        pixels = np.concatenate(found)
        ranks = _rank([], pixels, np.concatenate([one.shares for one in regions]))
        return cls(np.unique(pixels), replace(ranks, components=sum(one.components for one in regions)))

    def among(self, normal: Sequence[PixelRanks], scores: NDArray[Any]) -> PixelRanks:
        """Return the ranks among several sets of normal pixels, each counted for ascending scores that hold ours."""
        places = np.searchsorted(scores, self.scores)
        return replace(
            self.ranks,
            above=np.sum([counts.above[places] for counts in normal], axis=0),
            equal=np.sum([counts.equal[places] for counts in normal], axis=0),
            normal=sum(counts.normal for counts in normal),
        )


def _rank(normal: Sequence[NDArray[Any]], anomalous: NDArray[Any], shares: NDArray[np.float64]) -> PixelRanks:
    """Rank anomalous pixels among normal ones; how many components they belong to is left open."""
    pixels = [one[np.newaxis] for one in (*normal, anomalous) if one.size]
    if not pixels:
        nothing = np.empty(0, dtype=np.int64)
        return PixelRanks(shares, nothing, nothing, nothing, 0, 0)
    masks = [np.zeros(one.shape, dtype=bool) for one in pixels]
    masks[-1][:] = anomalous.size > 0
    return rank_pixels(pixels, Regions(masks, shares, 0))
