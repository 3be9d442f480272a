"""INP-Former: prototypes of the image at hand, and a decoder that can rebuild nothing else.

Luo et al.: "Exploring Intrinsic Normal Prototypes within a Single Image for Universal Anomaly Detection", CVPR 2025. It
uses the photograph alone: the row says what a recent 2D method does without the second modality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, Prediction, Progress, Sample, WeightFile
from methods.parameters import require_choices, require_multiple, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import DINOV2_REG_VIT_B14, DINOV2_REG_VIT_S14

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.inp_former.networks import INPNetwork
    from methods.parts.inp_former.teacher import Inputs, Teacher

__all__ = ["INPFormer"]

_PATCH = 14
_SIZES = {"vit-b14": (768, 12, DINOV2_REG_VIT_B14), "vit-s14": (384, 6, DINOV2_REG_VIT_S14)}
"""Channels, attention heads and file of each teacher."""

_QUICK: dict[str, bool | int | float | str] = {
    "backbone": "vit-s14",
    "size": 196,
    "blocks": 2,
    "epochs": 40,
    "batch": 5,
    "warmup": 10,
}


@dataclass(kw_only=True, eq=False)
class INPFormer(WithWeights):
    """An anomaly is where a decoder made of the image's normal prototypes fails to rebuild the teacher's features.

    Parameters
    ----------
    backbone
        The frozen teacher, DINOv2 with registers: ``vit-b14`` (published) or ``vit-s14``, with half the channels.
    fit_to
        How an image is brought to the teacher's size. ``center-crop``: squashed to 8/7 of it and cropped to its centre,
        as in the authors' code, so that the map is 0 along a border of a sixteenth; ``pad``: padded to a square by its
        edges.
    size
        Side of the teacher's input, pixels, a multiple of 14.
    blocks
        Blocks of the teacher that are rebuilt, from the third on, and blocks of the decoder; an even number.
    prototypes
        Prototypes of an image.
    epochs
        Passes over the training samples.
    batch
        Images in a training step.
    lr
        Largest learning rate of StableAdamW; the last one is a tenth of it.
    warmup
        Steps in which the learning rate rises from 0.
    """

    meta: ClassVar[Meta] = Meta(
        name="inp-former",
        title="INP-Former",
        family="inp-former",
        paper="Luo et al., CVPR 2025",
        modalities=("rgb",),
        weights=(DINOV2_REG_VIT_B14, DINOV2_REG_VIT_S14),
        presets={"quick": _QUICK},
    )

    backbone: Literal["vit-b14", "vit-s14"] = "vit-b14"
    fit_to: Literal["center-crop", "pad"] = "center-crop"
    size: int = 392
    blocks: int = 8
    prototypes: int = 6
    epochs: int = 200
    batch: int = 16
    lr: float = 1e-3
    warmup: int = 100

    losses_: list[float] = field(default_factory=list, init=False, repr=False)
    _teacher: Teacher | None = field(default=None, init=False, repr=False)
    _network: INPNetwork | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_multiple(self, "size", of=_PATCH)
        require_multiple(self, "blocks", of=2)
        require_range(self, "blocks", at_most=10)
        require_range(self, "prototypes", "epochs", "batch", at_least=1)
        require_range(self, "warmup", at_least=0)
        require_range(self, "lr", above=0)

    def weight_files(self) -> tuple[WeightFile, ...]:
        """Return the file of its teacher."""
        return (_SIZES[self.backbone][2],)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Extract the teacher's features of each sample, and train extractor, bottleneck and decoder on them."""
        from methods.parts.feature_store import FeatureStore
        from methods.parts.inp_former.teacher import Targets
        from methods.parts.inp_former.training import Schedule, train

        teacher, network = self._build(device)
        network.randomise(seed)
        network.to(device)

        def extract(index: int) -> Targets:
            return teacher.targets(teacher.prepare(samples[index]))

        store = FeatureStore(teacher.device, extract)
        for position in range(len(samples)):
            progress("extract", position, len(samples))
            store.put(position, extract(position))
        progress("extract", len(samples), len(samples))
        schedule = Schedule(self.epochs, self.lr, self.batch, self.warmup)
        self.losses_ = train(network, store.__getitem__, len(samples), schedule, seed=seed, progress=progress)
        self._teacher, self._network = teacher, network

    def prepare(self, sample: Sample) -> Inputs:
        """Crop or pad, resize, normalise and transfer one sample."""
        return self._fitted()[0].prepare(sample)

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the map of cosine distances, and the mean of its largest hundredth as the score."""
        import torch

        from methods.parts.inp_former.maps import crop_to_square, map_of, score_of

        teacher, network = self._fitted()
        with torch.inference_mode():
            found = map_of(network, teacher.targets(inputs), self.size)
            score = score_of(found)
            if self.fit_to == "center-crop":
                anomaly_map = crop_to_square(found, self.size, inputs.height, inputs.width)
            else:
                anomaly_map = found.cpu().numpy()
        return Prediction(anomaly_map=anomaly_map, score=float(score))

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of teacher, extractor, bottleneck and decoder; INP-Former has no bank."""
        from methods.parts.module_state import module_bytes

        teacher, network = self._fitted()
        return {"weights": module_bytes(teacher.network, network), "bank": 0, "other": 0}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the trained networks."""
        from methods.parts.module_state import to_arrays

        return to_arrays(self._fitted()[1])

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load trained networks."""
        from methods.parts.module_state import load_arrays

        teacher, network = self._build(device)
        load_arrays(network, state)
        self._teacher, self._network = teacher, network.to(device).eval().requires_grad_(False)

    def _build(self, device: str) -> tuple[Teacher, INPNetwork]:
        """Return the frozen teacher, and networks whose weights are still to be drawn or loaded, on the CPU."""
        from methods.parts.inp_former.networks import INPNetwork
        from methods.parts.inp_former.teacher import Teacher

        width, heads, file = _SIZES[self.backbone]
        teacher = Teacher(
            self.backbone,
            blocks=self.blocks,
            size=self.size,
            fit_to=self.fit_to,
            weights=self._files.get(file.name),
            device=device,
        )
        return teacher, INPNetwork(width, heads, prototypes=self.prototypes, blocks=self.blocks)

    def _fitted(self) -> tuple[Teacher, INPNetwork]:
        if self._teacher is None or self._network is None:
            raise not_fitted(self.meta.name)
        return self._teacher, self._network
