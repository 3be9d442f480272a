"""Orthogonal matching pursuit of many vectors at once, each in a small dictionary of its own."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ATOMS", "reconstruct"]

ATOMS = 3
"""Vectors that a reconstruction is made of."""

_DEPENDENT = 1e-5
"""An atom of which no more than this part of its length is new adds nothing."""


def reconstruct(vectors: Tensor, dictionaries: Tensor, atoms: int = ATOMS) -> Tensor:
    """Approximate each vector by a few rows of its dictionary.

    At each step the row with the largest product with what is left is taken, of any length, and what is left is made
    orthogonal to all rows taken. Pati, Rezaiifar, Krishnaprasad, Asilomar 1993; without an intercept.

    Parameters
    ----------
    vectors : (m, d) float
    dictionaries : (m, k, d) float
    atoms
        Rows taken of each dictionary, at most all.

    Returns
    -------
    (m, d)
    """
    left = vectors.clone()
    taken = torch.zeros(dictionaries.shape[:2], dtype=torch.bool, device=vectors.device)
    basis: list[Tensor] = []
    for _ in range(min(atoms, dictionaries.shape[1])):
        strength = torch.einsum("mkd,md->mk", dictionaries, left).abs_().masked_fill_(taken, -1)
        best = strength.argmax(1, keepdim=True)
        taken.scatter_(1, best, True)
        direction = _new_part(dictionaries.gather(1, best[..., None].expand(-1, -1, left.shape[1]))[:, 0], basis)
        basis.append(direction)
        left = left - _along(left, direction)
    return vectors - left


def _new_part(atoms: Tensor, basis: list[Tensor]) -> Tensor:
    """Return the directions of the part of each atom that is orthogonal to the basis; zeros where there is none."""
    part = atoms
    for direction in basis * 2:  # twice: rounding of the first round would leave a part along the basis
        part = part - _along(part, direction)
    length = torch.linalg.vector_norm(part, dim=1, keepdim=True)
    new = length > _DEPENDENT * torch.linalg.vector_norm(atoms, dim=1, keepdim=True)
    return torch.where(new, part / length, 0)


def _along(rows: Tensor, direction: Tensor) -> Tensor:
    return (rows * direction).sum(1, keepdim=True) * direction
