"""The image's background of M3DM and BTF: black where the dataset's preprocessing blackens it, else as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle_btf
import oracle_m3dm
import pytest
import torch
from samples import make_sample

from harness.contract import Sample
from harness.data.background import NO_BACKGROUND, PROTOCOL_BACKGROUND, Background
from methods.btf import BTF
from methods.m3dm import M3DM
from methods.parts.m3dm.patches import blacken


@pytest.fixture(scope="module")
def raw() -> Sample:
    """A table that looks at the camera with a disc on it, and off the disc a crumb as high, of 4 x 59 pixels."""
    size = 300
    rows, columns = np.mgrid[:size, :size].astype(float)
    depth = np.full((size, size), 0.5)
    depth[(rows - 150) ** 2 + (columns - 150) ** 2 < 60**2] -= 0.02
    depth[20:24, 200:259] -= 0.02
    xyz = np.stack([(columns - 149.5) * 7e-4, (rows - 149.5) * 7e-4, depth], -1).astype(np.float32)
    xyz[150:153, 150:153] = 0
    rgb = np.random.default_rng(0).integers(1, 256, (size, size, 3), dtype=np.uint8)
    nothing = np.zeros((size, size), bool)
    return replace(make_sample(height=size, width=size), rgb=rgb, xyz=xyz, plane=nothing, blackened=None)


def images(sample: Sample, **parameters: str) -> list[torch.Tensor]:
    """What the networks of M3DM and BTF see."""
    methods = M3DM(layers=1, centres=32, group_size=16, **parameters), BTF(features="rgb", **parameters)
    return [
        methods[0]._inputs(methods[0]._extractors(0, "cpu"), sample).image,
        methods[1]._build(seed=0, device="cpu").prepare(sample).image,
    ]


def test_the_preprocessing_of_mvtec_blackens_the_plane_and_what_clustering_drops(raw: Sample) -> None:
    cleaned, _ = PROTOCOL_BACKGROUND.clean(raw)
    black = oracle_m3dm.blackened(raw.xyz, cleaned.xyz)
    np.testing.assert_array_equal(cleaned.blackened, black)
    assert (black & ~cleaned.plane).sum() == 236, "the crumb, which is no part of the plane"
    assert not black[150:153, 150:153].any(), "what was not measured keeps its colours"
    np.testing.assert_array_equal(blacken(cleaned, "dataset").rgb, oracle_m3dm.black_square(raw.rgb, black))
    expected = oracle_btf.image_input(raw.rgb, black)
    for image in images(cleaned):
        np.testing.assert_allclose(image.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("background", [NO_BACKGROUND, Background(rule="depth", farthest=0.49)])
def test_where_preprocessing_copies_images_they_stay_as_they_are(raw: Sample, background: Background) -> None:
    cleaned, _ = background.clean(raw)
    removed = oracle_m3dm.blackened(raw.xyz, cleaned.xyz)
    assert cleaned.blackened is None
    unchanged = oracle_btf.image_input(raw.rgb, np.zeros_like(removed))
    for image, kept, black in zip(
        images(cleaned),
        images(cleaned, rgb_background="keep"),
        images(cleaned, rgb_background="black"),
        strict=True,
    ):
        np.testing.assert_allclose(image.numpy(), unchanged, atol=1e-5)
        assert torch.equal(image, kept)
        np.testing.assert_allclose(black.numpy(), oracle_btf.image_input(raw.rgb, removed), atol=1e-5)


def test_two_rules_are_two_cells(raw: Sample) -> None:
    """Records keep the rule under the parameter's name, so that those of another default are other cells."""
    assert M3DM().rgb_background == BTF().rgb_background == "dataset"
    cleaned, _ = PROTOCOL_BACKGROUND.clean(raw)
    for dataset, black, keep in zip(
        images(cleaned),
        images(cleaned, rgb_background="black"),
        images(cleaned, rgb_background="keep"),
        strict=True,
    ):
        assert torch.equal(dataset, black)
        assert not torch.equal(dataset, keep)
