"""A slow, direct INP-Former (Luo et al., CVPR 2025): the oracle of the product's tests, in numpy and float64.

Written from the facts of the paper and of its authors' code, without a look at the product. Tensors of the teacher have
the names of DINOv2's release, those of the trained networks the product's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from oracle_cfm import Array
from PIL import Image
from scipy.special import erf

__all__ = [
    "StableAdamW",
    "coherence",
    "cropped_input",
    "in_square",
    "network",
    "positions",
    "predict",
    "reconstruction",
    "teacher_blocks",
]

Tensors = Mapping[str, Array]


def cropped_input(rgb: NDArray[np.uint8], size: int = 392) -> Array:
    """``(3, size, size)``: both sides resized to 8/7 of the size, the middle cut out, ImageNet mean and deviation."""
    frame = size // 7 * 8
    image = Image.fromarray(rgb).resize((frame, frame), Image.Resampling.BILINEAR)
    corner = (frame - size) // 2
    pixels = np.asarray(image.crop((corner, corner, corner + size, corner + size)), np.float64)
    return ((pixels / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)


def cubic(distance: Array) -> Array:
    """Keys' cubic kernel with a = -0.75."""
    x, a = np.abs(distance), -0.75
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def positions(table: Array, grid: int) -> Array:
    """``(side * side, C)`` to ``(grid * grid, C)``: bicubic at a scale of (grid + 0.1) / side, borders repeated."""
    side = round(len(table) ** 0.5)
    weights = np.zeros((grid, side))
    for place in range(grid):
        centre = (place + 0.5) * side / (grid + 0.1) - 0.5
        for source in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            weights[place, min(max(source, 0), side - 1)] += cubic(np.array(centre - source))
    plane = table.reshape(side, side, -1)
    return np.einsum("ai,bj,ijc->abc", weights, weights, plane).reshape(grid * grid, -1)


def normed(rows: Array, tensors: Tensors, name: str, eps: float) -> Array:
    centred = rows - rows.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def linear(rows: Array, tensors: Tensors, name: str) -> Array:
    return rows @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def gelu(rows: Array) -> Array:
    return rows * (1 + erf(rows / 2**0.5)) / 2


