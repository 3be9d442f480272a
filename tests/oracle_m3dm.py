"""A slow, direct M3DM (Wang et al., CVPR 2023): the oracle of the product's tests, in float64.

Written from the facts of the paper and its released code: images of features, dense distances, loops. Weights are
dictionaries of numpy arrays, as in ``oracle_cfm``, whose networks it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import oracle_cfm as cfm
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.linear_model import SGDOneClassSVM
from sklearn.random_projection import SparseRandomProjection

Array = NDArray[np.float64]


def black_square(rgb: NDArray[np.uint8], plane: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image with black background, in the middle of a black square."""
    height, width = plane.shape
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    for i in range(height):
        for j in range(width):
            if not plane[i, j]:
                square[top + i, left + j] = rgb[i, j]
    return square


def blackened(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels that MVTec 3D-AD's preprocessing blackens: measured, and (0, 0, 0) when plane and clusters are gone."""
    height, width = before.shape[:2]
    black = np.zeros((height, width), bool)
    for i in range(height):
        for j in range(width):
            black[i, j] = all(value != 0 for value in before[i, j]) and not any(after[i, j])
    return black


def cloud_patches(
    points: Array, pixels: NDArray[np.intp], centres: Array, tokens: Array, size: int, grid: int
) -> Array:
    """Cloud patches ``(grid * grid, C)``: interpolate, scatter, unpadded 3x3 mean, adaptive mean."""
    image = cfm.scatter(cfm.interpolate(points, centres, tokens), pixels, size)
    return cfm.adaptive_mean(cfm.window_mean(image, 3), grid).reshape(grid * grid, -1)


def patches(
    rgb: NDArray[np.uint8],
    xyz: NDArray[np.float32],
    plane: NDArray[np.bool_],
    vit: cfm.Weights,
    point_mae: cfm.Weights,
    *,
    keep: int,
    centres: int,
    group_size: int,
    bn_stats: str = "batch",
) -> dict[str, Array]:
    """Raw patches of one sample: ``xyz (3136, C)`` and ``rgb (784, 768)``."""
    tokens = cfm.vit_tokens(cfm.rgb_input(black_square(rgb, plane)), vit, keep=keep)
    points, pixels = cfm.cloud_input(xyz)
    middle, features = cfm.point_tokens(
        points, point_mae, centres=centres, group_size=group_size, keep=keep, bn_stats=bn_stats
    )
    return {
        "xyz": cloud_patches(points, pixels, middle, features, 224, 56),
        "rgb": tokens.reshape(784, -1),
    }


def fuse(rgb: Array, xyz: Array, weights: cfm.Weights) -> Array:
    """Fused patches ``(3136, C + 768)``: LayerNorm and MLP of each modality, image tokens repeated 2 x 2."""
    parts = {}
    for name, features in (("rgb", rgb), ("xyz", xyz)):
        hidden = cfm.gelu(
            cfm.linear(cfm.layer_norm(features, weights, f"{name}_norm", 1e-5), weights, f"{name}_mlp.fc1")
        )
        parts[name] = cfm.linear(hidden, weights, f"{name}_mlp.fc2")
    image = parts["rgb"].reshape(28, 28, -1)
    return np.stack(
        [np.concatenate([parts["xyz"][56 * i + j], image[i // 2, j // 2]]) for i in range(56) for j in range(56)]
    )


def code_token(patch: int) -> int:
    """The image token that a cloud patch j = 784 a + b meets in the features saved for the fusion's training."""
    a, b = divmod(patch, 784)
    return (4 * b + a) % 784


def info_nce(queries: Array, keys: Array) -> float:
    """Twice the mean over queries of -log softmax of the own key among all keys, L2-normalised, temperature 1."""
    q = [row / np.sqrt(row @ row) for row in queries]
    k = [row / np.sqrt(row @ row) for row in keys]
    losses = []
    for own, query in enumerate(q):
        logits = np.array([query @ key for key in k])
        losses.append(np.log(np.exp(logits).sum()) - logits[own])
    return 2 * float(np.mean(losses))


def affines(pools: Mapping[str, Array], kinds: Sequence[str], how: str) -> dict[str, tuple[float, float]]:
    """Mean and deviation that each bank is standardised by."""
    own = {kind: (float(pools[kind].mean()), float(pools[kind].std(ddof=1))) for kind in kinds}
    if how == "per_bank":
        return own
    if len(kinds) == 1:
        return own if kinds[0] == "rgb" else {kinds[0]: (0.0, 1.0)}
    return dict.fromkeys(kinds, (own["xyz"][0], own["rgb"][1]))


def bank_sizes(lengths: Mapping[str, int], kinds: Sequence[str], fraction: float, how: str) -> dict[str, int]:
    """Vectors that each coreset keeps."""
    if how == "10pct":
        return {kind: int(fraction * lengths[kind]) for kind in kinds}
    first = int(fraction * lengths[kinds[0]])
    return {kind: first if kind == kinds[0] else int(fraction * first) for kind in kinds}


def greedy_picks(vectors: NDArray[np.float32], count: int, seed: int) -> list[int]:
    """Greedy k-centre from index 0 on the projection, kept in half precision."""
    projected = SparseRandomProjection(eps=0.9, random_state=seed).fit_transform(vectors)
    points = np.asarray(projected, np.float16).astype(np.float64)
    picks, closest = [0], np.full(len(points), np.inf)
    while len(picks) < count:
        closest = np.minimum(closest, np.sqrt(((points - points[picks[-1]]) ** 2).sum(1)))
        picks.append(int(closest.argmax()))
    return picks


def bank_score(bank: Array, queries: Array, *, epsilon: float = 0.0, divide: float = 1.0) -> tuple[Array, float]:
    """Distance of each patch to the bank, and the re-weighted score of the image."""
    nearest = np.array([np.sqrt(((bank - query) ** 2).sum(1)).min() for query in queries])
    worst = int(nearest.argmax())
    patch = queries[worst]
    member = bank[int(((bank - patch) ** 2).sum(1).argmin())]
    around = np.argsort(((bank - member) ** 2).sum(1), kind="stable")[1:3]
    scale = np.sqrt(bank.shape[1])
    star = nearest[worst] / divide
    spread = [np.sqrt(((patch - bank[index]) ** 2).sum()) / divide for index in around]
    weight = 1 - np.exp(star / scale) / (sum(np.exp(one / scale) for one in spread) + epsilon)
    return nearest, float(weight * star)


def blurred(distances: Array) -> tuple[Array, Array]:
    """The map of a grid of distances at 224 x 224, bilinear, before and after the blur of 8-bit levels."""
    grid = round(len(distances) ** 0.5)
    plain = cfm.upsample(distances.reshape(grid, grid, 1), 224)[..., 0]
    levels = np.floor(plain / plain.max() * 255).astype(np.uint8)
    soft = np.asarray(Image.fromarray(levels).filter(ImageFilter.GaussianBlur(4)), np.float64)
    return plain, soft / 255 * plain.max()


def constants(run: str) -> dict[str, float]:
    """The softmax's summand and the divisor of distances, by the runs of the authors' code."""
    return {
        "image": {"epsilon": 1e-5},
        "cloud": {"epsilon": 1e-5},
        "fused": {},
        "two banks and a decision layer": {"divide": 1000.0},
        "two banks added": {},
        "three banks": {},
    }[run]


def added(banks: Sequence[Array], queries: Sequence[Array]) -> tuple[float, Array]:
    """Score and map of two banks that are added: no weights, no divisor, no decision layer."""
    total, image = 0.0, np.zeros((224, 224))
    for bank, asked in zip(banks, queries, strict=True):
        distances, score = bank_score(bank, asked, **constants("two banks added"))
        total += score
        image += blurred(distances)[1]
    return total, image


def cloud_bank(kept: Array, banks: int) -> Array:
    """What becomes of the coreset of the cloud: three banks lose rows with an exact 0 and gain one of zeros."""
    if banks < 3:
        return kept
    rows = [row for row in kept if all(value != 0 for value in row)]
    return np.array([*rows, np.zeros(kept.shape[1])])


def optimiser_steps(order: Sequence[int], batch: int, accumulate: int) -> list[list[int]]:
    """Samples of each step of an epoch: gradients are summed batch by batch, and zeroed when the next epoch begins."""
    steps: list[list[int]] = []
    waiting: list[int] = []
    for start in range(0, len(order) - batch + 1, batch):
        waiting += order[start : start + batch]
        if (start // batch + 1) % accumulate == 0:
            steps.append(waiting)
            waiting = []
    return steps


def one_class(rows: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Array]:
    """Fit scikit-learn's machine; return its score of rows."""
    machine = SGDOneClassSVM(nu=0.5, max_iter=1000, random_state=42).fit(rows)
    return lambda asked: np.asarray(machine.score_samples(asked))
