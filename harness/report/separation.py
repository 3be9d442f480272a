"""How well a score separates an image from those of the other kind, whatever the scale of the scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.store.record import ImageScore

__all__ = ["separation", "share_below"]


def separation(images: Iterable[ImageScore]) -> dict[str, float]:
    """Return, by the id of each image, the share of images of the other kind that its score is on the right side of.

    Of an anomalous image, how many nominal ones score lower; of a nominal one, how many anomalous ones score higher.
    Equal scores count half. The mean over the images of either kind is the I-AUROC.

    Parameters
    ----------
    images
        All test images of one category.
    """
    images = list(images)
    scores = {label: [image.score for image in images if image.label == label] for label in (0, 1)}
    shares = {}
    for image in images:
        below = share_below(image.score, scores[1 - image.label])
        shares[image.id] = below if image.label else 1 - below
    return shares


def share_below(value: float, others: Sequence[float]) -> float:
    """Return the share of some numbers that are below a value; equal ones count half, and of none it is a half."""
    return sum((other < value) + 0.5 * (other == value) for other in others) / len(others) if others else 0.5
