"""The rows that G2SF trains on: foreground patches of synthetic samples, with their neighbours in both banks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from harness.contract import MethodError
from harness.geometry import resize_nearest
from methods.parts.bank import Bank
from methods.parts.g2sf.losses import FAR
from methods.parts.m3dm.patches import CLOUD_GRID, Patches
from methods.parts.m3dm.uff import image_token_of

__all__ = ["NEIGHBOURS", "PairedBanks", "Rows", "patch_labels", "reached_patches"]

NEIGHBOURS = FAR.stop
"""Neighbours of a row that the losses compare."""


@dataclass(frozen=True, slots=True, eq=False)
class PairedBanks:
    """The banks of both modalities, whose i-th neighbours of a patch make a pair.

    Parameters
    ----------
    rgb, xyz
        Of standardised image patches, and of cloud patches.
    device
        Torch device name.
    """

    rgb: Bank
    xyz: Bank
    device: str

    def neighbours(self, rgb: Tensor, xyz: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return the nearest vectors of patches (n, C2) and (n, C3).

        Returns
        -------
        distances and int64 indices, both (n, count, 2) on the CPU, of the image and the cloud.
        """
        found = [bank.search(patches, count) for bank, patches in ((self.rgb, rgb), (self.xyz, xyz))]
        distances, indices = (torch.stack(parts, dim=-1) for parts in zip(*found, strict=True))
        return distances, indices

    def vectors(self, indices: Tensor) -> Tensor:
        """Return the vectors of pairs, (..., C2 + C3) on the device, from indices (..., 2)."""
        indices = indices.to(self.device, torch.long)
        flat = indices.reshape(-1, 2)
        both = torch.cat([self.rgb.at(flat[:, 0]), self.xyz.at(flat[:, 1])], dim=1)
        return both.view(*indices.shape[:-1], -1)


def reached_patches(patches: Patches) -> Tensor:
    """Return the indices of the patches that the cloud reaches, (n,) int64."""
    return (patches["xyz"] != 0).any(1).nonzero()[:, 0]


def patch_labels(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which cloud patches (3136,) a square mask (S, S) marks: widened by a pixel, nearest pixels."""
    return resize_nearest(ndimage.binary_dilation(mask, np.ones((3, 3), bool)), CLOUD_GRID).ravel()


class Rows:
    """Training rows in bounded memory: features in half precision, and indices of neighbours.

    A row takes 3.9 kB, of 1920 features; a sample gives at most its share of all rows, drawn of its patches.

    Parameters
    ----------
    most
        Largest number of rows; a sample gives at least one, even where there are more samples.
    samples
        Number of samples that rows come from.
    channels
        Of image and cloud.
    """

    def __init__(self, most: int, samples: int, channels: tuple[int, int]) -> None:
        self._share = min(CLOUD_GRID**2, max(1, most // samples))
        rows = self._share * samples
        self._features = torch.empty(rows, sum(channels), dtype=torch.float16)
        self._neighbours = torch.empty(rows, NEIGHBOURS, 2, dtype=torch.int32)
        self._distances = torch.empty(rows, 2)
        self._anomalous = torch.empty(rows, dtype=torch.bool)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        held = (self._features, self._neighbours, self._distances, self._anomalous)
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def add(self, patches: Patches, banks: PairedBanks, mask: NDArray[np.bool_], draw: torch.Generator) -> None:
        """Add the share of a sample.

        Parameters
        ----------
        patches
            Of the sample, with standardised image patches.
        banks
            Where neighbours are searched.
        mask : (S, S) bool
            Of anomalies.
        draw
            Of the patches, on the CPU.
        """
        reached = reached_patches(patches).cpu()
        chosen = reached[torch.randperm(len(reached), generator=draw)[: self._share]]
        if not len(chosen):
            return
        rgb, xyz = patches["rgb"][image_token_of("spatial")[chosen]], patches["xyz"][chosen]
        distances, indices = banks.neighbours(rgb, xyz, NEIGHBOURS)
        rows = slice(self._count, self._count + len(chosen))
        self._features[rows] = torch.cat([rgb, xyz], 1)
        self._neighbours[rows], self._distances[rows] = indices, distances[:, 0]
        self._anomalous[rows] = torch.from_numpy(patch_labels(mask))[chosen]
        self._count = rows.stop

    def split(self, draw: torch.Generator) -> tuple[Part, Part]:
        """Return two halves drawn at random: to train, and to choose the epoch.

        Raises
        ------
        MethodError
            If a half has no normal or no anomalous row.
        """
        order = torch.randperm(self._count, generator=draw)
        halves = tuple(
            Part(self, half[~self._anomalous[half]], half[self._anomalous[half]])
            for half in (order[: self._count // 2], order[self._count // 2 :])
        )
        if not all(len(half.normal) and len(half.anomalous) for half in halves):
            raise MethodError(
                f"Of {self._count} patches of synthetic samples {int(self._anomalous[: self._count].sum())} are "
                "anomalous, too few or too many to train on: raise the parameters 'images' or 'rows'."
            )
        return halves[0], halves[1]

    def features(self, rows: Tensor) -> Tensor:
        """Return features of rows, (n, C) float32."""
        return self._features[rows].float()

    def neighbours(self, rows: Tensor) -> Tensor:
        """Return the indices of the neighbours of rows, (n, 11, 2) int32."""
        return self._neighbours[rows]

    def distances(self, rows: Tensor) -> Tensor:
        """Return the distances of rows to their nearest vectors, (n, 2) float32."""
        return self._distances[rows]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some of the rows, by kind: their numbers."""

    rows: Rows
    normal: Tensor
    anomalous: Tensor

    def __len__(self) -> int:
        return len(self.normal) + len(self.anomalous)

    def mean_distances(self) -> Tensor:
        """Return the mean distances (2,) float32 of normal rows to their nearest vectors.

        Raises
        ------
        MethodError
            If one is 0.
        """
        means = self.rows.distances(self.normal).double().mean(0)
        if not bool((means > 0).all()):
            raise MethodError(
                "Patches of synthetic samples equal those of the bank, so that distances have no scale: keep a smaller "
                "part of the patches, by the parameter 'coreset'."
            )
        return means.float()

    def largest_distance(self, means: Tensor) -> float:
        """Return the largest distance of an anomalous row in units of ``means``."""
        return float((self.rows.distances(self.anomalous) / means).max())