def softmax(rows: Array) -> Array:
    powers = np.exp(rows - rows.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def attended(queries: Array, keys: Array, values: Array, heads: int) -> Array:
    """``(N, C)``, ``(M, C)``, ``(M, C)`` to ``(N, C)``: softmax of the products over the root of a head's channels."""
    results = []
    for q, k, v in zip(*(np.split(rows, heads, -1) for rows in (queries, keys, values)), strict=True):
        results.append(softmax(q @ k.T / q.shape[1] ** 0.5) @ v)
    return np.concatenate(results, -1)


def teacher_blocks(tensors: Tensors, image: Array, blocks: int, heads: int) -> list[Array]:
    """Patch tokens after each block of DINOv2 with registers, for an image ``(3, 14 g, 14 g)``."""
    grid = image.shape[1] // 14
    kernel = tensors["patch_embed.proj.weight"].reshape(len(tensors["patch_embed.proj.bias"]), -1)
    patches = [
        kernel @ image[:, 14 * i : 14 * i + 14, 14 * j : 14 * j + 14].ravel() for i in range(grid) for j in range(grid)
    ]
    tokens = np.array(patches) + tensors["patch_embed.proj.bias"] + positions(tensors["pos_embed"][0, 1:], grid)
    first = tensors["cls_token"][0] + tensors["pos_embed"][0, :1]
    rows = np.concatenate([first, tensors["register_tokens"][0], tokens])
    outputs = []
    for block in (f"blocks.{number}." for number in range(blocks)):
        q, k, v = np.split(linear(normed(rows, tensors, f"{block}norm1", 1e-6), tensors, f"{block}attn.qkv"), 3, -1)
        mixed = linear(attended(q, k, v, heads), tensors, f"{block}attn.proj")
        rows = rows + tensors[f"{block}ls1.gamma"] * mixed
        hidden = gelu(linear(normed(rows, tensors, f"{block}norm2", 1e-6), tensors, f"{block}mlp.fc1"))
        rows = rows + tensors[f"{block}ls2.gamma"] * linear(hidden, tensors, f"{block}mlp.fc2")
        outputs.append(rows[-grid * grid :])
    return outputs


def mlp(rows: Array, tensors: Tensors, name: str) -> Array:
    return linear(gelu(linear(rows, tensors, f"{name}.0")), tensors, f"{name}.1")


def extracted(tensors: Tensors, tokens: Array, heads: int) -> Array:
    """The prototypes ``(P, C)`` of an image's tokens ``(N, C)``."""
    queries, name = tensors["queries"], "extract"
    q = linear(normed(queries, tensors, f"{name}.norm", 1e-8), tensors, f"{name}.query")
    k, v = np.split(linear(normed(tokens, tensors, f"{name}.norm", 1e-8), tensors, f"{name}.key_value"), 2, -1)
    rows = queries + linear(attended(q, k, v, heads), tensors, f"{name}.projection")
    return rows + mlp(normed(rows, tensors, f"{name}.mlp_norm", 1e-8), tensors, f"{name}.mlp")


def rebuilt(tensors: Tensors, name: str, tokens: Array, prototypes: Array, heads: int) -> Array:
    """A block of the decoder: ``(N, C)`` to ``(N, C)``."""
    q = linear(normed(tokens, tensors, f"{name}.norm", 1e-8), tensors, f"{name}.query")
    k, v = np.split(linear(normed(prototypes, tensors, f"{name}.norm", 1e-8), tensors, f"{name}.key_value"), 2, -1)
    results = []
    for head, parts in enumerate(zip(*(np.split(rows, heads, -1) for rows in (q, k, v)), strict=True)):
        unit_q, unit_k = (rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in parts[:2])
        results.append(np.maximum(unit_q @ unit_k.T * tensors[f"{name}.scale"][head], 0) @ parts[2])
    rows = linear(np.concatenate(results, -1), tensors, f"{name}.projection")
    return rows + mlp(normed(rows, tensors, f"{name}.mlp_norm", 1e-8), tensors, f"{name}.mlp")


def network(tensors: Tensors, tokens: Array, blocks: int, heads: int) -> tuple[list[Array], Array]:
    """Both rebuilt groups ``(N, C)`` and the prototypes, from the mean ``(N, C)`` of the teacher's blocks."""
    prototypes = extracted(tensors, tokens, heads)
    rows, outputs = mlp(tokens, tensors, "bottleneck"), []
    for block in range(blocks):
        rows = rebuilt(tensors, f"decoder.{block}", rows, prototypes, heads)
        outputs.insert(0, rows)
    return [np.mean(outputs[: blocks // 2], 0), np.mean(outputs[blocks // 2 :], 0)], prototypes


def cosine(a: Array, b: Array) -> Array:
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def reconstruction(real: list[Array], made: list[Array]) -> tuple[float, list[Array]]:
    """The loss of groups ``(B, N, C)``, and the gradients of the made ones, each position's times its factor."""
    loss, gradients = 0.0, []
    for a, b in zip(real, made, strict=True):
        distances = 1 - cosine(a, b)
        factor = (distances / distances.mean()) ** 3
        gradient = np.zeros_like(b)
        for image in range(len(a)):
            flat_a, flat_b = a[image].ravel(), b[image].ravel()
            length_a, length_b = np.linalg.norm(flat_a), np.linalg.norm(flat_b)
            likeness = flat_a @ flat_b / (length_a * length_b)
            loss += (1 - likeness) / len(a) / len(real)
            slope = likeness * b[image] / length_b**2 - a[image] / (length_a * length_b)
            gradient[image] = slope * factor[image][:, None] / len(a) / len(real)
        gradients.append(gradient)
    return loss, gradients


def coherence(tokens: Array, prototypes: Array) -> float:
    """Mean over the tokens ``(B, N, C)`` of the smallest cosine distance to one of the image's prototypes."""
    nearest = [
        min(1 - float(cosine(token, prototype)) for prototype in own)
        for rows, own in zip(tokens, prototypes, strict=True)
        for token in rows
    ]
    return float(np.mean(nearest))


class StableAdamW:
    """The update rule for one tensor."""

    def __init__(self, value: Array) -> None:
        self.value, self.steps = value.copy(), 0
        self.m, self.v, self.largest = (np.zeros_like(value) for _ in range(3))

    def step(self, gradient: Array, lr: float) -> float:
        """Update and return the root of the mean square that clips the update."""
        self.steps += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        self.largest = np.maximum(self.largest, self.v)
        root = np.sqrt(self.largest / (1 - 0.999**self.steps)) + 1e-10
        rms = float(np.sqrt(np.mean((gradient / root) ** 2)))
        decayed = self.value * (1 - lr * 1e-4)
        self.value = decayed - lr / max(1.0, rms) * self.m / (1 - 0.9**self.steps) / root
        return rms


def resized(image: Array, height: int, width: int, *, corners: bool = False) -> Array:
    """``(H, W)`` to ``(height, width)``, bilinear; ``corners``: the centres of corner pixels coincide."""
    for size in (height, width):
        old, place = len(image), np.arange(size)
        at = place * (old - 1) / (size - 1) if corners else np.clip((place + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.minimum(np.floor(at).astype(int), old - 1)
        part, high = (at - low)[:, None], np.minimum(low + 1, old - 1)
        image = (image[low] * (1 - part) + image[high] * part).T
    return image


def predict(real: list[Array], made: list[Array], size: int) -> tuple[Array, float]:
    """The smoothed map ``(256, 256)`` and the score of an image, from its groups ``(N, C)``."""
    grid = round(len(real[0]) ** 0.5)
    planes = [(1 - cosine(a, b)).reshape(grid, grid) for a, b in zip(real, made, strict=True)]
    enlarged = np.mean([resized(plane, size, size, corners=True) for plane in planes], 0)
    image = resized(enlarged, 256, 256)
    kernel = np.array([[np.exp(-(y * y + x * x) / 32) for x in range(-2, 3)] for y in range(-2, 3)])
    kernel /= kernel.sum()
    padded = np.pad(image, 2)
    smooth = sum(kernel[y, x] * padded[y : y + 256, x : x + 256] for y in range(5) for x in range(5))
    return smooth, float(np.sort(smooth, axis=None)[-655:].mean())


def in_square(cropped: Array, size: int, height: int, width: int) -> Array:
    """The map of a crop in the square that the image is padded to, at the size of the squashed frame."""
    frame = size // 7 * 8
    border = (frame - size) // 2
    whole = np.zeros((frame, frame))
    whole[border : border + size, border : border + size] = resized(cropped, size, size)
    longer = max(height, width)
    if height == width:
        return whole
    whole = resized(whole, round(frame * height / longer), round(frame * width / longer))
    top, left = ((frame - side) // 2 for side in whole.shape)
    square = np.zeros((frame, frame))
    square[top : top + whole.shape[0], left : left + whole.shape[1]] = whole
    return square
