"""M3DM: memory banks of both modalities, combined by a learned decision layer.

Wang, Peng, Zhang, Yi, Wang, Wang: "Multimodal Industrial Anomaly Detection via Hybrid Fusion", CVPR 2023.

The default has two banks, DINO and Point-MAE, with a scaling of scores of their own. It reproduces the published
numbers; retraining the fusion of features (UFF) lowers them. As in the authors' code, BatchNorm uses the statistics of
each cloud and DropPath is active. The decision layer needs DropPath: where an object covers less than a tenth of the
image, the cloud's bank holds all its patches, and training samples with the same features would all score 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Implementation, Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import DINO_VIT_B8, POINT_MAE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.features import Extractors, Inputs
    from methods.parts.m3dm.model import Model, Plan

__all__ = ["M3DM"]

_QUICK: dict[str, bool | int | float | str] = {
    "layers": 4,
    "centres": 512,
    "group_size": 32,
    "coreset": 0.05,
    "drop_path": "off",
    "uff_epochs": 6,
    "uff_batch": 2,
    "uff_accumulate": 1,
}

_KINDS = {"all": ("xyz", "rgb"), "xyz": ("xyz",), "rgb": ("rgb",), "fusion": ("fusion",)}

_WEIGHTS = ("xyz_weight", "rgb_weight", "fusion_weight")


@dataclass(kw_only=True, eq=False)
class M3DM(WithWeights):
    """Distances to the nearest nominal patches of each modality, added up with learned weights.

    Parameters
    ----------
    uff
        Unsupervised feature fusion. ``off``: two banks (reproduces the published numbers); ``released``: a third bank
        of features fused by ``uff_checkpoint``; ``train``: fused by a network trained on this cell's samples, where the
        authors train one network on all categories. With three banks, scores and distances are not divided by 1000.
    uff_checkpoint
        File of the authors' released fusion, for ``uff=released``; to be downloaded by hand.
    uff_sha256
        Digest that this file must have. Name it where results are kept: the parameters identify a cell, the content of
        this file does not.
    uff_align
        Which image token is paired with which cloud patch in training. ``spatial``: the token that covers the patch;
        ``code``: patch 784 a + b is paired with token (4 b + a) mod 784, as in the features that the authors' code
        saves, which pairs 0.26% correctly.
    uff_epochs, uff_steps
        Length of the training of the fusion, a third of it with a rising learning rate. Steps of the optimiser replace
        epochs unless 0: 750 in the paper and in the preset ``paper``. Three epochs, as in the authors' code, are 3 to 6
        steps on one category, which hardly train it.
    uff_batch, uff_accumulate
        Samples contrasted with each other (at most all), and batches whose gradients are averaged for one step (at
        most all of an epoch). What is left of samples or batches at the end of an epoch makes no step.
    uff_lr
        Peak of the learning rate of the fusion.
    banks
        ``all``, or a single one: ``rgb`` (DINO), ``xyz`` (Point-MAE) or ``fusion``.
    combine
        ``decision_layer``, or the plain ``sum`` of the scores and maps, without weights and not divided by 1000.
    xyz_weight, rgb_weight, fusion_weight
        Factors of the banks' scores and maps before the decision layer.
    bank_sizes
        ``code``: the banks of the image and of fused features have a tenth of the size of the cloud's bank; ``10pct``:
        a tenth of the number of their own vectors. The tenth is ``coreset``.
    affine
        ``code``: all banks are standardised by the mean of the cloud's patches and the standard deviation of the
        image's; a single bank of the image by its own, another single bank not at all. ``per_bank``: each by its own.
    zero_row
        With three banks: whether the cloud's bank loses vectors with an exact 0 after standardising and gains one of
        zeros, as in the authors' code. With fewer banks neither happens, as there.
    drop_background
        With ``banks=xyz`` only: leave the patches that the cloud does not reach out of the coreset.
    coreset, coreset_eps
        Share of vectors kept, and distortion of the random projection that the coreset is chosen on.
    coreset_dtype
        Dtype of the projection: ``float16`` in the authors' code, which also rounds distances to it.
    max_sample
        The authors' code leaves out all training samples after this number plus one; 0 takes all.
    nu
        Parameter nu of the decision layer's one-class machines.
    rgb_background
        The image's background. ``dataset``: black where the preprocessing that the authors publish for the dataset
        makes it black, as on MVTec 3D-AD all that cleaning removes; kept on Eyecandies, whose images theirs copies
        unchanged. ``black``: black where cleaning removed points, on every dataset; ``keep``.
    layers
        Blocks kept of both networks, of 12.
    centres, group_size
        Groups of the cloud, and points per group.
    bn_stats
        Statistics of the point encoder's BatchNorm. ``batch``: those of the cloud, as in the authors' code;
        ``running``: those of pre-training.
    drop_path
        ``on``: DropPath of the point transformer is active, with other draws when training samples are scored, as in
        the authors' code; ``off``: features are always the same, and the second pass over the training samples is free.
    precision
        Precision of the networks: ``fp32``, or ``bf16`` under autocast.
    """

    meta: ClassVar[Meta] = Meta(
        name="m3dm",
        title="M3DM",
        family="m3dm",
        paper="Wang et al., CVPR 2023",
        weights=(DINO_VIT_B8, POINT_MAE),
        presets={"paper": {"uff_steps": 750}, "quick": _QUICK},
    )

    uff: Literal["off", "released", "train"] = "off"
    uff_checkpoint: str = ""
    uff_sha256: str = ""
    uff_align: Literal["code", "spatial"] = "code"
    uff_epochs: int = 3
    uff_steps: int = 0
    uff_batch: int = 16
    uff_accumulate: int = 16
    uff_lr: float = 0.003
    banks: Literal["all", "rgb", "xyz", "fusion"] = "all"
    combine: Literal["decision_layer", "sum"] = "decision_layer"
    xyz_weight: float = 1.0
    rgb_weight: float = 0.1
    fusion_weight: float = 1.0
    bank_sizes: Literal["code", "10pct"] = "code"
    affine: Literal["code", "per_bank"] = "code"
    zero_row: bool = True
    drop_background: bool = False
    coreset: float = 0.1
    coreset_eps: float = 0.9
    coreset_dtype: Literal["float16", "float32"] = "float16"
    max_sample: int = 400
    nu: float = 0.5
    rgb_background: Literal["dataset", "black", "keep"] = "dataset"
    layers: int = 12
    centres: int = 1024
    group_size: int = 128
    bn_stats: Literal["batch", "running"] = "batch"
    drop_path: Literal["on", "off"] = "on"
    precision: Literal["fp32", "bf16"] = "fp32"

    _model: Model | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "uff_epochs", "uff_batch", "uff_accumulate", "layers", "centres", "group_size", at_least=1)
        require_range(self, "uff_steps", "max_sample", at_least=0)
        require_range(self, "uff_lr", "xyz_weight", "rgb_weight", "fusion_weight", above=0)
        require_range(self, "coreset", "coreset_eps", "nu", above=0, below=1)
        self._require_consistent_fusion()

    def _require_consistent_fusion(self) -> None:
        uff, banks, sha256 = self.uff, self.banks, self.uff_sha256
        if (uff == "released") != bool(self.uff_checkpoint):
            raise ValueError("uff=released needs uff_checkpoint, and uff_checkpoint needs uff=released")
        if sha256 and (not self.uff_checkpoint or not re.fullmatch("[0-9a-fA-F]{64}", sha256)):
            raise ValueError(f"uff_sha256 must be 64 hexadecimal digits and needs uff_checkpoint, not {sha256!r}")
        if (banks == "fusion" and uff == "off") or (banks in ("rgb", "xyz") and uff != "off"):
            raise ValueError(
                f"banks={banks} and uff={uff} exclude each other: only fused features fill the bank 'fusion'"
            )
        if self.drop_background and banks != "xyz":
            raise ValueError(f"drop_background needs banks=xyz, not {banks}")
        weighted = [name for name in _WEIGHTS if getattr(self, name) != getattr(type(self), name)]
        if weighted and (banks != "all" or self.combine == "sum"):
            raise ValueError(f"{weighted[0]} needs banks=all and combine=decision_layer: nothing else is weighted")

    def modalities(self) -> tuple[str, ...]:
        """Return what the banks are made of; that of the image needs to know where the cloud is."""
        return {"xyz": ("xyz",), "rgb": ("rgb", "depth")}.get(self.banks, ("rgb", "xyz"))

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Fill the banks, train the fusion if ``uff=train``, and learn the decision layer (section 3)."""
        from methods.parts.m3dm.fitting import fit_model

        extractors = self._extractors(seed, device)
        model = fit_model(
            samples,
            extractors,
            lambda sample: self._inputs(extractors, sample),
            self._plan(),
            seed=seed,
            device=device,
            progress=progress,
        )
        extractors.capture()
        self._model = model

    def prepare(self, sample: Sample) -> Inputs:
        """Blacken the background as ``rgb_background`` says, pad, resize, normalise and transfer one sample."""
        return self._inputs(self._fitted().extractors, sample)

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the combined map and score; each bank's map is an extra."""
        model = self._fitted()
        scored = model.score(model.patches(inputs, inputs.draw))
        score, anomaly_map = model.combine(scored)
        extras = {f"map_{kind}": image for kind, image in zip(model.plan.kinds, scored.maps, strict=True)}
        return Prediction(anomaly_map, score, extras=extras)

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the networks, of the banks, and of the decision layer."""
        return self._fitted().nbytes()

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what computes the parts of the extractors and searches the banks where a machine decides it."""
        model = self._fitted()
        return model.extractors.implementations() | next(iter(model.banks.values())).implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return banks, standardisations, decision layer, and the fusion if there is one."""
        return self._fitted().state()

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a fitted model."""
        from methods.parts.m3dm.model import Model

        model = Model.restored(self._extractors(seed, device), self._plan(), state, device)
        model.extractors.capture()
        self._model = model

    def _inputs(self, extractors: Extractors, sample: Sample) -> Inputs:
        from methods.parts.m3dm.patches import blacken

        return extractors.prepare(blacken(sample, self.rgb_background))

    def _extractors(self, seed: int, device: str) -> Extractors:
        from methods.parts.features import build_extractors

        return build_extractors(self, self._files, seed=seed, device=device)

    def _plan(self) -> Plan:
        from methods.parts.m3dm.banks import BankRules
        from methods.parts.m3dm.model import Fusion, Plan
        from methods.parts.m3dm.uff_training import UFFSchedule

        kinds = _KINDS[self.banks] + (("fusion",) if self.banks == "all" and self.uff != "off" else ())
        schedule = UFFSchedule(
            self.uff_epochs, self.uff_steps, self.uff_batch, self.uff_accumulate, self.uff_lr, self.uff_align
        )
        return Plan(
            kinds=kinds,
            fusion=Fusion(self.uff, self.uff_checkpoint, self.uff_sha256, schedule),
            rules=BankRules(
                fraction=self.coreset,
                sizes=self.bank_sizes,
                affine=self.affine,
                zero_row=self.zero_row,
                drop_background=self.drop_background,
                eps=self.coreset_eps,
                dtype=self.coreset_dtype,
            ),
            weights={"xyz": self.xyz_weight, "rgb": self.rgb_weight, "fusion": self.fusion_weight},
            decide=self.combine == "decision_layer" and self.banks == "all",
            nu=self.nu,
            samples=self.max_sample + 1 if self.max_sample else None,
        )

    def _fitted(self) -> Model:
        if self._model is None:
            raise not_fitted(self.meta.name)
        return self._model
