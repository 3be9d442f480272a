"""Asymmetric Student-Teacher networks (AST).

Rudolph, Wehrbein, Rosenhahn, Wandt: "Asymmetric Student-Teacher Networks for Industrial Anomaly Detection", WACV 2023.
A normalising flow (the teacher) is trained to map features of nominal samples to a Gaussian; a convolutional network
(the student) is trained to predict the teacher's latents. As the two differ in architecture, their outputs differ on
anomalous features.

Differences from the authors' code, so that every method is compared under one protocol:

- Clouds are cleaned before, as for every method: the background plane is (0, 0, 0) and marked. The authors find the
  object in the raw cloud with a plane through the image's corners, which a cleaned cloud does not have.
  ``foreground=auto`` takes every pixel that cleaning kept, and applies the authors' rule to clouds from which nothing
  was removed. Gaps are filled as in their code, but background pixels that cleaning removed are not gaps.
- The image is padded to a centred square (edges repeated; depth and mask with zeros), so that maps are in the
  evaluation geometry. The authors change its aspect ratio.
- Image features are extracted once per sample, and the teacher's latents once before the student is trained, instead
  of in every epoch; only the 36 blocks that are used are in memory. This changes numbers by rounding only.
- Everything is seeded; the authors set no seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, Prediction, Progress, Sample
from methods.parameters import require_choices, require_multiple, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import EFFICIENTNET_B5

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.parts.ast.features import Extractor, Inputs
    from methods.parts.ast.networks import TeacherStudent

__all__ = ["AST"]

_QUICK: dict[str, bool | int | float | str] = {
    "image_size": 384,
    "epochs": 40,
    "batch": 2,
    "lr": 1e-3,
    "hidden": 32,
    "width": 128,
    "residual_blocks": 2,
}


@dataclass(kw_only=True, eq=False)
class AST(WithWeights):
    """An anomaly is where a convolutional student fails to follow a normalising flow.

    Parameters
    ----------
    modality
        What the features are made of. With ``rgb`` no mask is used and no cloud is read, as in the authors' code;
        otherwise the object's mask comes from the cloud.
    image_size
        Side of the image for EfficientNet, pixels, a multiple of 32; the map's side is a quarter of it.
    epochs
        Passes over the training samples, for the teacher and again for the student.
    batch, lr, weight_decay
        Samples in a training step, and learning rate and weight decay of Adam.
    drop_last
        Whether the last batch of an epoch is left out if it is not full; an epoch's only batch is always used.
    blocks, hidden
        Coupling blocks of the teacher and the width of their subnets.
    width, residual_blocks
        Channels and residual blocks of the student.
    position_channels
        Channels of the positional encoding, a multiple of 4.
    foreground
        How the object is separated from the background: ``corners`` is the authors' rule for raw clouds (more than
        7 mm off the plane through the four corners); ``cleaned`` takes every pixel with a depth; ``auto`` is
        ``cleaned`` where cleaning removed a background or a corner has no depth, else ``corners``.
    gap_passes
        Passes of gap filling of the depth image.
    dilation
        Side of the box that dilates the object's mask, pixels of the map; 0 for none.
    mask_power
        How often the mask multiplies the map: 2 in the authors' code (in the distance, and again on the map).
    score
        ``max`` of the map (published), or the ``mean`` of the distances of its cells, which the mask multiplies once:
        the authors' code takes it before the map is masked again.
    score_at
        Where the maximum is taken: ``enlarged``, of the map after the bicubic enlargement by 8, as in the authors'
        evaluation; ``cells``, before it, as in their check while the student is trained.
    padding
        Padding of EfficientNet's convolutions of stride 2. ``static``: for 456 pixels, B5's own size, whatever the
        image's size, as in the EfficientNet package that the authors use; the centre of a feature is 8.5 pixels before
        the centre of its cell. ``same``: for the given image, as in timm and TensorFlow; 15.5 pixels behind it.
    """

    meta: ClassVar[Meta] = Meta(
        name="ast",
        title="AST",
        family="ast",
        paper="Rudolph et al., WACV 2023",
        modalities=("rgb", "depth"),
        weights=(EFFICIENTNET_B5,),
        presets={"quick": _QUICK},
    )

    modality: Literal["rgb+depth", "rgb", "depth"] = "rgb+depth"
    image_size: int = 768
    epochs: int = 72
    batch: int = 8
    lr: float = 2e-4
    weight_decay: float = 1e-5
    drop_last: bool = True
    blocks: int = 4
    hidden: int = 64
    width: int = 1024
    residual_blocks: int = 4
    position_channels: int = 32
    foreground: Literal["auto", "corners", "cleaned"] = "auto"
    gap_passes: int = 3
    dilation: int = 8
    mask_power: int = 2
    score: Literal["max", "mean"] = "max"
    score_at: Literal["enlarged", "cells"] = "enlarged"
    padding: Literal["static", "same"] = "static"

    teacher_losses_: list[float] = field(default_factory=list, init=False, repr=False)
    student_losses_: list[float] = field(default_factory=list, init=False, repr=False)
    _extractor: Extractor | None = field(default=None, init=False, repr=False)
    _pair: TeacherStudent | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "epochs", "batch", "blocks", "hidden", "width", at_least=1)
        require_range(self, "residual_blocks", "gap_passes", "dilation", "mask_power", "weight_decay", at_least=0)
        require_range(self, "lr", above=0)
        require_multiple(self, "image_size", of=32)
        require_multiple(self, "position_channels", of=4)

    def modalities(self) -> tuple[str, ...]:
        """Return what it uses: the image alone, or the depth, and metres where 7 mm off a plane decide the mask."""
        depth = "xyz" if self.foreground == "corners" else "depth"
        return {"rgb": ("rgb",), "depth": (depth,)}.get(self.modality, ("rgb", depth))

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Extract the features of each sample once, train the teacher on them, then the student."""
        import torch

        from methods.parts.ast.training import Schedule, train

        extractor, pair = self._build(seed, device)
        features, masks = [], []
        for position, sample in enumerate(samples):
            progress("extract", position, len(samples))
            inputs = extractor.prepare(sample)
            features.append(extractor.features(inputs))
            masks.append(inputs.mask)
        progress("extract", len(samples), len(samples))
        self.teacher_losses_, self.student_losses_ = train(
            pair,
            torch.stack(features),
            torch.stack(masks),
            Schedule(self.epochs, self.lr, self.weight_decay, self.batch, self.drop_last),
            seed=seed,
            progress=progress,
        )
        self._extractor, self._pair = extractor, pair

    def prepare(self, sample: Sample) -> Inputs:
        """Fill the gaps of the depth image, find the object, pad, resize, normalise and transfer one sample."""
        return self._fitted()[0].prepare(sample)

    def infer(self, inputs: Inputs) -> Prediction:
        """Return the distance between teacher and student, upsampled bicubically by 8, and its score."""
        import torch
        from torch.nn import functional

        from methods.parts.ast.features import BLOCK
        from methods.parts.ast.networks import student_distance

        extractor, pair = self._fitted()
        with torch.inference_mode():
            features = extractor.features(inputs)[None]
            mask = inputs.mask[None]
            latents, predicted = pair.teach(features)[0], pair.imitate(features)
            cells = student_distance(latents, predicted, mask**self.mask_power)
            enlarged = functional.interpolate(cells[None], scale_factor=BLOCK, mode="bicubic")[0, 0]
            if self.score == "mean":
                score = student_distance(latents, predicted, mask ** min(1, self.mask_power)).mean()
            else:
                score = (enlarged if self.score_at == "enlarged" else cells).max()
        return Prediction(enlarged.cpu().numpy(), float(score))

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of EfficientNet's first 36 blocks, the teacher and the student; AST has no bank."""
        from methods.parts.module_state import module_bytes

        extractor, pair = self._fitted()
        return {"weights": module_bytes(extractor.network, pair), "bank": 0, "other": 0}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the trained teacher and student."""
        from methods.parts.module_state import to_arrays

        return to_arrays(self._fitted()[1])

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load a trained teacher and student."""
        from methods.parts.module_state import load_arrays

        extractor, pair = self._build(seed, device)
        load_arrays(pair, state)
        self._extractor, self._pair = extractor, pair.eval().requires_grad_(False)

    def _build(self, seed: int, device: str) -> tuple[Extractor, TeacherStudent]:
        from methods.parts.ast.features import Extractor
        from methods.parts.ast.networks import Architecture, TeacherStudent

        extractor = Extractor(
            modality=self.modality,
            image_size=self.image_size,
            foreground=self.foreground,
            gap_passes=self.gap_passes,
            dilation=self.dilation,
            padding=self.padding,
            weights=self._files.get(EFFICIENTNET_B5.name),
            device=device,
        )
        sizes = Architecture(self.blocks, self.hidden, self.width, self.residual_blocks, self.position_channels)
        pair = TeacherStudent(extractor.channels, extractor.grid, sizes)
        pair.randomise(seed)
        return extractor, pair.to(device)

    def _fitted(self) -> tuple[Extractor, TeacherStudent]:
        if self._extractor is None or self._pair is None:
            raise not_fitted(self.meta.name)
        return self._extractor, self._pair
