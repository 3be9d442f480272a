"""EfficientNet-B5's trunk: equal to a direct implementation, from files in the published layout; damaged files."""

from __future__ import annotations

import re
from pathlib import Path

import oracle_efficientnet as oracle
import pytest
import torch
from safetensors.torch import save_file
from samples import make_sample

from harness.contract import MethodError
from methods.parts.ast.efficientnet import build_efficientnet
from methods.parts.ast.features import image_input


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    path = tmp_path_factory.mktemp("weights") / "efficientnet-b5-b6417697.pth"
    return path, oracle.write_published(path)


@pytest.mark.parametrize(("padding", "pad_as"), [("static", 456), ("same", None)])
def test_efficientnet_equals_the_oracle_on_a_published_file(published, padding, pad_as) -> None:
    path, tensors = published
    image = image_input(make_sample(2, height=100, width=96).rgb, 96)
    with torch.no_grad():
        features = build_efficientnet(weights=path, padding=padding)(image[None])[0].numpy()
    expected = oracle.features(image, tensors, pad_as=pad_as)
    assert features.shape == (304, 3, 3)
    assert 1e-3 < expected.std() < 1e3
    assert abs(features - expected).max() < 1e-4 * abs(expected).max()


def test_a_file_with_timm_names_gives_the_same_network(tmp_path: Path, published) -> None:
    network = build_efficientnet(weights=published[0], padding="static")
    head = {"conv_head.weight": torch.zeros(2, 2), "bn2.bias": torch.zeros(2), "classifier.weight": torch.zeros(2)}
    save_file(dict(network.state_dict()) | head | {"blocks.6.0.bn1.bias": torch.zeros(2)}, tmp_path / "a.safetensors")
    again = build_efficientnet(weights=tmp_path / "a.safetensors", padding="static")
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, again.state_dict()[name]), name


@pytest.mark.parametrize("stranger", ["_blocks.3._attention.weight", "_blocks.x._bn1.bias", "_stem", "_blocks.3"])
def test_a_tensor_of_another_network_is_an_error(tmp_path: Path, published, stranger: str) -> None:
    path = tmp_path / "other.pth"
    small = {name: tensor for name, tensor in published[1].items() if name.startswith("_blocks.3.")}
    torch.save(small | {stranger: torch.zeros(3)}, path)
    with pytest.raises(MethodError, match=re.escape(stranger)):
        build_efficientnet(weights=path)
    torch.save({"layer1.0.conv1.weight": torch.zeros(3)}, path)
    with pytest.raises(MethodError, match=r"'layer1\.0\.conv1\.weight'"):
        build_efficientnet(weights=path)


def test_a_missing_tensor_is_an_error(tmp_path: Path, published) -> None:
    path = tmp_path / "short.pth"
    torch.save(
        {name: tensor for name, tensor in published[1].items() if name != "_blocks.35._project_conv.weight"}, path
    )
    with pytest.raises(MethodError, match=r"'blocks\.5\.8\.conv_pwl\.weight'"):
        build_efficientnet(weights=path)


def test_random_features_neither_vanish_nor_explode() -> None:
    network = build_efficientnet(weights=None)
    images = torch.stack([image_input(make_sample(seed).rgb, 128) for seed in range(3)])
    with torch.no_grad():
        features = network(images)
    assert ((features.std((1, 2, 3)) > 0.05) & (features.std((1, 2, 3)) < 5)).all()
    assert features[0].std((1, 2)).mean() > 0.05


def test_random_weights_are_those_of_seed_0() -> None:
    """Numbers that were measured with random weights are comparable as long as this holds."""
    stems = [
        build_efficientnet(weights=None, **seed).state_dict()["conv_stem.weight"]
        for seed in ({}, {"seed": 0}, {"seed": 1})
    ]
    assert torch.equal(stems[0], stems[1])
    assert not torch.equal(stems[0], stems[2])
