"""From teacher and decoder to INP-Former's anomaly map and score."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.geometry import square_pad
from methods.parts.inp_former.losses import cosine_distance
from methods.parts.inp_former.networks import INPNetwork
from methods.parts.inp_former.teacher import Targets
from methods.parts.smoothing import gaussian_filtered

__all__ = ["SIDE", "crop_to_square", "distance_map", "map_of", "score_of"]

SIDE = 256
"""Side of the map that is smoothed and scored, pixels."""

_SIGMA, _RADIUS = 4.0, 2
_SHARE = 0.01
"""Share of the map's pixels whose mean is the score."""


def map_of(network: INPNetwork, targets: Targets, size: int) -> Tensor:
    """Return the smoothed map (256, 256) of one sample's features, for an input of side ``size``."""
    rebuilt, _ = network(targets.tokens[None])
    return distance_map(targets.groups, (rebuilt[0][0], rebuilt[1][0]), size)


def distance_map(real: tuple[Tensor, Tensor], rebuilt: tuple[Tensor, Tensor], size: int) -> Tensor:
    """Return the mean of both groups' distances, enlarged to the input, resized to 256 x 256 and smoothed.

    Parameters
    ----------
    real, rebuilt
        For each group (g * g, C), in raster order.
    size
        Side of the input, pixels.
    """
    distance = torch.stack([cosine_distance(*pair) for pair in zip(real, rebuilt, strict=True)]).mean(0)
    grid = round(len(distance) ** 0.5)
    plane = distance.view(1, 1, grid, grid)
    plane = functional.interpolate(plane, size=(size, size), mode="bilinear", align_corners=True)
    return gaussian_filtered(_resized(plane, SIDE, SIDE), _SIGMA, _RADIUS)[0, 0]


def score_of(anomaly_map: Tensor) -> Tensor:
    """Return the mean () of the largest hundredth of the map's values."""
    return anomaly_map.flatten().topk(int(_SHARE * anomaly_map.numel())).values.mean()


def crop_to_square(cropped: Tensor, size: int, height: int, width: int) -> NDArray[np.float32]:
    """Bring the map of a central crop to the geometry of evaluation.

    The crop is put back into the squashed frame, with 0 along the border, the frame gets the image's aspect ratio, and
    the result is padded with zeros to a square.

    Parameters
    ----------
    cropped : (s, s) float
    size
        Side of the crop, pixels; that of the frame is 8/7 of it.
    height, width
        Of the image.

    Returns
    -------
    (8/7 size, 8/7 size) float32 in host memory.
    """
    plane = functional.pad(_resized(cropped[None, None], size, size), [size // 14] * 4)
    frame, longer = plane.shape[-1], max(height, width)
    if height != width:
        plane = _resized(plane, max(1, round(frame * height / longer)), max(1, round(frame * width / longer)))
    return square_pad(plane[0, 0].float().cpu().numpy())


def _resized(plane: Tensor, height: int, width: int) -> Tensor:
    return functional.interpolate(plane, size=(height, width), mode="bilinear", align_corners=False)
