"""Commonality In Few (CIF), a few-shot method without training.

Lin, Yan, Tong, Chang, Wang, Zhou, Gao, Wang, Zhang: "Commonality in Few: Few-Shot Multimodal Anomaly Detection via
Hypergraph-Enhanced Memory", AAAI 2026 (arXiv 2511.05966). Tokens of the object are joined to clusters, the hyperedges
of a hypergraph. A memory holds nominal tokens by cluster; tokens of a test sample are moved along the hypergraph that
both make together, and compared with the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Implementation, Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import DINO_VIT_B8, POINT_MAE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.cif.memory import Memory
    from methods.parts.cif.model import CIFInputs, Rules
    from methods.parts.features import Extractors

__all__ = ["CIF"]

_QUICK: dict[str, bool | int | float | str] = {"layers": 4, "centres": 512, "group_size": 32}


@dataclass(kw_only=True, eq=False)
class CIF(WithWeights):
    """Compare tokens with a memory that is organised by clusters which all samples have in common.

    Parameters
    ----------
    clusters
        Clusters of the tokens of a sample: 4, and 8 on Eyecandies, in the authors' code.
    membership
        A token belongs to every cluster to whose centroid its cosine similarity, scaled to [0, 1] over all tokens, is
        at least this; to its own one in any case.
    coreset
        Share of the tokens of each cluster that the memory keeps.
    alpha
        Share that a token keeps of its feature in each hop along the hypergraph; 1 leaves all as they are.
    hops
        Steps along the hypergraph: 1 in the authors' script for evaluation, 3 by default in their code.
    similar_clusters
        Clusters of the memory that the second distance of a token is taken from.
    foreground
        How the object is separated from the background: ``corners`` is the authors' rule, that of AST, for raw clouds
        (more than 7 mm off the plane through the four corners); ``cleaned`` takes every pixel with a depth; ``auto`` is
        ``cleaned`` where cleaning removed a background or a corner has no depth, else ``corners``.
    layers
        Blocks kept of both networks, of 12.
    centres, group_size
        Groups of the cloud, and points per group.
    bn_stats
        Statistics of the point encoder's BatchNorm. ``batch``: those of the cloud; ``running``: those of pre-training.
    """

    meta: ClassVar[Meta] = Meta(
        name="cif",
        title="CIF",
        family="m3dm",
        paper="Lin et al., AAAI 2026",
        weights=(DINO_VIT_B8, POINT_MAE),
        presets={"quick": _QUICK},
    )

    clusters: int = 4
    membership: float = 0.5
    coreset: float = 0.1
    alpha: float = 0.9
    hops: int = 1
    similar_clusters: int = 3
    foreground: Literal["auto", "corners", "cleaned"] = "auto"
    layers: int = 12
    centres: int = 1024
    group_size: int = 128
    bn_stats: Literal["batch", "running"] = "batch"

    _extractors: Extractors | None = field(default=None, init=False, repr=False)
    _memories: dict[str, Memory] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "clusters", "hops", "similar_clusters", "layers", "centres", "group_size", at_least=1)
        require_range(self, "membership", "alpha", at_least=0, at_most=1)
        require_range(self, "coreset", above=0, at_most=1)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Cluster the tokens of each sample, and keep a share of each cluster."""
        from methods.parts.cif.memory import fill_memories
        from methods.parts.cif.model import described, prepared

        extractors = self._build(seed, device)
        found = []
        for position, sample in enumerate(samples):
            progress("extract", position, len(samples))
            inputs = prepared(extractors, sample, self.foreground)
            found.append(described(extractors, inputs, self._rules()))
        progress("extract", len(samples), len(samples))
        memories = fill_memories(found, self.coreset, seed=seed, device=device, progress=progress)
        for memory in memories.values():
            memory.bank.require(3)
        extractors.capture()
        self._extractors, self._memories = extractors, memories

    def prepare(self, sample: Sample) -> CIFInputs:
        """Fill the gaps of the depth image, find the object, pad, resize, normalise and transfer one sample."""
        from methods.parts.cif.model import prepared

        return prepared(self._fitted()[0], sample, self.foreground)

    def infer(self, inputs: CIFInputs) -> Prediction:
        """Return the product of both modalities' maps and scores; each one's map is an extra."""
        from methods.parts.cif.model import described, scored

        extractors, memories = self._fitted()
        sample = described(extractors, inputs, self._rules())
        result = scored(sample, inputs.foreground, memories, self._rules())
        return Prediction(
            anomaly_map=result.anomaly_map.numpy(),
            score=result.score,
            extras={f"map_{kind}": image.numpy() for kind, image in result.maps.items()},
        )

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of both networks, and of the memory."""
        extractors, memories = self._fitted()
        held = extractors.state_bytes()
        return {
            "weights": held["weights"],
            "bank": sum(memory.nbytes for memory in memories.values()),
            "other": held["other"],
        }

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what computes the parts of the extractors and searches the memory where a machine decides it."""
        extractors, memories = self._fitted()
        return extractors.implementations() | memories["rgb"].bank.implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the memory of each modality."""
        return {
            f"{kind}.{name}": array
            for kind, memory in self._fitted()[1].items()
            for name, array in memory.state().items()
        }

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a memory."""
        from methods.parts.cif.memory import KINDS, Memory
        from methods.parts.module_state import under

        extractors = self._build(seed, device)
        memories = {kind: Memory.restored(under(state, f"{kind}."), device) for kind in KINDS}
        extractors.capture()
        self._extractors, self._memories = extractors, memories

    def _build(self, seed: int, device: str) -> Extractors:
        from methods.parts.features import Extractors

        return Extractors(
            layers=self.layers,
            centres=self.centres,
            group_size=self.group_size,
            statistics=self.bn_stats,
            precision="fp32",
            drop_path=False,
            vit_weights=self._files.get(DINO_VIT_B8.name),
            point_weights=self._files.get(POINT_MAE.name),
            seed=seed,
            device=device,
        )

    def _rules(self) -> Rules:
        from methods.parts.cif.model import Rules

        return Rules(self.clusters, self.membership, self.alpha, self.hops, self.similar_clusters)

    def _fitted(self) -> tuple[Extractors, dict[str, Memory]]:
        if self._extractors is None or self._memories is None:
            raise not_fitted(self.meta.name)
        return self._extractors, self._memories
