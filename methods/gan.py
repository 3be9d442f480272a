"""The f-AnoGANs of the MVTec 3D-AD paper, of voxels and of depth images.

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
    from torch import Tensor, nn

    from methods.parts.mvtec.gan import AnoGAN
    from methods.parts.mvtec.representation import Representation
    from methods.parts.mvtec.stream import AugmentedSet

__all__ = ["DepthGAN", "VoxelGAN"]

_QUICK: dict[str, bool | int | float | str] = {
    "width": 8,
    "epochs": 10,
    "encoder_epochs": 10,
    "lr": 5e-4,
    "encoder_lr": 5e-4,
    "critic_steps": 2,
}
"""What both presets ``quick`` have in common."""


@dataclass(kw_only=True, eq=False)
class _GAN(Reconstruction):
    """Reconstruction by an f-AnoGAN; subclasses say of what.

    Parameters
    ----------
    width, latent
        Channels of the generator's last and the critic's first block, an eighth of the widest; numbers in a latent.
    epochs, encoder_epochs, batch
        Passes over the rotated training samples for generator and critic, and for the encoder; samples in a step.
    lr, encoder_lr
        Learning rates of Adam for generator and critic, and of RMSprop for the encoder.
    critic_steps
        Steps of the critic for each of the generator.
    penalty
        Factor of the critic's gradient penalty.
    kappa
        Factor of the error of the critic's features in the encoder's loss.
    """

    latent: int = 128
    encoder_epochs: int = 50
    encoder_lr: float = 5e-5
    critic_steps: int = 5
    penalty: float = 10.0
    kappa: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "encoder_epochs", "critic_steps", at_least=1)
        require_range(self, "encoder_lr", above=0)
        require_range(self, "penalty", "kappa", at_least=0)

    def _build(self, representation: Representation, seed: int) -> AnoGAN:
        from methods.parts.mvtec.gan import AnoGAN
        from methods.parts.mvtec.layers import initialise

        network = AnoGAN(
            channels=representation.channels, shape=representation.shape, width=self.width, latent=self.latent
        )
        initialise(network, seed, self.meta.name)
        return network

    def _trained(
        self, representation: Representation, items: AugmentedSet, *, seed: int, device: str, progress: Progress
    ) -> nn.Module:
        import torch

        from methods.parts.mvtec.gan import Schedule, train_encoder, train_gan
        from methods.parts.mvtec.training import Batches, Losses

        draw = torch.Generator().manual_seed(seed)
        batches = Batches(items, self.batch, self._scaled, device, draw)
        schedule = Schedule(self.lr, self.encoder_lr, self.critic_steps, self.penalty, self.kappa)
        self.losses_["critic"] = of_critic = Losses("critic", self._remedy())
        self.losses_["encoder"] = of_encoder = Losses("encoder", self._remedy())
        network = self._build(representation, seed).to(device)
        adversarial = batches.epochs(self.epochs, "generator and critic", progress, of_critic)
        train_gan(network, adversarial, schedule, draw=draw, losses=of_critic)
        encoding = batches.epochs(self.encoder_epochs, "encoder", progress, of_encoder)
        train_encoder(network, encoding, schedule, losses=of_encoder)
        return network


@dataclass(kw_only=True, eq=False)
class VoxelGAN(_GAN, OnVoxels):
    """An anomaly is a voxel that the generator of an f-AnoGAN does not rebuild.

    Re-implemented, details of the original unpublished. Given in the paper: what :class:`VoxelAE` names, without the
    weights; f-AnoGAN's generator, critic and encoder, whose layers follow its authors' release, in three dimensions.
    Chosen by us: widths, batches and epochs; a tanh ends the generator; the score is the absolute error of voxels.
    """

    meta: ClassVar[Meta] = baseline_meta(
        "voxel-gan",
        "VoxelGAN",
        {"rotations": 8, "grid": 16, "rays": 112, **_QUICK},
    )


@dataclass(kw_only=True, eq=False)
class DepthGAN(_GAN, OnDepth):
    """An anomaly is a pixel that the generator of an f-AnoGAN of depth images does not rebuild.

    Re-implemented, details of the original unpublished. Given in the paper: what :class:`DepthAE` names; f-AnoGAN's
    generator, critic and encoder, whose layers follow its authors' release. Chosen by us: two more blocks for 256
    pixels, widths, batches and epochs; channels are mapped to [-1, 1] and pixels without a point to -1; the score is
    the absolute error of pixels.
    """

    meta: ClassVar[Meta] = baseline_meta(
        "depth-gan",
        "DepthGAN",
        {"rotations": 8, "size": 64, **_QUICK},
    )

    size: int = 256

    def _scaled(self, values: Tensor) -> Tensor:
        return values * 2 - 1
