"""Features of training samples: extracted once per sample, or taken from a cache that all pruned variants share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Cache, Progress, Sample
from methods.parts.cfm.shelf import Shelf
from methods.parts.dino import vit_tokens_at
from methods.parts.features import Embedded, Extractors, Tokens
from methods.parts.point_mae import taps_of
from methods.parts.sparse_rows import SparseRows

__all__ = ["FEATURES_VERSION", "training_features"]

T = TypeVar("T")

FEATURES_VERSION = 2
"""To be raised with every change of the code that changes a feature, or the random weights."""

_DEPTHS = (1, 4, 8, 12)
"""Blocks of the variants: what a pass of a network also tells of the shallower ones is kept for them."""

_CLOUD = ("group_tokens", "centres")
_WAY = ("pixels", "matrix_starts", "matrix_columns", "matrix_weights")


def training_features(
    extractors: Extractors,
    samples: Sequence[Sample],
    cache: Cache | None,
    progress: Progress,
    room: int | None = None,
) -> Callable[[int, int], Tokens]:
    """Extract all samples and return the function from (epoch, sample) to their features.

    With DropPath the point transformer runs at every call; everything else is done when this returns.

    Parameters
    ----------
    extractors
        Both networks.
    samples
        Each is indexed once, and again for each use where its features find no room.
    cache
        Where features are taken from and kept; None extracts all of them.
    progress
        Told of every sample.
    room
        Bytes of features that may be held in memory (:class:`methods.parts.cfm.shelf.Shelf`).
    """
    if extractors.drop_path:
        embedded = _shelved(partial(_embedded, extractors, cache=cache), extractors, samples, cache, progress, room)
        return lambda epoch, index: extractors.finish(embedded[index], epoch, index)
    finished = _shelved(partial(_finished, extractors, cache=cache), extractors, samples, cache, progress, room)
    return lambda epoch, index: finished[index]


def _shelved(
    bring: Callable[[Sample], T],
    extractors: Extractors,
    samples: Sequence[Sample],
    cache: Cache | None,
    progress: Progress,
    room: int | None,
) -> Shelf[T]:
    """Bring all samples once and keep what there is room for."""
    shelf = Shelf(extractors.device, None if cache is None else lambda index: bring(samples[index]), room)
    for position, sample in enumerate(samples):
        progress("extract", position, len(samples))
        shelf.put(position, bring(sample))
    progress("extract", len(samples), len(samples))
    return shelf


def _embedded(extractors: Extractors, sample: Sample, cache: Cache | None) -> Embedded:
    if cache is None:
        return extractors.embed(extractors.prepare(sample), lasting=True)
    image = f"image_{extractors.layers}"
    found = _fetch(extractors, sample, cache, (image, *_CLOUD, *_WAY))
    return Embedded(found[image], found["group_tokens"], found["centres"], found["pixels"], _matrix(found))


def _finished(extractors: Extractors, sample: Sample, cache: Cache | None) -> Tokens:
    if cache is None:
        return extractors.tokens(extractors.prepare(sample), lasting=True)
    image, taps = f"image_{extractors.layers}", [f"cloud_{block}" for block in taps_of(extractors.layers)]
    found = _fetch(extractors, sample, cache, (image, *taps, *_WAY))
    cloud = torch.cat([found[tap] for tap in taps], dim=1)
    return Tokens.of(found[image], cloud, found["pixels"], _matrix(found))


def _matrix(found: Mapping[str, Tensor]) -> SparseRows:
    return SparseRows(found["matrix_starts"], found["matrix_columns"], found["matrix_weights"])


def _fetch(extractors: Extractors, sample: Sample, cache: Cache, names: Sequence[str]) -> dict[str, Tensor]:
    arrays = cache.fetch(
        sample,
        names,
        lambda: _extract(extractors, sample),
        version=FEATURES_VERSION,
        centres=extractors.centres,
        group_size=extractors.group_size,
        bn_stats=extractors.statistics,
        precision=extractors.precision,
    )
    return {name: torch.from_numpy(array).to(extractors.device) for name, array in arrays.items()}


@torch.inference_mode()
def _extract(extractors: Extractors, sample: Sample) -> dict[str, NDArray[Any]]:
    """Return what one pass tells of a sample, for this network and all variants that are shallower.

    With DropPath the outputs of the point transformer are left out: they are other ones each time.
    """
    inputs = extractors.prepare(sample)
    depths = sorted({depth for depth in _DEPTHS if depth < extractors.layers} | {extractors.layers})
    with extractors.autocast():
        images = vit_tokens_at(extractors.vit, inputs.image, depths)
    found = {f"image_{depth}": tokens.float() for depth, tokens in zip(depths, images, strict=True)}
    embedded = extractors.embed_cloud(inputs, images[-1], lasting=True)
    found |= {"group_tokens": embedded.group_tokens, "centres": embedded.centres, "pixels": embedded.pixels}
    matrix = embedded.to_cloud_pixels
    found |= {"matrix_starts": matrix.starts, "matrix_columns": matrix.columns, "matrix_weights": matrix.weights}
    if not extractors.drop_path:
        blocks = sorted({block for depth in depths for block in taps_of(depth)})
        with extractors.autocast():
            tapped = extractors.points.tapped(embedded.group_tokens, embedded.centres, blocks)
        found |= {f"cloud_{block}": tokens.float() for block, tokens in zip(blocks, tapped, strict=True)}
    return {name: tensor.cpu().numpy() for name, tensor in found.items()}
