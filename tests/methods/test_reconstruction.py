"""Autoencoders and f-AnoGANs: layers and losses against oracles, training, seeds, state and invalid input."""

from __future__ import annotations

import pickle

import numpy as np
import oracle_mvtec_networks as oracle
import pytest
import torch
from planes import scene
from samples import no_progress

from harness.contract import MethodError
from harness.measure.reach import reachable_bytes
from methods.autoencoder import DepthAE, VoxelAE
from methods.gan import DepthGAN, VoxelGAN
from methods.parts.mvtec.autoencoder import Autoencoder, reconstruction_loss
from methods.parts.mvtec.gan import AnoGAN, critic_loss, encoder_loss, gradient_penalty
from methods.parts.mvtec.layers import initialise
from methods.parts.mvtec.training import Losses

TINY = {"rotations": 2, "width": 4, "latent": 8, "epochs": 2, "batch": 3}
SMALL = {
    VoxelAE: TINY | {"grid": 16, "rays": 24},
    DepthAE: TINY | {"size": 32},
    VoxelGAN: TINY | {"grid": 8, "rays": 24, "encoder_epochs": 2, "critic_steps": 2},
    DepthGAN: TINY | {"size": 16, "encoder_epochs": 2, "critic_steps": 2},
}
ALL = pytest.mark.parametrize("kind", SMALL)


def fit(kind, seed: int = 0, count: int = 3, **parameters):
    method = kind(**(SMALL[kind] | parameters))
    method.fit([scene(s) for s in range(count)], seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method, sample=None):
    return method.infer(method.prepare(scene(9) if sample is None else sample))


