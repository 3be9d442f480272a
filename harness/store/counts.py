"""Per-image pixel counts at thresholds: enough for every metric at any weighting of the images, without the maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.files.arrays import read_arrays
from harness.metrics.evaluation import METRICS
from harness.metrics.inputs import check_count
from harness.metrics.testset import NOMINAL, RankedTestSet, images_of
from harness.metrics.thresholds import PartCounts, ThresholdCounts, narrow
from harness.metrics.weighted import (
    areas_below,
    lowest_points,
    official_points,
    pairs_in_order,
    pixel_pairs,
    weighted_auroc,
)
from harness.store.details import image_columns, pack_names, unpack_names

__all__ = ["ImageCounts", "count_images"]

_VERSION = 1
_ROWS_OF_A_PRODUCT = 2048
"""Rows of a matrix product: many, since each wakes the threads of the linear algebra library."""
_ROWS = 256
"""Rows of the steps after a product: few, to fit a processor's cache."""
_LIMITS = np.array([0.3, 0.01])
_OF_CURVE = ("aupro_30", "aupro_1", "aupro_30_official", "aupro_1_official")
_TINY = np.finfo(np.float64).tiny
"""Replaces a total of 0, for which no curve is defined; the result is discarded."""
_REACH = 0.33
"""False positive rate up to which curves are needed: the thresholds of papers are 1/98 apart."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Weighted sums over images.

    Parameters
    ----------
    normal, overlap : (r, 1 + t) float64
        Normal pixels and detected part of each region above all thresholds (0), then at or above each.
    image_pairs, pixel_pairs : (r, n) float64
        Pairs of a negative and a positive of each image that are in order.
    totals : (r, 6) float64
        Normal pixels and regions; normal and anomalous pixels of the maps for P-AUROC; nominal and anomalous images.
    """

    normal: NDArray[np.float64]
    overlap: NDArray[np.float64]
    image_pairs: NDArray[np.float64]
    pixel_pairs: NDArray[np.float64]
    totals: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """Pixel counts of each image and region at about 330 thresholds: enough for every metric without the maps.

    Parameters
    ----------
    ids, defects : (n,) str
        Of the images; the defect is ``good`` in nominal ones.
    labels : (n,) bool
        True for anomalous images.
    scores : (n,) float64
        Anomaly scores of the images.
    region_image : (m,) int64
        The image of each 8-connected anomalous region.
    regions : ThresholdCounts
        Of the anomaly maps: normal pixels of each image, anomalous ones of each region.
    pixels : ThresholdCounts
        Of the maps for P-AUROC: normal and anomalous pixels of each image.
    shared
        True where both are of the same maps; a file then holds them once.
    also : (n,) tuples of str
        Further defects that each image counts under.
    parts, pixel_parts : PartCounts
        Of both kinds of maps: pixels of each region of each defect of the images that have several.
    unmasked : (n,) bool
        True for anomalous images without a mask: with one of them no metric of pixels is defined.
    """

    ids: tuple[str, ...]
    defects: tuple[str, ...]
    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    region_image: NDArray[np.int64]
    regions: ThresholdCounts
    pixels: ThresholdCounts
    shared: bool
    also: tuple[tuple[str, ...], ...]
    parts: PartCounts
    pixel_parts: PartCounts
    unmasked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def kinds(self) -> tuple[tuple[str, ...], ...]:
        """All names under which each image counts, that of its defect first."""
        return tuple((defect, *more) for defect, more in zip(self.defects, self.also, strict=True))

    def of_defect(self, defect: str) -> ImageCounts:
        """Return the counts of the images of a defect and of the nominal ones, in which it is the only defect."""
        chosen = images_of(defect, self.kinds)
        whole = np.array([self.defects[index] in (defect, NOMINAL) for index in range(len(self))], dtype=np.bool_)
        place = np.full(len(self), -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        kept = whole[self.region_image]
        image, of_regions = place[self.region_image[kept]], self.regions.anomalous[kept]
        anomalous = np.where(whole[:, np.newaxis], self.pixels.anomalous, 0)
        of, of_pixels = (part.of(defect) & ~whole[part.image] for part in (self.parts, self.pixel_parts))
        image = np.concatenate([image, place[self.parts.image[of]]])
        of_regions = np.concatenate([of_regions, self.parts.found[of]])
        np.add.at(anomalous, self.pixel_parts.image[of_pixels], self.pixel_parts.found[of_pixels])
        regions, pixels = self.regions, self.pixels
        return ImageCounts(
            tuple(self.ids[index] for index in chosen),
            tuple(self.defects[index] for index in chosen),
            self.labels[chosen],
            self.scores[chosen],
            image,
            replace(regions, normal=regions.normal[chosen], anomalous=of_regions),
            replace(pixels, normal=pixels.normal[chosen], anomalous=anomalous[chosen]),
            self.shared,
            ((),) * len(chosen),
            PartCounts.none(regions.thresholds.size),
            PartCounts.none(pixels.thresholds.size),
            self.unmasked[chosen],
        )

    @property
    def complete(self) -> bool:
        """Whether every anomalous image has a mask."""
        return not self.unmasked.any()

    @cached_property
    def region_sizes(self) -> NDArray[np.int64]:
        """Number of pixels of each region, (m,)."""
        return self.regions.anomalous[:, -1]

    @cached_property
    def _overlap(self) -> NDArray[np.float64]:
        """Sum over the regions of each image of the detected part at each threshold, (n, t)."""
        return _summed(self.regions.anomalous / self.region_sizes[:, np.newaxis], self.region_image, len(self))

    def pro_curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return false positive rates and PRO at the thresholds, from (0, 0) to (1, 1); NaN where undefined."""
        return self._curve(self.regions.normal, self._overlap)

    def roc_curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return false and true positive rates of pixels at the thresholds, from (0, 0) to (1, 1); NaN if undefined."""
        return self._curve(self.pixels.normal, self.pixels.anomalous)

    def evaluate(self, weights: ArrayLike | None = None) -> dict[str, NDArray[np.float64]]:
        """Return every metric for each weighting of the images.

        An image of weight 2 counts as if it were twice in the test set. Curves are straight between thresholds; with
        all weights 1 this differs by less than 0.001 from :func:`harness.metrics.evaluate`.

        Parameters
        ----------
        weights : (r, n) real, optional
            Not negative; all 1 by default.

        Returns
        -------
        dict
            For each of :data:`harness.metrics.METRICS` an (r,) array; NaN where the metric is undefined.

        Raises
        ------
        ValueError
            Where the weights are not (r, n), negative, or not finite.
        """
        rows = self._rows(np.ones((1, len(self))) if weights is None else weights)
        columns = lowest_points(self.regions.normal, rows, _REACH)
        table, ends = self._table(columns)
        parts = []
        for begin in range(0, len(rows), _ROWS_OF_A_PRODUCT):
            block = rows[begin : begin + _ROWS_OF_A_PRODUCT]
            product = block @ table
            for first in range(0, len(block), _ROWS):
                part = slice(first, first + _ROWS)
                parts.append(self._metrics(block[part], _Sums(*np.split(product[part], ends, axis=1)), columns))
        return {name: np.concatenate([np.empty(0), *(part[name] for part in parts)]) for name in METRICS}

    def _table(self, columns: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return what is summed over images, (n, columns): the parts of :class:`_Sums`, and where each but one ends."""
        normal, anomalous = self.pixels.normal, self.pixels.anomalous
        totals = (self.regions.normal, self._overlap, normal, anomalous)
        parts = (
            _from_zero(self.regions.normal[:, :columns]),
            _from_zero(self._overlap[:, :columns]),
            pairs_in_order(self.labels, self.scores),
            pixel_pairs(normal, anomalous),
            np.column_stack([*(part[:, -1] for part in totals), ~self.labels, self.labels]),
        )
        return np.hstack(parts), np.cumsum([part.shape[1] for part in parts[:-1]])

    def _metrics(self, rows: NDArray[np.float64], sums: _Sums, columns: int) -> dict[str, NDArray[np.float64]]:
        normal, regions, pixels, anomalous, negatives, positives = sums.totals.T
        unknown = 0.0 if self.complete else np.nan
        undefined = np.where((normal > 0) & (regions > 0), unknown, np.nan)
        normal, regions = np.maximum(normal, _TINY), np.maximum(regions, _TINY)
        single = np.append(False, self.regions.single[:columns])
        official = official_points(sums.normal, sums.overlap, normal, single)
        official[1][:, -1] = regions
        exact = areas_below(sums.normal, sums.overlap, normal[:, np.newaxis] * _LIMITS) / normal
        areas = [*exact, *areas_below(*official, np.broadcast_to(_LIMITS, (len(rows), len(_LIMITS))))]
        means = (
            np.minimum(area / limit / regions, 1.0) for area, limit in zip(areas, np.tile(_LIMITS, 2), strict=True)
        )
        return {
            "i_auroc": weighted_auroc(rows, sums.image_pairs, negatives, positives),
            "p_auroc": weighted_auroc(rows, sums.pixel_pairs, pixels, anomalous) + unknown,
            **{name: mean + undefined for name, mean in zip(_OF_CURVE, means, strict=True)},
        }

    def _curve(
        self, normal: NDArray[np.int64], anomalous: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        row = np.ones(len(self))
        return _share(row @ normal), _share(row @ anomalous) + (0.0 if self.complete else np.nan)

    def _rows(self, weights: ArrayLike) -> NDArray[np.float64]:
        rows = np.asarray(weights, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self):
            raise ValueError(f"weights has shape {rows.shape}, but there are {len(self)} images.")
        if not np.isfinite(rows).all() or (rows < 0).any():
            raise ValueError("weights must be finite and not negative.")
        return rows

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the counts as arrays, for an archive."""
        return {
            "version": np.array(_VERSION),
            "ids": np.array(self.ids, dtype=np.str_),
            "defects": np.array(self.defects, dtype=np.str_),
            "labels": self.labels,
            "scores": self.scores,
            "region_image": narrow(self.region_image),
            **self.regions.packed("regions"),
            **({} if self.shared else self.pixels.packed("pixels")),
            **pack_names(self.also),
            **self.parts.packed("parts"),
            **({} if self.shared else self.pixel_parts.packed("pixel_parts")),
            **({} if self.complete else {"unmasked": self.unmasked}),
        }

    @classmethod
    def read(cls, path: Path) -> ImageCounts | None:
        """Return the counts in an archive; None where it holds none.

        Raises
        ------
        OSError, ValueError
            Where the file is missing, damaged, or of another version.
        """
        arrays = read_arrays(path)
        if "version" not in arrays:
            return None
        try:
            return cls._of_arrays(arrays)
        except (KeyError, TypeError, IndexError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    @classmethod
    def _of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ImageCounts:
        if arrays["version"].tolist() != _VERSION:
            raise ValueError(f"version {arrays['version'].tolist()} instead of {_VERSION}")
        ids, defects, labels, scores = image_columns(arrays)
        region_image = arrays["region_image"]
        if region_image.dtype.kind != "u" or region_image.ndim != 1 or (region_image >= len(ids)).any():
            raise ValueError("a region of an image that is not there")
        region_image = region_image.astype(np.int64)
        regions = ThresholdCounts.unpack("regions", arrays, len(ids), region_image.size)
        if not regions.anomalous[:, -1].all():
            raise ValueError("a region without pixels")
        shared = "pixels_normal" not in arrays
        pixels = (
            _by_image(regions, region_image) if shared else ThresholdCounts.unpack("pixels", arrays, len(ids), len(ids))
        )
        also, unmasked = unpack_names(arrays, len(ids)), arrays.get("unmasked", np.zeros_like(labels))
        if unmasked.dtype != np.bool_ or unmasked.shape != labels.shape:
            raise ValueError("not one flag for each image that says whether it has a mask")
        parts = PartCounts.unpack("parts", arrays, len(ids), regions.thresholds.size)
        others = parts if shared else PartCounts.unpack("pixel_parts", arrays, len(ids), pixels.thresholds.size)
        images = (ids, defects, labels, scores, region_image)
        counts = cls(*images, regions, pixels, shared, also, parts, others, unmasked)
        for part in (parts, others):
            if any(name not in counts.kinds[place] for place, name in zip(part.image, part.defect, strict=True)):
                raise ValueError("a part of a defect that its image does not have")
        return counts


def count_images(test_set: RankedTestSet, ids: Sequence[str]) -> ImageCounts:
    """Return the counts of a test set.

    Parameters
    ----------
    test_set
        Its images.
    ids : (n,) str
        Of the images.

    Raises
    ------
    ValueError
        Where not every image has an id.
    """
    check_count("ids", len(ids), test_set.labels.size)
    regions, region_image = test_set.maps.counts, test_set.region_image
    shared = test_set.pixel_maps is test_set.maps
    return ImageCounts(
        tuple(map(str, ids)),
        test_set.defects,
        test_set.labels,
        test_set.scores.astype(np.float64),
        region_image,
        regions,
        _by_image(regions, region_image) if shared else test_set.pixel_maps.counts,
        shared,
        tuple(names[1:] for names in test_set.kinds),
        test_set.maps.parts,
        test_set.pixel_maps.parts,
        test_set.unmasked,
    )


def _by_image(regions: ThresholdCounts, region_image: NDArray[np.int64]) -> ThresholdCounts:
    anomalous = _summed(regions.anomalous.astype(np.float64), region_image, len(regions.normal))
    return ThresholdCounts(regions.thresholds, regions.normal, anomalous.astype(np.int64), regions.single)


def _summed(rows: NDArray[np.float64], region_image: NDArray[np.int64], images: int) -> NDArray[np.float64]:
    """Return the sum over the regions of each image, (n, t), of one row for each region: exact for whole numbers."""
    order = np.argsort(region_image, kind="stable")
    having, starts = np.unique(region_image[order], return_index=True)
    summed = np.zeros((images, rows.shape[1]))
    if having.size:
        summed[having] = np.add.reduceat(rows[order], starts, axis=0)
    return summed


def _from_zero(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return rows with a zero before their first value: nothing lies above all thresholds."""
    return np.pad(rows.astype(np.float64), ((0, 0), (1, 0)))


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums at thresholds as parts of the last one, from 0 above all thresholds; NaN where the last one is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: NDArray[np.float64] = np.append(0.0, sums) / sums[-1]
    return shares
