"""MAFR: what its parts are by themselves, determinism, state, shared features, and invalid input."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import MethodError, UnsupportedError
from harness.files.array_cache import ArrayCache
from harness.running.cache_during_fit import CellCache
from methods.cfm import CFM
from methods.mafr import MAFR
from methods.parts.features import Tokens
from methods.parts.mafr import training
from methods.parts.mafr.cells import Cells
from methods.parts.mafr.losses import smoothness_loss
from methods.parts.mafr.network import Dropout, FusedReconstruction, Gate
from methods.parts.sparse_rows import SparseRows

SMALL = {"centres": 32, "group_size": 16, "epochs": 1, "grid": 28, "background_loss": "valid"}


class Shallow(MAFR):
    """MAFR on the first block of both networks."""

    layers = 1


def fit(seed: int = 0, count: int = 2, **parameters) -> Shallow:
    method = Shallow(**(SMALL | parameters))
    samples = [make_sample(s, radius=12) for s in range(1, count + 1)]
    method.fit(samples, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: MAFR, radius: float = 12):
    return method.infer(method.prepare(make_sample(9, radius=radius)))


def count(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.parameters())


def test_the_head_has_the_parameters_of_the_authors_code() -> None:
    head = FusedReconstruction(768, 1152)
    assert (count(head.encoder), count(head.decode_2d), count(head.decode_3d)) == (3_691_200, 3_324_050, 6_368_426)
    assert count(head) == 13_383_676


def test_a_gate_uses_the_channels_of_its_row_and_the_centre_of_the_kernel() -> None:
    draw = torch.Generator().manual_seed(0)
    gate, rows = Gate(32), torch.randn(9, 32, generator=draw)
    torch.nn.init.zeros_(gate.kernel)
    by_channel = rows * torch.sigmoid(2 * gate.expand(gate.reduce(rows)))
    torch.testing.assert_close(gate(rows), by_channel / 2)
    gate.kernel.data.uniform_(generator=draw)
    centre = gate.kernel.data[0, :, 3, 3].clone()
    before = gate(rows)
    torch.testing.assert_close(
        before, by_channel * torch.sigmoid(centre[0] * by_channel.mean(1) + centre[1] * by_channel.amax(1))[:, None]
    )
    gate.kernel.data.uniform_(generator=draw)
    gate.kernel.data[0, :, 3, 3] = centre
    assert torch.equal(gate(rows), before)
    gate.kernel.data[0, 1, 3, 3] += 1
    assert not torch.equal(gate(rows), before)


def test_the_smoothness_loss_is_about_the_first_two_channels() -> None:
    draw = torch.Generator().manual_seed(0)
    predicted, real = torch.randn(36, 5, generator=draw), torch.randn(36, 5, generator=draw)
    loss = partial(smoothness_loss, real=real, places=torch.arange(36), side=6)
    others, first = predicted.clone(), predicted.clone()
    others[:, 2:] += torch.randn(36, 3, generator=draw)
    first[:, 1] += torch.randn(36, generator=draw)
    assert loss(others) == loss(predicted)
    assert loss(first) != loss(predicted)


def test_dropout_keeps_the_mean_and_follows_from_its_seed() -> None:
    values = torch.ones(300, 300)

    def dropped(seed: int) -> torch.Tensor:
        return Dropout(0.2, torch.Generator().manual_seed(seed))(values)

    assert (dropped(0) == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    torch.testing.assert_close(dropped(0).unique(), torch.tensor([0, 1.25]))
    assert torch.equal(dropped(0), dropped(0))
    assert not torch.equal(dropped(0), dropped(1))
    assert torch.equal(Dropout()(values), values)


def gradients(chunk: int, share: float, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The loss and all gradients of one step, with so many cells at a time."""
    monkeypatch.setattr(training, "_CHUNK", {"cpu": chunk})
    draw = torch.Generator().manual_seed(0)
    to_cloud = SparseRows.from_padded(
        torch.randint(0, 40, (500, 6), generator=draw), torch.rand(500, 6, generator=draw), 40
    )
    pixels = torch.arange(500) * 3 + 9000
    tokens = Tokens.of(torch.randn(784, 32, generator=draw), torch.randn(40, 48, generator=draw), pixels, to_cloud)
    head = FusedReconstruction(32, 48, 24)
    head.randomise(0)
    dropout = partial(training._dropout, share, torch.device("cpu"), 0, 0, 0)
    loss = training._loss(head, tokens, Cells.of(tokens, 28, everywhere=True), dropout)
    loss.backward()
    return [loss.detach(), *(tensor.grad for tensor in head.parameters())]


