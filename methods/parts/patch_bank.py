"""From nominal samples to the vectors of a bank: the patches of all of them, reduced to a coreset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from harness.contract import Progress, Sample
from methods.parts.bank import Bank, patch_scores
from methods.parts.coreset import greedy_coreset

__all__ = ["Rule", "coreset_of", "distances_and_score", "patches_of_all"]

Rule = Literal["reweighted", "max"]


def patches_of_all(samples: Sequence[Sample], describe: Callable[[Sample], Tensor], progress: Progress) -> Tensor:
    """Return the patches of all samples, (n * p, d), in host memory.

    Parameters
    ----------
    samples
        At least one; each is read once.
    describe
        Returns the patches of a sample, (p, d), on any device.
    progress
        Called in the stage ``extract``.
    """
    vectors = torch.empty(0)
    for position, sample in enumerate(samples):
        progress("extract", position, len(samples))
        patches = describe(sample)
        if not position:
            vectors = torch.empty(len(samples), *patches.shape, dtype=patches.dtype)
        vectors[position] = patches
    progress("extract", len(samples), len(samples))
    return vectors.flatten(0, 1)


def coreset_of(
    vectors: Tensor,
    share: float,
    *,
    seed: int,
    eps: float,
    dtype: Literal["float16", "float32"],
    progress: Progress,
    device: str,
) -> Tensor:
    """Return the vectors of a greedy coreset, in the order of picking; all as they are if ``share`` is 1.

    Parameters
    ----------
    vectors : (n, d) float
    share
        Part of the vectors that is kept, above 0; at least one vector is.
    seed, eps, dtype, progress, device
        See :func:`methods.parts.coreset.greedy_coreset`.
    """
    if share == 1:
        return vectors
    count = max(1, int(share * len(vectors)))
    return vectors[greedy_coreset(vectors, count, seed=seed, eps=eps, dtype=dtype, progress=progress, device=device)]


def distances_and_score(bank: Bank, patches: Tensor, rule: Rule) -> tuple[Tensor, float]:
    """Return the distance of each patch to the bank, (p,), and the score of the image.

    Parameters
    ----------
    patches : (p, d) float
    rule
        ``reweighted``: the largest distance, reduced where nominal patches near it are rare; ``max``: that distance.
    """
    if rule == "reweighted":
        return patch_scores(bank, patches)
    distances = bank.search(patches, 1)[0][:, 0]
    return distances, float(distances.max())
