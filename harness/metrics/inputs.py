"""Checks of the input of metrics; every fault is a ValueError with one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.data.masks import is_soft

__all__ = [
    "Images",
    "Masks",
    "check_count",
    "check_limit",
    "check_same_images",
    "equal_images",
    "foregrounds",
    "image_labels",
    "image_scores",
    "require_exact",
    "score_maps",
    "why_no_pixels",
    "with_masks",
]

Images: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]
"""An (n, H, W) array, or n arrays of (H, W) whose sizes may differ from one image to the next."""

Masks: TypeAlias = NDArray[Any] | Sequence[NDArray[Any] | None]
"""Ground truth of images; None for an image without a mask."""

_REAL_KINDS = "buif"


def _images(images: Images, name: str) -> list[NDArray[Any]]:
    arrays = [np.asarray(image) for image in images]
    if not arrays:
        raise ValueError(f"{name} holds no image.")
    for index, array in enumerate(arrays):
        if array.ndim != 2 or array.size == 0:
            raise ValueError(f"{name}[{index}] has shape {array.shape}; every image must be (H, W) and not empty.")
        if array.dtype.kind not in _REAL_KINDS:
            raise ValueError(f"{name}[{index}] has dtype {array.dtype}; only real numbers can be scored.")
    return arrays


def _check_finite(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity, which can't be ranked.")


def score_maps(maps: Images, name: str = "maps") -> tuple[list[NDArray[Any]], np.dtype[Any]]:
    """Check anomaly maps and choose the dtype they are compared in.

    Parameters
    ----------
    maps : (n, H, W) real, or n arrays of (H, W)
        Anomaly maps, higher is more anomalous.
    name
        Their name in error messages.

    Returns
    -------
    images : list of (H, W) arrays
        The maps as they are; nothing is copied.
    dtype
        A native dtype that holds the values of every map unchanged; half precision is widened to single.

    Raises
    ------
    ValueError
        Where a map is not (H, W), empty, not real, holds NaN or infinity, or where no dtype holds all values.
    """
    images = _images(maps, name)
    for index, image in enumerate(images):
        _check_finite(image, f"{name}[{index}]")
    common = np.result_type(*{image.dtype for image in images})
    for index, image in enumerate(images):
        try:
            require_exact(image, common)
        except ValueError as error:
            raise ValueError(f"{name}[{index}] {error}.") from error
    if common == np.bool_:
        return images, np.dtype(np.uint8)
    if common == np.float16:
        return images, np.dtype(np.float32)
    return images, common.newbyteorder("=")


def require_exact(values: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Raise ValueError, without name and full stop, where a float dtype of at least their range changes real values."""
    if dtype.kind != "f":
        return
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            same = values.dtype <= dtype or np.array_equal(values.astype(dtype), values, equal_nan=True)
    else:
        largest = 2 ** (np.finfo(dtype).nmant + 1)
        same = -largest <= int(values.min()) <= int(values.max()) <= largest
    if not same:
        raise ValueError(f"has dtype {values.dtype} with values that {dtype} changes")


def equal_images(images: Images, others: Images) -> bool:
    """Return whether two sets hold the same values, so that one ranking serves both."""
    return len(images) == len(others) and all(
        image is other or np.array_equal(image, other) for image, other in zip(images, others, strict=True)
    )


def foregrounds(masks: Images) -> list[NDArray[np.bool_]]:
    """Return ground truth as bool images.

    Parameters
    ----------
    masks : (n, H, W) bool or real, or n arrays of (H, W)
        0 and one other whole number, or 0 and class ids, in all masks (:func:`harness.data.masks.is_soft`).

    Raises
    ------
    ValueError
        Where a mask is not (H, W), empty, or soft: any other value, or both 1 and 255 among the masks.
    """
    images = _images(masks, "masks")
    top = max(image.max() for image in images)
    for index, image in enumerate(images):
        if image.dtype != np.bool_ and is_soft(image, top):
            raise ValueError(
                f"masks[{index}] is soft: all masks must hold 0 and one other whole number, or 0 and class ids that "
                "count down from the highest."
            )
    return [image if image.dtype == np.bool_ else image != 0 for image in images]


def with_masks(
    masks: Masks | None, maps: Images, anomalous: NDArray[np.bool_]
) -> tuple[list[NDArray[Any]], NDArray[np.bool_]]:
    """Return masks with an empty one in place of each that is missing, and which anomalous images have none.

    Parameters
    ----------
    masks
        One or None for each image; None where no image has one.
    maps : n arrays of (H, W)
        Give the size of an empty mask.
    anomalous : (n,) bool
        Labels of the images. All pixels of a nominal image are normal, so it needs no mask.

    Raises
    ------
    ValueError
        Where the numbers of masks, maps and labels differ.
    """
    given = [None] * anomalous.size if masks is None else list(masks)
    check_count("maps", len(maps), anomalous.size)
    if len(given) != len(maps):
        raise ValueError(f"maps holds {len(maps)} images, but masks holds {len(given)}.")
    missing = np.array([mask is None for mask in given], dtype=bool)
    pairs = zip(given, maps, strict=True)
    return [np.zeros(np.shape(image), np.bool_) if mask is None else mask for mask, image in pairs], missing & anomalous


def why_no_pixels(unmasked: NDArray[np.bool_], anomalous: NDArray[np.bool_]) -> str:
    """Return why pixels of some images can't be scored, a clause; empty where every anomalous image has a mask."""
    missing, all_anomalous = int(unmasked.sum()), int(anomalous.sum())
    return f"{missing} of {all_anomalous} anomalous samples have no mask" if missing else ""


def check_same_images(maps: list[NDArray[Any]], masks: list[NDArray[np.bool_]], name: str = "maps") -> None:
    """Raise ValueError unless every map has a mask of its own size."""
    if len(maps) != len(masks):
        raise ValueError(f"{name} holds {len(maps)} images, but masks holds {len(masks)}.")
    for index, (image, mask) in enumerate(zip(maps, masks, strict=True)):
        if image.shape != mask.shape:
            raise ValueError(f"{name}[{index}] has shape {image.shape}, but masks[{index}] has shape {mask.shape}.")


def image_labels(labels: ArrayLike) -> NDArray[np.bool_]:
    """Return the labels of images, (n,) of 0 and 1, as bool; raise ValueError for anything else."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in _REAL_KINDS or not ((array == 0) | (array == 1)).all():
        raise ValueError("labels must be a list of 0 (nominal) and 1 (anomalous), one per image.")
    return array.astype(bool)


def image_scores(scores: ArrayLike, count: int) -> NDArray[Any]:
    """Return the scores of ``count`` images as an (n,) array; raise ValueError where they can't be ranked."""
    array = np.asarray(scores)
    if array.shape != (count,):
        raise ValueError(f"scores has shape {array.shape}, but there are labels for {count} images.")
    if array.dtype.kind not in _REAL_KINDS:
        raise ValueError(f"scores has dtype {array.dtype}; only real numbers can be ranked.")
    _check_finite(array, "scores")
    return array


def check_count(name: str, count: int, labels: int) -> None:
    """Raise ValueError unless ``name`` has one entry per label."""
    if count != labels:
        raise ValueError(f"{name} holds {count} images, but there are {labels} labels.")


def check_limit(limit: float) -> None:
    """Raise ValueError unless a limit on the false positive rate lies in (0, 1]."""
    if not 0 < limit <= 1:
        raise ValueError(f"limit is {limit}, but the limit of the false positive rate must lie in (0, 1].")
