"""Cells of the image, 28 x 28, that lie under patches of a cloud, and a bank of their features."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from harness.contract import MethodError
from methods.parts.bank import Bank
from methods.parts.inputs import SIZE

__all__ = ["CELLS", "GRID", "BankCells", "CellBank", "cells_near", "cells_under"]

BankCells = Literal["shifted", "plain"]

GRID = 28
"""Cells on a side."""

CELLS = GRID * GRID

_SHIFT = 2
"""Rows or columns by which cells are moved."""

_BITS = 8
_CHUNK = 16_384
"""Rows of the bank that are copied for a search at a time: 50 MB."""


def cells_under(pixels: Tensor) -> Tensor:
    """Return which cells lie under the pixels of each patch.

    Parameters
    ----------
    pixels : (G, K) int64
        Flat pixels of an image of 224 x 224.

    Returns
    -------
    (G, 784) bool
    """
    side = SIZE // GRID
    cells = pixels // SIZE // side * GRID + pixels % SIZE // side
    return torch.zeros(len(pixels), CELLS, dtype=torch.bool, device=pixels.device).scatter_(1, cells, True)


def cells_near(cells: Tensor) -> Tensor:
    """Return the union of four copies of the cells (G, 784) bool, moved by 2 rows or columns up, down, left and right.

    As in the authors' code, columns that leave the image come in at the other side, a row higher or lower, and the
    cells themselves are no part of the union. Rows that leave the image are left out.
    """
    moved = torch.zeros_like(cells)
    for step in (_SHIFT, _SHIFT * GRID):
        moved[:, step:] |= cells[:, :-step]
        moved[:, :-step] |= cells[:, step:]
    return moved


@dataclass(frozen=True, slots=True, eq=False)
class CellBank:
    """Features of the cells of all training images, and which of them each patch of the code bank owns.

    Parameters
    ----------
    features : (R, C) float32
        Of the cells that hold a valid point, in the order of images and cells.
    places : (R,) int64
        784 i + c of cell c of image i, ascending.
    owned : (P, 98) uint8
        Cells of each patch, 8 to a byte.
    images : (P,) int32
        Image of each patch.
    """

    features: Tensor
    places: Tensor
    owned: Tensor
    images: Tensor

    @classmethod
    def of(cls, features: list[Tensor], present: list[Tensor], owned: list[Tensor]) -> CellBank:
        """Join images.

        Parameters
        ----------
        features
            Of the present cells of each image, (r, C).
        present
            Which cells these are, (784,) bool.
        owned
            Cells of the patches of each image, (G, 784) bool.
        """
        numbers = torch.repeat_interleave(
            torch.arange(len(owned), dtype=torch.int32), torch.tensor([len(cells) for cells in owned])
        )
        places = torch.cat(present).nonzero()[:, 0]
        return cls(
            torch.cat(features), places, torch.cat([_packed(cells) for cells in owned]), numbers.to(places.device)
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all that it holds, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def rows_of(self, patches: Tensor) -> Tensor:
        """Return the rows (A,) int64, ascending, of the cells that any of some patches owns.

        Parameters
        ----------
        patches : int64
            Of any shape.
        """
        distinct = torch.unique(patches)
        numbers, index = torch.unique(self.images[distinct], return_inverse=True)
        cells = torch.zeros(len(numbers), CELLS, device=self.places.device)
        cells.index_add_(0, index, _unpacked(self.owned[distinct]).float())
        image = self.places // CELLS
        slot = torch.searchsorted(numbers.long(), image).clamp_max(len(numbers) - 1)
        owned = (numbers[slot] == image) & (cells[slot, self.places % CELLS] > 0)
        return torch.nonzero(owned)[:, 0]

    def nearest(self, queries: Tensor, rows: Tensor, count: int, skip: int = 0) -> Tensor:
        """Return the nearest features of each query among some rows, nearest first, by exact distances.

        Parameters
        ----------
        queries : (m, C) float32
        rows : (A,) int64
        count
            Number of features; fewer where there are fewer rows.
        skip
            Number of nearest ones that are left out.

        Returns
        -------
        (m, count, C) on the device.

        Raises
        ------
        MethodError
            If there is no row.
        """
        if len(rows) <= skip:
            raise MethodError(
                "The image has no nominal feature to compare with, since the patches that shape retrieves own no cell "
                "with a point: use 'shape-guided[bank_cells=plain]'."
            )
        distances, found = [], []
        for part in torch.split(rows, _CHUNK):
            near, where = Bank(self.features[part], str(queries.device)).search(queries, min(count + skip, len(part)))
            distances.append(near)
            found.append(part.cpu()[where])
        order = torch.cat(distances, 1).argsort(dim=1, stable=True)[:, skip : count + skip]
        return self.features[torch.cat(found, 1).gather(1, order).to(queries.device)]


def _packed(cells: Tensor) -> Tensor:
    weights = 2 ** torch.arange(_BITS, device=cells.device)
    return (cells.view(len(cells), -1, _BITS) * weights).sum(2).to(torch.uint8)


def _unpacked(owned: Tensor) -> Tensor:
    bits = torch.arange(_BITS, dtype=torch.uint8, device=owned.device)
    single: Tensor = owned[..., None] >> bits & 1
    return single.flatten(1)
