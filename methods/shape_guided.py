"""Shape-Guided: local surfaces of the cloud decide which colours a part of the image is compared with.

Chu, Liu, Hsieh, Chen, Liu: "Shape-Guided Dual-Memory Learning for 3D Anomaly Detection", ICML 2023. A network learns
codes of patches of the cloud and, from a code, the signed distance to its surface. A patch that nominal codes can't
rebuild is anomalous; the image is compared with those nominal cells alone that lie about similar patches.

Differences from the authors' code: the network is trained on this cell's samples, where theirs was trained once on all
ten categories of MVTec 3D-AD; the first centre of each cloud follows from the seed, or from the cloud's content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Implementation, Meta, Prediction, Progress, Sample, UnsupportedError, WeightFile
from methods.parameters import require_choices, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import WIDE_RESNET50_2

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from methods.parts.shape_guided.fitting import Plan
    from methods.parts.shape_guided.model import Inputs, Model

__all__ = ["ShapeGuided"]

_QUICK: dict[str, bool | int | float | str] = {
    "overlap": 5,
    "width": 128,
    "train_clouds": 10,
    "train_overlap": 1,
    "queries": 64,
    "epochs": 14,
    "batch": 8,
    "lr": 2e-3,
    "align_samples": 4,
}


@dataclass(kw_only=True, eq=False)
class ShapeGuided(WithWeights):
    """An anomaly is a surface, or a colour on its surface, that nominal ones near it in shape can't rebuild.

    Parameters
    ----------
    modality
        ``both``: the product of both scores, the larger of both maps. ``xyz``: the shape alone. ``rgb``: score and map
        of the image alone; what it is compared with is still chosen by shape, so that it needs the cloud, too.
    patch_points
        Points of a patch.
    overlap
        Patches that a point lies in on average.
    width
        Of the layers of the signed distance field.
    train_clouds
        Training clouds that the network is trained on, drawn at random; all where there are fewer.
    train_overlap
        Patches that a point of these lies in on average.
    queries
        Noisy points of a patch that a training step pulls, at most all.
    epochs, batch
        Passes over the patches of these clouds, and patches in a training step. What is left of an epoch makes no step,
        but where there are fewer patches than a step takes.
    lr
        Learning rate of Adam.
    pretrain
        Samples that the network of shapes is trained on. ``own``: those of the cell's category; ``shipped``: none, the
        authors' network of all categories takes its place, which is unsupported since it has no public licence.
    bank_cells
        Cells of the image that belong to a nominal patch, of those that hold a point. ``shifted``: those under its
        points, moved by two cells up, down, left and right, as in the authors' code; ``plain``: those under its points.
    align_samples
        Training samples, the first ones, that align the map of the image with that of the shape; all where there are
        fewer.
    """

    meta: ClassVar[Meta] = Meta(
        name="shape-guided",
        title="Shape-Guided",
        family="shape-guided",
        paper="Chu et al., ICML 2023",
        weights=(WIDE_RESNET50_2,),
        presets={"quick": _QUICK},
        note="the network of shapes is trained on each category's own samples, not before on all categories",
    )

    modality: Literal["both", "rgb", "xyz"] = "both"
    patch_points: int = 500
    overlap: int = 10
    width: int = 512
    train_clouds: int = 20
    train_overlap: int = 5
    queries: int = 500
    epochs: int = 1000
    batch: int = 32
    lr: float = 1e-4
    pretrain: Literal["own", "shipped"] = "own"
    bank_cells: Literal["shifted", "plain"] = "shifted"
    align_samples: int = 25

    _model: Model | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "patch_points", "batch", at_least=2)
        counts = ("overlap", "width", "train_clouds", "train_overlap", "queries", "epochs", "align_samples")
        require_range(self, *counts, at_least=1)
        require_range(self, "lr", above=0)
        if self.pretrain == "shipped":
            raise UnsupportedError(
                "shape-guided[pretrain=shipped] needs the authors' file, which has no public licence: use "
                "'shape-guided[pretrain=own]'."
            )

    def modalities(self) -> tuple[str, ...]:
        """Return the points, and the image unless shape alone is asked for."""
        return ("xyz",) if self.modality == "xyz" else ("rgb", "xyz")

    def weight_files(self) -> tuple[WeightFile, ...]:
        """Return the file of the image network, where the image is used."""
        return () if self.modality == "xyz" else self.meta.weights

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Train the network of shapes, fill both banks, and align the maps (sections 3.1 to 3.3)."""
        from methods.parts.shape_guided.fitting import fit_model

        image = self._image_network(device)
        self._model = fit_model(samples, image, self._plan(), seed=seed, device=device, progress=progress)

    def prepare(self, sample: Sample) -> Inputs:
        """Cut the cloud into patches; pad, resize, normalise and transfer the sample."""
        return self._fitted().extractor.prepare(sample)

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the larger of both maps, blurred, and the product of both scores."""
        return self._fitted().predict(inputs)

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the networks, and of both banks."""
        return self._fitted().nbytes()

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what picks centres and finds neighbours where a machine decides it."""
        return self._fitted().implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the network of shapes, both banks and the alignment."""
        return self._fitted().state()

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load them."""
        import torch

        from methods.parts.shape_guided.model import Extractor, Model
        from methods.parts.shape_guided.network import LocalSurface

        surface = LocalSurface(self.width).to(device).eval().requires_grad_(False)
        extractor = Extractor(surface, self._image_network(device), self._plan().cutting, torch.device(device))
        self._model = Model.restored(extractor, self.modality, state)

    def _image_network(self, device: str) -> nn.Module | None:
        from methods.parts.wide_resnet import build_wide_resnet

        if self.modality == "xyz":
            return None
        return build_wide_resnet(weights=self._files.get(WIDE_RESNET50_2.name), layers=(1, 2)).to(device)

    def _plan(self) -> Plan:
        from methods.parts.shape_guided.fitting import Plan
        from methods.parts.shape_guided.patches import Cutting
        from methods.parts.shape_guided.training import Schedule

        return Plan(
            modality=self.modality,
            cutting=Cutting(self.patch_points, self.overlap),
            width=self.width,
            train_clouds=self.train_clouds,
            train_cutting=Cutting(self.patch_points, self.train_overlap),
            schedule=Schedule(self.epochs, self.batch, self.queries, self.lr),
            bank_cells=self.bank_cells,
            align_samples=self.align_samples,
        )

    def _fitted(self) -> Model:
        if self._model is None:
            raise not_fitted(self.meta.name)
        return self._model
