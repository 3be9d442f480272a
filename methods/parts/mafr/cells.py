"""A square grid of cells over a sample, on which MAFR reconstructs features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.parts.dino import GRID
from methods.parts.features import Tokens
from methods.parts.inputs import SIZE
from methods.parts.interpolation import bilinear_rows
from methods.parts.sparse_rows import SparseRows

__all__ = ["Cells"]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells, and the matrices from tokens to their features.

    Parameters
    ----------
    side
        Of the grid: 224, where a cell is a pixel, or a divisor of it.
    places : (n,) int64
        Flat cells of the rows, ascending.
    of_pixels : (N,) int64
        Row of each pixel with 3D features.
    to_image, to_cloud
        (n, 784) and (n, 1024) sparse.
    """

    side: int
    places: Tensor
    of_pixels: Tensor
    to_image: SparseRows
    to_cloud: SparseRows

    @classmethod
    def of(cls, tokens: Tokens, side: int, *, everywhere: bool) -> Cells:
        """Divide the image of a sample into cells.

        The 2D features of a cell are those of its centre, between tokens; its 3D features are the mean of those of its
        pixels that have any, and 0 where none has.

        Parameters
        ----------
        tokens
            Of the sample.
        side
            Of the grid.
        everywhere
            Whether all cells have a row, or only those with 3D features.
        """
        pixels, shrunk = tokens.pixels, SIZE // side
        cell_of_pixel = pixels // SIZE // shrunk * side + pixels % SIZE // shrunk
        if everywhere:
            places, of_pixels = torch.arange(side * side, device=pixels.device), cell_of_pixel
        elif side == SIZE:
            places, of_pixels = pixels, torch.arange(len(pixels), device=pixels.device)
        else:
            places, of_pixels = torch.unique(cell_of_pixel, return_inverse=True)
        to_cloud = tokens.to_cloud_pixels
        if everywhere or side < SIZE:
            to_cloud = _means(to_cloud, of_pixels, len(places), len(tokens.cloud))
        return cls(side, places, of_pixels, bilinear_rows(places, side, GRID, tokens.cloud.dtype), to_cloud)

    def __len__(self) -> int:
        return len(self.places)

    def chunks(self, size: int) -> Iterator[tuple[SparseRows, SparseRows]]:
        """Yield both matrices for ``size`` cells at a time, in order."""
        for start in range(0, len(self), size):
            yield self.to_image.slice(start, start + size), self.to_cloud.slice(start, start + size)


def _means(matrix: SparseRows, group_of_row: Tensor, groups: int, width: int) -> SparseRows:
    """Return the matrix whose rows are the means of groups of rows of another one, 0 for a group without any."""
    counts = torch.bincount(group_of_row, minlength=groups)
    group = torch.repeat_interleave(group_of_row, matrix.starts.diff(), output_size=len(matrix.columns))
    return SparseRows.from_entries(group, matrix.columns, matrix.weights / counts[group], groups, width)
