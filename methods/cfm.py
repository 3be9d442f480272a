"""Crossmodal Feature Mapping (CFM) and its layer-pruned variants.

Costanzino, Zama Ramirez, Lisanti, Di Stefano: "Multimodal Industrial Anomaly Detection by Crossmodal Feature
Mapping", CVPR 2024. The default is deterministic: BatchNorm uses the statistics of each cloud, as the authors' code
does, and DropPath, which is active in the authors' code, is off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, Network, Prediction, Progress, Sample, UnsupportedError
from methods.parameters import require_choices, require_range
from methods.parts.base import not_fitted
from methods.parts.on_features import OnFeatures
from methods.weights import DINO_VIT_B8, POINT_MAE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.parts.cfm.mapping import MappingPair
    from methods.parts.cfm.maps import Maps, MapSteps
    from methods.parts.features import Extractors, Inputs

__all__ = ["CFM", "CFMMedium", "CFMSmall", "CFMTiny"]

_QUICK: dict[str, bool | int | float | str] = {"epochs": 80, "centres": 512, "group_size": 32, "pixels": 384}


@dataclass(kw_only=True, eq=False)
class CFM(OnFeatures):
    """Map features of each modality to the other; an anomaly is where prediction and feature disagree.

    Parameters
    ----------
    epochs
        Passes over the training samples.
    lr
        Learning rate of Adam.
    batch
        Images per training step.
    pixels
        Pixels drawn from a batch for one step; 0 for all (published).
    centres, group_size
        Groups of the cloud, and points per group: 128 in the authors' code, 32 in the paper's text.
    bn_stats
        Statistics of the point encoder's BatchNorm. ``batch``: those of the cloud, as in the authors' code;
        ``running``: those of pre-training.
    drop_path
        ``on``: DropPath of the point transformer is active in training and at test time, as in the authors' code.
    aggregate
        How the two distances are combined (Table 6).
    mapping
        ``cross``: predict each modality from the other; ``intra``: from itself (the paper's Table 7).
    intra_hidden
        Width of the hidden layers with ``mapping=intra``, without effect otherwise. ``960``: that of crossmodal CFM,
        as the paper changes the input layers only; ``mean``: that of inputs and outputs, 768 in 2D and 1152 in 3D.
    smoothing
        ``box``: five 5 x 5 then three 7 x 7 mean filters, zero-padded, sigma about 4.69 pixels (the authors' code);
        ``gaussian``: sigma 4, zero-padded (paper); ``none``.
    precision
        Precision of products in networks and mappings: ``fp32``, ``tf32`` (on CUDA alone), or ``bf16`` under autocast,
        with weights that are rounded once, those of the mappings after training.
    compile
        Whether networks and mappings are compiled by ``torch.compile`` for inference; the first call takes about a
        minute.
    """

    layers = 12
    meta: ClassVar[Meta] = Meta(
        name="cfm",
        title="CFM",
        family="cfm",
        paper="Costanzino et al., CVPR 2024",
        weights=(DINO_VIT_B8, POINT_MAE),
        presets={"quick": _QUICK},
        cache_order=layers,
    )

    epochs: int = 250
    lr: float = 1e-3
    batch: int = 4
    pixels: int = 0
    centres: int = 1024
    group_size: int = 128
    bn_stats: Literal["batch", "running"] = "batch"
    drop_path: Literal["off", "on"] = "off"
    aggregate: Literal["product", "sum", "max", "2d", "3d"] = "product"
    mapping: Literal["cross", "intra"] = "cross"
    intra_hidden: Literal["960", "mean"] = "960"
    smoothing: Literal["box", "gaussian", "none"] = "box"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    compile: bool = False

    _extractors: Extractors | None = field(default=None, init=False, repr=False)
    _pair: MappingPair | None = field(default=None, init=False, repr=False)
    _steps: MapSteps | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "epochs", "batch", "centres", "group_size", at_least=1)
        require_range(self, "pixels", at_least=0)
        require_range(self, "lr", above=0)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Extract the features of each sample once and train both mappings on them (section 3.2)."""
        from methods.parts.cfm.training import Schedule, train
        from methods.parts.cfm.training_features import training_features
        from methods.parts.precision import tf32_products

        extractors, pair = self._build(seed, device)
        cache, self._cache = self._cache, None
        with tf32_products(self.precision):
            self.losses_ = train(
                pair,
                training_features(extractors, samples, cache, progress),
                len(samples),
                Schedule(self.epochs, self.lr, self.batch, self.pixels),
                seed=seed,
                progress=progress,
                autocast=extractors.autocast,
            )
        self._make_ready(extractors, pair)

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the anomaly map, the map for P-AUROC, and the score (section 3.3)."""
        import torch

        with torch.inference_mode():
            return self._maps(inputs).to_prediction()

    def explain(self, inputs: Inputs) -> Mapping[str, NDArray[np.float32]]:
        """Return channel means of the real and the predicted features (the paper's Figure 6)."""
        import torch

        from methods.parts.cfm.explain import feature_means
        from methods.parts.precision import tf32_products

        extractors, pair = self._fitted()
        with torch.inference_mode(), tf32_products(self.precision), extractors.autocast():
            means = feature_means(pair, extractors.tokens(inputs))
        return {name: values.cpu().numpy() for name, values in means.items()}

    def networks(self) -> Mapping[str, Network]:
        """Return both mappings: ``to_3d`` and ``to_2d``, of features of pixels to predicted features."""
        from methods.parts.cfm.onnx_model import network_of

        if self.precision != "fp32":
            raise UnsupportedError(
                f"Mappings in {self.precision} are another function in ONNX: fit with precision=fp32."
            )
        _, pair = self._fitted()
        return {name: network_of(name, getattr(pair, name)) for name in ("to_3d", "to_2d")}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load trained mappings."""
        from methods.parts.module_state import load_arrays

        extractors, pair = self._build(seed, device)
        load_arrays(pair, state)
        self._make_ready(extractors, pair)

    def find_checkpoint(self, folder: Path, category: str) -> tuple[Path, ...]:
        """Return the authors' two files of a category, ``CFM_2Dto3D_...`` and ``CFM_3Dto2D_...``."""
        from methods.parts.cfm.checkpoint import find_pair

        return find_pair(folder, category, self.epochs, self.batch)

    def load_checkpoint(self, folder: Path, category: str, *, seed: int, device: str) -> None:
        """Evaluate the authors' released mappings without training."""
        from methods.parts.cfm.checkpoint import load_pair

        extractors, pair = self._build(seed, device)
        load_pair(pair, self.find_checkpoint(folder, category))
        self._make_ready(extractors, pair)

    def _build(self, seed: int, device: str) -> tuple[Extractors, MappingPair]:
        from methods.parts.cfm.mapping import MappingPair
        from methods.parts.features import build_extractors
        from methods.parts.precision import require_tf32

        if self.precision == "tf32":
            require_tf32(device)
        extractors = build_extractors(self, self._files, seed=seed, device=device, compiled=self.compile)
        hidden = 0 if self.intra_hidden == "mean" else int(self.intra_hidden)
        pair = MappingPair(*extractors.channels, self.mapping, hidden)
        pair.randomise(seed)
        pair.to(device)
        if self.compile:
            pair.compile_inference()
        return extractors, pair

    def _make_ready(self, extractors: Extractors, pair: MappingPair) -> None:
        """Round the trained mappings where the precision asks for it, capture inference as CUDA graphs, and keep all.

        Graphs are captured where the device has them and nothing is compiled.
        """
        from methods.parts.cfm.maps import capture_maps, finisher
        from methods.parts.precision import tf32_products

        if self.precision == "bf16":
            pair.round_to_bf16()
        steps = None
        if extractors.device.type == "cuda" and not self.compile:
            with tf32_products(self.precision):
                extractors.capture()
                steps = capture_maps(pair, extractors, finisher(self.aggregate, self.smoothing))
        self._extractors, self._pair, self._steps = extractors, pair, steps

    def _maps(self, inputs: Inputs) -> Maps:
        from methods.parts.cfm.maps import anomaly_maps
        from methods.parts.precision import tf32_products

        extractors, pair = self._fitted()
        with tf32_products(self.precision), extractors.autocast():
            tokens = extractors.tokens(inputs)
            return anomaly_maps(pair, tokens, aggregate=self.aggregate, smoothing=self.smoothing, steps=self._steps)

    def _fitted(self) -> tuple[Extractors, MappingPair]:
        if self._extractors is None or self._pair is None:
            raise not_fitted(self.meta.name, "fit, load_checkpoint or restore")
        return self._extractors, self._pair


class CFMMedium(CFM):
    """CFM on the first 8 blocks of both networks."""

    layers = 8
    meta = replace(CFM.meta, name="cfm-m", title="CFM-M", cache_order=layers)


class CFMSmall(CFM):
    """CFM on the first 4 blocks of both networks."""

    layers = 4
    meta = replace(CFM.meta, name="cfm-s", title="CFM-S", cache_order=layers)


class CFMTiny(CFM):
    """CFM on the first block of both networks; its 3D features have 384 channels."""

    layers = 1
    meta = replace(CFM.meta, name="cfm-t", title="CFM-T", cache_order=layers)
