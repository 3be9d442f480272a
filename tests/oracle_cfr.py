"""A slow, direct float64 CFR (Guo et al., ICML 2026): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product. Features, distances, smoothing
filters and scaling are those of CFM's oracle. Weights are plain dictionaries of numpy arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import oracle_cfm
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, NDArray[Any]]


class Bank(NamedTuple):
    """Features as they are: ``rgb (n, C2)``, and pairs ``keys (m, C3)``, ``values (m, C2)``."""

    rgb: Array
    keys: Array
    values: Array


def gated(rows: Array, weights: Weights) -> Array:
    """Gated unit: ``GELU(first half) * second half`` of a linear layer, then another one; keys input, output."""
    wide = oracle_cfm.linear(rows, weights, "input")
    half = wide.shape[1] // 2
    return oracle_cfm.linear(oracle_cfm.gelu(wide[:, :half]) * wide[:, half:], weights, "output")


def cosine(a: Array, b: Array) -> float:
    """Cosine similarity of two vectors; 0 where one has no length."""
    lengths = np.sqrt(a @ a) * np.sqrt(b @ b)
    return float(a @ b / lengths) if lengths > 0 else 0.0


def nearest_keys(query: Array, keys: Array, count: int) -> list[int]:
    """Indices of the keys with the largest cosine similarity to a query, ties to the lowest."""
    similarity = np.array([cosine(query, key) for key in keys])
    return np.argsort(-similarity, kind="stable")[: min(count, len(keys))].tolist()


def retrieve(query: Array, keys: Array, values: Array, weights: Weights, count: int) -> Array:
    """Attention of one query ``(C3,)`` to its nearest keys; keys query, key, value, output, none with a bias."""
    chosen = nearest_keys(query, keys, count)
    q = oracle_cfm.linear(query, weights, "query")
    logits = np.array([q @ oracle_cfm.linear(keys[index], weights, "key") for index in chosen]) / np.sqrt(len(q))
    odds = np.exp(logits - logits.max())
    mixed = sum(
        share * oracle_cfm.linear(values[index], weights, "value")
        for share, index in zip(odds / odds.sum(), chosen, strict=True)
    )
    return oracle_cfm.linear(np.asarray(mixed), weights, "output")


def is_doubtful(predicted: Array, rgb: Array, theta: float) -> bool:
    """Whether the nearest image feature of the bank is at a cosine distance of at least theta."""
    return 1 - max(cosine(predicted, row) for row in rgb) >= theta


def predict(
    sample: oracle_cfm.Features,
    to_3d: Weights,
    to_2d: Weights,
    retriever: Weights,
    bank: Bank,
    *,
    theta: float,
    count: int = 3,
    smoothing: str = "box5",
) -> dict[str, Any]:
    """Inference: keys anomaly_map, pixel_map, score, map_2d, map_3d, replaced."""
    mask = sample.mask
    predicted = gated(sample.e3d[mask], to_2d)
    doubtful = np.array([is_doubtful(row, bank.rgb, theta) for row in predicted])
    for row in np.flatnonzero(doubtful):
        predicted[row] = retrieve(sample.e3d[mask][row], bank.keys, bank.values, retriever, count)
    images = {name: np.zeros(mask.shape) for name in ("map_2d", "map_3d", "replaced")}
    images["map_2d"][mask] = oracle_cfm.distance(predicted, sample.e2d[mask])
    images["map_3d"][mask] = oracle_cfm.distance(gated(sample.e2d[mask], to_3d), sample.e3d[mask])
    images["replaced"][mask] = doubtful
    product = images["map_2d"] * images["map_3d"]
    smoothed = oracle_cfm.smooth(product) if smoothing == "box" else oracle_cfm.window_mean(np.pad(product, 2), 5)
    anomaly_map, pixel_map, score = oracle_cfm.scale(smoothed)
    return {"anomaly_map": anomaly_map, "pixel_map": pixel_map, "score": score, **images}


def approximate_greedy(points: Array, count: int, starts: Sequence[int]) -> list[int]:
    """PatchCore's approximate greedy coreset: the first distances are means over the starts, which are not picked."""
    closest = np.mean([np.linalg.norm(points - points[start], axis=1) for start in starts], axis=0)
    picks: list[int] = []
    for _ in range(count):
        picks.append(int(closest.argmax()))
        closest = np.minimum(closest, np.linalg.norm(points - points[picks[-1]], axis=1))
    return picks


def train_mappings(
    e2d: Array, e3d: Array, to_3d: Weights, to_2d: Weights, *, steps: int, lr: float = 1e-3
) -> oracle_cfm.Trained:
    """Adam on all rows at once: two cosine losses there, two there and back."""
    nets = [_trainable(weights) for weights in (to_3d, to_2d)]
    x, y = torch.from_numpy(e2d), torch.from_numpy(e3d)
    losses = []
    optimiser = torch.optim.Adam([tensor for net in nets for tensor in net.values()], lr=lr)
    for _ in range(steps):
        there_3d, there_2d = _gated(x, nets[0]), _gated(y, nets[1])
        pairs = [(there_2d, x), (there_3d, y), (_gated(there_3d, nets[1]), x), (_gated(there_2d, nets[0]), y)]
        loss = sum(_cosine_loss(predicted, real) for predicted, real in pairs)
        assert isinstance(loss, torch.Tensor)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return oracle_cfm.Trained(losses, *({k: v.detach().numpy() for k, v in net.items()} for net in nets))


def train_retriever(
    e2d: Array, e3d: Array, bank: Bank, weights: Weights, *, steps: int, count: int = 3, lr: float = 1e-4
) -> tuple[list[float], dict[str, Array]]:
    """Adam on all rows at once: the cosine loss of what is retrieved for each cloud feature."""
    net = _trainable(weights)
    chosen = torch.tensor([nearest_keys(row, bank.keys, count) for row in e3d])
    x, y, keys, values = (torch.from_numpy(rows) for rows in (e2d, e3d, bank.keys, bank.values))
    losses = []
    optimiser = torch.optim.Adam(net.values(), lr=lr)
    for _ in range(steps):
        q, k, v = y @ net["query.weight"].T, keys @ net["key.weight"].T, values @ net["value.weight"].T
        logits = torch.einsum("nc,nkc->nk", q, k[chosen]) / q.shape[1] ** 0.5
        mixed = torch.einsum("nk,nkc->nc", logits.softmax(1), v[chosen])
        loss = _cosine_loss(mixed @ net["output.weight"].T, x)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses, {name: tensor.detach().numpy() for name, tensor in net.items()}


def _trainable(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(np.asarray(array, np.float64), requires_grad=True) for name, array in weights.items()}


def _gated(rows: torch.Tensor, net: Mapping[str, torch.Tensor]) -> torch.Tensor:
    wide = rows @ net["input.weight"].T + net["input.bias"]
    gate, value = wide[:, : wide.shape[1] // 2], wide[:, wide.shape[1] // 2 :]
    hidden = 0.5 * gate * (1 + torch.erf(gate / 2**0.5)) * value
    return hidden @ net["output.weight"].T + net["output.bias"]


def _cosine_loss(predicted: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    lengths = predicted.norm(dim=1).clamp_min(1e-6) * real.norm(dim=1).clamp_min(1e-6)
    return 1 - ((predicted * real).sum(1) / lengths).mean()
