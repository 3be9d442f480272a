"""INP-Former: networks, losses, optimiser, maps and geometry against the oracle; files, state, invalid input."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle_inp_former as oracle
import pytest
import torch
from safetensors.torch import save_file
from samples import make_sample, no_progress

from harness.contract import MethodError, Sample
from methods.inp_former import INPFormer
from methods.parts.dinov2 import block_tokens, build_dinov2
from methods.parts.inp_former.losses import coherence_loss, gradient_factor, reconstruction_loss
from methods.parts.inp_former.maps import crop_to_square, distance_map, score_of
from methods.parts.inp_former.networks import INPNetwork, Rebuild
from methods.parts.inp_former.optimizer import StableAdamW
from methods.parts.inp_former.teacher import Targets, cropped_input
from methods.parts.inp_former.training import Schedule, loss_of, train

TINY = {"backbone": "vit-s14", "size": 56, "blocks": 2, "epochs": 2, "warmup": 1}
WIDTH, HEADS, BLOCKS = 24, 3, 4


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small_network(prototypes: int = 4) -> INPNetwork:
    """A small network in which every parameter takes part."""
    network = INPNetwork(WIDTH, HEADS, prototypes=prototypes, blocks=BLOCKS)
    for number, (name, parameter) in enumerate(network.named_parameters()):
        around = 1.0 if "norm.weight" in name or name.endswith("scale") else 0.0
        parameter.data = around + 0.2 * draw(*parameter.shape, seed=number)
    return network


def in_float64(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def fit(samples: int = 2, **parameters) -> INPFormer:
    method = INPFormer(**{**TINY, **parameters})
    nominal = [make_sample(number, radius=25) for number in range(1, 1 + samples)]
    method.fit(nominal, seed=0, device="cpu", progress=no_progress)
    return method


def predict(method: INPFormer, sample: Sample | None = None):
    return method.infer(method.prepare(make_sample(9, radius=25) if sample is None else sample))


@pytest.fixture(scope="module")
def fitted() -> INPFormer:
    return fit()


def released(width: int, blocks: int) -> dict[str, torch.Tensor]:
    """Tensors with the names and shapes of DINOv2's release, for some blocks."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1370, width),
        "register_tokens": (1, 4, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, 14, 14),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    layers = {
        "attn.qkv": (3 * width, width),
        "attn.proj": (width, width),
        "mlp.fc1": (4 * width, width),
        "mlp.fc2": (width, 4 * width),
    }
    for block in (f"blocks.{number}" for number in range(blocks)):
        shapes |= {f"{block}.ls{number}.gamma": (width,) for number in (1, 2)}
        shapes |= {f"{block}.norm{number}.{part}": (width,) for number in (1, 2) for part in ("weight", "bias")}
        for name, shape in layers.items():
            shapes |= {f"{block}.{name}.weight": shape, f"{block}.{name}.bias": shape[:1]}
    return {
        name: 0.03 * draw(*shape, seed=number) + ("norm" in name and name.endswith("weight")) + 0.5 * ("gamma" in name)
        for number, (name, shape) in enumerate(shapes.items())
    }


@pytest.mark.parametrize(("size", "width", "heads", "blocks"), [("vit-b14", 768, 12, 1), ("vit-s14", 384, 6, 2)])
def test_the_release_and_timms_file_are_the_oracles_network(
    tmp_path: Path, size: str, width: int, heads: int, blocks: int
) -> None:
    tensors, release, timms = released(width, blocks), tmp_path / "release.pth", tmp_path / "timm.safetensors"
    torch.save(tensors, release)
    image = torch.from_numpy(oracle.cropped_input(make_sample(3, height=150, width=201).rgb, 56))
    vit = build_dinov2(size, blocks, 4, weights=release)
    found = block_tokens(vit, image.float(), 0)
    doubles = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    for product, direct in zip(found, oracle.teacher_blocks(doubles, image.numpy(), blocks, heads), strict=True):
        np.testing.assert_allclose(product, direct, atol=1e-4 * np.abs(direct).max())
    ours = {name: tensor.contiguous() for name, tensor in vit.state_dict().items()}
    ours["pos_embed"] = tensors["pos_embed"][:, 1:].contiguous()  # as timm keeps it
    save_file(ours, timms)
    assert all(map(torch.equal, block_tokens(build_dinov2(size, blocks, 4, weights=timms), image.float(), 0), found))


