"""Scores and maps of one sample against M3DM's banks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.parts.bank import Bank, patch_scores
from methods.parts.inputs import SIZE
from methods.parts.m3dm.patches import Patches
from methods.parts.patch_maps import patch_map, pil_blur

__all__ = ["BankScores", "Formula", "formula_of", "score_banks"]


@dataclass(frozen=True, slots=True)
class Formula:
    """Constants of the re-weighted image score of a patch bank.

    Parameters
    ----------
    denominator_epsilon
        Added to the softmax's denominator.
    divide
        Divisor of the largest distance and of the distances to its neighbours, before the softmax.
    """

    denominator_epsilon: float = 0.0
    divide: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class BankScores:
    """Scores and maps of one sample from k banks.

    Parameters
    ----------
    scores : (k,) float32
    maps : (k, 224, 224) float32
    """

    scores: NDArray[np.float32]
    maps: NDArray[np.float32]


def formula_of(kinds: Collection[str], *, decide: bool) -> Formula:
    """Return the formula of banks of these kinds.

    1e-5 is added for a single bank of the image or the cloud, and 1000 divides before the decision layer of two banks.
    """
    if len(kinds) == 1 and "fusion" not in kinds:
        return Formula(denominator_epsilon=1e-5)
    return Formula(divide=1000.0) if decide and len(kinds) == 2 else Formula()


def score_banks(banks: Mapping[str, Bank], patches: Patches, weights: Mapping[str, float] | None) -> BankScores:
    """Score standardised patches against their banks, in the order of the banks.

    Parameters
    ----------
    banks
        By kind of patch.
    patches
        Of one sample.
    weights
        Factor of each kind's score and map before a decision layer; None where there is none.
    """
    formula = formula_of(banks, decide=weights is not None)
    scores, maps = [], []
    for kind, bank in banks.items():
        distances, score = patch_scores(
            bank, patches[kind], denominator_epsilon=formula.denominator_epsilon, divide=formula.divide
        )
        factor = 1.0 if weights is None else weights[kind]
        scores.append(factor * score)
        maps.append(factor * _blurred(distances))
    return BankScores(np.array(scores, np.float32), torch.stack(maps).numpy())


def _blurred(distances: Tensor) -> Tensor:
    return pil_blur(patch_map(distances.float(), SIZE))
