"""From the raw patches of all training samples to M3DM's banks, in bounded memory.

A pool holds the patches of one kind of all samples, in the order of the samples. It is allocated once and standardised
in place. It is freed when the banks are built, unless training samples are scored with it: 361 samples take 5.2 GB for
the cloud and 0.9 GB for the image.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import MethodError, Progress
from methods.parts.bank import Bank
from methods.parts.coreset import greedy_coreset

__all__ = ["Affine", "BankRules", "Pools", "build_banks", "choose_affines", "new_pool", "standardise"]

Pools = Mapping[str, NDArray[np.float32]]
"""Patches of all samples, (N * patches, C) float32, by kind."""

_ROWS = 8192
"""Rows processed at a time."""


@dataclass(frozen=True, slots=True)
class Affine:
    """Standardisation of a bank by two numbers."""

    mean: float = 0.0
    scale: float = 1.0

    def __call__(self, patches: Tensor) -> Tensor:
        """Return standardised patches."""
        return (patches - self.mean) / self.scale


@dataclass(frozen=True, slots=True)
class BankRules:
    """How banks are built from pools; :class:`methods.m3dm.M3DM` documents the values.

    Parameters
    ----------
    fraction
        Share of the vectors that a coreset keeps.
    sizes
        ``10pct``: that share of every pool. ``code``: that share of the first pool; the others keep that share of the
        size of the first bank.
    affine
        How pools are standardised.
    zero_row
        With three banks: drop vectors of the cloud's bank with an exact 0 after standardising, and append one of
        zeros.
    drop_background
        With the cloud's bank alone: leave out the vectors of patches that the cloud does not reach before the coreset,
        and append one of zeros after it.
    eps, dtype
        Settings of the coreset's random projection.
    """

    fraction: float
    sizes: Literal["code", "10pct"]
    affine: Literal["code", "per_bank"]
    zero_row: bool
    drop_background: bool
    eps: float
    dtype: Literal["float32", "float16"]


def new_pool(rows: int, channels: int, *, on_disk: bool = False) -> NDArray[np.float32]:
    """Allocate a pool, in memory or in a temporary file that is deleted with it.

    Raises
    ------
    MethodError
        If the folder of temporary files has too little space.
    """
    if not on_disk:
        return np.empty((rows, channels), np.float32)
    size = rows * channels * 4
    with tempfile.TemporaryFile(prefix="m3dm-pool-") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise MethodError(
                f"The fused patches need {size / 1e9:.1f} GB in {tempfile.gettempdir()} ({error.strerror}): "
                "free space there, or set TMPDIR to a folder with enough space."
            ) from error
        return np.memmap(file, np.float32, mode="r+", shape=(rows, channels))


def choose_affines(
    pools: Pools, kinds: tuple[str, ...], how: Literal["code", "per_bank"], progress: Progress
) -> dict[str, Affine]:
    """Return the standardisation of each kind that gets a bank: parameter ``affine`` of :class:`methods.m3dm.M3DM`."""
    if how == "per_bank":
        return {kind: _own_affine(pools[kind], progress) for kind in kinds}
    if len(kinds) > 1:
        shared = Affine(_own_affine(pools["xyz"], progress).mean, _own_affine(pools["rgb"], progress).scale)
        return dict.fromkeys(kinds, shared)
    return {kind: _own_affine(pools[kind], progress) if kind == "rgb" else Affine() for kind in kinds}


def standardise(pools: Pools, affines: Mapping[str, Affine], progress: Progress) -> None:
    """Standardise pools in place."""
    parts = [(pools[kind], affine, span) for kind, affine in affines.items() for span in _spans(len(pools[kind]))]
    for done, (pool, affine, span) in enumerate(parts):
        progress("standardise", done, len(parts))
        pool[span] -= np.float32(affine.mean)
        pool[span] /= np.float32(affine.scale)
    progress("standardise", len(parts), len(parts))


def build_banks(
    pools: Pools, kinds: tuple[str, ...], rules: BankRules, *, seed: int, device: str, progress: Progress
) -> dict[str, Bank]:
    """Choose the vectors of each bank by a greedy coreset.

    Parameters
    ----------
    pools
        Standardised.
    kinds
        Kinds that get a bank, in the order of the banks.
    seed
        Seed of the random projections.
    """
    banks: dict[str, Bank] = {}
    base = 0
    for kind in kinds:
        vectors = _reached(pools[kind]) if rules.drop_background else pools[kind]
        count = max(1, int(rules.fraction * (base if base and rules.sizes == "code" else len(vectors))))
        base = base or count
        kept = np.asarray(vectors)[_coreset(vectors, min(count, len(vectors)), kind, rules, seed, device, progress)]
        if rules.drop_background or (rules.zero_row and kind == "xyz" and len(kinds) == 3):
            kept = _with_zero_row(kept)
        banks[kind] = Bank(kept, device)
    return banks


def _coreset(
    vectors: NDArray[np.float32],
    count: int,
    kind: str,
    rules: BankRules,
    seed: int,
    device: str,
    progress: Progress,
) -> NDArray[np.int64]:
    return greedy_coreset(
        vectors,
        count,
        seed=seed,
        eps=rules.eps,
        dtype=rules.dtype,
        progress=lambda stage, done, total, **values: progress(f"{stage} {kind}", done, total, **values),
        device=device,
    )


def _reached(pool: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = np.concatenate([(pool[span] != 0).any(1) for span in _spans(len(pool))])
    return np.asarray(pool[rows], np.float32)


def _with_zero_row(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    full = vectors[(vectors != 0).all(1)]
    return np.concatenate([full, np.zeros((1, vectors.shape[1]), np.float32)])


def _own_affine(pool: NDArray[np.float32], progress: Progress) -> Affine:
    """Return mean and standard deviation of all numbers of a pool, summed in float64."""
    total = square = 0.0
    for span in _spans(len(pool)):
        progress("mean and deviation", span.start, len(pool))
        part = torch.from_numpy(pool[span])
        total += float(part.sum(dtype=torch.float64))
        square += float(torch.linalg.vector_norm(part, dtype=torch.float64)) ** 2
    progress("mean and deviation", len(pool), len(pool))
    mean = total / pool.size
    return Affine(mean, ((square - total * mean) / (pool.size - 1)) ** 0.5)


def _spans(rows: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, rows, _ROWS))
