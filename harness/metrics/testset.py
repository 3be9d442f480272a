"""A test set made ready for every metric: masks labelled and pixels sorted once, for the whole set and each defect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.inputs import (
    Images,
    check_count,
    check_same_images,
    equal_images,
    foregrounds,
    image_labels,
    image_scores,
    score_maps,
)
from harness.metrics.ranks import PixelRanks, count_above, group_scores, label_components, shares_of
from harness.metrics.thresholds import ThresholdCounts, count_pixels

__all__ = ["NOMINAL", "RankedMaps", "RankedTestSet", "images_of"]

NOMINAL = "good"
"""Name of the defect in images without one."""


@dataclass(frozen=True, slots=True, eq=False)
class RankedMaps:
    """What metrics and counts need of a set of maps.

    Parameters
    ----------
    whole
        Ranks of the anomalous pixels of all images among all normal ones.
    by_defect
        The same for the images of each defect together with the nominal ones; names ascending.
    counts
        Pixels at or above thresholds: normal ones of each image, anomalous ones of each region, or of each image where
        the maps are for P-AUROC alone.
    """

    whole: PixelRanks
    by_defect: dict[str, PixelRanks]
    counts: ThresholdCounts


@dataclass(frozen=True, slots=True, eq=False)
class RankedTestSet:
    """A test set whose masks were labelled and whose pixels were sorted once.

    Parameters
    ----------
    labels : (n,) bool
        True for anomalous images.
    scores : (n,) real
        Anomaly scores of the images.
    defects : (n,) str
        Name of the defect in each image, ``good`` in nominal ones.
    region_image : (m,) int64
        The image of each 8-connected anomalous region.
    maps
        The anomaly maps.
    pixel_maps
        The maps for P-AUROC; ``maps`` itself where they are the same.
    """

    labels: NDArray[np.bool_]
    scores: NDArray[Any]
    defects: tuple[str, ...]
    region_image: NDArray[np.int64]
    maps: RankedMaps
    pixel_maps: RankedMaps

    @classmethod
    def of(
        cls,
        maps: Images,
        masks: Images,
        labels: ArrayLike,
        scores: ArrayLike,
        defects: Sequence[str],
        pixel_maps: Images | None = None,
    ) -> RankedTestSet:
        """Label the masks and sort the pixels of a test set; needs temporary memory of about one copy of the maps.

        Parameters
        ----------
        maps : (n, H, W) real, or n arrays of (H, W)
            Anomaly maps, higher is more anomalous. Compared in a precision that holds them all, never modified.
        masks : (n, H, W) bool or real, or n arrays of (H, W)
            Ground truth of 0 and one other whole number, or of 0 and class ids.
        labels : (n,) of 0 and 1
            1 for anomalous images. Used for I-AUROC only; the pixel metrics follow the masks.
        scores : (n,) real
            Anomaly scores of the images.
        defects : (n,) str
            Name of the defect in each image, ``good`` in nominal ones.
        pixel_maps : (n, H, W) real, or n arrays of (H, W), optional
            The maps for P-AUROC, where a method's reference scales them differently.

        Raises
        ------
        ValueError
            Where maps or scores are not finite, a mask is soft, a label is neither 0 nor 1, shapes differ, or not
            every image has a defect name.
        """
        anomalous = image_labels(labels)
        checked = image_scores(scores, anomalous.size)
        for name, images in (("maps", maps), ("masks", masks), ("pixel_maps", pixel_maps), ("defects", defects)):
            if images is not None:
                check_count(name, len(images), anomalous.size)
        truth = [_Truth.of(mask) for mask in foregrounds(masks)]
        names = tuple(map(str, defects))
        others = ranked = _rank(maps, truth, names)
        if pixel_maps is not None and not equal_images(maps, pixel_maps):
            others = _rank(pixel_maps, truth, names, "pixel_maps")
        region_image = np.repeat(np.arange(len(truth)), [mask.regions for mask in truth])
        return cls(anomalous, checked, names, region_image, ranked, others)


def images_of(defect: str, defects: Sequence[str]) -> list[int]:
    """Return which images show a defect or are nominal."""
    return [index for index, name in enumerate(defects) if name in (NOMINAL, defect)]


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """The ground truth of one image: the region (from 1 on) of each anomalous pixel, row by row, and their number."""

    mask: NDArray[np.bool_]
    of_pixel: NDArray[np.int32]
    regions: int

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> _Truth:
        return cls(mask, *label_components(mask))


def _rank(maps: Images, truth: Sequence[_Truth], defects: Sequence[str], name: str = "maps") -> RankedMaps:
    """Sort the normal pixels of each image, count them at thresholds, and rank the anomalous ones among them.

    Counts add over images: the normal pixels of each kind of image are counted once, against all anomalous scores, and
    dropped.
    """
    images, dtype = score_maps(maps, name)
    check_same_images(images, [part.mask for part in truth], name)
    normal = [image[~part.mask].astype(dtype, copy=False) for image, part in zip(images, truth, strict=True)]
    for scores in normal:
        scores.sort()
    anomalous = [image[part.mask].astype(dtype, copy=False) for image, part in zip(images, truth, strict=True)]
    regions = [scores for pixels, part in zip(anomalous, truth, strict=True) for scores in _split(pixels, part)]
    counts = count_pixels(normal, regions if name == "maps" else [np.sort(pixels) for pixels in anomalous])
    by_kind: dict[str, list[NDArray[Any]]] = {NOMINAL: []}
    for pixels, kind in zip(normal, defects, strict=True):
        by_kind.setdefault(kind, []).append(pixels)
    del normal

    distinct = np.unique(np.concatenate(anomalous))
    nominal = whole = _Normal.of(by_kind.pop(NOMINAL), distinct)
    by_defect = {}
    for kind in sorted(by_kind):
        own = _Normal.of(by_kind.pop(kind), distinct)
        chosen = images_of(kind, defects)
        by_defect[kind] = (nominal + own).ranks([anomalous[i] for i in chosen], [truth[i] for i in chosen], distinct)
        whole += own
    return RankedMaps(whole.ranks(anomalous, truth, distinct), by_defect, counts)


@dataclass(frozen=True, slots=True, eq=False)
class _Normal:
    """Normal pixels of some images: how many score above and equal to each anomalous score, (2, d), and how many."""

    counts: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, pixels: Sequence[NDArray[Any]], distinct: NDArray[Any]) -> _Normal:
        return cls(count_above(pixels, distinct), sum(scores.size for scores in pixels))

    def __add__(self, other: _Normal) -> _Normal:
        return _Normal(self.counts + other.counts, self.size + other.size)

    def ranks(self, anomalous: Sequence[NDArray[Any]], truth: Sequence[_Truth], distinct: NDArray[Any]) -> PixelRanks:
        """Rank anomalous pixels of some images among these; their scores are part of the distinct ones."""
        shares = np.concatenate([shares_of(part.of_pixel) for part in truth])
        scores, share, repeated = group_scores(np.concatenate(anomalous), shares)
        above, equal = self.counts[:, np.searchsorted(distinct, scores)]
        return PixelRanks(share, repeated, above, equal, self.size, sum(part.regions for part in truth))


def _split(scores: NDArray[Any], truth: _Truth) -> list[NDArray[Any]]:
    """Return the scores of each region, ascending."""
    if not truth.regions:
        return []
    order = np.lexsort((scores, truth.of_pixel))
    return np.split(scores[order], np.cumsum(np.bincount(truth.of_pixel)[1:])[:-1])
