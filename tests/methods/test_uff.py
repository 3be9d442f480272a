"""M3DM's feature fusion: its forward pass, its loss, the alignment of its training, and released files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle_m3dm as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import no_progress

from harness.contract import MethodError
from methods.parts.m3dm.uff import UFF, ContrastHeads, image_token_of, info_nce, load_uff
from methods.parts.m3dm.uff_training import UFFSchedule, _steps, batch_loss, learning_rate, train_uff

RGB, XYZ = 6, 9
SCHEDULE = UFFSchedule(epochs=4, steps=0, batch=2, accumulate=1, lr=0.01, align="spatial")


@pytest.fixture(scope="module")
def pools() -> tuple[np.ndarray, np.ndarray]:
    """Raw patches of three samples; those of the cloud, a tenth of all, are functions of those of the image."""
    draw = np.random.default_rng(0)
    rgb = draw.normal(size=(3, 784, RGB)).astype(np.float32)
    spread = rgb[:, image_token_of("spatial").numpy()]
    xyz = np.concatenate([spread, spread[..., :3] ** 2], 2)
    xyz[:, draw.random(3136) < 0.9] = 0
    return rgb.reshape(-1, RGB), xyz.reshape(-1, XYZ)


def as_weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def test_forward_equals_the_oracle(pools) -> None:
    torch.manual_seed(0)
    uff = UFF(RGB, XYZ)
    for norm in (uff.rgb_norm, uff.xyz_norm):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.3, 0.3)
    rgb, xyz = pools[0][:784], pools[1][:3136]
    fused = uff(torch.from_numpy(rgb), torch.from_numpy(xyz)).detach().numpy()
    expected = oracle.fuse(rgb.astype(np.float64), xyz.astype(np.float64), as_weights(uff))
    assert fused.shape == (3136, RGB + XYZ)
    np.testing.assert_allclose(fused, expected, atol=1e-5)


def test_it_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        modules = UFF(768, 1152), ContrastHeads(768, 1152)
    assert sum(p.numel() for module in modules for p in module.parameters()) == 15_840_896


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 8))
def test_loss_equals_the_oracle(seed: int, count: int, channels: int) -> None:
    draw = np.random.default_rng(seed)
    queries, keys = draw.normal(size=(2, count, channels))
    actual = info_nce(torch.from_numpy(queries), torch.from_numpy(keys))
    assert float(actual) == pytest.approx(oracle.info_nce(queries, keys), rel=1e-9, abs=1e-12)


def test_loss_in_chunks_has_the_gradient_of_the_whole() -> None:
    draw = torch.Generator().manual_seed(0)
    queries, keys = (torch.randn(2500, 3, dtype=torch.float64, generator=draw).requires_grad_() for _ in range(2))
    whole = torch.nn.functional.cross_entropy(
        torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(keys).T, torch.arange(2500)
    )
    expected = torch.autograd.grad(2 * whole, (queries, keys))
    actual = torch.autograd.grad(info_nce(queries, keys), (queries, keys))
    for gradient, reference in zip(actual, expected, strict=True):
        np.testing.assert_allclose(gradient.numpy(), reference.numpy(), atol=1e-12)


def test_spatial_alignment_repeats_each_token_two_by_two() -> None:
    grid = np.arange(784).reshape(28, 28)
    np.testing.assert_array_equal(image_token_of("spatial").reshape(56, 56), grid.repeat(2, 0).repeat(2, 1))


def test_code_alignment_is_the_permutation_of_the_oracle_and_pairs_a_quarter_of_a_percent_correctly() -> None:
    tokens = image_token_of("code")
    assert tokens.tolist() == [oracle.code_token(patch) for patch in range(3136)]
    assert (tokens.bincount() == 4).all()
    assert round(100 * float((tokens == image_token_of("spatial")).double().mean()), 2) == 0.26


@pytest.mark.parametrize("align", ["code", "spatial"])
def test_loss_of_a_batch_pairs_reached_patches_with_their_tokens(pools, align) -> None:
    torch.manual_seed(1)
    uff, heads = UFF(RGB, XYZ), ContrastHeads(RGB, XYZ)
    actual = batch_loss(uff, heads, *pools, [2, 0], align).item()
    queries, keys = [], []
    for sample in (2, 0):
        for patch in range(3136):
            cloud = pools[1][3136 * sample + patch]
            if not cloud.any():
                continue
            token = oracle.code_token(patch) if align == "code" else 28 * (patch // 112) + patch % 56 // 2
            image = torch.from_numpy(pools[0][784 * sample + token])
            with torch.no_grad():
                queries.append(heads.rgb_head(uff.rgb_mlp(uff.rgb_norm(image))).double().numpy())
                keys.append(heads.xyz_head(uff.xyz_mlp(uff.xyz_norm(torch.from_numpy(cloud)))).double().numpy())
    assert actual == pytest.approx(oracle.info_nce(np.array(queries), np.array(keys)), rel=1e-5)


def test_training_lowers_the_loss_and_is_reproducible(pools) -> None:
    schedule = replace(SCHEDULE, epochs=20)
    (first, losses), (again, _), (other, _) = (
        train_uff(*pools, schedule, seed=seed, device="cpu", progress=no_progress) for seed in (0, 0, 1)
    )
    assert losses[-1] < losses[0] - 0.3
    assert torch.equal(first.rgb_mlp.fc1.weight, again.rgb_mlp.fc1.weight)
    assert not torch.equal(first.rgb_mlp.fc1.weight, other.rgb_mlp.fc1.weight)
    assert not any(parameter.requires_grad for parameter in first.parameters())


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        *[({}, 4), ({"batch": 1}, 12), ({"batch": 16}, 4), ({"steps": 5}, 5)],
        *[({"batch": 1, "accumulate": 2}, 4), ({"batch": 1, "accumulate": 16}, 4)],
    ],
)
def test_number_of_steps(pools, changes, steps: int) -> None:
    calls = []
    schedule = replace(SCHEDULE, **changes)
    _, losses = train_uff(
        *pools, schedule, seed=0, device="cpu", progress=lambda stage, done, total, **_: calls.append((done, total))
    )
    assert len(losses) == steps
    assert calls == [(done, steps) for done in range(steps + 1)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 6), st.integers(1, 3))
def test_steps_equal_those_of_the_plain_loop(count: int, batch: int, accumulate: int, epochs: int) -> None:
    """An incomplete group at the end of an epoch makes no step, unless it is all that the epoch has."""
    schedule = replace(SCHEDULE, epochs=epochs, batch=batch, accumulate=accumulate)
    steps = list(_steps(count, schedule, torch.Generator().manual_seed(3)))
    draw, expected = torch.Generator().manual_seed(3), []
    for _ in range(epochs):
        order, size = torch.randperm(count, generator=draw).tolist(), min(batch, count)
        expected += oracle.optimiser_steps(order, size, min(accumulate, count // size))
    assert [[sample for batch in batches for sample in batch] for batches in steps] == expected
    assert len(steps) >= epochs


def test_learning_rate_rises_for_a_third_and_falls_to_zero() -> None:
    rates = [learning_rate(step, 750, 0.003) for step in range(751)]
    assert rates[0] == 0
    assert rates[125] == pytest.approx(0.0015)
    assert rates[250] == pytest.approx(0.003)
    assert rates[500] == pytest.approx(0.0015)
    assert rates[750] == pytest.approx(0, abs=1e-12)
    assert max(rates) == rates[250]


def test_a_loss_that_is_not_finite_is_an_error(pools) -> None:
    with pytest.raises(MethodError, match=r"nan .*uff_lr=1e\+29"):
        train_uff(*pools, replace(SCHEDULE, lr=1e30), seed=0, device="cpu", progress=no_progress)


@pytest.mark.parametrize(("prefix", "nested"), [("", False), ("module.", True)])
def test_a_released_file_is_read(tmp_path: Path, prefix: str, nested: bool) -> None:
    torch.manual_seed(2)
    tensors = UFF(RGB, XYZ).state_dict() | ContrastHeads(RGB, XYZ).state_dict()
    renamed = {prefix + name: tensor for name, tensor in tensors.items()}
    path = tmp_path / "uff.pth"
    torch.save({"model": renamed, "epoch": 3} if nested else renamed, path)
    uff = load_uff(path, hashlib.sha256(path.read_bytes()).hexdigest().upper(), RGB, XYZ)
    for name, tensor in uff.state_dict().items():
        assert torch.equal(tensor, tensors[name])


def test_released_files_that_can_not_be_used_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "uff.pth"
    with pytest.raises(MethodError, match=re.escape(str(path))):
        load_uff(path, "", RGB, XYZ)
    torch.save(UFF(RGB, XYZ).state_dict(), path)
    with pytest.raises(MethodError, match=f"not {'0' * 64}"):
        load_uff(path, "0" * 64, RGB, XYZ)
    with pytest.raises(MethodError, match="xyz_norm"):
        load_uff(path, "", RGB, XYZ + 1)
    torch.save({"xyz_norm.weight": torch.ones(XYZ)}, path)
    with pytest.raises(MethodError, match=r"\b11 tensors"):
        load_uff(path, "", RGB, XYZ)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(MethodError, match=re.escape(str(path))):
        load_uff(path, "", RGB, XYZ)