def test_parts_of_the_cells_have_the_gradients_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for whole, parts in zip(*(gradients(chunk, 0, monkeypatch) for chunk in (784, 150)), strict=True):
        torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-4)


def test_activations_that_are_computed_again_have_the_same_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    again = gradients(150, 0.3, monkeypatch)
    monkeypatch.setattr(training, "checkpoint", lambda function, *given, **_: function(*given))
    for computed_again, kept in zip(again, gradients(150, 0.3, monkeypatch), strict=True):
        torch.testing.assert_close(computed_again, kept)


def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones() -> None:
    first, again, other = (predict(fit(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_one_sample_is_enough_and_its_state_survives_restoring() -> None:
    method, restored = fit(count=1), Shallow(**SMALL)
    restored.restore(method.state(), seed=0, device="cpu")
    expected = predict(method)
    assert np.isfinite(expected.anomaly_map).all()
    assert expected.anomaly_map.max() > 0
    np.testing.assert_array_equal(predict(restored).anomaly_map, expected.anomaly_map)


def test_the_background_counts_unless_it_is_told_otherwise() -> None:
    valid, everything = (fit(count=1, background_loss=which) for which in ("valid", "all"))
    assert valid.losses_ != everything.losses_


def test_features_that_cfm_extracted_are_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"centres": 32, "group_size": 16, "epochs": 1}
    methods = [CFM(**settings, pixels=50), MAFR(**settings, grid=28, background_loss="valid")]
    for method in methods:
        method.use_cache(CellCache(ArrayCache(tmp_path, 10**9), method.meta.family, {}, {}))
        method.fit([make_sample(1, radius=9)], seed=0, device="cpu", progress=no_progress)
        monkeypatch.setattr("methods.parts.cfm.training_features._extract", None)
    assert len(methods[1].losses_) == 1


@pytest.mark.parametrize(("radius", "fact"), [(0, r"\b0 valid points"), (1.2, r"\b16\b")])
def test_a_cloud_that_is_too_small_is_an_error(radius: float, fact: str) -> None:
    method = Shallow(**SMALL)
    method._extractors, method._network = method._build(seed=0, device="cpu")
    with pytest.raises(MethodError, match=fact):
        predict(method, radius)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"loss became .*mafr\[lr="):
        fit(lr=1e30, epochs=4, count=1)


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="mafr is not fitted"):
        predict(MAFR())


def test_tf32_needs_a_cuda_device() -> None:
    with pytest.raises(UnsupportedError, match="CUDA"):
        fit(precision="tf32")


@pytest.mark.parametrize("parameters", [{"epochs": 0}, {"lr": 0.0}, {"dropout": 1.0}, {"grid": 56}, {"group_size": 0}])
def test_parameters_out_of_range_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        MAFR(**parameters)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_the_same_maps() -> None:
    maps = []
    for device in ("cpu", "cuda:0"):
        method = MAFR(epochs=2, dropout=0, grid=28)
        method.fit([make_sample(s, radius=40) for s in (1, 2)], seed=0, device=device, progress=no_progress)
        maps.append(predict(method, radius=40).anomaly_map)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-2 * maps[0].max())
