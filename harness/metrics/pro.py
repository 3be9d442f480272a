"""Area under the per-region overlap curve (AUPRO) up to a false positive rate: exact, and as papers print it.

PRO (Bergmann et al., CVPR 2019 and IJCV 2021) is the overlap of the thresholded map with a ground-truth component,
averaged over the components of all images. The area is divided by the limit, so that a perfect map gives 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.inputs import Images, check_limit
from harness.metrics.ranks import PixelRanks, find_regions, rank_pixels

__all__ = ["OFFICIAL_THRESHOLDS", "aupro", "aupro_of_ranks", "aupro_official", "official_aupro_of_ranks"]

OFFICIAL_THRESHOLDS = 99
"""Thresholds in the code of CFM (Costanzino et al., CVPR 2024); BTF, M3DM and MVTec 3D-AD use 100."""


def aupro(maps: Images, masks: Images, limit: float) -> float:
    """Return the exact area under the PRO curve.

    Parameters
    ----------
    maps : (n, H, W) real, or n arrays of (H, W)
        Higher is more anomalous.
    masks : (n, H, W) bool or real, or n arrays of (H, W)
        Ground truth of 0 and one other whole number, or of 0 and class ids.
    limit
        False positive rate up to which the curve is integrated, in (0, 1].

    Returns
    -------
    float
        In [0, 1]; NaN where there is no anomalous or no normal pixel.

    Raises
    ------
    ValueError
        Where a map is not finite, a mask is soft, shapes differ, or the limit lies outside (0, 1].
    """
    check_limit(limit)
    return aupro_of_ranks(rank_pixels(maps, find_regions(masks)), limit)


def aupro_official(maps: Images, masks: Images, limit: float, num_thresholds: int = OFFICIAL_THRESHOLDS) -> float:
    """Return the area under the PRO curve by the published code's rule, for comparison with printed numbers.

    The thresholds are the scores at equidistant ranks among all normal pixels. A pixel is detected above the threshold,
    never at it; the false positive rate is read off the rank, even under ties; the curve ends in (1, 1) and is
    linear between its points. With 99 thresholds no point lies between 0 and 1/98, hence
    AUPRO@1% = 0.51 PRO(0) + 0.49 PRO(1/98).

    Parameters
    ----------
    maps, masks, limit
        As for :func:`aupro`.
    num_thresholds
        At least 2: 99 for CFM, 100 for BTF, M3DM and the MVTec 3D-AD code.

    Returns
    -------
    float
        In [0, 1]; NaN where there is no anomalous or no normal pixel.

    Raises
    ------
    ValueError
        As for :func:`aupro`, and for fewer than 2 thresholds.
    """
    check_limit(limit)
    return official_aupro_of_ranks(rank_pixels(maps, find_regions(masks)), limit, num_thresholds)


def aupro_of_ranks(ranks: PixelRanks, limit: float) -> float:
    """Return the exact area under the PRO curve from counts, NaN where it is undefined.

    With N normal pixels, G and E of them above and equal to an anomalous pixel p, the curve detects p from the false
    positive rate G/N on, linearly up to (G + E)/N. Up to c = limit N this contributes to the area, in units of 1/N:
    0 if c <= G; c - G - E/2 if c >= G + E; else (c - G)^2 / 2E. Each pixel weighs 1/|C| over the number of components.
    """
    if ranks.undefined:
        return float("nan")
    budget = limit * ranks.normal
    left = np.maximum(budget - ranks.above, 0.0)
    detected = np.where(left >= ranks.equal, left - ranks.equal / 2, left**2 / (2 * np.maximum(ranks.equal, 1)))
    return _at_most_one(ranks.share @ detected / (ranks.components * budget))


def official_aupro_of_ranks(ranks: PixelRanks, limit: float, num_thresholds: int = OFFICIAL_THRESHOLDS) -> float:
    """Return :func:`aupro_official` from counts, NaN where it is undefined.

    No threshold is looked up: an anomalous score exceeds the normal score at a rank exactly if at most as many normal
    pixels score at or above it as lie above that rank.
    """
    if num_thresholds < 2:
        raise ValueError(f"num_thresholds is {num_thresholds}, but a curve needs at least 2.")
    if ranks.undefined:
        return float("nan")
    ranks_of_thresholds = np.linspace(0, ranks.normal - 1, num_thresholds, dtype=np.int64)[::-1]
    false_positive_rate = 1.0 - (ranks_of_thresholds + 1) / ranks.normal
    overlap = _overlap(ranks, ranks.normal - 1 - ranks_of_thresholds)
    return _at_most_one(_mean_below(np.append(false_positive_rate, 1.0), np.append(overlap, 1.0), limit))


def _overlap(ranks: PixelRanks, false_positives: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return PRO where at most so many normal pixels may score at or above a detected pixel."""
    detected = np.concatenate([[0.0], np.cumsum(ranks.share[::-1])]) / ranks.components
    return detected[np.searchsorted((ranks.above + ranks.equal)[::-1], false_positives, side="right")]


def _mean_below(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> float:
    """Return the mean over [x[0], limit] of the curve through ascending points."""
    inside = x < limit
    return float(np.trapezoid(np.append(y[inside], np.interp(limit, x, y)), np.append(x[inside], limit)) / limit)


def _at_most_one(area: float) -> float:
    """Clip what rounding adds to a perfect result."""
    return min(float(area), 1.0)
