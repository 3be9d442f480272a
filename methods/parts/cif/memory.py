"""The memory of CIF: nominal tokens with the cluster each of them belongs to, and the score of tokens against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from harness.contract import Progress
from methods.parts.bank import Bank
from methods.parts.cif.hypergraph import cluster_features
from methods.parts.coreset import greedy_coreset

__all__ = ["KINDS", "Described", "Memory", "fill_memories", "matched_clusters"]

KINDS = ("rgb", "xyz")
"""Modalities; the clusters of both are those of the image."""


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Tokens of the object in a sample.

    Parameters
    ----------
    tokens : dict of (n, d) float32
        By modality, of the same places.
    incidence : (n, clusters) float32
        Which token belongs to which clusters.
    """

    tokens: Mapping[str, Tensor]
    incidence: Tensor


class Memory:
    """Nominal tokens of one modality, ordered by cluster.

    Parameters
    ----------
    rows : (m, d) float32
    clusters : (m,) int64
        Cluster of each row, ascending; each has at least one.
    prototypes : (clusters, d) float32
        Feature of each cluster.
    device
        Torch device name.
    """

    def __init__(self, rows: Tensor, clusters: Tensor, prototypes: Tensor, device: str) -> None:
        self.bank = Bank(rows, device)
        self.clusters, self.prototypes = clusters.to(device), prototypes.to(device)
        sizes = torch.bincount(clusters, minlength=len(prototypes)).tolist()
        self._parts = [Bank(part, device) for part in torch.split(self.bank.vectors, sizes)]  # views of the same memory

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.bank.nbytes + sum(tensor.nbytes for tensor in (self.clusters, self.prototypes))

    @property
    def incidence(self) -> Tensor:
        """Which row belongs to which cluster, (m, clusters) float32."""
        return functional.one_hot(self.clusters, len(self.prototypes)).to(self.prototypes)

    def token_scores(self, tokens: Tensor, similar: int) -> Tensor:
        """Return the distance to the nearest row times that to the nearest one of similar clusters, (n,) on the CPU.

        Parameters
        ----------
        tokens : (n, d) float32
        similar
            Number of clusters, those whose features have the largest cosine similarity to a token.
        """
        distances = torch.stack([part.search(tokens, 1)[0][:, 0] for part in self._parts], 1)
        cosine = functional.normalize(tokens, dim=1) @ functional.normalize(self.prototypes, dim=1).T
        chosen = cosine.topk(min(similar, len(self._parts))).indices.cpu()
        return distances.amin(1) * distances.gather(1, chosen).amin(1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all parts as arrays by name."""
        parts = {"rows": self.bank.vectors, "clusters": self.clusters, "prototypes": self.prototypes}
        return {name: tensor.cpu().numpy() for name, tensor in parts.items()}

    @classmethod
    def restored(cls, state: Mapping[str, NDArray[Any]], device: str) -> Memory:
        """Undo :meth:`state`."""
        rows, clusters, prototypes = (torch.from_numpy(state[name]) for name in ("rows", "clusters", "prototypes"))
        return cls(rows, clusters, prototypes, device)


def matched_clusters(features: Tensor, first: Tensor) -> Tensor:
    """Return, for each cluster of a sample, the most similar one of the first sample by cosine, (clusters,) int64.

    Parameters
    ----------
    features, first : (clusters, d) float32
        Features of the clusters of both samples.
    """
    return (functional.normalize(features, dim=1) @ functional.normalize(first, dim=1).T).argmax(1)


def fill_memories(
    samples: Sequence[Described], coreset: float, *, seed: int, device: str, progress: Progress
) -> dict[str, Memory]:
    """Keep a share of the tokens of each cluster by greedy k-centre selection, for both modalities.

    Clusters are those of the first sample; those of the others are matched to them by features of the image.

    Parameters
    ----------
    samples
        Of all training samples, at least one.
    coreset
        Share of the tokens of a cluster, at least one token.
    seed
        Seed of the projections that tokens are selected on.
    """
    matches = _matches(samples)
    return {kind: _memory(samples, matches, kind, coreset, seed, device, progress) for kind in KINDS}


def _matches(samples: Sequence[Described]) -> list[Tensor]:
    """Return the cluster of the first sample for each cluster of each sample, (clusters, clusters) of 0 and 1."""
    features = [cluster_features(one.tokens["rgb"], one.incidence) for one in samples]
    count = len(features[0])
    matched = [torch.arange(count, device=features[0].device)]
    matched += [matched_clusters(other, features[0]) for other in features[1:]]
    return [functional.one_hot(one, count).to(features[0]) for one in matched]


def _memory(
    samples: Sequence[Described],
    matches: Sequence[Tensor],
    kind: str,
    coreset: float,
    seed: int,
    device: str,
    progress: Progress,
) -> Memory:
    tokens = torch.cat([one.tokens[kind] for one in samples])
    member = torch.cat([one.incidence @ match > 0 for one, match in zip(samples, matches, strict=True)])
    prototypes = torch.zeros(matches[0].shape[1], tokens.shape[1], device=tokens.device)
    for one, match in zip(samples, matches, strict=True):
        prototypes += match.T @ cluster_features(one.tokens[kind], one.incidence)
    prototypes /= torch.stack(list(matches)).sum((0, 1))[:, None]
    rows, clusters = [], []
    for cluster, chosen in enumerate(member.T):
        candidates = tokens[chosen]
        count = max(1, int(coreset * len(candidates)))
        picks = greedy_coreset(candidates, count, seed=seed, progress=progress, device=device)
        rows.append(candidates[np.sort(picks)])
        clusters += [cluster] * count
    return Memory(torch.cat(rows), torch.tensor(clusters), prototypes, device)
