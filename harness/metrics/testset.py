"""A test set made ready for every metric: masks labelled and pixels sorted once, for the whole set and each defect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.inputs import (
    Images,
    Masks,
    check_count,
    check_same_images,
    equal_images,
    foregrounds,
    image_labels,
    image_scores,
    score_maps,
    why_no_pixels,
    with_masks,
)
from harness.metrics.normal_pixels import NormalPixels
from harness.metrics.ranks import PixelRanks, count_above, group_scores, label_components, shares_of
from harness.metrics.threads import in_threads
from harness.metrics.thresholds import PartCounts, ThresholdCounts, count_pixels, counts_at

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
        The same for the images of each defect together with the nominal ones, names ascending. Of an image with several
        defects the pixels of this one are anomalous, and those of the others are left out.
    counts
        Pixels at or above thresholds: normal ones of each image, anomalous ones of each region, or of each image where
        the maps are for P-AUROC alone.
    parts
        Pixels of the regions of each defect of images with several, at the same thresholds.
    """

    whole: PixelRanks
    by_defect: dict[str, PixelRanks]
    counts: ThresholdCounts
    parts: PartCounts


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
    kinds
        All names under which each image counts: that of its defect, and those of its regions.
    unmasked : (n,) bool
        True for anomalous images without a mask.
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
    kinds: tuple[tuple[str, ...], ...]
    unmasked: NDArray[np.bool_]
    region_image: NDArray[np.int64]
    maps: RankedMaps
    pixel_maps: RankedMaps

    @classmethod
    def of(
        cls,
        maps: Images,
        masks: Masks | None,
        labels: ArrayLike,
        scores: ArrayLike,
        defects: Sequence[str],
        pixel_maps: Images | None = None,
        regions: Sequence[Mapping[str, NDArray[np.bool_]]] | None = None,
    ) -> RankedTestSet:
        """Label the masks and sort the pixels of a test set; needs temporary memory of about one copy of the maps.

        Parameters
        ----------
        maps : (n, H, W) real, or n arrays of (H, W)
            Anomaly maps, higher is more anomalous. Compared in a precision that holds them all, never modified.
        masks : (n, H, W) bool or real, or n arrays of (H, W)
            Ground truth of 0 and one other whole number, or of 0 and class ids; None in place of one, or of all, where
            there is none.
        labels : (n,) of 0 and 1
            1 for anomalous images. Used for I-AUROC and images without a mask; the pixel metrics follow the masks.
        scores : (n,) real
            Anomaly scores of the images.
        defects : (n,) str
            Name of the defect in each image, ``good`` in nominal ones.
        pixel_maps : (n, H, W) real, or n arrays of (H, W), optional
            The maps for P-AUROC, where a method's reference scales them differently.
        regions : (n,) dict of (H, W) bool, optional
            The parts of an image's mask that are of each of its defects, by name; empty where it has one only.

        Raises
        ------
        ValueError
            Where maps or scores are not finite, a mask is soft, a label is neither 0 nor 1, shapes differ, or not
            every image has a defect name.
        """
        anomalous = image_labels(labels)
        checked = image_scores(scores, anomalous.size)
        parts = [{} for _ in range(anomalous.size)] if regions is None else regions
        for name, images in (("pixel_maps", pixel_maps), ("defects", defects), ("regions", parts)):
            if images is not None:
                check_count(name, len(images), anomalous.size)
        filled, unmasked = with_masks(masks, maps, anomalous)
        truth = [
            _Truth.of(mask, part, known=not unknown)
            for mask, part, unknown in zip(foregrounds(filled), parts, unmasked, strict=True)
        ]
        names = tuple(map(str, defects))
        kinds = tuple((name, *sorted(set(part.parts) - {name})) for name, part in zip(names, truth, strict=True))
        others = ranked = _rank(maps, truth, kinds, anomalous)
        if pixel_maps is not None and not equal_images(maps, pixel_maps):
            others = _rank(pixel_maps, truth, kinds, anomalous, "pixel_maps")
        region_image = np.repeat(np.arange(len(truth)), [mask.regions for mask in truth])
        return cls(anomalous, checked, names, kinds, unmasked, region_image, ranked, others)


def images_of(defect: str, kinds: Sequence[Sequence[str]]) -> list[int]:
    """Return which images show a defect or are nominal, by the names under which each counts."""
    return [index for index, names in enumerate(kinds) if names[0] == NOMINAL or defect in names]


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """The ground truth of one image.

    Parameters
    ----------
    mask : (H, W) bool
        True on anomalous pixels.
    of_pixel : (p,) int32
        The region (from 1 on) of each of them, row by row.
    regions
        Number of regions.
    parts
        The ground truth of each of its defects by itself, where it has several.
    known
        False where an anomalous image has no mask: none of its pixels counts.
    """

    mask: NDArray[np.bool_]
    of_pixel: NDArray[np.int32]
    regions: int
    parts: Mapping[str, _Truth] = field(default_factory=dict)
    known: bool = True

    @classmethod
    def of(cls, mask: NDArray[np.bool_], parts: Mapping[str, NDArray[np.bool_]], *, known: bool) -> _Truth:
        own = {name: cls.of(part & mask, {}, known=known) for name, part in parts.items()}
        return cls(mask, *label_components(mask), own, known)

    def about(self, defect: str) -> _Truth:
        """Return the ground truth of one defect: all where the image has one only."""
        return self.parts.get(defect, self)

    @property
    def not_normal(self) -> NDArray[np.bool_]:
        """Which pixels are not known to be normal, (H, W)."""
        return self.mask if self.known else np.broadcast_to(np.True_, self.mask.shape)


