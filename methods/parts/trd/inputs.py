"""Images of TRD's teacher: the photograph, and normals or depth as a second image with three channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from harness.contract import MethodError, Sample
from harness.geometry import resize_nearest
from methods.parts.gap_filling import fill_gaps
from methods.parts.inputs import MEAN, STD, measured_cloud
from methods.parts.normals import surface_normals

__all__ = ["Foreground", "Images", "Settings", "Third", "close_gaps", "corner_plane", "make_images", "object_of"]

Third = Literal["normal", "depth"]
Foreground = Literal["code", "cleaned"]

_PLANE_DISTANCE = 5e-3
_FILLS = 2
_CLOSING = 7
"""Side of the box that three passes with one of 3 x 3 amount to, pixels."""
_CORNER = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """How images are made; :class:`methods.trd.TRD` documents the parameters.

    Parameters
    ----------
    third, foreground, size
        Parameters of the same names.
    """

    third: Third
    foreground: Foreground
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """One sample on the device of the networks.

    Parameters
    ----------
    pair : (2, 3, size, size) float32
        Photograph, then normals or depth; of ImageNet's mean and deviation.
    frame
        Height and width of the sample's image, pixels.
    """

    pair: Tensor
    frame: tuple[int, int]


def make_images(sample: Sample, settings: Settings, sobel: int, device: torch.device | str) -> Images:
    """Squash photograph and third coordinate of a sample to a square, and transfer them.

    Parameters
    ----------
    sobel
        Side of the filter of normals.

    Raises
    ------
    MethodError
        If no pixel has a point on the object.
    """
    colours = torch.from_numpy(_squashed(sample.rgb, settings.size)).to(device).permute(2, 0, 1)
    third = (
        _normals(sample, settings, sobel, device) if settings.third == "normal" else _depth(sample, settings, device)
    )
    mean, deviation = (torch.from_numpy(row).to(device)[:, None, None] for row in (MEAN, STD))
    pair = (torch.stack([colours, third.float()]) - mean) / deviation
    height, width = sample.rgb.shape[:2]
    return Images(pair, (height, width))


def _squashed(rgb: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return (size, size, 3) in [0, 1]; Pillow's bilinear, which averages where it shrinks."""
    resized = Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32) / np.float32(255)


def _normals(sample: Sample, settings: Settings, sobel: int, device: torch.device | str) -> Tensor:
    """Return (3, size, size) float64: normals of the object's depth in [0, 1], 0 off the object."""
    depth, inside = object_of(sample, settings.foreground, device)
    filled = fill_gaps(_span(depth, inside, 0, 1), passes=_FILLS)
    image = (surface_normals(filled, sobel) + 1) / 2 * inside
    size = (settings.size, settings.size)
    return functional.interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]


def _depth(sample: Sample, settings: Settings, device: torch.device | str) -> Tensor:
    """Return (3, size, size) float64: the depth in [0.1, 0.9] three times, 0 where there is none."""
    cloud = sample.xyz if settings.foreground == "cleaned" else measured_cloud(sample)
    depth = torch.from_numpy(resize_nearest(cloud[..., 2], settings.size).astype(np.float64)).to(device)
    measured = depth != 0
    _require_object(measured, sample)
    return fill_gaps(_span(depth, measured, 0.1, 0.9), passes=_FILLS).expand(3, -1, -1)


def object_of(sample: Sample, rule: Foreground, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return the third coordinate (H, W) float64 of the object, 0 elsewhere, and the object's pixels (H, W) bool.

    ``code`` takes the points of the measured cloud off the plane through three corners, ``cleaned`` those that cleaning
    left, as does ``code`` where a corner has no point. Gaps of up to six pixels are then closed.

    Raises
    ------
    MethodError
        If no pixel has a point on the object.
    """
    plane = corner_plane(measured_cloud(sample)) if rule == "code" else None
    cloud = sample.xyz if plane is None else measured_cloud(sample)
    points = torch.from_numpy(np.ascontiguousarray(cloud)).to(device).double()
    depth = points[..., 2]
    inside = depth != 0
    if plane is not None:
        normal, offset = plane
        inside = inside & ((points @ torch.from_numpy(normal).to(device) - offset).abs() > _PLANE_DISTANCE)
    _require_object(inside, sample)
    closed = close_gaps(inside)
    return torch.where(closed, depth, 0), closed


def corner_plane(cloud: NDArray[np.float32]) -> tuple[NDArray[np.float64], float] | None:
    """Return the plane through the mean points of three corners of 3 x 3 pixels: all but the lower right one.

    Parameters
    ----------
    cloud : (H, W, 3) float32

    Returns
    -------
    Its unit normal (3,) and its distance from the origin along it; None where a corner has no point, or the three mean
    points lie on a line.
    """
    corners = cloud[:_CORNER, :_CORNER], cloud[:_CORNER, -_CORNER:], cloud[-_CORNER:, :_CORNER]
    found = [corner[corner[..., 2] != 0].astype(np.float64) for corner in corners]
    if not all(len(points) for points in found):
        return None
    first, second, third = (points.mean(axis=0) for points in found)
    normal = np.cross(second - first, third - first)
    length = float(np.linalg.norm(normal))
    if length == 0:
        return None
    return normal / length, float(normal @ first) / length


def close_gaps(mask: Tensor) -> Tensor:
    """Dilate and erode a mask (H, W) bool by a box of 7 x 7 pixels, as if it went on beyond the image's border."""
    grown = _largest(mask.float()[None, None])
    return (_largest(-grown) == -1)[0, 0]


def _largest(plane: Tensor) -> Tensor:
    reach = _CLOSING // 2
    rows = functional.max_pool2d(plane, (_CLOSING, 1), stride=1, padding=(reach, 0))
    return functional.max_pool2d(rows, (1, _CLOSING), stride=1, padding=(0, reach))


def _span(depth: Tensor, inside: Tensor, low: float, high: float) -> Tensor:
    """Map the range of the values that are not zero to [low, high]; other pixels become 0.

    Where all values are equal they become ``low``.
    """
    inside = inside & (depth != 0)
    least = torch.where(inside, depth, torch.inf).min()
    span = torch.where(inside, depth, -torch.inf).max() - least
    share = (depth - least) / torch.where(span > 0, span, 1)
    return torch.where(inside, low + (high - low) * share, 0)


def _require_object(inside: Tensor, sample: Sample) -> None:
    if not inside.any():
        raise MethodError(
            f"The cloud of sample {sample.id} has no point on the object: it is empty, or all of it is background; "
            "look at it with 'harness data verify'."
        )
