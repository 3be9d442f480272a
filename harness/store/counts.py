"""Per-image pixel counts at thresholds: enough for every metric at any weighting of the images, without the maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.files.arrays import read_arrays
from harness.metrics.evaluation import METRICS
from harness.metrics.inputs import check_count
from harness.metrics.testset import RankedTestSet
from harness.metrics.thresholds import ThresholdCounts, narrow
from harness.metrics.weighted import mean_below, official_points, weighted_auroc
from harness.store.details import image_columns

__all__ = ["ImageCounts", "count_images"]

_VERSION = 1
_ROWS_OF_A_PRODUCT = 2048
"""Rows of a matrix product: many, since each wakes the threads of the linear algebra library."""
_ROWS = 256
"""Rows of the steps after a product: few, to fit a processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Weighted sums over images, first above all thresholds (0), then at each, (r, 1 + t) float64.

    Parameters
    ----------
    normal, pixel_normal
        Normal pixels at or above, in the anomaly maps and in the maps for P-AUROC.
    overlap
        Detected part of each region.
    pixel_anomalous
        Anomalous pixels at or above, in the maps for P-AUROC.
    """

    normal: NDArray[np.float64]
    overlap: NDArray[np.float64]
    pixel_anomalous: NDArray[np.float64]
    pixel_normal: NDArray[np.float64]

    def of(self, rows: slice) -> _Sums:
        return _Sums(self.normal[rows], self.overlap[rows], self.pixel_anomalous[rows], self.pixel_normal[rows])


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
    """

    ids: tuple[str, ...]
    defects: tuple[str, ...]
    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    region_image: NDArray[np.int64]
    regions: ThresholdCounts
    pixels: ThresholdCounts
    shared: bool = True

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def region_sizes(self) -> NDArray[np.int64]:
        """Number of pixels of each region, (m,)."""
        return self.regions.anomalous[:, -1]

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        """The terms summed over images, (n, columns): the four parts of :class:`_Sums`, each beginning with 0."""
        overlap = np.zeros(self.regions.normal.shape)
        np.add.at(overlap, self.region_image, self.regions.anomalous / self.region_sizes[:, np.newaxis])
        parts = [self.regions.normal, overlap, self.pixels.anomalous]
        if not self.shared:
            parts.append(self.pixels.normal)
        return np.hstack([np.pad(part, ((0, 0), (1, 0))) for part in parts])

    def _sums(self, rows: NDArray[np.float64]) -> _Sums:
        width = 1 + self.regions.thresholds.size
        pixel_width = 1 + self.pixels.thresholds.size
        normal, overlap, anomalous, other = np.split(
            rows @ self._table, [width, 2 * width, 2 * width + pixel_width], axis=1
        )
        return _Sums(normal, overlap, anomalous, normal if self.shared else other)

    def pro_curve(self, weights: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return false positive rates and PRO at the thresholds, from (0, 0) to (1, 1); NaN where undefined.

        Parameters
        ----------
        weights : (n,) real, optional
            How often each image counts; once by default.
        """
        sums = self._sums(self._one_row(weights))
        return _share(sums.normal)[0], _share(sums.overlap)[0]

    def roc_curve(self, weights: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return false and true positive rates of pixels at the thresholds, from (0, 0) to (1, 1); NaN where undefined.

        Parameters
        ----------
        weights : (n,) real, optional
            How often each image counts; once by default.
        """
        sums = self._sums(self._one_row(weights))
        return _share(sums.pixel_normal)[0], _share(sums.pixel_anomalous)[0]

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
        parts = []
        for begin in range(0, len(rows), _ROWS_OF_A_PRODUCT):
            block = rows[begin : begin + _ROWS_OF_A_PRODUCT]
            sums = self._sums(block)
            areas = weighted_auroc(block, self.labels, self.scores)
            for first in range(0, len(block), _ROWS):
                part = slice(first, first + _ROWS)
                parts.append({"i_auroc": areas[part], **self._pixel_metrics(sums.of(part))})
        return {name: np.concatenate([np.empty(0), *(part[name] for part in parts)]) for name in METRICS}

    def _pixel_metrics(self, sums: _Sums) -> dict[str, NDArray[np.float64]]:
        rates, overlap = _share(sums.normal), _share(sums.overlap)
        normal = rates if self.shared else _share(sums.pixel_normal)
        official = official_points(sums.normal, overlap, np.append(False, self.regions.single))
        undefined = np.isnan(rates[:, -1] + overlap[:, -1])
        values = {
            "p_auroc": mean_below(normal, _share(sums.pixel_anomalous), 1.0),
            "aupro_30": mean_below(rates, overlap, 0.3),
            "aupro_1": mean_below(rates, overlap, 0.01),
            "aupro_30_official": mean_below(*official, 0.3),
            "aupro_1_official": mean_below(*official, 0.01),
        }
        return {name: np.where(undefined, np.nan, value) for name, value in values.items()}

    def _one_row(self, weights: ArrayLike | None) -> NDArray[np.float64]:
        return self._rows(np.ones((1, len(self))) if weights is None else np.asarray(weights)[np.newaxis])

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
        return cls(ids, defects, labels, scores, region_image, regions, pixels, shared)


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
    )


def _by_image(regions: ThresholdCounts, region_image: NDArray[np.int64]) -> ThresholdCounts:
    anomalous = np.zeros_like(regions.normal)
    np.add.at(anomalous, region_image, regions.anomalous)
    return ThresholdCounts(regions.thresholds, regions.normal, anomalous, regions.single)


def _share(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each row by its last value; NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return rows / rows[:, -1:]