def test_a_file_of_another_network_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "dinov2_vitb14_reg4_pretrain.pth"
    tensors = {name: tensor for name, tensor in released(384, 1).items() if name != "register_tokens"}
    torch.save(tensors, path)
    with pytest.raises(MethodError, match="reg_token"):
        build_dinov2("vit-s14", 1, 4, weights=path)


def test_the_trained_networks_have_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = INPNetwork(768, 12, prototypes=6, blocks=8)
    assert sum(parameter.numel() for parameter in network.parameters()) == 68_517_984


def test_the_network_equals_the_oracle() -> None:
    network, tokens = small_network(), draw(2, 9, WIDTH)
    with torch.no_grad():
        groups, prototypes = network(tokens)
    tensors = in_float64(network)
    for image in range(2):
        expected, expected_prototypes = oracle.network(tensors, tokens[image].double().numpy(), BLOCKS, HEADS)
        np.testing.assert_allclose(prototypes[image], expected_prototypes, rtol=1e-4, atol=1e-5)
        for group, direct in zip(groups, expected, strict=True):
            np.testing.assert_allclose(group[image], direct, rtol=1e-4, atol=1e-5)


def test_with_one_prototype_attention_rescales_one_vector_in_each_head() -> None:
    block = Rebuild(WIDTH, HEADS)
    mixed = block.mixed(draw(1, 9, WIDTH), draw(1, 1, WIDTH, seed=1))[0].detach()
    for head in mixed:
        shares = head @ head[head.norm(dim=1).argmax()] / head.norm(dim=1).max() ** 2
        assert (shares >= 0).all()
        np.testing.assert_allclose(head, shares[:, None] * head[head.norm(dim=1).argmax()], atol=1e-6)


def test_losses_and_their_gradients_equal_the_oracle() -> None:
    real, made = ([draw(2, 9, WIDTH, seed=seed) for seed in seeds] for seeds in ((0, 1), (2, 3)))
    leaves = [tensor.clone().requires_grad_() for tensor in made]
    loss = reconstruction_loss(real, leaves)
    loss.backward()
    expected, gradients = oracle.reconstruction(*([t.double().numpy() for t in group] for group in (real, made)))
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        np.testing.assert_allclose(leaf.grad, gradient, rtol=1e-3, atol=1e-4 * np.abs(gradient).max())
    prototypes = draw(2, 5, WIDTH, seed=4)
    expected = oracle.coherence(real[0].double().numpy(), prototypes.double().numpy())
    assert coherence_loss(real[0], prototypes).item() == pytest.approx(expected, rel=1e-4)


def test_the_loss_is_reconstruction_and_a_fifth_of_coherence() -> None:
    network, batch = small_network(), Targets(draw(2, 9, WIDTH), draw(2, 9, WIDTH, seed=1))
    parts = [oracle.network(in_float64(network), tokens.double().numpy(), BLOCKS, HEADS) for tokens in batch.tokens]
    made = [np.stack([groups[number] for groups, _ in parts]) for number in (0, 1)]
    whole, _ = oracle.reconstruction([group.double().numpy() for group in batch.groups], made)
    nearest = oracle.coherence(batch.tokens.double().numpy(), np.stack([prototypes for _, prototypes in parts]))
    assert loss_of(network, batch).item() == pytest.approx(whole + 0.2 * nearest, rel=1e-4)


