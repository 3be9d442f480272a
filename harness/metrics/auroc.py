"""Area under the ROC curve of images and of pixels, exact under ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.metrics.inputs import Images, image_labels, image_scores
from harness.metrics.ranks import PixelRanks, find_regions, rank_pixels

__all__ = ["auroc", "auroc_of_ranks", "pixel_auroc"]


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve of image scores (I-AUROC).

    Parameters
    ----------
    labels : (n,) of 0 and 1
        1 for anomalous images.
    scores : (n,) real
        Higher is more anomalous.

    Returns
    -------
    float
        In [0, 1]; NaN where all images belong to the same class.

    Raises
    ------
    ValueError
        Where a label is neither 0 nor 1, a score is not finite, or the lengths differ.
    """
    anomalous = image_labels(labels)
    ranked = image_scores(scores, anomalous.size)
    normal, positive = np.sort(ranked[~anomalous]), ranked[anomalous]
    after = np.searchsorted(normal, positive, side="right")
    equal = after - np.searchsorted(normal, positive, side="left")
    return _area(np.ones_like(after), normal.size - after, equal, normal.size)


def pixel_auroc(maps: Images, masks: Images) -> float:
    """Return the area under the ROC curve of all pixels, background included (P-AUROC).

    Parameters
    ----------
    maps : (n, H, W) real, or n arrays of (H, W)
        Higher is more anomalous.
    masks : (n, H, W) bool or real, or n arrays of (H, W)
        Ground truth of 0 and one other whole number, or of 0 and class ids.

    Returns
    -------
    float
        In [0, 1]; NaN where there is no anomalous or no normal pixel.

    Raises
    ------
    ValueError
        Where a map is not finite, a mask is soft, or shapes differ.
    """
    return auroc_of_ranks(rank_pixels(maps, find_regions(masks)))


def auroc_of_ranks(ranks: PixelRanks) -> float:
    """Return P-AUROC from counts: 1 - sum_p (G + E/2) / (N M), NaN where it is undefined.

    G and E are the numbers of normal pixels above and equal to an anomalous pixel p, N and M the numbers of normal and
    anomalous pixels.
    """
    if ranks.undefined:
        return float("nan")
    return _area(ranks.anomalous, ranks.above, ranks.equal, ranks.normal)


def _area(positives: NDArray[np.int64], above: NDArray[np.int64], equal: NDArray[np.int64], negatives: int) -> float:
    pairs = int(positives.sum()) * negatives
    if not pairs:
        return float("nan")
    halves_lost = int(positives @ (2 * above + equal))
    return 1.0 - halves_lost / (2 * pairs)