def _rank(
    maps: Images,
    truth: Sequence[_Truth],
    kinds: Sequence[tuple[str, ...]],
    labels: NDArray[np.bool_],
    name: str = "maps",
) -> RankedMaps:
    """Sort the normal pixels of each image, count them at thresholds, and rank the anomalous ones among them."""
    images, dtype = score_maps(maps, name)
    check_same_images(images, [part.mask for part in truth], name)
    pairs = [(image, part.not_normal) for image, part in zip(images, truth, strict=True)]
    anomalous = [image[part.mask].astype(dtype, copy=False) for image, part in zip(images, truth, strict=True)]
    regions = [scores for pixels, part in zip(anomalous, truth, strict=True) for scores in _split(pixels, part)]
    normal = NormalPixels(pairs, dtype)
    counts = count_pixels(normal, regions if name == "maps" else [*map(np.sort, anomalous)])
    whole = _Ranking.of(anomalous, truth, labels)

    def ranking(defect: str) -> _Ranking:
        chosen = images_of(defect, kinds)
        about = [truth[index].about(defect) for index in chosen]
        pixels = [
            anomalous[index] if part is truth[index] else images[index][part.mask].astype(dtype, copy=False)
            for index, part in zip(chosen, about, strict=True)
        ]
        return _Ranking.of(pixels, about, labels[chosen])

    by_defect = {
        defect: ranking(defect) for defect in sorted({kind for names in kinds if names[0] != NOMINAL for kind in names})
    }
    _count_all(normal, kinds, whole, by_defect)
    ranks = {defect: each.ranks() for defect, each in by_defect.items()}
    return RankedMaps(whole.ranks(), ranks, counts, _parts(images, truth, counts))


def _count_all(
    normal: NormalPixels, kinds: Sequence[tuple[str, ...]], whole: _Ranking, by_defect: Mapping[str, _Ranking]
) -> None:
    """Count the normal pixels for each ranking.

    Counts add over images: those of the images that count under the same names are made once, at all anomalous scores.
    """
    by_names: dict[tuple[str, ...], list[int]] = {}
    for index, names in enumerate(kinds):
        by_names.setdefault(names, []).append(index)
    lock = Lock()

    def count(names: tuple[str, ...]) -> None:
        counts = count_above(normal.of(by_names[names]), whole.scores)
        size = sum(normal.sizes[index] for index in by_names[names])
        with lock:
            whole.add(counts, size)
            for defect, ranking in by_defect.items():
                if images_of(defect, [names]):
                    ranking.add(counts[:, np.searchsorted(whole.scores, ranking.scores)], size)

    for _ in in_threads(count, by_names):
        pass


def _parts(images: Sequence[NDArray[Any]], truth: Sequence[_Truth], counts: ThresholdCounts) -> PartCounts:
    """Count the pixels of the regions of each defect of images that have several."""
    rows = [
        (index, defect, scores)
        for index, (image, whole) in enumerate(zip(images, truth, strict=True))
        for defect, part in whole.parts.items()
        for scores in _split(image[part.mask], part)
    ]
    found, _ = counts_at([scores for *_, scores in rows], counts.thresholds)
    return PartCounts(np.array([row[0] for row in rows], dtype=np.int64), tuple(row[1] for row in rows), found)


@dataclass(slots=True, eq=False)
class _Ranking:
    """Anomalous pixels of some images, and the normal ones that were counted so far.

    Parameters
    ----------
    scores : (d,)
        Distinct scores of the anomalous pixels, ascending.
    share : (d,) float64
        Sum of 1 / |C| over the anomalous pixels with each score.
    repeated : (d,) int64
        Number of anomalous pixels with each score.
    components
        Number of regions.
    unknown
        Why the ground truth of some image is not known; empty where it is.
    counts : (2, d) int64
        Normal pixels above each score, and equal to it.
    normal
        Number of normal pixels.
    """

    scores: NDArray[Any]
    share: NDArray[np.float64]
    repeated: NDArray[np.int64]
    components: int
    unknown: str
    counts: NDArray[np.int64]
    normal: int = 0

    @classmethod
    def of(cls, pixels: Sequence[NDArray[Any]], truth: Sequence[_Truth], labels: NDArray[np.bool_]) -> _Ranking:
        shares = np.concatenate([shares_of(part.of_pixel) for part in truth])
        scores, share, repeated = group_scores(np.concatenate(pixels), shares)
        unmasked = np.array([not part.known for part in truth], dtype=np.bool_)
        unknown, counts = why_no_pixels(unmasked, labels), np.zeros((2, scores.size), dtype=np.int64)
        return cls(scores, share, repeated, sum(part.regions for part in truth), unknown, counts)

    def add(self, counts: NDArray[np.int64], normal: int) -> None:
        """Add so many normal pixels, counted above and at each score."""
        self.counts += counts
        self.normal += normal

    def ranks(self) -> PixelRanks:
        above, equal = self.counts
        return PixelRanks(self.share, self.repeated, above, equal, self.normal, self.components, self.unknown)


def _split(scores: NDArray[Any], truth: _Truth) -> list[NDArray[Any]]:
    """Return the scores of each region, ascending."""
    if not truth.regions:
        return []
    order = np.argsort(truth.of_pixel, kind="stable")
    regions = np.split(scores[order], np.cumsum(np.bincount(truth.of_pixel)[1:])[:-1])
    for region in regions:
        region.sort()
    return regions