def size_of(network: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def settled(network: torch.nn.Module) -> torch.nn.Module:
    """Return the network with weights and running statistics that differ from layer to layer, in eval mode."""
    initialise(network, 3, "test")
    draw = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if "running_mean" in name or ("norm" in name and "bias" in name):
            tensor.normal_(0, 0.1, generator=draw)
        elif "running_var" in name:
            tensor.uniform_(0.5, 1.5, generator=draw)
    return network.eval()


def test_the_published_sizes_have_the_parameters_of_their_layer_tables() -> None:
    def conv(inputs: int, outputs: int, taps: int) -> int:
        return inputs * outputs * taps + outputs

    widths, norms = [32, 64, 128, 256], 2 * (64 + 128 + 256)
    down = sum(conv(a, b, 64) for a, b in zip([3, *widths[:-1]], widths, strict=True))
    up = sum(conv(a, b, 64) for a, b in [(256, 128), (128, 64), (64, 32), (32, 3)])
    bottleneck = 16384 * 512 + 512 + 512 * 16384 + 16384
    voxels = Autoencoder(channels=3, shape=(64,) * 3, left=4, width=32, latent=512, output="linear")
    assert size_of(voxels) == down + up + bottleneck + norms + 2 * (128 + 64 + 32)

    gan = AnoGAN(channels=3, shape=(64, 64), width=64, latent=128)
    ups = [(512, 512), (512, 256), (256, 128), (128, 64)]
    generator = 128 * 8192 + 8192 + 2 * 64 + conv(64, 3, 9)
    generator += sum(conv(a, b, 9) + conv(b, b, 9) + conv(a, b, 1) + 2 * a + 2 * b for a, b in ups)
    downs = [(64, 128), (128, 256), (256, 512), (512, 512)]
    body = conv(3, 64, 9) + sum(conv(a, a, 9) + conv(a, b, 9) + conv(a, b, 1) + 4 * a for a, b in downs)
    assert [size_of(gan.generator), size_of(gan.critic), size_of(gan.encoder)] == [
        generator,
        body + 8193,
        body + 8192 * 128 + 128,
    ]


@pytest.mark.parametrize(
    ("shape", "channels", "left", "end"),
    [((16, 16, 16), 3, 4, "linear"), ((8, 8, 8), 1, 4, "tanh"), ((32, 32), 4, 8, "sigmoid")],
)
def test_an_autoencoder_equals_the_oracle(shape, channels, left, end) -> None:
    network = settled(Autoencoder(channels=channels, shape=shape, left=left, width=3, latent=5, output=end))
    values = torch.rand(2, channels, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = oracle.autoencode(values.double(), oracle.doubles(network), (shape[0] // left).bit_length() - 1, end)
    with torch.no_grad():
        assert torch.allclose(network(values).double(), expected, atol=1e-5)


@pytest.mark.parametrize(("shape", "channels"), [((16, 16), 4), ((8, 8, 8), 3), ((64, 64), 1)])
def test_generator_critic_and_encoder_equal_the_oracle_and_so_do_their_losses(shape, channels) -> None:
    networks = settled(AnoGAN(channels=channels, shape=shape, width=2, latent=6))
    stages = (shape[0] // 4).bit_length() - 1
    draw = torch.Generator().manual_seed(0)
    values, latents = torch.rand(3, channels, *shape, generator=draw) * 2 - 1, torch.randn(3, 6, generator=draw)
    arrays = [oracle.doubles(network) for network in (networks.generator, networks.critic, networks.encoder)]
    fake = oracle.generate(latents.double(), arrays[0], stages, len(shape))
    features, scores = oracle.descend(values.double(), arrays[1], stages, layers=True)
    code = oracle.descend(values.double(), arrays[2], stages, layers=False)[1]
    with torch.no_grad():
        assert torch.allclose(networks.generator(latents).double(), fake, atol=1e-5)
        assert torch.allclose(networks.critic(values).double(), scores, atol=1e-4)
        assert torch.allclose(networks.encoder(values).double(), code, atol=1e-4)
        loss = encoder_loss(networks.critic, values, networks.generator(latents), 0.5)
    of_features = ((features - oracle.descend(fake, arrays[1], stages, layers=True)[0]) ** 2).mean()
    assert loss.item() == pytest.approx((((values - fake) ** 2).mean() + 0.5 * of_features).item(), rel=1e-4)


def test_gradient_penalty_and_critic_loss_equal_central_differences() -> None:
    critic = settled(AnoGAN(channels=1, shape=(8, 8), width=2, latent=3)).critic.double()
    draw = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2, 1, 8, 8, generator=draw, dtype=torch.float64) for _ in range(2))
    mix = torch.tensor([0.25, 0.8], dtype=torch.float64)
    lengths = []
    for sample in range(2):
        middle = mix[sample] * real[sample] + (1 - mix[sample]) * fake[sample]
        slopes = []
        for at in range(64):
            step = torch.zeros(64, dtype=torch.float64).index_fill_(0, torch.tensor(at), 1e-6).view(1, 8, 8)
            with torch.no_grad():
                slopes.append((critic((middle + step)[None]) - critic((middle - step)[None])).item() / 2e-6)
        lengths.append(sum(slope**2 for slope in slopes) ** 0.5)
    expected = sum((length - 1) ** 2 for length in lengths) / 2
    assert gradient_penalty(critic, real, fake, mix).item() == pytest.approx(expected, rel=1e-6)
    difference = (critic(fake).mean() - critic(real).mean()).item()
    assert critic_loss(critic, real, fake, mix, 10).item() == pytest.approx(difference + 10 * expected, rel=1e-6)


def test_weights_of_one_half_are_half_of_the_mean_squared_error_and_others_favour_rare_voxels() -> None:
    values = torch.tensor([-1.0, -1, -1, 1]).view(1, 1, 2, 2, 1)
    rebuilt = torch.zeros_like(values) + 0.5
    assert reconstruction_loss(values, rebuilt, 0.5) == 0.5 * reconstruction_loss(values, rebuilt)
    assert reconstruction_loss(values, rebuilt, 0.75).item() == pytest.approx((3 * 0.25 * 2.25 + 0.75 * 0.25) / 4)
    colours = torch.tensor([0.0, 0.2, 0.4]).view(1, 3, 1, 1, 1)
    assert reconstruction_loss(colours, colours + 1, 0.9).item() == pytest.approx(0.9)


@pytest.mark.parametrize("rgb", ["on", "off"])
@ALL
def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(kind, rgb) -> None:
    first, again, other = (predict(fit(kind, seed, rgb=rgb)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score == first.anomaly_map.max()
    assert not np.array_equal(first.anomaly_map, other.anomaly_map)
    assert first.anomaly_map.shape == (48, 48)
    assert first.anomaly_map.min() >= 0


@ALL
def test_state_survives_restoring_and_pickling_and_its_bytes_are_those_of_reachable_arrays(kind) -> None:
    method = fit(kind)
    restored = kind(**SMALL[kind])
    restored.restore(method.state(), seed=5, device="cpu")
    expected = predict(method).anomaly_map
    np.testing.assert_array_equal(predict(restored).anomaly_map, expected)
    np.testing.assert_array_equal(predict(pickle.loads(pickle.dumps(method))).anomaly_map, expected)
    method.losses_ = {}
    assert sum(method.state_bytes().values()) == pytest.approx(reachable_bytes(method), rel=0.01)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (VoxelAE, {"width": 8, "latent": 32, "epochs": 60, "lr": 3e-3, "rgb": "off"}),
        (DepthAE, {"width": 8, "latent": 32, "epochs": 60, "lr": 3e-3, "rgb": "off"}),
    ],
)
def test_a_trained_autoencoder_rebuilds_the_plane_better_than_a_bump_on_it(kind, parameters) -> None:
    method = fit(kind, count=4, **parameters)
    losses = method.losses_["autoencoder"]
    assert np.mean(losses[-4:]) < 0.5 * np.mean(losses[:4])
    bumped = scene(5, bump=0.05)
    found = predict(method, bumped).anomaly_map
    assert found[bumped.mask].mean() > 2 * predict(method, scene(5)).anomaly_map[bumped.mask].mean()


@pytest.mark.parametrize("kind", [VoxelGAN, DepthGAN])
def test_the_encoder_learns_to_rebuild_what_the_generator_draws(kind) -> None:
    method = fit(kind, epochs=4, encoder_epochs=40, encoder_lr=1e-3, lr=1e-3)
    losses = method.losses_["encoder"]
    assert len(losses) == 40 * 2
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


@pytest.mark.parametrize("kind", [VoxelAE, DepthGAN])
def test_a_loss_that_is_not_finite_names_the_network_and_the_parameter(kind) -> None:
    with pytest.raises(MethodError, match=r"lr="):
        fit(kind, lr=1e18, epochs=12)
    with pytest.raises(MethodError, match=r"critic.*nan.*step 1"):
        Losses("critic", "").add(torch.tensor(float("nan")))


@pytest.mark.parametrize(
    ("kind", "parameters", "fact"),
    [
        (VoxelAE, {"grid": 24}, r"grid .*24"),
        (VoxelGAN, {"grid": 4}, r"grid .*4"),
        (DepthAE, {"size": 0}, r"size .*0"),
        (DepthGAN, {"kappa": -1.0}, r"kappa .*-1"),
        (DepthAE, {"weight_decay": -1.0}, r"weight_decay .*-1"),
        (VoxelGAN, {"encoder_lr": 0.0}, r"encoder_lr .*0"),
    ],
)
def test_parameters_out_of_range_are_refused(kind, parameters, fact) -> None:
    with pytest.raises(ValueError, match=fact):
        kind(**parameters)


@ALL
def test_a_method_that_is_not_fitted_says_so(kind) -> None:
    with pytest.raises(MethodError, match="fit"):
        kind().prepare(scene(0))
