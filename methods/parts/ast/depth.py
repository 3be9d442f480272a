"""The depth image of AST: gaps filled, object separated from background, centimetres about the object's mean."""

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
"""How the object is separated from the background: parameter ``foreground`` of :class:`methods.ast.AST`."""

_BACKGROUND_DISTANCE = 7e-3
_CENTIMETRES = 100.0


def depth_and_foreground(sample: Sample, size: int, rule: ForegroundRule, passes: int) -> tuple[Tensor, Tensor]:
    """Return the depth image and the foreground of a sample.

    Parameters
    ----------
    sample
        The third coordinate of its cloud is the depth; a pixel that cleaning removed as background is not a gap.
    size
        Side of the result, pixels.
    rule
        See :data:`ForegroundRule`.
    passes
        Passes of gap filling.

    Returns
    -------
    depth : (size, size) float32
        Centimetres about the object's mean in the zero-padded square, 0 off the object.
    foreground : (size, size) float32
        1 where a pixel contains a part of the object, else 0.

    Raises
    ------
    MethodError
        If the sample has no foreground, or the rule is ``corners`` and a corner has no depth.
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
    """Return the (H, W) mask of the object.

    Parameters
    ----------
    depth : (H, W)
        Metres, gaps filled; 0 where nothing was measured.
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

    A corner's depth is the mean of the positive values among its 2 x 2 pixels; the blend equals it at the corner pixel.

    Raises
    ------
    MethodError
        If a corner has no positive value.
    """
    means = []
    for corner in _corners(depth):
        if not (corner > 0).any():
            raise MethodError(
                "A corner of the depth image has no depth, so its background plane is unknown: "
                "use 'ast[foreground=auto]' or 'ast[foreground=cleaned]'."
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
