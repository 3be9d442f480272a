"""Autoencoders and f-AnoGANs of the MVTec 3D-AD paper, on voxels and on depth images.

Bergmann, Jin, Sattlegger, Steger: "The MVTec 3D-AD Dataset for Unsupervised 3D Anomaly Detection and Localization",
VISAPP 2022. An anomaly is what a network that was trained on nominal samples does not rebuild.

All four are re-implemented, details of the original unpublished: no code was released. What the paper does not say was
chosen here and is named in the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.contract import Meta, MethodError, Prediction, Progress, Sample
from methods.parameters import require_choices, require_power_of_two, require_range
from methods.parts.mvtec import FAMILY, NOTE, PAPER

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from methods.parts.mvtec.autoencoder import Autoencoder
    from methods.parts.mvtec.gan import AnoGAN
    from methods.parts.mvtec.representation import Encoded, Representation
    from methods.parts.mvtec.stream import AugmentedSet

__all__ = ["DepthAE", "DepthGAN", "VoxelAE", "VoxelGAN"]

_NETWORK = "network."
"""Prefix of the names of a network's arrays in a saved state."""


@dataclass(kw_only=True, eq=False)
class _Reconstruction:
    """Rebuilds a representation by a network; subclasses say which of both."""

    meta: ClassVar[Meta]

    rgb: Literal["on", "off"] = "on"
    rotations: int = 20
    width: int = 32
    latent: int = 512
    epochs: int = 50
    batch: int = 16
    lr: float = 1e-4

    losses_: dict[str, list[float]] = field(default_factory=dict, init=False, repr=False)
    _representation: Representation | None = field(default=None, init=False, repr=False)
    _network: nn.Module | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_range(self, "rotations", "width", "latent", "epochs", "batch", at_least=1)
        require_range(self, "lr", above=0)

    def modalities(self) -> tuple[str, ...]:
        """Return the points, and the image where it uses colours."""
        return ("rgb", "xyz") if self.rgb == "on" else ("xyz",)

    def fit(self, samples: Sequence[Sample], *, seed: int, device: str, progress: Progress) -> None:
        """Represent all rotated training samples once, and train the network on them."""
        from methods.parts.mvtec.stream import AugmentedSet

        representation = self._represent(device)
        representation.fit(samples, seed=seed, progress=progress)
        self.losses_ = {}
        with AugmentedSet(representation, samples, rotations=self.rotations, seed=seed, progress=progress) as items:
            self._network = self._trained(representation, items, seed=seed, device=device, progress=progress)
        self._representation = representation

    def prepare(self, sample: Sample) -> Encoded:
        """Represent one sample and transfer it."""
        return self._fitted()[0].encode(sample)

    def infer(self, inputs: Encoded) -> Prediction:
        """Return the map of reconstruction errors, averaged over channels, and the largest as the score."""
        import torch

        representation, network = self._fitted()
        with torch.inference_mode():
            values = self._scaled(inputs.values)
            errors = (values - network(values[None])[0]).abs().mean(0)
            anomaly_map = representation.to_map(errors, inputs)
        return Prediction(anomaly_map, float(anomaly_map.max()))

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the network, and those of the representation as other."""
        from methods.parts.module_state import module_bytes

        representation, network = self._fitted()
        return {"weights": module_bytes(network), "bank": 0, "other": representation.nbytes}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the trained network, and what the representation learned."""
        from methods.parts.module_state import to_arrays

        representation, network = self._fitted()
        arrays = {_NETWORK + name: array for name, array in to_arrays(network).items()}
        return {**arrays, **representation.state()}

    def restore(self, state: Mapping[str, NDArray[Any]], *, seed: int, device: str) -> None:
        """Load them."""
        from methods.parts.module_state import load_arrays

        representation = self._represent(device)
        representation.restore({name: array for name, array in state.items() if not name.startswith(_NETWORK)})
        network = self._build(representation, seed)
        load_arrays(network, {name.removeprefix(_NETWORK): state[name] for name in state if name.startswith(_NETWORK)})
        self._representation, self._network = representation, network.to(device).eval().requires_grad_(False)

    def _represent(self, device: str) -> Representation:
        raise NotImplementedError

    def _build(self, representation: Representation, seed: int) -> nn.Module:
        """Return the network with its first weights, on the CPU; it returns the reconstruction of what it gets."""
        raise NotImplementedError

    def _trained(
        self, representation: Representation, items: AugmentedSet, *, seed: int, device: str, progress: Progress
    ) -> nn.Module:
        """Return the trained network, frozen, on the device."""
        raise NotImplementedError

    def _scaled(self, values: Tensor) -> Tensor:
        """Return the values of a representation in the range of the network."""
        return values

    def _fitted(self) -> tuple[Representation, nn.Module]:
        if self._representation is None or self._network is None:
            raise MethodError(f"{self.meta.name} is not fitted: call fit or restore first.")
        return self._representation, self._network

    def _remedy(self) -> str:
        return f"lower the learning rate, for example '{self.meta.name}[lr={self.lr / 10:g}]'"


