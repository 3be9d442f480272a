"""f-AnoGAN: a generator and a critic of a Wasserstein GAN with gradient penalty, and an encoder to its latents.

Schlegl, Seeböck, Waldstein, Langs, Schmidt-Erfurth: "f-AnoGAN: Fast unsupervised anomaly detection with generative
adversarial networks", Medical Image Analysis 2019; Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: "Improved Training
of Wasserstein GANs", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.parts.mvtec.layers import batch_norm, convolution, halvings, mean_pool
from methods.parts.mvtec.training import Losses

__all__ = [
    "LEFT",
    "AnoGAN",
    "Critic",
    "Encoder",
    "Generator",
    "Schedule",
    "critic_loss",
    "encoder_loss",
    "gradient_penalty",
    "train_encoder",
    "train_gan",
]

LEFT = 4
"""Side of the smallest layer of all three networks."""
_WIDEST = 8


class _Up(nn.Module):
    """A residual block that doubles the sides: the neighbour is repeated before the convolution."""

    def __init__(self, dimensions: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = batch_norm(dimensions, inputs), batch_norm(dimensions, outputs)
        self.conv1 = convolution(dimensions, inputs, outputs, 3)
        self.conv2 = convolution(dimensions, outputs, outputs, 3)
        self.shortcut = convolution(dimensions, inputs, outputs, 1)

    def forward(self, values: Tensor) -> Tensor:
        inner = self.conv1(_doubled(functional.relu(self.norm1(values))))
        inner = self.conv2(functional.relu(self.norm2(inner)))
        return inner + self.shortcut(_doubled(values))  # type: ignore[no-any-return]


class _Down(nn.Module):
    """A residual block that halves the sides by the mean of neighbours after the convolution."""

    def __init__(self, dimensions: int, inputs: int, outputs: int, *, layer_norm: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = (
            nn.GroupNorm(1, inputs) if layer_norm else batch_norm(dimensions, inputs) for _ in range(2)
        )
        self.conv1 = convolution(dimensions, inputs, inputs, 3)
        self.conv2 = convolution(dimensions, inputs, outputs, 3)
        self.shortcut = convolution(dimensions, inputs, outputs, 1)
        self.pool = mean_pool(dimensions)

    def forward(self, values: Tensor) -> Tensor:
        inner = self.conv1(functional.relu(self.norm1(values)))
        inner = self.pool(self.conv2(functional.relu(self.norm2(inner))))
        return inner + self.pool(self.shortcut(values))  # type: ignore[no-any-return]


def _doubled(values: Tensor) -> Tensor:
    return functional.interpolate(values, scale_factor=2, mode="nearest")


class Generator(nn.Module):
    """From latents to values in [-1, 1].

    Parameters
    ----------
    channels
        Of the output.
    shape
        Its sides, two or three, all the same power of two.
    width
        Channels of its last block; blocks before have up to 8 times as many.
    latent
        Numbers in a latent.
    """

    def __init__(self, *, channels: int, shape: Sequence[int], width: int, latent: int) -> None:
        super().__init__()
        dimensions, stages = len(shape), halvings(shape[0], LEFT)
        widths = [width * min(_WIDEST, 2**stage) for stage in range(stages, -1, -1)]
        self.folded = (widths[0], *(LEFT,) * dimensions)
        self.grow = nn.Linear(latent, widths[0] * LEFT**dimensions)
        self.blocks = nn.Sequential(*(_Up(dimensions, *pair) for pair in pairwise(widths)))
        self.norm = batch_norm(dimensions, width)
        self.output = convolution(dimensions, width, channels, 3)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (B, latent) to values (B, C, *shape)."""
        inner = self.blocks(self.grow(latents).unflatten(1, self.folded))
        return torch.tanh(self.output(functional.relu(self.norm(inner))))


class _Descent(nn.Module):
    """The common body of critic and encoder: from values to features."""

    def __init__(self, *, channels: int, shape: Sequence[int], width: int, outputs: int, layer_norm: bool) -> None:
        super().__init__()
        dimensions, stages = len(shape), halvings(shape[0], LEFT)
        widths = [width * min(_WIDEST, 2**stage) for stage in range(stages + 1)]
        self.input = convolution(dimensions, channels, width, 3)
        pairs = pairwise(widths)
        self.blocks = nn.Sequential(*(_Down(dimensions, *pair, layer_norm=layer_norm) for pair in pairs))
        self.output = nn.Linear(widths[-1] * LEFT**dimensions, outputs)

    def features(self, values: Tensor) -> Tensor:
        """Return the last layer's inputs (B, n) of values (B, C, *shape)."""
        inner: Tensor = self.blocks(self.input(values))
        return inner.flatten(1)

    def forward(self, values: Tensor) -> Tensor:
        """Map values (B, C, *shape) to (B, outputs)."""
        outputs: Tensor = self.output(self.features(values))
        return outputs


