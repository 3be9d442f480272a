"""A fitted CIF: from a sample to the tokens of its object, and from these to score and map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from harness.contract import Sample
from methods.parts.bank import patch_scores
from methods.parts.cif.hypergraph import JointGraph, clustered, incidence_of
from methods.parts.cif.memory import KINDS, Described, Memory
from methods.parts.depth import ForegroundRule, depth_and_foreground
from methods.parts.dino import GRID
from methods.parts.features import Extractors, Inputs
from methods.parts.inputs import SIZE
from methods.parts.m3dm.patches import extract_patches
from methods.parts.patch_maps import patch_map
from methods.parts.smoothing import smooth

__all__ = ["CIFInputs", "Rules", "Scored", "described", "prepared", "scored"]

_GAP_PASSES = 3
_EXPONENT = 1.5


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides about clusters and scores; :class:`methods.cif.CIF` documents the parameters."""

    clusters: int
    membership: float
    alpha: float
    hops: int
    similar_clusters: int


@dataclass(frozen=True, slots=True, eq=False)
class CIFInputs:
    """One sample on the device.

    Parameters
    ----------
    networks
        Inputs of both networks.
    foreground : (784,) bool
        Tokens that a part of the object lies in.
    """

    networks: Inputs
    foreground: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Score of a sample, its map (224, 224), and the map of each modality before they are multiplied."""

    score: float
    anomaly_map: Tensor
    maps: dict[str, Tensor]


def prepared(extractors: Extractors, sample: Sample, rule: ForegroundRule) -> CIFInputs:
    """Return the inputs of a sample; raise MethodError where it has no object."""
    _, foreground = depth_and_foreground(sample, SIZE, rule, _GAP_PASSES, extractors.device)
    tokens = functional.max_pool2d(foreground[None, None], SIZE // GRID).flatten() > 0
    return CIFInputs(extractors.prepare(sample), tokens)


@torch.inference_mode()
def described(extractors: Extractors, inputs: CIFInputs, rules: Rules) -> Described:
    """Return the tokens of the object and their clusters, which are those of the image's tokens.

    The first centroids are drawn from a seed that depends on the cloud alone.
    """
    patches = extract_patches(extractors, inputs.networks, KINDS, cloud_grid=GRID)
    tokens = {kind: patches[kind][inputs.foreground] for kind in KINDS}
    labels = clustered(tokens["rgb"], rules.clusters, inputs.networks.draw)
    return Described(tokens, incidence_of(tokens["rgb"], labels, rules.clusters, rules.membership))


@torch.inference_mode()
def scored(sample: Described, foreground: Tensor, memories: dict[str, Memory], rules: Rules) -> Scored:
    """Move the tokens towards the memory, and compare them with it."""
    score, product = 1.0, torch.ones(len(sample.incidence))
    maps = {}
    for kind, memory in memories.items():
        moved = _moved(sample.tokens[kind], sample.incidence, memory, rules)
        distances = memory.token_scores(moved, rules.similar_clusters)
        score *= patch_scores(memory.bank, moved)[1]
        product *= distances
        maps[kind] = _as_map(distances, foreground)
    anomaly_map = smooth(_as_map(product**_EXPONENT, foreground), "box")
    return Scored(score, anomaly_map, maps)


def _moved(tokens: Tensor, incidence: Tensor, memory: Memory, rules: Rules) -> Tensor:
    nearest = memory.bank.search(tokens, 1)[1][:, 0].to(tokens.device)
    graph = JointGraph(incidence, memory.incidence, nearest)
    return graph.spread(torch.cat([tokens, memory.bank.vectors]), rules.alpha, rules.hops)[: len(tokens)]


def _as_map(values: Tensor, foreground: Tensor) -> Tensor:
    """Return values of the object's tokens as a map (224, 224), 0 elsewhere."""
    grid = torch.zeros(GRID * GRID)
    grid[foreground.cpu()] = values.float()
    return patch_map(grid, SIZE)
