"""Patches of M3DM: 28 x 28 of the image and 56 x 56 of the cloud, from tokens, without an image of features.

Interpolation, scatter and both poolings are linear and the same for every channel, so the cloud's patches are one
sparse matrix times its tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from harness.contract import Sample
from harness.geometry import square_pad
from methods.parts.dino import GRID
from methods.parts.features import Extractors, Inputs
from methods.parts.initialise import named_generator
from methods.parts.inputs import SIZE, ImageBackground, blackened_image
from methods.parts.interpolation import inverse_distance_weights
from methods.parts.patch_maps import grid_rows
from methods.parts.point_mae import group_points
from methods.parts.side_stream import beside
from methods.parts.sparse_rows import SparseRows

__all__ = ["CLOUD_GRID", "PATCHES", "Patches", "blacken", "extract_patches", "patch_rows"]

CLOUD_GRID = 56
"""Cloud patches on a side."""

PATCHES = {"xyz": CLOUD_GRID**2, "rgb": GRID**2, "fusion": CLOUD_GRID**2}
"""Patches of a sample, by kind; banks are always named in this order."""

Patches = dict[str, Tensor]
"""Float32 features of one sample by kind: ``xyz`` (3136, C), 0 where the cloud does not reach, ``rgb`` (784, 768),
``fusion`` (3136, C + 768)."""


def blacken(sample: Sample, background: ImageBackground) -> Sample:
    """Return the sample with the image's background that is asked for, zero-padded to a square.

    With ``keep`` it stays as it is, and its border is repeated later, as CFM does.
    """
    if background == "keep":
        return sample
    return replace(sample, rgb=square_pad(blackened_image(sample, background)))


@torch.inference_mode()
def extract_patches(
    extractors: Extractors, inputs: Inputs, kinds: Collection[str], *draw: int, cloud_grid: int = CLOUD_GRID
) -> Patches:
    """Extract the patches of ``kinds``, of xyz and rgb; ``draw`` seeds DropPath's draws if it is on.

    The cloud has ``cloud_grid`` patches on a side.
    """
    patches = {}
    chosen = beside(extractors.choose_centres, inputs.points) if "xyz" in kinds else None
    if "rgb" in kinds:
        patches["rgb"] = extractors.networks.image(inputs.image)
    if chosen is not None:
        patches["xyz"] = _cloud_patches(extractors, inputs, chosen(), draw, cloud_grid)
    return patches


def _cloud_patches(extractors: Extractors, inputs: Inputs, chosen: Tensor, draw: tuple[int, ...], grid: int) -> Tensor:
    grouped = group_points(inputs.points, chosen, extractors.group_size)
    drop = [named_generator(extractors.seed, "drop-path", *draw)] if extractors.drop_path else []
    tokens = extractors.networks.groups(grouped.offsets)
    tokens = extractors.networks.cloud(tokens, grouped.centres, *drop)
    return patch_rows(inputs.points, inputs.pixels, grouped.centres, SIZE, grid) @ tokens


def patch_rows(points: Tensor, pixels: Tensor, centres: Tensor, size: int, grid: int) -> SparseRows:
    """Return the matrix from the tokens of centres to the patches of the cloud.

    Each valid point mixes the tokens of its nearest centres (:func:`inverse_distance_weights`) and is written to its
    pixel of an otherwise zero image, which is pooled to the grid. Rows of patches that no point reaches are empty.

    Parameters
    ----------
    points : (N, 3) float
        Valid points, metres.
    pixels : (N,) int64
        Flat pixel index of each point.
    centres : (M, 3) float
    size, grid
        Sides of the image, in pixels, and of the result, in patches.

    Returns
    -------
    A matrix of grid * grid rows and M columns.
    """
    share, index = inverse_distance_weights(points, centres)
    source, weight = _padded(grid_rows(pixels, size, grid, points.dtype))
    return SparseRows.from_padded(
        index[source].flatten(1), (share[source] * weight[..., None]).flatten(1), len(centres)
    )


def _padded(matrix: SparseRows) -> tuple[Tensor, Tensor]:
    """Return columns and weights of a matrix, rows padded to the length of the longest with weights of 0."""
    counts = matrix.starts.diff()
    row = torch.repeat_interleave(torch.arange(len(matrix), device=counts.device), counts)
    place = torch.arange(len(row), device=row.device) - matrix.starts[row]
    shape = (len(matrix), int(counts.max()))
    columns, weights = matrix.columns.new_zeros(shape), matrix.weights.new_zeros(shape)
    columns[row, place], weights[row, place] = matrix.columns, matrix.weights
    return columns, weights
