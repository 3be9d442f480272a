"""All accuracy metrics of a set of test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from harness.metrics.auroc import auroc, auroc_of_ranks
from harness.metrics.inputs import Images, Masks, equal_images, image_labels, why_no_pixels, with_masks
from harness.metrics.pro import aupro_of_ranks, official_aupro_of_ranks
from harness.metrics.ranks import PixelRanks, find_regions, rank_pixels
from harness.metrics.testset import RankedTestSet, images_of

__all__ = ["METRICS", "Evaluation", "evaluate", "evaluate_by_defect", "evaluate_test_set", "evaluate_with_reasons"]

METRICS = ("i_auroc", "p_auroc", "aupro_30", "aupro_1", "aupro_30_official", "aupro_1_official")
"""Names of the metrics, in the order of tables; all lie in [0, 1], higher is better."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Values of all metrics, and why some are undefined.

    Parameters
    ----------
    values
        One number for each of :data:`METRICS`, NaN where the metric is undefined.
    reasons
        Why, for each metric that is NaN; a clause without a full stop.
    """

    values: dict[str, float]
    reasons: dict[str, str]


def evaluate(
    maps: Images, masks: Masks | None, labels: ArrayLike, scores: ArrayLike, pixel_maps: Images | None = None
) -> dict[str, float]:
    """Return I-AUROC, P-AUROC and AUPRO at 30% and 1%, exact and official.

    Parameters
    ----------
    maps : (n, H, W) real, or n arrays of (H, W)
        Anomaly maps, higher is more anomalous. Compared in their own precision, never modified.
    masks : (n, H, W) bool or real, or n arrays of (H, W)
        Ground truth of 0 and one other whole number, or of 0 and class ids. None in place of a mask, or of all, where
        there is none: with an anomalous image among these the pixel metrics are undefined.
    labels : (n,) of 0 and 1
        1 for anomalous images. Used for I-AUROC and images without a mask; the pixel metrics follow the masks.
    scores : (n,) real
        Anomaly scores of the images.
    pixel_maps : (n, H, W) real, or n arrays of (H, W), optional
        The maps for P-AUROC, where a method's reference scales them differently.

    Returns
    -------
    dict
        One number in [0, 1] for each of :data:`METRICS`: ``aupro_30`` and ``aupro_1`` are exact integrals of the PRO
        curve, the ``_official`` ones follow the code with 99 thresholds whose numbers papers print (Costanzino et al.,
        CVPR 2024). NaN where undefined.

    Raises
    ------
    ValueError
        Where maps or scores are not finite, a mask is soft, a label is neither 0 nor 1, or shapes differ.
    """
    return evaluate_with_reasons(maps, masks, labels, scores, pixel_maps).values


def evaluate_with_reasons(
    maps: Images, masks: Masks | None, labels: ArrayLike, scores: ArrayLike, pixel_maps: Images | None = None
) -> Evaluation:
    """Return the values of :func:`evaluate`, with a reason for every undefined metric."""
    anomalous = image_labels(labels)
    truth, unmasked = with_masks(masks, maps, anomalous)
    area = auroc(anomalous, scores)
    regions, unknown = find_regions(truth), why_no_pixels(unmasked, anomalous)
    ranks = others = replace(rank_pixels(maps, regions), unknown=unknown)
    if pixel_maps is not None and not equal_images(maps, pixel_maps):
        others = replace(rank_pixels(pixel_maps, regions, "pixel_maps"), unknown=unknown)
    with _one_thread():
        return _evaluation(anomalous, area, ranks, others)


def _one_thread() -> threadpool_limits:
    """Return a context in which sums are made by one thread: more of them change the last bit, and wait for another."""
    return threadpool_limits(1, "blas")


def _evaluation(anomalous: NDArray[np.bool_], i_auroc: float, ranks: PixelRanks, pixel_ranks: PixelRanks) -> Evaluation:
    values = dict.fromkeys(METRICS, float("nan"))
    values["i_auroc"], values["p_auroc"] = i_auroc, auroc_of_ranks(pixel_ranks)
    reasons = {}
    if anomalous.all() or not anomalous.any():
        reasons["i_auroc"] = f"every image is {'anomalous' if anomalous.any() else 'nominal'}"
    for name, limit in (("aupro_30", 0.3), ("aupro_1", 0.01)):
        values[name] = aupro_of_ranks(ranks, limit)
        values[f"{name}_official"] = official_aupro_of_ranks(ranks, limit)
    if ranks.undefined:
        reasons |= dict.fromkeys(METRICS[1:], ranks.undefined)
    return Evaluation(values, reasons)


def evaluate_by_defect(
    maps: Images,
    masks: Masks | None,
    labels: ArrayLike,
    scores: ArrayLike,
    defects: Sequence[str],
    pixel_maps: Images | None = None,
    regions: Sequence[Mapping[str, NDArray[np.bool_]]] | None = None,
) -> dict[str, dict[str, float]]:
    """Evaluate each defect by itself, against all nominal images.

    An image with regions counts under each of their defects, too, and there with the pixels of that defect alone: those
    of others are neither normal nor anomalous.

    Parameters
    ----------
    maps, masks, labels, scores, defects, pixel_maps, regions
        As for :meth:`RankedTestSet.of`.

    Returns
    -------
    dict
        Metrics by the name of the defect, names ascending; empty where all images are ``good``.

    Raises
    ------
    ValueError
        As for :func:`evaluate`, and where not every image has a defect name.
    """
    test_set = RankedTestSet.of(maps, masks, labels, scores, defects, pixel_maps, regions)
    return {defect: part.values for defect, part in evaluate_test_set(test_set)[1].items()}


def evaluate_test_set(test_set: RankedTestSet) -> tuple[Evaluation, dict[str, Evaluation]]:
    """Return :func:`evaluate_with_reasons` and :func:`evaluate_by_defect` of a test set, both with reasons."""
    labels, scores, maps, pixel_maps = test_set.labels, test_set.scores, test_set.maps, test_set.pixel_maps
    by_defect = {}
    with _one_thread():
        for defect, ranks in maps.by_defect.items():
            chosen = images_of(defect, test_set.kinds)
            area = auroc(labels[chosen], scores[chosen])
            by_defect[defect] = _evaluation(labels[chosen], area, ranks, pixel_maps.by_defect[defect])
        return _evaluation(labels, auroc(labels, scores), maps.whole, pixel_maps.whole), by_defect
