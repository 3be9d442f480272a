"""An inference of CFM stage by stage: its walk, its clock, the FLOP of each stage, and the most a machine can do.

A multiplication with its addition is two FLOP. The FLOP of matrix products are counted while a stage runs; formulas
say what the count must come to, and what the direct path (``direct_cfm.py``) takes for the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from harness.contract import Sample
from harness.dataset_contract import Dataset, SampleRef
from harness.measure.torch_state import synchronise
from methods.cfm import CFM
from methods.parts.cfm import maps as cfm_maps
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.training import Schedule, train
from methods.parts.dense import dense
from methods.parts.dino import GRID, vit_tokens
from methods.parts.features import Extractors, Inputs, Tokens
from methods.parts.inputs import SIZE
from methods.parts.interpolation import cloud_rows
from methods.parts.point_mae import group_points

__all__ = [
    "AHEAD",
    "BATCH",
    "INFER",
    "LEGEND",
    "PIXELS",
    "STAGES",
    "Flop",
    "Spend",
    "Walk",
    "clocked",
    "counted",
    "flop_of_inference",
    "flop_of_training",
    "matmul_peak",
    "training_step",
    "walk",
]

AHEAD = ("decode", "clean", "prepare")
"""What comes before an inference."""

LEGEND = (
    "A multiplication with its addition is two FLOP. Those of matrix products are counted while a stage runs; products "
    "with the sparse matrices are left out. By formula, and no part of the whole: 8 for each pair of a centre and a "
    "point in farthest points, and the additions of eight mean filters in smoothing. A dash stands where nothing is "
    "counted: what reads, sorts or gathers, and neighbours from a k-d tree, where the direct path computes all "
    "distances. In a training step features are there; the direct path makes them for each step."
)
"""What a reader of these numbers must know."""

STAGES = (
    "ViT",
    "farthest points",
    "neighbours",
    "point encoder",
    "point transformer",
    "interpolation",
    "mappings",
    "smoothing",
)
"""What an inference consists of."""

INFER = "whole infer"
BATCH = 4
"""Images in a training step."""

PIXELS = SIZE * SIZE
PATCHES, PATCH, VIT_WIDTH = GRID * GRID, SIZE // GRID, 768
CLOUD_WIDTH = 384

Spend = Callable[[str, Callable[[], Any]], Any]
"""Takes a stage's name and what it does, does it and returns the result."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What came of an inference.

    Parameters
    ----------
    inputs
        Of the inference.
    pieced
        The anomaly map (224, 224) made stage by stage.
    whole
        The same by ``infer``.
    """

    inputs: Inputs
    pieced: Any
    whole: Any


def walk(method: CFM, dataset: Dataset, ref: SampleRef, spend: Spend) -> Walk:
    """Read one sample and infer it, first stage by stage, then as a whole."""
    extractors, pair = method._fitted()
    raw: Sample = spend("decode", lambda: dataset.decode(ref))
    sample = spend("clean", lambda: dataset.clean(raw, remember=False)).blind()
    inputs: Inputs = spend("prepare", lambda: method.prepare(sample))
    with torch.inference_mode(), extractors.autocast():
        image = spend("ViT", lambda: vit_tokens(extractors.vit, inputs.image))
        chosen = spend("farthest points", lambda: extractors.choose_centres(inputs.points))
        grouped = spend("neighbours", lambda: group_points(inputs.points, chosen, extractors.group_size))
        groups = spend("point encoder", lambda: extractors.points.embed(grouped.offsets, extractors.statistics))
        cloud = spend("point transformer", lambda: extractors.points.transform(groups, grouped.centres))
        tokens = spend("interpolation", lambda: _interpolated(extractors, inputs, image, cloud, grouped.centres))
        distances = spend("mappings", lambda: cfm_maps._distances(pair, tokens))
        maps = spend("smoothing", lambda: _smoothed(method, pair, tokens, distances))
    prediction = spend(INFER, lambda: method.infer(inputs))
    return Walk(inputs, maps["localisation"], prediction.anomaly_map)


def _interpolated(extractors: Extractors, inputs: Inputs, image: Tensor, cloud: Tensor, centres: Tensor) -> Tokens:
    """Build both sparse matrices; the only place that knows what ``cloud_rows`` takes."""
    merged = extractors.device.type == "cpu"
    to_cloud = cloud_rows(inputs.points, inputs.pixels, inputs.reached, centres, SIZE, merged=merged)
    return Tokens.of(image, cloud, inputs.reached, to_cloud)


def _smoothed(method: CFM, pair: MappingPair, tokens: Tokens, distances: tuple[Tensor, Tensor]) -> dict[str, Any]:
    """Do all of ``anomaly_maps`` but the distances, which are there."""
    with patch.object(cfm_maps, "_distances", lambda *_: distances):
        maps = cfm_maps.anomaly_maps(pair, tokens, aggregate=method.aggregate, smoothing=method.smoothing)
    return maps.to_host()


def training_step(extractors: Extractors, pair: MappingPair, batch: list[Tokens]) -> None:
    """Train on one batch, all pixels, from features that are there."""
    train(
        pair,
        lambda epoch, index: batch[index],
        len(batch),
        Schedule(1, 1e-3, len(batch), 0),
        seed=0,
        progress=lambda *step, **_: None,
        autocast=extractors.autocast,
    )


def clocked(device: str, seconds: dict[str, list[float]]) -> Spend:
    """Return what notes the seconds of each stage, with the device idle at both ends."""

    def spend(name: str, call: Callable[[], Any]) -> Any:
        synchronise(device)
        begin = perf_counter()
        result = call()
        synchronise(device)
        seconds.setdefault(name, []).append(perf_counter() - begin)
        return result

    return spend


def counted(flop: dict[str, int]) -> Spend:
    """Return what notes the FLOP of the matrix products of each stage."""

    def spend(name: str, call: Callable[[], Any]) -> Any:
        with FlopCounterMode(display=False, custom_mapping=_UNKNOWN) as counter:
            result = call()
        flop[name] = counter.get_total_flops()
        return result

    return spend


def _attention_flop(query: Any, key: Any, value: Any, *others: Any, **named: Any) -> int:
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


def _dense_flop(rows: Any, weight: Any, *others: Any, **named: Any) -> int:
    return 2 * math.prod(rows) * int(weight[0])


_UNKNOWN = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flop,
    torch.ops.mkldnn._linear_pointwise: _dense_flop,
}
"""Operations that the counter does not know by itself."""


@dataclass(frozen=True, slots=True)
class Flop:
    """FLOP of one stage, by formula.

    Parameters
    ----------
    done, direct
        What it takes here and on the direct path; None where there is no count that says anything.
    by_matmul
        Whether they are of matrix products, so that the counter sees them.
    """

    done: float | None
    direct: float | None
    by_matmul: bool = False


def flop_of_inference(method: CFM, points: int, pixels: int) -> dict[str, Flop]:
    """Return the FLOP of each stage, and of all, for a cloud of so many points that reaches so many pixels."""
    groups, members, layers = method.centres, method.group_size, method.layers
    on_cpu = method._fitted()[0].device.type == "cpu"
    channels = method._fitted()[0].channels[1]
    far = 8.0 * groups * points
    vit = _linear(PATCHES, 3 * PATCH**2, VIT_WIDTH) + layers * _block(PATCHES + 1, VIT_WIDTH)
    blocks = _linear(groups, 3, 128, CLOUD_WIDTH) + layers * _block(groups, CLOUD_WIDTH)
    smoothing = PIXELS * (5 * 5**2 + 3 * 7**2)
    found = {
        "ViT": Flop(vit, vit, True),
        "farthest points": Flop(far, far),
        "neighbours": Flop(None if on_cpu else far, far),
        "point encoder": Flop(*_encoder(groups, members), True),
        "point transformer": Flop(blocks, blocks, True),
        "interpolation": Flop(None, None),
        "mappings": Flop(_finished(pixels, channels) + _started(method, channels), _mapped(PIXELS, channels), True),
        "smoothing": Flop(smoothing, smoothing),
    }
    seen = [flop for flop in found.values() if flop.by_matmul]
    found[INFER] = Flop(sum(flop.done or 0 for flop in seen), sum(flop.direct or 0 for flop in seen), True)
    return found


def flop_of_training(method: CFM, pixels: int) -> tuple[Flop, float]:
    """Return the FLOP of a training step on so many pixels of all its images, and the least they can be.

    Here they are at most those of both mappings on the pixels, and at least those of all layers but the first ones.
    The direct path runs the networks again for the images of each step.
    """
    channels, groups = method._fitted()[0].channels[1], method.centres
    vit = _linear(PATCHES, 3 * PATCH**2, VIT_WIDTH) + method.layers * _block(PATCHES + 1, VIT_WIDTH)
    blocks = _linear(groups, 3, 128, CLOUD_WIDTH) + method.layers * _block(groups, CLOUD_WIDTH)
    networks = BATCH * (vit + blocks + _encoder(groups, method.group_size)[1])
    hidden = (VIT_WIDTH + channels) // 2
    no_gradient = _linear(pixels, VIT_WIDTH, hidden) + _linear(pixels, channels, hidden)
    mapped = 3 * _mapped(pixels, channels) - no_gradient
    return Flop(mapped, mapped + networks, True), 3 * _finished(pixels, channels)


def _linear(rows: int, *widths: int) -> int:
    """Return the FLOP of linear layers one after the other."""
    return sum(2 * rows * inputs * outputs for inputs, outputs in pairwise(widths))


def _block(tokens: int, width: int) -> int:
    """Return those of a block of a transformer: projections, attention and MLP."""
    attention = 4 * tokens**2 * width
    return _linear(tokens, width, 3 * width) + attention + _linear(tokens, width, width, 4 * width, width)


def _encoder(groups: int, members: int) -> tuple[int, int]:
    """Return those of the point encoder and of its direct form, which takes each group's maximum for every member."""
    points = groups * members
    around = _linear(points, 3, 128, 256) + _linear(points, 512, CLOUD_WIDTH)
    return around + _linear(points, 256, 512) + _linear(groups, 256, 512), around + _linear(points, 512, 512)


