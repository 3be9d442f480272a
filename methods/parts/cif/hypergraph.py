"""Hypergraphs of CIF: clusters that share tokens, their features, and the spreading of features along them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional

from harness.contract import MethodError
from methods.parts.finite import require_finite

__all__ = ["JointGraph", "cluster_features", "clustered", "incidence_of"]


def clustered(tokens: Tensor, clusters: int, seed: int) -> Tensor:
    """Return the cluster of each token by k-means, (n,) int64 on the device of the tokens.

    It is computed on the host by one thread, since several add up centroids in no fixed order.

    Parameters
    ----------
    tokens : (n, d) float32
    clusters
        Their number, at most n.
    seed
        Seed of the first centroids.

    Raises
    ------
    MethodError
        If there are fewer tokens than clusters, or one is not finite.
    """
    if len(tokens) < clusters:
        raise MethodError(
            f"The object covers {len(tokens)} of the image's tokens, fewer than {clusters} clusters: choose fewer, for "
            f"example 'cif[clusters={max(1, len(tokens) // 2)}]', or look at it with 'harness data verify'."
        )
    on_host = tokens.cpu().numpy()
    require_finite(on_host, on_host.dtype)
    with threadpool_limits(1, "openmp"):
        found = KMeans(clusters, n_init=1, random_state=seed).fit_predict(on_host)
    return torch.from_numpy(found).long().to(tokens.device)


def incidence_of(tokens: Tensor, labels: Tensor, clusters: int, membership: float) -> Tensor:
    """Return which tokens belong to which clusters, (n, clusters) float32 of 0 and 1.

    The cosine similarities of all tokens to a centroid are scaled to [0, 1]; a token belongs to its own cluster, and to
    every one where that is at least ``membership``.

    Parameters
    ----------
    tokens : (n, d) float32
    labels : (n,) int64
        From :func:`clustered`.
    clusters
        Their number.
    membership
        In [0, 1].
    """
    own = functional.one_hot(labels, clusters).to(tokens)
    centroids = own.T @ tokens / own.sum(0).clamp_min(1)[:, None]
    cosine = functional.normalize(tokens, dim=1) @ functional.normalize(centroids, dim=1).T
    least, most = cosine.amin(0), cosine.amax(0)
    scaled = torch.where(most > least, (cosine - least) / (most - least), 1)
    return torch.maximum(own, (scaled >= membership).to(tokens))


def cluster_features(tokens: Tensor, incidence: Tensor) -> Tensor:
    """Return the feature of each cluster, (clusters, d): a mean of its tokens, of which shared ones count less.

    Parameters
    ----------
    tokens : (n, d) float
    incidence : (n, clusters) float
        Of 0 and 1; every token belongs to a cluster.
    """
    shared = incidence.sum(1, keepdim=True).sqrt()
    return incidence.T @ (tokens / shared) / incidence.sum(0).clamp_min(1)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class JointGraph:
    """The hypergraph of a sample's tokens and of those of a bank.

    Its hyperedges are the clusters of the sample, those of the bank, and a pair for every token of the sample: itself
    and the nearest token of the bank. Matrices of all pairs of tokens are never made.

    Parameters
    ----------
    incidence : (n, clusters) float
        Of the sample's tokens.
    bank_incidence : (m, clusters of the bank) float
        Of the bank's tokens.
    nearest : (n,) int64
        The bank's token in the pair of each token.
    """

    incidence: Tensor
    bank_incidence: Tensor
    nearest: Tensor

    def spread(self, values: Tensor, alpha: float, hops: int) -> Tensor:
        """Return ``alpha sum_{l < hops} (1 - alpha)^l A^l + (1 - alpha)^hops A^hops``, times ``values``.

        Parameters
        ----------
        values : (n + m, d) float
            Features of the sample's tokens, then of the bank's.
        alpha
            Share that a feature keeps in each hop.
        hops
            At least 0.
        """
        result, power, share = torch.zeros_like(values), values, 1.0
        for _ in range(hops):
            result += alpha * share * power
            power, share = self.adjacent(power), share * (1 - alpha)
        return result + share * power

    def adjacent(self, values: Tensor) -> Tensor:
        """Return the product of A = D^-1/2 (W + I) D^-1/2 with W = H D_e^-1 H^T, and ``values``, (n + m, d)."""
        root = (1 + self._degrees()).sqrt()[:, None]
        scaled = values / root
        sample, bank = torch.split(scaled, [len(self.incidence), len(self.bank_incidence)])
        pairs = (sample + bank[self.nearest]) / 2
        of_sample = _through(self.incidence, sample) + pairs
        of_bank = _through(self.bank_incidence, bank).index_add(0, self.nearest, pairs)
        return (torch.cat([of_sample, of_bank]) + scaled) / root

    def _degrees(self) -> Tensor:
        """Return the number of hyperedges of each token, which are the sums of the rows of W, too."""
        pairs = torch.bincount(self.nearest, minlength=len(self.bank_incidence)).to(self.incidence)
        return torch.cat([self.incidence.sum(1) + 1, self.bank_incidence.sum(1) + pairs])


def _through(incidence: Tensor, values: Tensor) -> Tensor:
    """Return what the members of a token's hyperedges have on average, summed over these hyperedges."""
    means: Tensor = incidence.T @ values / incidence.sum(0).clamp_min(1)[:, None]
    return incidence @ means
