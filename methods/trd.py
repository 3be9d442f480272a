"""Tuned Reverse Distillation (TRD), in its first version Crossmodal Reverse Distillation (CRD).

Liu, Wang, Leng, Zhang: "Tuned Reverse Distillation: Enhancing Multimodal Industrial Anomaly Detection with Crossmodal
Tuners", arXiv 2412.08949. A frozen image network, the teacher, sees the photograph and an image of surface normals. For
each of the two, a student rebuilds the teacher's features from a narrow embedding, with the help of the teacher's
features of the other image. As it learns that of nominal samples alone, it fails on anomalies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from harness.contract import Meta, Prediction, Progress, Sample, UnsupportedError
from methods.parameters import require_choices, require_multiple, require_range
from methods.parts.base import WithWeights, not_fitted
from methods.weights import WIDE_RESNET50_2_V1

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from methods.parts.trd.inputs import Images
    from methods.parts.trd.model import Distillation

__all__ = ["TRD"]

_HELD_OUT = 10
_PAPER_SOBEL = {"cookie": 3, "dowel": 7, "foam": 7, "tire": 7}
_STATISTICS = "statistics"


@dataclass(kw_only=True, eq=False)
class TRD(WithWeights):
    """An anomaly is where a student fails to rebuild a teacher's features of photograph or surface.

    Parameters
    ----------
    third
        The second image, made of the third coordinate: ``normal``, surface normals by Sobel filters, or ``depth``.
    sobel
        Side of the Sobel filters: the larger, the steeper a surface seems. ``paper``: chosen for each category of MVTec
        3D-AD, 3 for cookie, 7 for dowel, foam and tire, 5 for all others.
    norm_split
        Nominal samples whose maps say what is usual: ``heldout``, every tenth training sample, of which the students
        learn nothing; ``validation``, the validation split of the dataset, as in the authors' code.
    foreground
        What third images show. ``code``: as the authors' code, normals of what is more than 5 mm off the plane through
        three corners of the measured cloud, or the whole measured depth; ``cleaned``: what cleaning left.
    size
        Side of the images, pixels, a multiple of 32, at least 64.
    width
        Channels of the students' bottleneck blocks, a multiple of 8; other inner channels are in proportion.
    epochs, batch
        Passes over the training samples, and samples in a training step.
    lr, lr_decay
        Learning rate of Adam, and what it is multiplied by after each epoch.
    """

    meta: ClassVar[Meta] = Meta(
        name="trd",
        title="TRD",
        family="trd",
        paper="Liu et al., arXiv 2412.08949",
        weights=(WIDE_RESNET50_2_V1,),
        presets={"quick": {"size": 64, "width": 64, "epochs": 60, "batch": 3, "lr_decay": 0.97}},
        needs=("measured",),
    )

    third: Literal["normal", "depth"] = "normal"
    sobel: Literal["3", "5", "7", "paper"] = "5"
    norm_split: Literal["heldout", "validation"] = "heldout"
    foreground: Literal["code", "cleaned"] = "code"
    size: int = 256
    width: int = 1024
    epochs: int = 200
    batch: int = 16
    lr: float = 5e-3
    lr_decay: float = 0.95

    losses_: dict[str, list[float]] = field(default_factory=dict, init=False, repr=False)
    _validation: Sequence[Sample] = field(default=(), init=False, repr=False)
    _model: Distillation | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_multiple(self, "size", of=32)
        require_multiple(self, "width", of=8)
        require_range(self, "size", at_least=64)
        require_range(self, "epochs", "batch", at_least=1)
        require_range(self, "lr", "lr_decay", above=0)

    def modalities(self) -> tuple[str, ...]:
        """Return the image and the depth, or the points where 5 mm off a plane decide what is seen."""
        return ("rgb", "xyz" if (self.third, self.foreground) == ("normal", "code") else "depth")

    def wants_validation(self) -> bool:
        """Return whether maps are normalised by the validation split."""
        return self.norm_split == "validation"

    def use_validation(self, samples: Sequence[Sample]) -> None:
        """Normalise maps by these samples in the next :meth:`fit`."""
        self._validation = samples

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Train the students one after the other, then measure their maps on other nominal samples."""
        from methods.parts.trd.training import Schedule

        others = samples if self.norm_split == "heldout" else self._validation
        self._validation = ()
        learned, usual = self._split(len(samples), len(others))
        model = self._build(seed, device)
        chosen = [*((samples, index) for index in learned), *((others, index) for index in usual)]
        pairs = []
        for position, (source, index) in enumerate(chosen):
            progress("images", position, len(chosen))
            pairs.append(self._images(source[index], model.device).pair)
        progress("images", len(chosen), len(chosen))
        schedule = Schedule(self.epochs, self.batch, self.lr, self.lr_decay)
        self.losses_ = model.train(pairs[: len(learned)], schedule, seed=seed, progress=progress)
        model.measure(pairs[len(learned) :])
        self._model = model

    def prepare(self, sample: Sample) -> Images:
        """Find the object, compute its normals, squash both images to a square, normalise and transfer them."""
        return self._images(sample, self._fitted().device)

    def infer(self, inputs: Images) -> Prediction:
        """Return the smoothed sum of both normalised maps, and its largest value before it is resized."""
        from methods.parts.trd.distances import smoothed_sum

        combined = smoothed_sum(self._fitted().normalised_maps(inputs.pair).cpu().numpy())
        return Prediction(_framed(combined, inputs.frame), float(combined.max()))

    def explain(self, inputs: Images) -> Mapping[str, NDArray[np.float32]]:
        """Return the normalised map of each student."""
        model = self._fitted()
        maps = model.normalised_maps(inputs.pair).cpu().numpy()
        return {f"map_{name}": _framed(own, inputs.frame) for name, own in zip(model.names, maps, strict=True)}

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of teacher and students, and of what maps are normalised by as other."""
        from methods.parts.module_state import module_bytes

        model = self._fitted()
        return {"weights": module_bytes(model.teacher, model.students), "bank": 0, "other": model.statistics.nbytes}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the trained students, and mean and deviation of their maps."""
        from methods.parts.module_state import to_arrays

        model = self._fitted()
        return {**to_arrays(model.students), _STATISTICS: model.statistics.cpu().numpy()}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load them."""
        import torch

        from methods.parts.module_state import load_arrays

        model = self._build(None, device)
        load_arrays(model.students, {name: state[name] for name in state if name != _STATISTICS})
        model.statistics = torch.from_numpy(np.array(state[_STATISTICS])).to(device)
        self._model = model

    def _images(self, sample: Sample, device: torch.device) -> Images:
        from methods.parts.trd.inputs import Settings, make_images

        sobel = _PAPER_SOBEL.get(sample.category, 5) if self.sobel == "paper" else int(self.sobel)
        return make_images(sample, Settings(self.third, self.foreground, self.size), sobel, device)

    def _build(self, seed: int | None, device: str) -> Distillation:
        from methods.parts.trd.model import Distillation

        return Distillation(
            ("rgb", self.third),
            width=self.width,
            size=self.size,
            weights=self._files.get(WIDE_RESNET50_2_V1.name),
            seed=seed,
            device=device,
        )

    def _fitted(self) -> Distillation:
        if self._model is None:
            raise not_fitted(self.meta.name)
        return self._model

    def _split(self, count: int, validation: int) -> tuple[list[int], list[int]]:
        """Return which training samples students learn from, and which samples maps are normalised by.

        Parameters
        ----------
        count, validation
            Training samples, and validation samples, which are counted only where maps are normalised by them.
        """
        if self.norm_split == "validation":
            if not validation:
                raise UnsupportedError(
                    "trd[norm_split=validation] has no validation sample to measure its maps on: use "
                    "'trd[norm_split=heldout]'."
                )
            return list(range(count)), list(range(validation))
        if count < 2:
            raise UnsupportedError(
                f"trd[norm_split=heldout] holds out one of at least two training samples, and there is {count}: add "
                "samples, or use 'trd[norm_split=validation]'."
            )
        learned = [index for index in range(count) if index % _HELD_OUT]
        return learned, list(range(0, count, _HELD_OUT))


def _framed(values: NDArray[np.float64], frame: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map in the image's frame, padded to a square; the least value takes the place of zero there."""
    import torch

    from methods.parts.patch_maps import enlarge

    least = values.min()
    return enlarge(torch.from_numpy(values - least), frame) + np.float32(least)