def _mapped(pixels: int, channels: int) -> int:
    """Return those of both mappings on pixels."""
    hidden = (VIT_WIDTH + channels) // 2
    return _linear(pixels, VIT_WIDTH, hidden) + _linear(pixels, channels, hidden) + _finished(pixels, channels)


def _finished(pixels: int, channels: int) -> int:
    """Return those of all layers but the first ones, on pixels."""
    hidden = (VIT_WIDTH + channels) // 2
    return _linear(pixels, hidden, hidden, channels) + _linear(pixels, hidden, hidden, VIT_WIDTH)


def _started(method: CFM, channels: int) -> int:
    """Return those of the first layers, on tokens."""
    hidden = (VIT_WIDTH + channels) // 2
    return _linear(PATCHES, VIT_WIDTH, hidden) + _linear(method.centres, channels, hidden)


_SHAPES = ((2048, 2048, 2048), (785, 768, 2304), (785, 768, 3072), (785, 3072, 768), (4096, 256, 512))
_LARGE = (8192, 8192, 8192)
"""For a GPU, which smaller ones don't fill."""


def matmul_peak(device: str, repetitions: int = 10) -> float:
    """Return the most FLOP a second that any of some fp32 matrix products reaches, by PyTorch's BLAS or oneDNN."""
    shapes = (*_SHAPES, _LARGE) if device.startswith("cuda") else _SHAPES
    best = 0.0
    for rows, inner, columns in shapes:
        left, right = torch.rand(rows, inner, device=device), torch.rand(columns, inner, device=device)
        product = torch.empty(rows, columns, device=device)
        seconds: dict[str, list[float]] = {}
        spend = clocked(device, seconds)
        for _ in range(repetitions):
            spend("product", lambda a=left, b=right, out=product: torch.mm(a, b.T, out=out))
            spend("product", lambda a=left, b=right: dense(a, b))
        best = max(best, 2 * rows * inner * columns / min(seconds["product"]))
    return best
