"""G2SF: distances to memory banks of both modalities, scaled by a network that synthetic anomalies train.

Tao, Cao, Du: "G2SF: Geometry-Guided Score Fusion for Multimodal Industrial Anomaly Detection", ICCV 2025.

The banks are filled as M3DM's are, but there is no decision layer. A patch is compared with pairs of neighbours, one of
each bank; a small network gives both distances of a pair a local scale, and the score is their weighted sum. It is
trained on patches of the category's own samples with pasted anomalies, so fit needs no other data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Implementation, Meta, Prediction, Progress, Sample, UnsupportedError
from methods.parameters import require_choices, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import DINO_VIT_B8, POINT_MAE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.features import Extractors, Inputs
    from methods.parts.g2sf.model import Model, Plan

__all__ = ["G2SF"]

_QUICK: dict[str, bool | int | float | str] = {
    "layers": 4,
    "centres": 512,
    "group_size": 32,
    "coreset": 0.05,
    "drop_path": "off",
    "images": 20,
    "rows": 4000,
    "epochs": 5,
    "lr": 1e-3,
}


@dataclass(kw_only=True, eq=False)
class G2SF(WithWeights):
    """Distances to nominal patches of both modalities, scaled for each pair of neighbours.

    Parameters
    ----------
    images
        Synthetic samples that are made of the training samples.
    rows
        Most patches of synthetic samples that the network is trained on, 3.9 kB of host memory each. Where there are
        more, each synthetic sample gives an equal share, drawn of its patches.
    epochs
        Passes over half of the rows; the epoch that is best on the other half is kept.
    lr
        Learning rate of the network.
    batch
        Rows in a step, at most 3.5% of those trained on; half of them anomalous.
    consistency
        How the scores of a row's neighbours are held together. ``broadcast``: by the ratios of distances of every row,
        as in the authors' code; ``rowwise``: by those of its own row, as in the paper.
    separation
        ``weighted``: rows that lie far from where they belong count more, as in the authors' code; ``plain``: all
        alike, as in the paper.
    shape_pool
        Clouds that shapes of synthetic anomalies are cut from. ``own``: training samples of the category; ``all``: of
        all categories, as in the authors' code, which is unsupported since a cell's method sees one category.
    coreset, coreset_eps
        Share of vectors kept, and distortion of the random projection that the coreset is chosen on.
    coreset_dtype
        Dtype of the projection: ``float16`` in the authors' code.
    layers
        Blocks kept of both networks, of 12.
    centres, group_size
        Groups of the cloud, and points per group. 512 groups in the authors' code, 1024 in the paper.
    bn_stats
        Statistics of the point encoder's BatchNorm. ``batch``: those of the cloud, as in the authors' code;
        ``running``: those of pre-training.
    drop_path
        ``on``: DropPath of the point transformer is active, as in the authors' code; ``off``.
    precision
        Precision of the pretrained networks: ``fp32``, or ``bf16`` under autocast.
    """

    meta: ClassVar[Meta] = Meta(
        name="g2sf",
        title="G2SF",
        family="m3dm",
        paper="Tao et al., ICCV 2025",
        weights=(DINO_VIT_B8, POINT_MAE),
        presets={"quick": _QUICK},
        needs=("measured",),
        note="synthetic anomalies are made of clouds of the same category",
    )

    images: int = 800
    rows: int = 800_000
    epochs: int = 80
    lr: float = 1.5e-4
    batch: int = 8192
    consistency: Literal["broadcast", "rowwise"] = "broadcast"
    separation: Literal["weighted", "plain"] = "weighted"
    shape_pool: Literal["own", "all"] = "own"
    coreset: float = 0.1
    coreset_eps: float = 0.9
    coreset_dtype: Literal["float16", "float32"] = "float16"
    layers: int = 12
    centres: int = 512
    group_size: int = 128
    bn_stats: Literal["batch", "running"] = "batch"
    drop_path: Literal["on", "off"] = "on"
    precision: Literal["fp32", "bf16"] = "fp32"

    _model: Model | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "images", "rows", "epochs", "layers", "centres", "group_size", at_least=1)
        require_range(self, "batch", at_least=2)
        require_range(self, "lr", above=0)
        require_range(self, "coreset", "coreset_eps", above=0, below=1)
        if self.shape_pool == "all":
            raise UnsupportedError(
                "g2sf[shape_pool=all] needs clouds of all categories, and a method sees those of one: use "
                "'g2sf[shape_pool=own]'."
            )

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Fill the banks, make synthetic anomalies, and train the network on their patches."""
        from methods.parts.g2sf.model import fit_model

        extractors = self._extractors(seed, device)
        model = fit_model(samples, extractors, self._plan(), seed=seed, device=device, progress=progress)
        extractors.capture()
        self._model = model

    def prepare(self, sample: Sample) -> Inputs:
        """Blacken the background as the dataset's preprocessing does, pad, resize, normalise and transfer a sample."""
        from methods.parts.m3dm.patches import blacken

        return self._fitted().extractors.prepare(blacken(sample, "dataset"))

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the blurred map, and the score of the worst patch before the blur."""
        score, anomaly_map = self._fitted().predict(inputs)
        return Prediction(anomaly_map, score)

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the networks, of the banks, and of what else is held."""
        return self._fitted().nbytes()

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what computes the parts of the extractors and searches the banks where a machine decides it."""
        model = self._fitted()
        return model.extractors.implementations() | model.banks.rgb.implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the network, both banks, the standardisation, and the unit of distances."""
        return self._fitted().state()

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a fitted model."""
        from methods.parts.g2sf.model import Model

        model = Model.restored(self._extractors(seed, device), state, device)
        model.extractors.capture()
        self._model = model

    def _extractors(self, seed: int, device: str) -> Extractors:
        from methods.parts.features import build_extractors

        return build_extractors(self, self._files, seed=seed, device=device)

    def _plan(self) -> Plan:
        from methods.parts.g2sf.model import Plan
        from methods.parts.g2sf.training import Schedule
        from methods.parts.m3dm.banks import BankRules

        return Plan(
            rules=BankRules(
                fraction=self.coreset,
                sizes="10pct",
                affine="per_bank",
                zero_row=False,
                drop_background=False,
                eps=self.coreset_eps,
                dtype=self.coreset_dtype,
            ),
            images=self.images,
            rows=self.rows,
            schedule=Schedule(self.epochs, self.lr, self.batch, self.consistency, self.separation),
        )

    def _fitted(self) -> Model:
        if self._model is None:
            raise not_fitted(self.meta.name)
        return self._model
