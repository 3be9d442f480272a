"""The autoencoders of the MVTec 3D-AD paper, of voxels and of depth images.

Bergmann, Jin, Sattlegger, Steger: "The MVTec 3D-AD Dataset for Unsupervised 3D Anomaly Detection and Localization",
VISAPP 2022. An anomaly is what a network that was trained on nominal samples does not rebuild.

Both are re-implemented, details of the original unpublished: no code was released. What the paper does not say was
chosen by us and is named in the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.contract import Meta, Progress
from methods.parameters import require_range
from methods.parts.mvtec import baseline_meta
from methods.parts.mvtec.baseline import OnDepth, OnVoxels, Reconstruction

if TYPE_CHECKING:
    from torch import nn

    from methods.parts.mvtec.autoencoder import Autoencoder
    from methods.parts.mvtec.representation import Representation
    from methods.parts.mvtec.stream import AugmentedSet

__all__ = ["DepthAE", "VoxelAE"]


@dataclass(kw_only=True, eq=False)
class _Autoencoder(Reconstruction):
    """Reconstruction by an autoencoder; subclasses say of what.

    Parameters
    ----------
    width, latent
        Channels of the first layer, and numbers in the bottleneck.
    epochs, batch
        Passes over the rotated training samples, and samples in a training step.
    lr, weight_decay
        Learning rate and weight decay of Adam.
    """

    weight_decay: float = 0.0

    left: ClassVar[int]
    """Side of the encoder's last layer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "weight_decay", at_least=0)

    def _build(self, representation: Representation, seed: int) -> Autoencoder:
        from methods.parts.mvtec.autoencoder import Autoencoder, Output
        from methods.parts.mvtec.layers import initialise

        voxels = len(representation.shape) == 3
        output: Output = ("linear" if self.rgb == "on" else "tanh") if voxels else "sigmoid"
        network = Autoencoder(
            channels=representation.channels,
            shape=representation.shape,
            left=self.left,
            width=self.width,
            latent=self.latent,
            output=output,
        )
        initialise(network, seed, self.meta.name)
        return network

    def _trained(
        self, representation: Representation, items: AugmentedSet, *, seed: int, device: str, progress: Progress
    ) -> nn.Module:
        import torch

        from methods.parts.mvtec.autoencoder import train_autoencoder
        from methods.parts.mvtec.training import Batches, Losses

        batches = Batches(items, self.batch, self._scaled, device, torch.Generator().manual_seed(seed))
        self.losses_["autoencoder"] = losses = Losses("autoencoder", self._remedy())
        network = self._build(representation, seed).to(device)
        train_autoencoder(
            network,
            batches.epochs(self.epochs, "autoencoder", progress, losses),
            lr=self.lr,
            weight_decay=self.weight_decay,
            empty=self._empty_share(items),
            losses=losses,
        )
        return network

    def _empty_share(self, items: AugmentedSet) -> float | None:
        """Return the share of empty voxels in the training set; None for images."""
        return None


@dataclass(kw_only=True, eq=False)
class VoxelAE(_Autoencoder, OnVoxels):
    """An anomaly is a voxel that an autoencoder does not rebuild.

    Re-implemented, details of the original unpublished. Given in the paper: a grid of 64 voxels a side, -1 where empty;
    occupied and empty voxels weighted by the share of empty ones; 20 rotations of every sample by up to 5 degrees about
    the normal of the background; scores projected by the camera; the largest pixel is the image's score. Chosen by us:
    the layers, the size of the bottleneck, the optimizer and its schedule, cubic voxels, a camera fitted to the points,
    the mean absolute error over channels, and the largest score along a ray.
    """

    meta: ClassVar[Meta] = baseline_meta(
        "voxel-ae", "VoxelAE", {"rotations": 8, "grid": 32, "rays": 112, "width": 16, "epochs": 10, "lr": 1e-3}
    )
    left: ClassVar[int] = 4

    weight_decay: float = 1e-5

    def _empty_share(self, items: AugmentedSet) -> float | None:
        empty = sum(float((items.batch([index])[:, 0] < 0).float().mean()) for index in range(len(items)))
        return empty / len(items)


@dataclass(kw_only=True, eq=False)
class DepthAE(_Autoencoder, OnDepth):
    """An anomaly is a pixel that an autoencoder of depth images does not rebuild.

    Re-implemented, details of the original unpublished. Given in the paper: distances to the camera's centre, 0 where
    none was measured; images of 256 pixels a side; 20 rotations of every sample by up to 5 degrees about the normal of
    the background; pixels without a point are scored; the largest pixel is the image's score. Chosen by us: the layers,
    the size of the bottleneck, the optimizer and its schedule, a camera fitted to the points, distances scaled to the
    training samples' range, and the mean absolute error over channels.
    """

    meta: ClassVar[Meta] = baseline_meta(
        "depth-ae", "DepthAE", {"rotations": 8, "size": 64, "batch": 16, "epochs": 30, "lr": 1e-3}
    )
    left: ClassVar[int] = 8

    batch: int = 32
    size: int = 256
