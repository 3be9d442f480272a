"""Fitting of M3DM: patches of all training samples, the fusion, the banks, and the decision layer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.contract import Progress, Sample
from methods.parts.features import Extractors, Inputs
from methods.parts.inputs import SIZE
from methods.parts.m3dm.banks import build_banks, choose_affines, new_pool, standardise
from methods.parts.m3dm.decision_layer import DecisionLayer
from methods.parts.m3dm.model import Model, Plan
from methods.parts.m3dm.patches import PATCHES, Patches, extract_patches
from methods.parts.m3dm.uff import UFF, load_uff
from methods.parts.m3dm.uff_training import train_uff

__all__ = ["extract_pools", "fit_model"]

_Pools = dict[str, NDArray[np.float32]]
_Prepare = Callable[[Sample], Inputs]

_BANK_PASS, _DECISION_PASS = 0, 1
"""Numbers of the passes over the training samples, which seed DropPath's draws."""


def fit_model(
    samples: Sequence[Sample],
    extractors: Extractors,
    prepare: _Prepare,
    plan: Plan,
    *,
    seed: int,
    device: str,
    progress: Progress,
) -> Model:
    """Fit all parts of a model on nominal samples.

    Parameters
    ----------
    prepare
        Function from a sample to inputs of the extractors.
    seed
        Seed of the fusion's training and of the coresets' projections.

    Raises
    ------
    MethodError
        If a cloud or a bank is too small, the fusion can't be read or trained, or a weight of the decision layer is not
        positive.
    """
    count = min(len(samples), plan.samples or len(samples))
    pools = extract_pools(samples, extractors, prepare, plan.extracted, progress, most=count)
    uff = _load_or_train_fusion(pools, extractors, plan, seed, device, progress)
    if uff is not None:
        pools["fusion"] = _fuse(pools, uff, device, progress)
    pools = {kind: pools[kind] for kind in plan.kinds}
    model = Model(extractors, plan, uff, choose_affines(pools, plan.kinds, plan.rules.affine, progress), {})
    standardise(pools, model.affines, progress)
    model.banks = build_banks(pools, plan.kinds, plan.rules, seed=seed, device=device, progress=progress)
    if plan.decide:
        if extractors.drop_path:
            pools = {}  # frees gigabytes: features are extracted again, with other draws of DropPath
        patches = _training_patches(model, pools, samples, count, prepare)
        model.decision = _fit_decision_layer(model, patches, count, progress)
    return model


def extract_pools(
    samples: Sequence[Sample],
    extractors: Extractors,
    prepare: _Prepare,
    kinds: Collection[str],
    progress: Progress,
    *,
    most: int | None = None,
) -> _Pools:
    """Return the raw patches of ``kinds``, of xyz and rgb, of all samples, or of the first ``most`` of them."""
    count = len(samples) if most is None else most
    channels = dict(zip(("rgb", "xyz"), extractors.channels, strict=True))
    pools = {kind: new_pool(count * PATCHES[kind], channels[kind]) for kind in kinds}
    for index in range(count):
        progress("extract", index, count)
        patches = extract_patches(extractors, prepare(samples[index]), kinds, _BANK_PASS, index)
        for kind, pool in pools.items():
            pool[_span(kind, index)] = patches[kind].cpu().numpy()
    progress("extract", count, count)
    return pools


def _load_or_train_fusion(
    pools: _Pools, extractors: Extractors, plan: Plan, seed: int, device: str, progress: Progress
) -> UFF | None:
    if plan.fusion.source == "off":
        return None
    if plan.fusion.source == "released":
        checkpoint = Path(plan.fusion.checkpoint).expanduser()
        return load_uff(checkpoint, plan.fusion.sha256, *extractors.channels).to(device)
    uff, _ = train_uff(pools["rgb"], pools["xyz"], plan.fusion.schedule, seed=seed, device=device, progress=progress)
    return uff


@torch.inference_mode()
def _fuse(pools: _Pools, uff: UFF, device: str, progress: Progress) -> NDArray[np.float32]:
    count = len(pools["rgb"]) // PATCHES["rgb"]
    channels = sum(pool.shape[1] for pool in pools.values())
    fused = new_pool(count * PATCHES["fusion"], channels, on_disk=True)
    for index in range(count):
        progress("fuse", index, count)
        patches = _slices(pools, index)
        fused[_span("fusion", index)] = uff(patches["rgb"].to(device), patches["xyz"].to(device)).cpu().numpy()
    progress("fuse", count, count)
    return fused


def _training_patches(
    model: Model, pools: _Pools, samples: Sequence[Sample], count: int, prepare: _Prepare
) -> Iterator[Patches]:
    """Yield the standardised patches of each training sample; with DropPath on, they are extracted again."""
    for index in range(count):
        if model.extractors.drop_path:
            yield model.patches(prepare(samples[index]), _DECISION_PASS, index)
        else:
            yield _slices(pools, index)


def _fit_decision_layer(model: Model, patches: Iterator[Patches], count: int, progress: Progress) -> DecisionLayer:
    """Score the training samples and learn the weights of the banks."""
    kinds = model.plan.kinds
    scores = np.empty((count, len(kinds)), np.float32)
    pixels = np.empty((count, SIZE * SIZE, len(kinds)), np.float32)
    for index, sample_patches in enumerate(patches):
        progress("score training samples", index, count)
        scored = model.score(sample_patches)
        scores[index], pixels[index] = scored.scores, scored.maps.reshape(len(kinds), -1).T
    progress("score training samples", count, count)
    progress("decision layer", 0, 1)
    layer = DecisionLayer.fit(scores, pixels.reshape(-1, len(kinds)), nu=model.plan.nu, names=kinds)
    progress("decision layer", 1, 1)
    return layer


def _slices(pools: _Pools, index: int) -> Patches:
    return {kind: torch.from_numpy(pool[_span(kind, index)]) for kind, pool in pools.items()}


def _span(kind: str, index: int) -> slice:
    return slice(index * PATCHES[kind], (index + 1) * PATCHES[kind])
