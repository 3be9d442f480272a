"""The depth image of AST: gaps filled, object told from background, centimetres about the object's mean."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.contract import MethodError, Sample
from harness.geometry import square_pad
from methods.parts.ast.gap_filling import fill_gaps

__all__ = ["ForegroundRule", "corner_plane", "depth_and_foreground", "find_foreground", "resize_bilinear"]

ForegroundRule = Literal["auto", "corners", "cleaned"]
"""How the object is told from the background.

``corners``: what lies more than 7 mm off the plane through the image's four corners: the authors' rule, for raw clouds.
``cleaned``: every pixel with a depth: for clouds whose background is removed. ``auto``: ``cleaned`` where cleaning
removed a background or a corner has no depth, else ``corners``."""

_BACKGROUND_DISTANCE = 7e-3
_CENTIMETRES = 100.0


def depth_and_foreground(sample: Sample, size: int, rule: ForegroundRule, passes: int) -> tuple[Tensor, Tensor]:
    """Return what AST sees of a cloud.

    Parameters
    ----------
    sample
        Its cloud's third coordinate is the depth; a pixel that cleaning took for background is no gap.
    size
        Side of the result, pixels.
    rule
        See :data:`ForegroundRule`.
    passes
        Of gap filling.

    Returns
    -------
    Two (size, size) float32 of the zero-padded square: centimetres about the object's mean, 0 off the object; and
    1 on every pixel that the object reaches, else 0.

    Raises
    ------
    MethodError
        Where the sample has no foreground, or ``corners`` is asked for and a corner has no depth.
    """
    depth = fill_gaps(sample.xyz[..., 2].astype(np.float64), passes=passes, closed=sample.plane)
    foreground = find_foreground(depth, rule, cleaned=bool(sample.plane.any()))
    if not foreground.any():
        raise MethodError(
            f"The cloud of sample {sample.id} has no point on the object: it is empty, or cleaning removed everything; "
            "look at it with 'harness data verify'."
        )
    centred = np.where(foreground, depth - depth[foreground].mean(), 0) * _CENTIMETRES
    resized = [resize_bilinear(_as_square(image), size) for image in (centred, foreground)]
    return resized[0], (resized[1] > 0).float()


def find_foreground(depth: NDArray[np.float64], rule: ForegroundRule, *, cleaned: bool) -> NDArray[np.bool_]:
    """Return where (H, W) the object is.

    Parameters
    ----------
    depth : (H, W)
        Metres, gaps filled; 0 where there is none.
    rule
        See :data:`ForegroundRule`.
    cleaned
        Whether a background was removed from this cloud.
    """
    measured: NDArray[np.bool_] = depth != 0
    if rule == "auto":
        rule = "cleaned" if cleaned or not all((corner > 0).any() for corner in _corners(depth)) else "corners"
    if rule == "cleaned":
        return measured
    off_plane: NDArray[np.bool_] = np.abs(corner_plane(depth) - depth) > _BACKGROUND_DISTANCE
    return measured & off_plane


def corner_plane(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the bilinear blend (H, W) of the four corners' depths.

    A corner's depth is the mean of the positive values among its 2 x 2 pixels; the blend meets it at the corner pixel.

    Raises
    ------
    MethodError
        Where a corner has no positive value.
    """
    means = []
    for corner in _corners(depth):
        if not (corner > 0).any():
            raise MethodError(
                "A corner of the depth image has no depth, so that its background plane can't be told: "
                "take 'ast[foreground=auto]' or 'ast[foreground=cleaned]'."
            )
        means.append(corner[corner > 0].mean())
    down, right = (np.linspace(0, 1, length) for length in depth.shape)
    plane: NDArray[np.float64] = (
        np.stack([1 - down, down], 1) @ np.reshape(means, (2, 2)) @ np.stack([1 - right, right])
    )
    return plane


def resize_bilinear(image: Tensor, size: int) -> Tensor:
    """Resize (H, W) to (size, size): pixel centres aligned, no antialiasing; float32."""
    resized = functional.interpolate(image[None, None].double(), size=(size, size), mode="bilinear")
    return resized[0, 0].float()


def _corners(depth: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the 2 x 2 pixels at the top left, top right, bottom left and bottom right."""
    return depth[:2, :2], depth[:2, -2:], depth[-2:, :2], depth[-2:, -2:]


def _as_square(image: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(square_pad(image).astype(np.float64))
