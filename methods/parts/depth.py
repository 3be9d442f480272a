"""The depth image of AST: gaps filled, object separated from background, centimetres about the object's mean."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.contract import MethodError, Sample
from methods.parts.gap_filling import fill_gaps

__all__ = ["ForegroundRule", "corner_plane", "depth_and_foreground", "find_foreground", "resize_bilinear"]

ForegroundRule = Literal["auto", "corners", "cleaned"]
"""How the object is separated from the background: parameter ``foreground`` of :class:`methods.ast.AST`."""

_BACKGROUND_DISTANCE = 7e-3
_CENTIMETRES = 100.0


def depth_and_foreground(
    sample: Sample, size: int, rule: ForegroundRule, passes: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
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
    device
        Where everything is computed; of a CUDA device the host waits for two decisions.

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
    measured = torch.from_numpy(np.ascontiguousarray(sample.xyz[..., 2])).to(device).double()
    depth = fill_gaps(measured, passes=passes, closed=torch.from_numpy(sample.plane.copy()).to(device))
    foreground = find_foreground(depth, rule, cleaned=bool(sample.plane.any()))
    if not foreground.any():
        raise MethodError(
            f"The cloud of sample {sample.id} has no point on the object: it is empty, or cleaning removed everything; "
            "look at it with 'harness data verify'."
        )
    mean = torch.where(foreground, depth, 0).sum() / foreground.sum()
    centred = torch.where(foreground, depth - mean, 0) * _CENTIMETRES
    resized = [resize_bilinear(_as_square(image), size) for image in (centred, foreground.double())]
    return resized[0], (resized[1] > 0).float()


def find_foreground(depth: Tensor, rule: ForegroundRule, *, cleaned: bool) -> Tensor:
    """Return the (H, W) mask of the object, bool.

    Parameters
    ----------
    depth : (H, W) float64
        Metres, gaps filled; 0 where nothing was measured.
    rule
        See :data:`ForegroundRule`.
    cleaned
        Whether a background was removed from this cloud.
    """
    measured = depth != 0
    if rule == "auto":
        rule = "cleaned" if cleaned or not _corners_are_measured(depth) else "corners"
    if rule == "cleaned":
        return measured
    return measured & ((corner_plane(depth) - depth).abs() > _BACKGROUND_DISTANCE)


def corner_plane(depth: Tensor) -> Tensor:
    """Return the bilinear blend (H, W) of the four corners' depths, float64.

    A corner's depth is the mean of the positive values among its 2 x 2 pixels; the blend equals it at the corner pixel.

    Raises
    ------
    MethodError
        If a corner has no positive value.
    """
    if not _corners_are_measured(depth):
        raise MethodError(
            "A corner of the depth image has no depth, so its background plane is unknown: "
            "use foreground=auto or foreground=cleaned."
        )
    corners = _corners(depth)
    positive = corners > 0
    means = torch.where(positive, corners, 0).sum((2, 3)) / positive.sum((2, 3))
    down, right = (torch.from_numpy(np.linspace(0, 1, length)).to(depth) for length in depth.shape)
    left_edge, right_edge = (torch.lerp(top, bottom, down) for top, bottom in means.T)
    return torch.lerp(left_edge[:, None], right_edge[:, None], right)


def resize_bilinear(image: Tensor, size: int) -> Tensor:
    """Resize (H, W) to (size, size): pixel centres aligned, no antialiasing; float32."""
    resized = functional.interpolate(image[None, None].double(), size=(size, size), mode="bilinear")
    return resized[0, 0].float()


def _corners(depth: Tensor) -> Tensor:
    """Return the 2 x 2 pixels of each corner, (2, 2, 2, 2): top and bottom, then left and right."""
    rows = torch.stack([depth[:2], depth[-2:]])
    return torch.stack([rows[..., :2], rows[..., -2:]], 1)


def _corners_are_measured(depth: Tensor) -> bool:
    """Return whether each corner has a positive value."""
    return bool((_corners(depth) > 0).any(-1).any(-1).all())


def _as_square(image: Tensor) -> Tensor:
    """Pad with zeros to a centred square, as :func:`harness.geometry.square_pad`."""
    height, width = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return functional.pad(image, (left, side - width - left, top, side - height - top))
