"""A slow, direct G2SF (Tao, Cao and Du, ICCV 2025): the oracle of the product's tests, in float64.

Written from the facts of the paper and its released code: one row, one neighbour, one number at a time. Weights are
dictionaries of numpy arrays under the product's names; features are vectors of the image's channels, then the cloud's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import oracle_cfm as cfm
import oracle_m3dm as m3dm
from numpy.typing import NDArray

Array = NDArray[np.float64]


def local_scales(patch: Array, neighbour: Array, weights: cfm.Weights) -> Array:
    """Scales ``(2,)`` of a pair: exp(tanh) of a network of the direction between both, and of the neighbour."""
    difference = patch - neighbour
    direction = 5 * difference / max(np.sqrt(difference @ difference), 1e-3)
    codes = []
    for name, vector in (("direction", direction), ("neighbour", neighbour)):
        hidden = np.maximum(cfm.linear(vector, weights, f"{name}.hidden"), 0)
        codes.append(cfm.linear(hidden, weights, f"{name}.code"))
    mixed = np.maximum(cfm.linear(np.concatenate(codes), weights, "mixed"), 0)
    return np.exp(np.tanh(cfm.linear(mixed, weights, "scales")))


def global_scales(weights: cfm.Weights) -> Array:
    """Shares ``(2,)`` of the modalities."""
    positive = [(np.tanh(float(value)) + 1) / 2 for value in np.asarray(weights["balance"])]
    return np.array([one / sum(positive) for one in positive])


def distances(patch: Array, neighbour: Array, channels: int, means: Sequence[float]) -> Array:
    """Distances ``(2,)`` of image and cloud, each by its mean over normal rows."""
    parts = (slice(None, channels), slice(channels, None))
    lengths = [np.sqrt(((patch[part] - neighbour[part]) ** 2).sum()) for part in parts]
    return np.array([length / mean for length, mean in zip(lengths, means, strict=True)])


def pair_score(
    patch: Array, neighbour: Array, channels: int, means: Sequence[float], weights: cfm.Weights, *, reached: bool = True
) -> float:
    """Score of a pair; where the cloud does not reach, local scales are 1."""
    local = local_scales(patch, neighbour, weights) if reached else np.ones(2)
    shares, lengths = global_scales(weights), distances(patch, neighbour, channels, means)
    return sum(float(local[m] * shares[m] * lengths[m]) for m in (0, 1))


def separation(normal: Sequence[float], anomalous: Sequence[float], margin: float, how: str) -> float:
    """Mean over all rows of weighted losses of squared scores."""
    total = 0.0
    for score in normal:
        weight = min(max(score**4, 0.33), 3) if how == "weighted" else 1
        total += weight * score**2
    for score in anomalous:
        inverse = 1 / (score**2 + 1e-5)
        weight = min(max(inverse**2, 0.33), 3) if how == "weighted" else 1
        total += weight * max(inverse - 1 / margin, 0)
    return total / (len(normal) + len(anomalous))


def margin(normal: Sequence[float], anomalous: Sequence[float]) -> float:
    """Overlap of squared scores in units of the largest normal one, by the number of rows."""
    largest = max(score**2 for score in normal)
    least = min(score**2 for score in anomalous)
    above = sum(max(score**2 / largest - least / largest, 0) for score in normal)
    below = sum(max(1 - score**2 / largest, 0) for score in anomalous)
    return (above + below) / (len(normal) + len(anomalous))


def scaling(normal: Array, anomalous: Array) -> float:
    """Means over all scales of anomalous and of normal rows."""
    lifted = [np.e - scale for row in anomalous for scale in row]
    held = [max(scale - 1, 0) for row in normal for scale in row]
    return float(np.mean(lifted) + np.mean(held))


def consistency(scores: Array, lengths: Array, how: str) -> float:
    """Order of the scores ``(n, 11)`` of neighbours, by mean normalised distances ``(n, 11)``."""
    rows = range(len(scores))
    pairs = [(a, a) for a in rows] if how == "rowwise" else [(a, b) for a in rows for b in rows]
    total = 0.0
    for i in range(1, 6):
        terms = [max(scores[a, i] - 1.2 * lengths[b, i] / lengths[b, 0] * scores[a, 0], 0) for a, b in pairs]
        total += float(np.mean(terms)) / 5
    for i in range(6, 11):
        total += float(np.mean([max(scores[a, 0] - scores[a, i], 0) for a in rows])) / 5
    return total


def nearest(query: Array, bank: Array, count: int) -> list[int]:
    """Indices of the nearest vectors, ascending by distance, ties by index."""
    return np.argsort(((bank - query) ** 2).sum(1), kind="stable")[:count].tolist()


def patch_scores(
    rgb: Array,
    xyz: Array,
    rgb_bank: Array,
    xyz_bank: Array,
    means: Sequence[float],
    weights: cfm.Weights,
    chosen: Sequence[int],
) -> Array:
    """Scores ``(len(chosen), 6)`` of some of the 3136 cloud patches against six pairs; ``rgb`` has 784 patches."""
    rows = []
    for index in chosen:
        row, column = divmod(index, 56)
        image, cloud = rgb[row // 2 * 28 + column // 2], xyz[index]
        pairs = zip(nearest(image, rgb_bank, 6), nearest(cloud, xyz_bank, 6), strict=True)
        patch = np.concatenate([image, cloud])
        rows.append(
            [
                pair_score(
                    patch,
                    np.concatenate([rgb_bank[i], xyz_bank[j]]),
                    len(image),
                    means,
                    weights,
                    reached=bool(cloud.any()),
                )
                for i, j in pairs
            ]
        )
    return np.array(rows)


def prediction(scores: Array) -> tuple[float, Array, Array]:
    """The image's score, and its map before and after the blur, from scores ``(3136, 6)``."""
    least = np.array([min(row) for row in scores])
    plain, blurred = m3dm.blurred(least)
    return float(max(least)), plain, blurred


def relief(source: Array, base_depth: Sequence[float], shift: float) -> Array:
    """Depths of pasted points: the source's about the base's mean, shifted."""
    return np.array([depth - np.mean(source) + np.mean(base_depth) + shift for depth in source])
