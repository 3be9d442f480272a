"""Weights in their published formats, with one or two blocks of full size, and files that are not weights."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from samples import make_sample, no_progress

from harness.contract import MethodError
from methods.cfm import CFMTiny
from methods.parts.dino import build_vit, vit_tokens
from methods.parts.inputs import image_input
from methods.parts.point_mae import build_point_mae
from methods.parts.weight_files import read_tensors
from methods.weights import DINO_VIT_B8, POINT_MAE

SMALL = {"centres": 32, "group_size": 16, "epochs": 2, "pixels": 128}


@pytest.fixture(scope="module")
def dino_state() -> dict[str, torch.Tensor]:
    """Tensors with the names and shapes of two blocks of the release, and random values."""
    return dict(build_vit(2, weights=None, seed=5).state_dict())


@pytest.fixture(scope="module")
def point_state() -> dict[str, torch.Tensor]:
    return dict(build_point_mae(2, weights=None, seed=6).state_dict())


def save_point_mae(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """Write a file as Point-MAE's training script does: prefixes, a decoder, an optimiser, numpy scalars."""
    base = {f"module.MAE_encoder.{name}": tensor for name, tensor in state.items()}
    base |= {"module.mask_token": torch.zeros(1, 1, 384), "module.MAE_decoder.norm.weight": torch.ones(384)}
    extra = {"epoch": 300, "metrics": {"acc": np.float64(0.5)}, "optimizer": {"state": {}, "param_groups": []}}
    torch.save({"base_model": base, **extra}, path)
    return path


def test_dino_release_and_timm_safetensors_give_the_same_network(tmp_path: Path, dino_state) -> None:
    release, timm_file = tmp_path / "dino_vitbase8_pretrain.pth", tmp_path / "model.safetensors"
    torch.save(dino_state, release)
    save_file(dino_state, timm_file)
    image = image_input(make_sample(0).rgb, 224)
    outputs = [vit_tokens(build_vit(1, weights=path, seed=0), image) for path in (release, timm_file)]
    assert torch.equal(*outputs)
    assert not torch.equal(outputs[0], vit_tokens(build_vit(1, weights=None, seed=0), image))


def test_point_mae_release(tmp_path: Path, point_state) -> None:
    network = build_point_mae(1, weights=save_point_mae(tmp_path / "pretrain.pth", point_state), seed=0)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, point_state[name]), name


def test_a_fit_uses_the_files_it_is_given(tmp_path: Path, dino_state, point_state) -> None:
    torch.save(dino_state, tmp_path / "dino.pth")
    files = {
        DINO_VIT_B8.name: tmp_path / "dino.pth",
        POINT_MAE.name: save_point_mae(tmp_path / "point.pth", point_state),
    }
    sample = make_sample(1, radius=12)
    scores = []
    for given in (files, {}):
        method = CFMTiny(**SMALL)
        method.load_weights(given)
        method.fit([sample], seed=0, device="cpu", progress=no_progress)
        scores.append(method.infer(method.prepare(sample)).score)
    assert scores[0] != scores[1]


def test_pruned_networks_share_the_first_blocks_of_random_weights() -> None:
    deep, shallow = build_vit(2, weights=None, seed=0).state_dict(), build_vit(1, weights=None, seed=0).state_dict()
    assert all(torch.equal(tensor, deep[name]) for name, tensor in shallow.items())


class _Attack:
    def __reduce__(self):
        return (Path.write_text, (Path("attacked"), "x"))


@pytest.mark.parametrize("content", [b"", b"text", None], ids=["empty", "text", "pickle"])
def test_a_file_that_is_not_a_checkpoint_is_refused_and_never_executed(tmp_path: Path, monkeypatch, content) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(_Attack()) if content is None else content)
    with pytest.raises(MethodError, match=re.escape(str(path))):
        read_tensors(path)
    assert not (tmp_path / "attacked").exists()


def test_a_truncated_checkpoint_is_refused(tmp_path: Path, dino_state) -> None:
    for name, write in (("a.pth", torch.save), ("a.safetensors", lambda state, path: save_file(state, path))):
        path = tmp_path / name
        write(dino_state, path)
        path.write_bytes(path.read_bytes()[:100_000])
        with pytest.raises(MethodError, match=re.escape(str(path))):
            read_tensors(path)


def test_missing_and_misshapen_tensors_are_errors(tmp_path: Path, dino_state) -> None:
    path = tmp_path / "dino.pth"
    torch.save({name: tensor for name, tensor in dino_state.items() if name != "norm.bias"}, path)
    with pytest.raises(MethodError, match=r"'norm\.bias'"):
        build_vit(1, weights=path, seed=0)
    torch.save(dino_state | {"norm.bias": torch.zeros(7)}, path)
    with pytest.raises(MethodError, match=r"'norm\.bias' .*\(7,\)"):
        build_vit(1, weights=path, seed=0)


def save_checkpoint(folder: Path, category: str, pair, training: str = "250ep_4bs") -> None:
    (folder / category).mkdir(parents=True, exist_ok=True)
    for direction, mapping in (("2Dto3D", pair.to_3d), ("3Dto2D", pair.to_2d)):
        torch.save(mapping.state_dict(), folder / category / f"CFM_{direction}_{category}_{training}.pth")


def test_released_checkpoints_replace_training(tmp_path: Path) -> None:
    samples = [make_sample(seed, radius=12) for seed in (2, 3)]
    fitted = CFMTiny(**SMALL)
    fitted.fit(samples, seed=0, device="cpu", progress=no_progress)
    save_checkpoint(tmp_path, "bagel", fitted._pair, "50ep_4bs")
    loaded = CFMTiny(**(SMALL | {"epochs": 50}))
    loaded.load_checkpoint(tmp_path, "bagel", seed=0, device="cpu")
    inputs = fitted.prepare(samples[0])
    np.testing.assert_array_equal(fitted.infer(inputs).anomaly_map, loaded.infer(inputs).anomaly_map)


def test_the_checkpoint_of_the_given_training_is_taken_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    pair = CFMTiny(**SMALL)._build(0, "cpu")[1]
    for training in ("250ep_4bs", "50ep_4bs"):
        save_checkpoint(tmp_path, "bagel", pair, training)
    assert all("250ep_4bs" in path.name for path in CFMTiny().find_checkpoint(tmp_path, "bagel"))
    with pytest.raises(MethodError, match=r"cfm\[epochs=50\]"):
        CFMTiny(epochs=7).find_checkpoint(tmp_path, "bagel")
    with pytest.raises(MethodError, match="none"):
        CFMTiny().find_checkpoint(tmp_path, "rope")