def test_the_gradient_factor_averages_more_than_1_where_distances_are_uneven() -> None:
    real, made = draw(2, 9, WIDTH), draw(2, 9, WIDTH, seed=1)
    assert gradient_factor(real, made).mean() > 1.1
    even = gradient_factor(torch.eye(4)[None], torch.eye(4).roll(1, 0)[None])
    assert torch.equal(even, torch.ones(1, 4, 1))
    assert not gradient_factor(real, real.clone()).isnan().any()


def test_the_optimiser_equals_the_update_rule() -> None:
    parameter = torch.nn.Parameter(draw(3, 4).double())
    optimizer, direct = StableAdamW([parameter]), oracle.StableAdamW(parameter.detach().numpy())
    clipped = []
    for step, size in enumerate((1, 1, 20, 1e-3, 0.1)):  # a jump is clipped, and stays the largest second moment
        gradient = size * draw(3, 4, seed=10 + step).double()
        parameter.grad = gradient.clone()
        optimizer.step(0.1 / (1 + step))
        clipped.append(direct.step(gradient.numpy(), 0.1 / (1 + step)))
        np.testing.assert_allclose(parameter.detach(), direct.value, rtol=1e-12)
    assert max(clipped) > 1.5
    assert min(clipped) < 0.5


def test_the_learning_rate_rises_from_0_and_ends_near_a_tenth() -> None:
    schedule = Schedule(epochs=200, lr=1e-3, batch=16, warmup=100)
    rates = [schedule.rate(step, 1000) for step in range(1000)]
    assert rates[0] == 0
    assert rates[50] == pytest.approx(5e-4)
    assert max(rates) == rates[100] == 1e-3
    assert rates[550] == pytest.approx(5.5e-4)
    assert 1e-4 < rates[-1] < 1.001e-4


def test_maps_and_scores_equal_the_oracle() -> None:
    real, made = ([draw(16, WIDTH, seed=seed) for seed in seeds] for seeds in ((0, 1), (2, 3)))
    found = distance_map(tuple(real), tuple(made), 56)
    expected, score = oracle.predict(*([t.double().numpy() for t in group] for group in (real, made)), size=56)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())
    assert score_of(found).item() == pytest.approx(score, rel=1e-4)
    assert distance_map(tuple(real), tuple(real), 56).abs().max() < 1e-6


@pytest.mark.parametrize(("height", "width"), [(200, 200), (150, 201), (201, 150)])
def test_inputs_and_maps_of_a_crop_equal_the_oracle(height: int, width: int) -> None:
    rgb = make_sample(3, height=height, width=width).rgb
    np.testing.assert_allclose(cropped_input(rgb, 56), oracle.cropped_input(rgb, 56), atol=1e-6)
    cropped = draw(256, 256).abs()
    square = crop_to_square(cropped, 56, height, width)
    expected = oracle.in_square(cropped.double().numpy(), 56, height, width)
    assert (square.shape, square.dtype) == ((64, 64), np.float32)
    np.testing.assert_allclose(square, expected, atol=1e-4 * expected.max())
    assert not square[:4].any()


def test_a_prediction_follows_from_the_parts(fitted: INPFormer) -> None:
    sample = make_sample(9, height=150, width=201, radius=25)
    inputs = fitted.prepare(sample)
    targets = fitted._teacher.targets(inputs)
    tokens = targets.tokens.double().numpy()
    made, _ = oracle.network(in_float64(fitted._network), tokens, 2, 6)
    smooth, score = oracle.predict([group.double().numpy() for group in targets.groups], made, 56)
    prediction = predict(fitted, sample)
    expected = oracle.in_square(smooth, 56, 150, 201)
    np.testing.assert_allclose(prediction.anomaly_map, expected, atol=1e-4 * expected.max())
    assert prediction.score == pytest.approx(score, rel=1e-4)