@dataclass(kw_only=True, eq=False)
class _Voxels(_Reconstruction):
    grid: int = 64
    rays: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_power_of_two(self, "grid", at_least=8)
        require_range(self, "rays", at_least=2)

    def _represent(self, device: str) -> Representation:
        from methods.parts.mvtec.voxels import VoxelGrid

        return VoxelGrid(grid=self.grid, rgb=self.rgb == "on", rays=self.rays, device=device)


@dataclass(kw_only=True, eq=False)
class _Depth(_Reconstruction):
    size: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_power_of_two(self, "size", at_least=16)

    def _represent(self, device: str) -> Representation:
        from methods.parts.mvtec.depth import DepthImage

        return DepthImage(size=self.size, rgb=self.rgb == "on", device=device)


@dataclass(kw_only=True, eq=False)
class _Autoencoder(_Reconstruction):
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
            batches.epochs(self.epochs, "autoencoder", progress),
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
class VoxelAE(_Autoencoder, _Voxels):
    """An anomaly is a voxel that an autoencoder does not rebuild.

    Re-implemented, details of the original unpublished. Known of it: a grid of 64 voxels a side, -1 where empty;
    occupied and empty voxels weighted by the share of empty ones; 20 rotations of every sample by up to 5 degrees about
    the normal of the background; scores projected by the camera; the largest pixel is the image's score. Chosen here:
    the layers, the size of the bottleneck, the optimizer and its schedule, cubic voxels, a camera fitted to the points,
    the mean absolute error over channels, and the largest score along a ray.

    Parameters
    ----------
    rgb
        ``on``: a voxel holds the mean colour of its points; ``off``: whether it has any.
    rotations
        Angles of each training sample.
    grid
        Voxels along a side of the cube about the training clouds, a power of two.
    rays
        Side of the image of rays that scores are projected with, before it is resized to the image.
    width, latent
        Channels of the first layer, and numbers in the bottleneck.
    epochs, batch
        Passes over the rotated training samples, and samples in a training step.
    lr, weight_decay
        Learning rate and weight decay of Adam.
    """

    meta: ClassVar[Meta] = Meta(
        name="voxel-ae",
        title="VoxelAE",
        family=FAMILY,
        paper=PAPER,
        presets={"quick": {"rotations": 8, "grid": 32, "rays": 112, "width": 16, "epochs": 10, "lr": 1e-3}},
        needs=("measured",),
        note=NOTE,
    )
    left: ClassVar[int] = 4

    weight_decay: float = 1e-5

    def _empty_share(self, items: AugmentedSet) -> float | None:
        empty = sum(float((items.batch([index])[:, 0] < 0).float().mean()) for index in range(len(items)))
        return empty / len(items)


