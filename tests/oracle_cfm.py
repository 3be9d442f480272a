"""A slow, direct float64 Crossmodal Feature Mapping (Costanzino et al., CVPR 2024): the oracle of the product's tests.

Written from the facts of the paper and its released code, without a look at the product: one feature vector per
pixel, dense layers, loops. Weights are plain dictionaries of numpy arrays under the published names; every function
casts to float64. Images of features are channel-last, ``(size, size, channels)``.

Three points of the reference are decided here: an exact tie goes to the lowest index (farthest point sampling and
nearest neighbours); ``intra`` means 2D->2D and 3D->3D mappings; a map without any non-zero value has no scaling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.special import erf

Array = NDArray[np.float64]
Weights = Mapping[str, ArrayLike]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Features(NamedTuple):
    """Pixel features of one sample: ``e2d (S, S, C2)``, ``e3d (S, S, C3)``, ``mask (S, S)`` bool."""

    e2d: Array
    e3d: Array
    mask: NDArray[np.bool_]


class Trained(NamedTuple):
    """Loss before each step, and both mappings after the last one."""

    losses: list[float]
    to_3d: dict[str, Array]
    to_2d: dict[str, Array]


def rgb_input(rgb: NDArray[np.uint8], size: int = 224) -> Array:
    """``(H, W, 3)`` uint8 -> ``(3, size, size)``: centred edge-replicate square, PIL bicubic, [0, 1], ImageNet."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    rows = np.clip(np.arange(side) - (side - height) // 2, 0, height - 1)
    columns = np.clip(np.arange(side) - (side - width) // 2, 0, width - 1)
    square = np.ascontiguousarray(rgb[rows][:, columns])
    resized = np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BICUBIC), np.float64)
    return ((resized / 255 - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)


def cloud_input(xyz: NDArray[np.float32], size: int = 224) -> tuple[Array, NDArray[np.intp]]:
    """``(H, W, 3)`` metres -> valid points ``(N, 3)`` in raster order and their flat pixel indices ``(N,)``.

    Zero square pad (side = max(H, W), odd remainder to the bottom and the right), nearest resize by
    floor(i * side / size); a pixel is valid only where all of x, y and z are non-zero.
    """
    height, width = xyz.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = xyz
    points, indices = [], []
    for i in range(size):
        for j in range(size):
            point = square[i * side // size, j * side // size]
            if point[0] != 0 and point[1] != 0 and point[2] != 0:
                points.append(point)
                indices.append(i * size + j)
    return np.reshape(points, (-1, 3)).astype(np.float64), np.asarray(indices, np.intp)


def gelu(x: Array) -> Array:
    """Exact (erf) GELU."""
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def linear(x: Array, weights: Weights, name: str) -> Array:
    """``x W^T + b``; the bias is optional, a trailing kernel axis of length 1 (Conv1d) is dropped."""
    matrix = np.asarray(weights[f"{name}.weight"], np.float64)
    out = x @ matrix.reshape(matrix.shape[0], -1).T
    return out + np.asarray(weights[f"{name}.bias"], np.float64) if f"{name}.bias" in weights else out


def layer_norm(x: Array, weights: Weights, name: str, eps: float) -> Array:
    """Layer normalisation over the last axis, biased variance."""
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    gain, bias = (np.asarray(weights[f"{name}.{part}"], np.float64) for part in ("weight", "bias"))
    return (x - mean) / np.sqrt(var + eps) * gain + bias


def attention(x: Array, weights: Weights, name: str, heads: int) -> Array:
    """Multi-head self-attention of ``(tokens, dim)``; rows of qkv are ordered (q | k | v), each (head, channel)."""
    tokens, dim = x.shape
    width = dim // heads
    qkv = linear(x, weights, f"{name}.qkv")
    mixed = np.zeros((tokens, dim))
    for head in range(heads):
        q, k, v = (qkv[:, part * dim + head * width :][:, :width] for part in range(3))
        logits = q @ k.T / np.sqrt(width)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        mixed[:, head * width : (head + 1) * width] = odds / odds.sum(1, keepdims=True) @ v
    return linear(mixed, weights, f"{name}.proj")


def block(x: Array, weights: Weights, name: str, heads: int, eps: float) -> Array:
    """Pre-norm transformer block, DropPath off."""
    x = x + attention(layer_norm(x, weights, f"{name}.norm1", eps), weights, f"{name}.attn", heads)
    hidden = gelu(linear(layer_norm(x, weights, f"{name}.norm2", eps), weights, f"{name}.mlp.fc1"))
    return x + linear(hidden, weights, f"{name}.mlp.fc2")


def depth_of(weights: Weights, prefix: str) -> int:
    """Count the blocks stored under ``prefix`` (``blocks`` or ``blocks.blocks``)."""
    depth = 0
    while f"{prefix}.{depth}.norm1.weight" in weights:
        depth += 1
    return depth


def vit_tokens(image: Array, weights: Weights, *, heads: int = 12, patch: int = 8, keep: int | None = None) -> Array:
    """ViT of ``(3, S, S)`` -> ``(S/patch, S/patch, dim)``: first ``keep`` blocks, final LayerNorm, CLS dropped."""
    grid = image.shape[1] // patch
    x = [np.asarray(weights["cls_token"], np.float64).reshape(-1)]
    for i in range(grid):
        for j in range(grid):
            window = image[:, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch]
            x.append(linear(window.reshape(-1), weights, "patch_embed.proj"))
    tokens = np.stack(x) + np.asarray(weights["pos_embed"], np.float64)[0]
    for index in range(depth_of(weights, "blocks") if keep is None else keep):
        tokens = block(tokens, weights, f"blocks.{index}", heads, 1e-6)
    return layer_norm(tokens, weights, "norm", 1e-6)[1:].reshape(grid, grid, -1)


def upsample(grid: Array, size: int) -> Array:
    """Bilinear ``(g, g, C)`` -> ``(size, size, C)`` with align_corners False (half-pixel centres, clamped)."""
    source = len(grid)
    out = np.zeros((size, size, grid.shape[2]))
    at = [max((i + 0.5) * source / size - 0.5, 0.0) for i in range(size)]
    for i, y in enumerate(at):
        for j, x in enumerate(at):
            top, left = int(y), int(x)
            bottom, right = min(top + 1, source - 1), min(left + 1, source - 1)
            upper = (1 - (x - left)) * grid[top, left] + (x - left) * grid[top, right]
            lower = (1 - (x - left)) * grid[bottom, left] + (x - left) * grid[bottom, right]
            out[i, j] = (1 - (y - top)) * upper + (y - top) * lower
    return out


def farthest_points(points: Array, count: int) -> list[int]:
    """Farthest point sampling: index 0 first; squared norm <= 1e-3 is never selected; repeats once all are taken.

    As in the CUDA kernel, index 0 is also the answer where every point is within that radius of the origin.
    """
    chosen = [0]
    nearest = np.full(len(points), 1e10)
    allowed = (points**2).sum(1) > 1e-3
    while len(chosen) < count:
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(np.argmax(np.where(allowed, nearest, -1))) if allowed.any() else 0)
    return chosen


def neighbours(query: Array, points: Array, count: int) -> tuple[NDArray[np.intp], Array]:
    """Indices and squared distances of the ``count`` points nearest to one query, by direct differences, sorted."""
    if len(points) < count:
        raise ValueError(f"{count} neighbours asked of {len(points)} points")
    squared = ((points - query) ** 2).sum(1)
    order = np.argsort(squared, kind="stable")[:count]
    return order, squared[order]


def batch_norm(x: Array, weights: Weights, name: str, bn_stats: str) -> Array:
    """BatchNorm1d of ``(groups, points, C)``: biased statistics of this cloud (``batch``) or stored (``running``)."""
    if bn_stats == "batch":
        mean, var = x.mean((0, 1)), x.var((0, 1))
    elif bn_stats == "running":
        mean, var = (np.asarray(weights[f"{name}.running_{part}"], np.float64) for part in ("mean", "var"))
    else:
        raise ValueError(bn_stats)
    gain, bias = (np.asarray(weights[f"{name}.{part}"], np.float64) for part in ("weight", "bias"))
    return (x - mean) / np.sqrt(var + 1e-5) * gain + bias


def mini_pointnet(groups: Array, weights: Weights, bn_stats: str = "batch") -> Array:
    """Patch encoder ``(groups, points, 3)`` -> ``(groups, dim)``; the concatenation is [global | local]."""
    x = linear(groups, weights, "encoder.first_conv.0")
    x = np.maximum(batch_norm(x, weights, "encoder.first_conv.1", bn_stats), 0)
    local = linear(x, weights, "encoder.first_conv.3")
    both = np.concatenate([np.broadcast_to(local.max(1, keepdims=True), local.shape), local], axis=2)
    x = linear(both, weights, "encoder.second_conv.0")
    x = np.maximum(batch_norm(x, weights, "encoder.second_conv.1", bn_stats), 0)
    return linear(x, weights, "encoder.second_conv.3").max(1)


def taps(depth: int) -> tuple[int, ...]:
    """0-based blocks whose outputs are concatenated, by the number of blocks kept (section 0.7)."""
    return {12: (3, 7, 11), 8: (1, 4, 7), 4: (1, 2, 3)}.get(depth, (depth - 1,))


def point_tokens(
    points: Array,
    weights: Weights,
    *,
    heads: int = 6,
    centres: int = 1024,
    group_size: int = 128,
    keep: int | None = None,
    bn_stats: str = "batch",
    chosen: Sequence[int] | None = None,
) -> tuple[Array, Array]:
    """Point-MAE of ``(N, 3)`` -> centres ``(centres, 3)``, tokens ``(centres, taps * dim)``, shallow to deep.

    ``chosen`` replaces the farthest point sampling, to compare networks where float32 would break ties another way.
    """
    middle = points[farthest_points(points, centres) if chosen is None else list(chosen)]
    groups = np.stack([points[neighbours(centre, points, group_size)[0]] - centre for centre in middle])
    x = mini_pointnet(groups, weights, bn_stats)
    position = linear(gelu(linear(middle, weights, "pos_embed.0")), weights, "pos_embed.2")
    depth = depth_of(weights, "blocks.blocks") if keep is None else keep
    tapped = []
    for index in range(depth):
        x = block(x + position, weights, f"blocks.blocks.{index}", heads, 1e-5)
        if index in taps(depth):
            tapped.append(layer_norm(x, weights, "norm", 1e-5))
    return middle, np.concatenate(tapped, axis=1)


def interpolate(points: Array, centres: Array, tokens: Array) -> Array:
    """Feature of each point ``(N, C)``: its 3 nearest centres, weights ~ 1 / (d^2 + 1e-8), d in metres."""
    out = np.zeros((len(points), tokens.shape[1]))
    for row, point in enumerate(points):
        order, squared = neighbours(point, centres, 3)
        share = 1 / (squared + 1e-8)
        out[row] = share / share.sum() @ tokens[order]
    return out


def scatter(features: Array, pixels: NDArray[np.intp], size: int) -> Array:
    """Features ``(N, C)`` of valid pixels -> ``(size, size, C)``, zero elsewhere."""
    image = np.zeros((size * size, features.shape[1]))
    image[pixels] = features
    return image.reshape(size, size, -1)


def window_mean(image: Array, width: int) -> Array:
    """Mean of every ``width`` x ``width`` window that lies inside ``(H, W, ...)``, stride 1, no padding."""
    height, across = image.shape[0] - width + 1, image.shape[1] - width + 1
    total = np.zeros((height, across, *image.shape[2:]))
    for i in range(width):
        for j in range(width):
            total += image[i : i + height, j : j + across]
    return total / width**2


def adaptive_mean(image: Array, size: int) -> Array:
    """Adaptive average pooling: output i averages floor(i * in / out) up to, not with, ceil((i + 1) * in / out)."""
    height, width = image.shape[:2]
    out = np.zeros((size, size, *image.shape[2:]))
    for i in range(size):
        rows = slice(i * height // size, -(-(i + 1) * height // size))
        for j in range(size):
            out[i, j] = image[rows, j * width // size : -(-(j + 1) * width // size)].mean((0, 1))
    return out


def pool_3d(image: Array) -> Array:
    """Smooth scattered features (section 0.5): unpadded 3x3 mean, then adaptive average back to the input's size."""
    return adaptive_mean(window_mean(image, 3), len(image))


def valid_mask(e3d: Array) -> NDArray[np.bool_]:
    """Pixels whose channel sum is not 0. Rounding noise where the final LayerNorm has equal gains and zero-sum bias."""
    return e3d.sum(2) != 0


def extract(
    rgb: NDArray[np.uint8],
    xyz: NDArray[np.float32],
    vit: Weights,
    point_mae: Weights,
    *,
    size: int = 224,
    keep: int | None = None,
    bn_stats: str = "batch",
    vit_heads: int = 12,
    patch: int = 8,
    point_heads: int = 6,
    centres: int = 1024,
    group_size: int = 128,
) -> Features:
    """Both feature images and the valid mask of one sample, with the first ``keep`` blocks of both encoders."""
    e2d = upsample(vit_tokens(rgb_input(rgb, size), vit, heads=vit_heads, patch=patch, keep=keep), size)
    points, pixels = cloud_input(xyz, size)
    middle, tokens = point_tokens(
        points, point_mae, heads=point_heads, centres=centres, group_size=group_size, keep=keep, bn_stats=bn_stats
    )
    e3d = pool_3d(scatter(interpolate(points, middle, tokens), pixels, size))
    return Features(e2d, e3d, valid_mask(e3d))


def mapping_net(x: Array, weights: Weights) -> Array:
    """Three linear layers with exact GELU between them; keys input, projection, output."""
    return linear(gelu(linear(gelu(linear(x, weights, "input")), weights, "projection")), weights, "output")


def distance(predicted: Array, real: Array) -> Array:
    """Euclidean distance of the vectors after L2 normalisation (norm clamped from below at 1e-12), per pixel."""
    unit = [x / np.maximum(np.sqrt((x**2).sum(-1, keepdims=True)), 1e-12) for x in (predicted, real)]
    return np.sqrt(((unit[0] - unit[1]) ** 2).sum(-1))


def sources(sample: Features, mapping: str) -> tuple[Array, Array]:
    """Inputs of the mappings that predict 3D and 2D: the other modality (``cross``) or the same (``intra``)."""
    return {"cross": (sample.e2d, sample.e3d), "intra": (sample.e3d, sample.e2d)}[mapping]


def smooth(image: Array) -> Array:
    """Five 5x5 then three 7x7 mean filters, each zero-padded (section 0.4): variance 22 px^2 per axis."""
    for width in (5, 5, 5, 5, 5, 7, 7, 7):
        image = window_mean(np.pad(image, width // 2), width)
    return image


def scale(smoothed: Array) -> tuple[Array, Array, float]:
    """Scale a smoothed map in the three ways of section 0.3: AUPRO map, pixel-AUROC map, image score."""
    if not smoothed.any():
        raise ValueError("a map of zeros has no scaling")
    mean = smoothed[smoothed != 0].mean()
    return smoothed / mean, smoothed / np.sqrt(smoothed.mean()), float(smoothed.max() / np.sqrt(mean))


def predict(
    sample: Features, to_3d: Weights, to_2d: Weights, *, aggregate: str = "product", mapping: str = "cross"
) -> dict[str, Any]:
    """Inference: keys anomaly_map, pixel_map, score, and the raw masked maps map_2d and map_3d.

    ``aggregate`` is one of product, sum, max, 2d, 3d (Table 6: on raw maps); smoothing and scaling follow for each.
    """
    source_3d, source_2d = sources(sample, mapping)
    psi_3d, psi_2d = np.zeros(sample.mask.shape), np.zeros(sample.mask.shape)
    psi_3d[sample.mask] = distance(mapping_net(source_3d[sample.mask], to_3d), sample.e3d[sample.mask])
    psi_2d[sample.mask] = distance(mapping_net(source_2d[sample.mask], to_2d), sample.e2d[sample.mask])
    aggregates = {"product": psi_2d * psi_3d, "sum": psi_2d + psi_3d, "max": np.maximum(psi_2d, psi_3d)}
    fused = (aggregates | {"2d": psi_2d, "3d": psi_3d})[aggregate]
    anomaly_map, pixel_map, score = scale(smooth(np.where(sample.mask, fused, 0)))
    return {"anomaly_map": anomaly_map, "pixel_map": pixel_map, "score": score, "map_2d": psi_2d, "map_3d": psi_3d}


def batch_loss(batch: Sequence[Features], to_3d: Weights, to_2d: Weights, *, mapping: str = "cross") -> float:
    """(1 - mean cos) of 3D plus (1 - mean cos) of 2D over all valid pixels of the batch pooled; norms >= 1e-6."""
    loss = 0.0
    for side, net in enumerate((to_3d, to_2d)):
        cosines = []
        for sample in batch:
            predicted = mapping_net(sources(sample, mapping)[side][sample.mask], net)
            for p, t in zip(predicted, (sample.e3d, sample.e2d)[side][sample.mask], strict=True):
                cosines.append(p @ t / max(np.sqrt(p @ p), 1e-6) / max(np.sqrt(t @ t), 1e-6))
        loss += float(1 - np.mean(cosines))
    return loss


def train_steps(
    batches: Sequence[Sequence[Features]],
    to_3d: Weights,
    to_2d: Weights,
    *,
    lr: float = 1e-3,
    steps: int | None = None,
    mapping: str = "cross",
) -> Trained:
    """Adam (0.9, 0.999, 1e-8, no decay), one step per batch in the given order; ``steps`` cycles through them."""
    nets: list[dict[str, torch.Tensor]] = []
    for start in (to_3d, to_2d):
        nets.append({k: torch.tensor(np.asarray(v, np.float64), requires_grad=True) for k, v in start.items()})
    optimiser = torch.optim.Adam([tensor for net in nets for tensor in net.values()], lr=lr)
    losses = []
    for step in range(len(batches) if steps is None else steps):
        loss = torch.zeros((), dtype=torch.float64)
        for side, net in enumerate(nets):
            batch = batches[step % len(batches)]
            x = torch.from_numpy(np.concatenate([sources(s, mapping)[side][s.mask] for s in batch], dtype=np.float64))
            target = torch.from_numpy(np.concatenate([(s.e3d, s.e2d)[side][s.mask] for s in batch], dtype=np.float64))
            for name in ("input", "projection", "output"):
                x = x @ net[f"{name}.weight"].T + net[f"{name}.bias"]
                x = x if name == "output" else 0.5 * x * (1 + torch.erf(x / 2**0.5))
            norms = x.norm(dim=1).clamp_min(1e-6) * target.norm(dim=1).clamp_min(1e-6)
            loss = loss + 1 - ((x * target).sum(1) / norms).mean()
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Trained(losses, *({k: v.detach().numpy() for k, v in net.items()} for net in nets))
