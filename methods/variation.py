"""The variation models of the MVTec 3D-AD paper: mean and deviation of every voxel or pixel.

Bergmann, Jin, Sattlegger, Steger: "The MVTec 3D-AD Dataset for Unsupervised 3D Anomaly Detection and Localization",
VISAPP 2022. Nothing is trained. A variation model is no variational autoencoder.

Both are re-implemented, details of the original unpublished: no code was released. What the paper does not say was
chosen by us and is named in the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from harness.contract import Meta, Prediction, Progress, Sample
from methods.parts.base import not_fitted
from methods.parts.mvtec import baseline_meta
from methods.parts.mvtec.baseline import Baseline, OnDepth, OnVoxels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.parts.mvtec.representation import Encoded, Representation

__all__ = ["DepthVM", "VoxelVM"]


@dataclass(kw_only=True, eq=False)
class _VariationModel(Baseline):
    """Mean and deviation of a representation; subclasses say of which."""

    _moments: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Average the values of all rotated training samples, and their squares."""
        from methods.parts.mvtec.stream import augmented
        from methods.parts.mvtec.variation import fit_variation

        representation = self._represent(device)
        representation.fit(samples, seed=seed, progress=progress)
        items = augmented(representation, samples, rotations=self.rotations, seed=seed, progress=progress)
        mean, deviation = fit_variation(items, representation.least_deviation)
        self._representation, self._moments = representation, (mean.to(device), deviation.to(device))

    def infer(self, inputs: Encoded) -> Prediction:
        """Return the map of deviations, and the largest as the score."""
        from methods.parts.mvtec.variation import deviation_scores

        representation, mean, deviation = self._fitted()
        anomaly_map = representation.to_map(deviation_scores(inputs.values, mean, deviation), inputs)
        return Prediction(anomaly_map, float(anomaly_map.max()))

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of mean and deviation as the bank's, and those of the representation as other."""
        representation, *moments = self._fitted()
        return {"weights": 0, "bank": sum(one.nbytes for one in moments), "other": representation.nbytes}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return mean and deviation, and what the representation learned."""
        representation, mean, deviation = self._fitted()
        return {"mean": mean.cpu().numpy(), "deviation": deviation.cpu().numpy(), **representation.state()}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load them."""
        import torch

        representation = self._represent(device)
        representation.restore(state)
        mean, deviation = (torch.tensor(state[name], device=device) for name in ("mean", "deviation"))
        self._representation, self._moments = representation, (mean, deviation)

    def _fitted(self) -> tuple[Representation, Tensor, Tensor]:
        if self._representation is None or self._moments is None:
            raise not_fitted(self.meta.name)
        return self._representation, *self._moments


@dataclass(kw_only=True, eq=False)
class VoxelVM(_VariationModel, OnVoxels):
    """An anomaly is a voxel that deviates from the mean of nominal ones.

    Re-implemented, details of the original unpublished. Given in the paper: a grid of 64 voxels a side, -1 where empty;
    20 rotations of every sample by up to 5 degrees about the normal of the background; scores projected by the camera;
    the largest pixel is the image's score. Chosen by us: cubic voxels, a camera fitted to the points, the largest score
    along a ray, the mean over channels, and the smallest deviations: 1/255 of colours, else that of a smoothed
    frequency.

    Parameters
    ----------
    grid
        Voxels along a side of the cube about the training clouds.
    """

    meta: ClassVar[Meta] = baseline_meta("voxel-vm", "VoxelVM", {"rotations": 10, "grid": 32, "rays": 112})


@dataclass(kw_only=True, eq=False)
class DepthVM(_VariationModel, OnDepth):
    """An anomaly is a pixel that deviates from the mean of nominal ones.

    Re-implemented, details of the original unpublished. Given in the paper: distances to the camera's centre, 0 where
    none was measured; 20 rotations of every sample by up to 5 degrees about the normal of the background; pixels
    without a point are scored; the largest pixel is the image's score. Chosen by us: a camera fitted to the points,
    distances scaled to the training samples' range, how a rotated sample is drawn, the mean over channels, and the
    smallest deviations: 1 mm of distances, 1/255 of colours.

    Parameters
    ----------
    size
        Side of the square that images are resized to; 0 for the size of the first training image.
    """

    meta: ClassVar[Meta] = baseline_meta("depth-vm", "DepthVM", {"rotations": 10, "size": 128})