def test_two_fits_with_one_seed_and_a_restored_state_predict_the_same(fitted: INPFormer) -> None:
    again, restored = fit(), INPFormer(**TINY)
    restored.restore(fitted.state(), seed=0, device="cpu")
    expected = predict(fitted)
    for method in (again, restored):
        assert predict(method).score == expected.score > 0
        np.testing.assert_array_equal(predict(method).anomaly_map, expected.anomaly_map)
    assert fitted.state_bytes() == restored.state_bytes()


def test_it_sees_the_image_alone(fitted: INPFormer) -> None:
    sample = make_sample(9, radius=25)
    without_cloud = replace(sample, xyz=np.zeros_like(sample.xyz), plane=np.ones_like(sample.plane), blackened=None)
    np.testing.assert_array_equal(predict(fitted, without_cloud).anomaly_map, predict(fitted, sample).anomaly_map)
    assert INPFormer.meta.modalities == ("rgb",)


def test_padding_keeps_the_border_that_a_crop_loses(fitted: INPFormer) -> None:
    padded = fit(samples=1, fit_to="pad", epochs=1)
    sample = make_sample(9, height=150, width=201)
    cropped_map, padded_map = predict(fitted, sample).anomaly_map, predict(padded, sample).anomaly_map
    assert padded_map.shape == (256, 256)
    assert padded_map[:, :8].any()
    assert not cropped_map[:, :3].any()


def test_training_lowers_the_loss_of_a_few_images() -> None:
    network = INPNetwork(WIDTH, HEADS, prototypes=4, blocks=2)
    network.randomise(0)
    images = [Targets(draw(9, WIDTH, seed=n), draw(9, WIDTH, seed=n + 10)) for n in range(3)]
    losses = train(network, images.__getitem__, 3, Schedule(20, 1e-2, 2, 2), seed=0, progress=no_progress)
    assert len(losses) == 40
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_no_step_follows_a_gradient_longer_than_a_tenth(monkeypatch) -> None:
    lengths, step = [], StableAdamW.step

    def noted(self, lr):
        lengths.append(float(torch.cat([each.grad.flatten() for each in self.parameters]).norm()))
        step(self, lr)

    monkeypatch.setattr(StableAdamW, "step", noted)
    images = [Targets(draw(9, WIDTH, seed=n), draw(9, WIDTH, seed=n + 10)) for n in range(3)]
    network = small_network()
    loss_of(network, Targets.stacked(images)).backward()
    before = float(torch.cat([each.grad.flatten() for each in network.parameters()]).norm())
    train(network, images.__getitem__, 3, Schedule(2, 1e-3, 3, 0), seed=0, progress=no_progress)
    assert before > 0.2
    assert lengths == pytest.approx([0.1, 0.1], rel=1e-3)


def test_first_weights_follow_from_the_seed() -> None:
    networks = [INPNetwork(WIDTH, HEADS, prototypes=4, blocks=2) for _ in range(3)]
    for network, seed in zip(networks, (0, 0, 1), strict=True):
        network.randomise(seed)
    first, same, other = (network.decoder[1].query.weight for network in networks)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.abs().max() <= 0.03


@pytest.mark.parametrize(
    "wrong",
    [{"size": 100}, {"blocks": 3}, {"blocks": 12}, {"prototypes": 0}, {"warmup": -1}, {"lr": math.nan}, {"batch": 0}],
)
def test_a_value_out_of_range_names_the_parameter(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        INPFormer(**wrong)


def test_what_cannot_be_done_is_one_sentence() -> None:
    with pytest.raises(MethodError, match="inp-former is not fitted"):
        predict(INPFormer())
    broken = Targets(torch.full((9, WIDTH), math.nan), draw(9, WIDTH))
    with pytest.raises(MethodError, match=r"nan in epoch 1.*inp-former\[lr="):
        train(small_network(), lambda index: broken, 1, Schedule(2, 1e-3, 2, 0), seed=0, progress=no_progress)