class Critic(_Descent):
    """From values to how real they look, with layer normalisation, which lets gradients of single samples be taken."""

    def __init__(self, *, channels: int, shape: Sequence[int], width: int) -> None:
        super().__init__(channels=channels, shape=shape, width=width, outputs=1, layer_norm=True)


class Encoder(_Descent):
    """From values to latents: the critic's layers with batch normalisation."""

    def __init__(self, *, channels: int, shape: Sequence[int], width: int, latent: int) -> None:
        super().__init__(channels=channels, shape=shape, width=width, outputs=latent, layer_norm=False)


class AnoGAN(nn.Module):
    """The three networks on values of one shape; parameters as of :class:`Generator`."""

    def __init__(self, *, channels: int, shape: Sequence[int], width: int, latent: int) -> None:
        super().__init__()
        self.generator = Generator(channels=channels, shape=shape, width=width, latent=latent)
        self.critic = Critic(channels=channels, shape=shape, width=width)
        self.encoder = Encoder(channels=channels, shape=shape, width=width, latent=latent)

    def forward(self, values: Tensor) -> Tensor:
        """Return the reconstruction of values (B, C, *shape), of the same shape."""
        rebuilt: Tensor = self.generator(self.encoder(values))
        return rebuilt


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Return the mean over samples of (|gradient| - 1) squared, at mixtures of real and generated ones.

    Parameters
    ----------
    real, fake : (B, C, *shape)
    mix : (B,)
        Share of the real sample in each mixture.
    """
    share = mix.view(-1, *[1] * (real.dim() - 1))
    mixture = (share * real + (1 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(mixture).sum(), mixture, create_graph=True)
    lengths: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (lengths - 1).square().mean()


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor, penalty: float) -> Tensor:
    """Return the critic's loss: how much more real generated samples look than real ones, with the penalty."""
    distance: Tensor = critic(fake).mean() - critic(real).mean()
    return distance + penalty * gradient_penalty(critic, real, fake, mix)


def encoder_loss(critic: _Descent, values: Tensor, rebuilt: Tensor, kappa: float) -> Tensor:
    """Return the mean squared error of values, and ``kappa`` times that of the critic's features of them."""
    of_features = (critic.features(values) - critic.features(rebuilt)).square().mean()
    return (values - rebuilt).square().mean() + kappa * of_features


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the three networks are trained; :class:`methods.gan.VoxelGAN` documents the parameters."""

    lr: float
    encoder_lr: float
    critic_steps: int
    penalty: float
    kappa: float


def train_gan(
    networks: AnoGAN,
    batches: Iterable[Tensor],
    schedule: Schedule,
    *,
    draw: torch.Generator,
    losses: Losses,
) -> None:
    """Train generator and critic in place, and freeze them.

    The critic learns from every batch, the generator after each ``critic_steps`` of them.

    Parameters
    ----------
    draw
        Of latents and mixtures, on the CPU.
    losses
        Gets the loss of every step of the critic.
    """
    generator, critic = networks.generator.train(), networks.critic.train()
    of_generator, of_critic = (
        torch.optim.Adam(network.parameters(), lr=schedule.lr, betas=(0.0, 0.9)) for network in (generator, critic)
    )
    latent = generator.grow.in_features
    for step, real in enumerate(batches, start=1):
        latents = torch.randn(len(real), latent, generator=draw).to(real.device)
        mix = torch.rand(len(real), generator=draw).to(real.device)
        with torch.no_grad():
            fake = generator(latents)
        of_critic.zero_grad()
        loss = critic_loss(critic, real, fake, mix, schedule.penalty)
        losses.add(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        of_critic.step()
        if step % schedule.critic_steps == 0:
            of_generator.zero_grad()
            latents = torch.randn(len(real), latent, generator=draw).to(real.device)
            (-critic(generator(latents)).mean()).backward()
            of_generator.step()
    for network in (generator, critic):
        network.zero_grad(set_to_none=True)
        network.eval().requires_grad_(False)


def train_encoder(networks: AnoGAN, batches: Iterable[Tensor], schedule: Schedule, *, losses: Losses) -> None:
    """Train the encoder in place so that the frozen generator rebuilds values from their latents; freeze it."""
    encoder, generator, critic = networks.encoder, networks.generator, networks.critic
    optimizer = torch.optim.RMSprop(encoder.parameters(), lr=schedule.encoder_lr)
    encoder.train()
    for values in batches:
        optimizer.zero_grad()
        loss = encoder_loss(critic, values, generator(encoder(values)), schedule.kappa)
        losses.add(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    encoder.eval().requires_grad_(False)
