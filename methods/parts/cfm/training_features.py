"""Features of training samples: extracted once per sample, or read from a cache that all pruned variants share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.contract import Cache, Progress, Sample
from methods.parts.dino import vit_tokens_at
from methods.parts.feature_store import FeatureStore
from methods.parts.features import Embedded, Extractors, Tokens
from methods.parts.point_mae import taps_of
from methods.parts.side_stream import beside
from methods.parts.sparse_rows import SparseRows

__all__ = ["FEATURES_VERSION", "training_features"]

T = TypeVar("T")

FEATURES_VERSION = 2
"""Raise this with every change of the code that changes a feature or the random weights."""

_DEPTHS = (1, 4, 8, 12)
"""Numbers of blocks of the variants: one pass of a network stores the features of all shallower ones too."""

_CLOUD = ("group_tokens", "centres")
_MATRIX = ("matrix_starts", "matrix_columns", "matrix_weights")
_PIXELS = ("pixels", *_MATRIX)


def training_features(
    extractors: Extractors,
    samples: Sequence[Sample],
    cache: Cache | None,
    progress: Progress,
    budget: int | None = None,
) -> Callable[[int, int], Tokens]:
    """Extract all samples and return the function from (epoch, sample) to their features.

    With DropPath the point transformer runs at every call; everything else is done before this returns.

    Parameters
    ----------
    extractors
        Both networks.
    samples
        Each is indexed once, and again on each use if its features do not fit in memory.
    cache
        Where features are read and stored; None extracts all of them.
    progress
        Called for every sample.
    budget
        Most bytes of features held in memory (:class:`methods.parts.feature_store.FeatureStore`).
    """
    if extractors.drop_path:
        embedded = _stored(partial(_embedded, extractors, cache=cache), extractors, samples, cache, progress, budget)
        return lambda epoch, index: extractors.finish(embedded[index], epoch, index)
    finished = _stored(partial(_finished, extractors, cache=cache), extractors, samples, cache, progress, budget)
    return lambda epoch, index: finished[index]


def _stored(
    extract: Callable[[Sample], T],
    extractors: Extractors,
    samples: Sequence[Sample],
    cache: Cache | None,
    progress: Progress,
    budget: int | None,
) -> FeatureStore[T]:
    """Extract all samples once and keep what fits in memory."""
    store = FeatureStore(extractors.device, None if cache is None else lambda index: extract(samples[index]), budget)
    for position, sample in enumerate(samples):
        progress("extract", position, len(samples))
        store.put(position, extract(sample))
    progress("extract", len(samples), len(samples))
    return store


def _embedded(extractors: Extractors, sample: Sample, cache: Cache | None) -> Embedded:
    if cache is None:
        return extractors.embed(extractors.prepare(sample), reused=True)
    image = f"image_{extractors.layers}"
    arrays = _fetch(extractors, sample, cache, (image, *_CLOUD, *_PIXELS))
    return Embedded(arrays[image], arrays["group_tokens"], arrays["centres"], arrays["pixels"], _matrix(arrays))


def _finished(extractors: Extractors, sample: Sample, cache: Cache | None) -> Tokens:
    if cache is None:
        return extractors.tokens(extractors.prepare(sample), reused=True)
    image, taps = f"image_{extractors.layers}", [f"cloud_{block}" for block in taps_of(extractors.layers)]
    arrays = _fetch(extractors, sample, cache, (image, *taps, *_PIXELS))
    cloud = torch.cat([arrays[tap] for tap in taps], dim=1)
    return Tokens.of(arrays[image], cloud, arrays["pixels"], _matrix(arrays))


def _matrix(arrays: Mapping[str, Tensor]) -> SparseRows:
    starts, columns, weights = (arrays[name] for name in _MATRIX)
    return SparseRows(starts, columns, weights, host_starts=starts.cpu().numpy())


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
    """Return the features of a sample for this network and all shallower variants, from one pass.

    With DropPath the outputs of the point transformer are left out, since they differ from call to call.
    """
    inputs = extractors.prepare(sample)
    depths = sorted({depth for depth in _DEPTHS if depth < extractors.layers} | {extractors.layers})
    chosen = beside(extractors.choose_centres, inputs.points)
    with extractors.autocast():
        images = vit_tokens_at(extractors.vit, inputs.image, depths)
    tensors = {f"image_{depth}": tokens.float() for depth, tokens in zip(depths, images, strict=True)}
    embedded = extractors.embed_cloud(inputs, images[-1], chosen(), reused=True)
    tensors |= {"group_tokens": embedded.group_tokens, "centres": embedded.centres, "pixels": embedded.pixels}
    matrix = embedded.to_cloud_pixels
    tensors |= dict(zip(_MATRIX, (matrix.starts, matrix.columns, matrix.weights), strict=True))
    if not extractors.drop_path:
        blocks = sorted({block for depth in depths for block in taps_of(depth)})
        with extractors.autocast():
            tapped = extractors.points.tapped(embedded.group_tokens, embedded.centres, blocks)
        tensors |= {f"cloud_{block}": tokens.float() for block, tokens in zip(blocks, tapped, strict=True)}
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
