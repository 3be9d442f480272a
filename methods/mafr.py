"""MAFR: features of both modalities, fused to one code and reconstructed from it.

Ali et al., DICTA 2025, arXiv 2510.21793. Features, maps and scores are those of CFM (:mod:`methods.cfm`), whose cached
features serve it, too; the networks between differ. As there, the default is deterministic: BatchNorm uses the
statistics of each cloud, as the authors' code does, and DropPath, which is active in the authors' code, is off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, Prediction, Progress, Sample
from methods.cfm import CFM
from methods.parameters import require_choices, require_range
from methods.parts.base import not_fitted
from methods.parts.on_features import OnFeatures
from methods.weights import DINO_VIT_B8, POINT_MAE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.features import Extractors, Inputs
    from methods.parts.mafr.network import FusedReconstruction

__all__ = ["MAFR"]

_QUICK: dict[str, bool | int | float | str] = {
    "epochs": 20,
    "grid": 28,
    "background_loss": "valid",
    "centres": 512,
    "group_size": 32,
}


@dataclass(kw_only=True, eq=False)
class MAFR(OnFeatures):
    """Fuse features of both modalities and reconstruct them; an anomaly is where both reconstructions are off.

    Parameters
    ----------
    epochs
        Passes over the training samples, one sample a step.
    lr
        Learning rate of Adam.
    dropout
        Share of the values that are dropped in training after each hidden layer.
    grid
        Side of the grid of cells that features are reconstructed on. ``224``: every pixel, as in the authors' code;
        ``28``: the tokens of the image, of 8 x 8 pixels each, a 64th of the work.
    background_loss
        Cells that the losses are means over. ``all``: those without 3D features, too, as in the authors' code;
        ``valid``: those with 3D features, as if the image ended there.
    centres, group_size
        Groups of the cloud, and points per group.
    bn_stats
        Statistics of the point encoder's BatchNorm. ``batch``: those of the cloud, as in the authors' code;
        ``running``: those of pre-training.
    drop_path
        ``on``: DropPath of the point transformer is active in training and at test time, as in the authors' code.
    precision
        Precision of products in all networks: ``fp32``, or ``tf32`` (on CUDA alone).
    """

    layers = CFM.layers
    meta: ClassVar[Meta] = Meta(
        name="mafr",
        title="MAFR",
        family=CFM.meta.family,
        paper="Ali et al., DICTA 2025",
        weights=(DINO_VIT_B8, POINT_MAE),
        presets={"quick": _QUICK},
        cache_order=layers,
    )

    epochs: int = 100
    lr: float = 1e-3
    dropout: float = 0.1
    grid: Literal[224, 28] = 224
    background_loss: Literal["all", "valid"] = "all"
    centres: int = 1024
    group_size: int = 128
    bn_stats: Literal["batch", "running"] = "batch"
    drop_path: Literal["off", "on"] = "off"
    precision: Literal["fp32", "tf32"] = "fp32"

    _extractors: Extractors | None = field(default=None, init=False, repr=False)
    _network: FusedReconstruction | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "epochs", "centres", "group_size", at_least=1)
        require_range(self, "dropout", at_least=0, below=1)
        require_range(self, "lr", above=0)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Extract the features of each sample once and train the head on them."""
        from methods.parts.cfm.training_features import training_features
        from methods.parts.mafr.training import Schedule, train
        from methods.parts.precision import tf32_products

        extractors, network = self._build(seed, device)
        cache, self._cache = self._cache, None
        with tf32_products(self.precision):
            self.losses_ = train(
                network,
                training_features(extractors, samples, cache, progress),
                len(samples),
                Schedule(self.epochs, self.lr, self.dropout, self.grid, self.background_loss),
                seed=seed,
                progress=progress,
            )
            extractors.capture()
        self._extractors, self._network = extractors, network

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the anomaly map, the map for P-AUROC, and the score."""
        import torch

        from methods.parts.mafr.maps import anomaly_maps
        from methods.parts.precision import tf32_products

        extractors, network = self._fitted()
        with torch.inference_mode(), tf32_products(self.precision):
            return anomaly_maps(network, extractors.tokens(inputs), self.grid).to_prediction()

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a trained head."""
        from methods.parts.module_state import load_arrays
        from methods.parts.precision import tf32_products

        extractors, network = self._build(seed, device)
        load_arrays(network, state)
        with tf32_products(self.precision):
            extractors.capture()
        self._extractors, self._network = extractors, network

    def _build(self, seed: int, device: str) -> tuple[Extractors, FusedReconstruction]:
        from methods.parts.features import build_extractors
        from methods.parts.mafr.network import FusedReconstruction
        from methods.parts.precision import require_tf32

        if self.precision == "tf32":
            require_tf32(device)
        extractors = build_extractors(self, self._files, seed=seed, device=device)
        network = FusedReconstruction(*extractors.channels)
        network.randomise(seed)
        return extractors, network.to(device)

    def _fitted(self) -> tuple[Extractors, FusedReconstruction]:
        if self._extractors is None or self._network is None:
            raise not_fitted(self.meta.name)
        return self._extractors, self._network
