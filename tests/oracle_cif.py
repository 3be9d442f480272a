"""A slow, direct float64 CIF (Lin et al., AAAI 2026): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product: matrices of all pairs of
tokens, loops. Clusters of k-means are given. Features are those of M3DM's oracle, the foreground that of AST's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import oracle_cfm
import oracle_m3dm
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.intp]


class Bank(NamedTuple):
    """Rows ``(m, d)``, the cluster of each ``(m,)``, and the feature of each cluster ``(clusters, d)``."""

    rows: Array
    clusters: Labels
    prototypes: Array


def cosine(a: Array, b: Array) -> float:
    """Cosine similarity of two vectors; 0 where one has no length."""
    lengths = np.sqrt(a @ a) * np.sqrt(b @ b)
    return float(a @ b / lengths) if lengths > 0 else 0.0


def incidence(tokens: Array, labels: Labels, clusters: int, membership: float) -> Array:
    """H of one sample: scaled cosine to the centroid at least ``membership``, or k-means says so."""
    matrix = np.zeros((len(tokens), clusters))
    for cluster in range(clusters):
        centroid = tokens[labels == cluster].mean(0)
        near = np.array([cosine(token, centroid) for token in tokens])
        scaled = (near - near.min()) / (near.max() - near.min())
        matrix[:, cluster] = (scaled >= membership) | (labels == cluster)
    return matrix


def cluster_features(tokens: Array, h: Array) -> Array:
    """``D_e^-1 H^T D_v^-1/2 X``."""
    return np.diag(1 / h.sum(0)) @ h.T @ np.diag(1 / np.sqrt(h.sum(1))) @ tokens


def one_hot(clusters: Labels, count: int) -> Array:
    """Rows of the identity."""
    return np.eye(count)[clusters]


def adjacency(h: Array, bank_clusters: Labels, count: int, nearest: Sequence[int]) -> Array:
    """A of the joint graph: hyperedges of the sample, of the bank, and a pair for each token of the sample."""
    n, m = len(h), len(bank_clusters)
    joint = np.zeros((n + m, h.shape[1] + count + n))
    joint[:n, : h.shape[1]] = h
    joint[n:, h.shape[1] : h.shape[1] + count] = one_hot(bank_clusters, count)
    for token, row in enumerate(nearest):
        joint[[token, n + row], h.shape[1] + count + token] = 1
    used = joint[:, joint.sum(0) > 0]
    w = used @ np.diag(1 / used.sum(0)) @ used.T + np.eye(n + m)
    scale = np.diag(1 / np.sqrt(w.sum(1)))
    return scale @ w @ scale


def spread(a: Array, values: Array, alpha: float, hops: int) -> Array:
    """``[alpha sum_{l<L} (1-alpha)^l A^l + (1-alpha)^L A^L] X``."""
    total = (1 - alpha) ** hops * np.linalg.matrix_power(a, hops)
    for hop in range(hops):
        total = total + alpha * (1 - alpha) ** hop * np.linalg.matrix_power(a, hop)
    return total @ values


def moved(tokens: Array, h: Array, bank: Bank, alpha: float, hops: int) -> Array:
    """Tokens of a sample after the propagation along the joint graph."""
    nearest = [int(np.linalg.norm(bank.rows - token, axis=1).argmin()) for token in tokens]
    a = adjacency(h, bank.clusters, len(bank.prototypes), nearest)
    return spread(a, np.concatenate([tokens, bank.rows]), alpha, hops)[: len(tokens)]


def token_scores(tokens: Array, bank: Bank, similar: int) -> Array:
    """Nearest distance, times that among the rows of the most similar clusters."""
    scores = []
    for token in tokens:
        distances = np.linalg.norm(bank.rows - token, axis=1)
        order = np.argsort([-cosine(token, one) for one in bank.prototypes], kind="stable")[:similar]
        scores.append(distances.min() * distances[np.isin(bank.clusters, order)].min())
    return np.array(scores)


def predict(
    tokens: dict[str, Array],
    h: Array,
    foreground: NDArray[np.bool_],
    banks: dict[str, Bank],
    *,
    alpha: float = 0.9,
    hops: int = 1,
    similar: int = 3,
    size: int = 224,
) -> tuple[float, Array]:
    """Score and map of one sample from the tokens of its object; ``foreground`` is (grid, grid)."""
    score, product = 1.0, np.ones(len(h))
    for kind, bank in banks.items():
        updated = moved(tokens[kind], h, bank, alpha, hops)
        product *= token_scores(updated, bank, similar)
        score *= oracle_m3dm.bank_score(bank.rows, updated)[1]
    grid = np.zeros(foreground.shape)
    grid[foreground] = product**1.5
    return score, oracle_cfm.smooth(oracle_cfm.upsample(grid[:, :, None], size)[:, :, 0])


def matched(features: Array, first: Array) -> list[int]:
    """Cluster of the first sample that each cluster of another one resembles most."""
    return [int(np.argmax([cosine(one, other) for other in first])) for one in features]