@dataclass(kw_only=True, eq=False)
class DepthAE(_Autoencoder, _Depth):
    """An anomaly is a pixel that an autoencoder of depth images does not rebuild.

    Re-implemented, details of the original unpublished. Known of it: distances to the camera's centre, 0 where none was
    measured; images of 256 pixels a side; 20 rotations of every sample by up to 5 degrees about the normal of the
    background; pixels without a point are scored; the largest pixel is the image's score. Chosen here: the layers, the
    size of the bottleneck, the optimizer and its schedule, a camera fitted to the points, distances scaled to the
    training samples' range, and the mean absolute error over channels.

    Parameters
    ----------
    rgb
        ``on``: three channels of colour follow the distance; ``off``: the distance alone.
    rotations
        Angles of each training sample.
    size
        Side of the square that images are resized to, a power of two.
    width, latent
        Channels of the first layer, and numbers in the bottleneck.
    epochs, batch
        Passes over the rotated training samples, and samples in a training step.
    lr, weight_decay
        Learning rate and weight decay of Adam.
    """

    meta: ClassVar[Meta] = Meta(
        name="depth-ae",
        title="DepthAE",
        family=FAMILY,
        paper=PAPER,
        presets={"quick": {"rotations": 8, "size": 64, "batch": 16, "epochs": 30, "lr": 1e-3}},
        needs=("measured",),
        note=NOTE,
    )
    left: ClassVar[int] = 8

    batch: int = 32


@dataclass(kw_only=True, eq=False)
class _GAN(_Reconstruction):
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
        adversarial = batches.epochs(self.epochs, "generator and critic", progress)
        train_gan(network, adversarial, schedule, draw=draw, losses=of_critic)
        train_encoder(network, batches.epochs(self.encoder_epochs, "encoder", progress), schedule, losses=of_encoder)
        return network


@dataclass(kw_only=True, eq=False)
class VoxelGAN(_GAN, _Voxels):
    """An anomaly is a voxel that the generator of an f-AnoGAN does not rebuild.

    Re-implemented, details of the original unpublished. Known of it: what :class:`VoxelAE` names, without the weights;
    f-AnoGAN's generator, critic and encoder, whose layers follow its authors' release, in three dimensions. Chosen
    here: widths, batches and epochs; a tanh ends the generator; the score is the absolute error of voxels.

    Parameters
    ----------
    rgb
        ``on``: a voxel holds the mean colour of its points; ``off``: whether it has any.
    rotations
        Angles of each training sample.
    grid
        Voxels along a side of the cube about the training clouds, a power of two.
    rays
        Side of the image of rays that scores are projected with, before it is resized to the image.
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

    meta: ClassVar[Meta] = Meta(
        name="voxel-gan",
        title="VoxelGAN",
        family=FAMILY,
        paper=PAPER,
        presets={
            "quick": {
                "rotations": 8,
                "grid": 16,
                "rays": 112,
                "width": 8,
                "epochs": 20,
                "encoder_epochs": 20,
                "lr": 5e-4,
                "encoder_lr": 5e-4,
                "critic_steps": 2,
            }
        },
        needs=("measured",),
        note=NOTE,
    )


@dataclass(kw_only=True, eq=False)
class DepthGAN(_GAN, _Depth):
    """An anomaly is a pixel that the generator of an f-AnoGAN of depth images does not rebuild.

    Re-implemented, details of the original unpublished. Known of it: what :class:`DepthAE` names; f-AnoGAN's generator,
    critic and encoder, whose layers follow its authors' release. Chosen here: two more blocks for 256 pixels, widths,
    batches and epochs; channels are mapped to [-1, 1] and pixels without a point to -1; the score is the absolute error
    of pixels.

    Parameters
    ----------
    rgb
        ``on``: three channels of colour follow the distance; ``off``: the distance alone.
    rotations
        Angles of each training sample.
    size
        Side of the square that images are resized to, a power of two.
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

    meta: ClassVar[Meta] = Meta(
        name="depth-gan",
        title="DepthGAN",
        family=FAMILY,
        paper=PAPER,
        presets={
            "quick": {
                "rotations": 8,
                "size": 64,
                "width": 8,
                "epochs": 20,
                "encoder_epochs": 20,
                "lr": 5e-4,
                "encoder_lr": 5e-4,
                "critic_steps": 2,
            }
        },
        needs=("measured",),
        note=NOTE,
    )

    def _scaled(self, values: Tensor) -> Tensor:
        return values * 2 - 1
