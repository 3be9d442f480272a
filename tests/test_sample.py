"""Parts of a sample: the content of some modalities, in the geometry of all."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from samples import make_sample

from harness.conformance.samples import with_fields
from harness.contract import MODALITIES, OPTIONAL_FIELDS, Sample

SAMPLE = with_fields(replace(make_sample(3, height=40, width=56), regions={}), OPTIONAL_FIELDS)
ALWAYS = ("id", "category", "defect", "mask", "anomalous", "regions")
CHOICES = [chosen for size in (1, 2, 3) for chosen in combinations(MODALITIES, size)]


def content(sample: Sample) -> set[str]:
    """Names of the fields that hold something."""
    return {name for name, array in sample.arrays.items() if array.any()}


@pytest.mark.parametrize("modalities", CHOICES, ids="+".join)
def test_the_rest_is_the_same_whatever_the_content_of_other_modalities(modalities: tuple[str, ...]) -> None:
    used = SAMPLE.only(modalities)
    assert all(getattr(used, name) is getattr(SAMPLE, name) for name in ALWAYS)
    assert used.rgb.shape == used.xyz.shape == SAMPLE.rgb.shape
    assert {name: array.dtype for name, array in used.arrays.items()}.items() <= {
        name: array.dtype for name, array in SAMPLE.arrays.items()
    }.items()
    other = with_fields(make_sample(4, height=40, width=56), OPTIONAL_FIELDS)
    hidden = {"rgb", "lights"} if "rgb" not in modalities else set()
    if not {"depth", "xyz"} & set(modalities):
        hidden |= {"xyz", "plane", "blackened", "normals", "measured"}
    changed = replace(SAMPLE, **{name: getattr(other, name) for name in hidden}).only(modalities)
    assert used.arrays.keys() == changed.arrays.keys()
    assert all(np.array_equal(array, changed.arrays[name]) for name, array in used.arrays.items())
    assert content(used) == content(SAMPLE) - hidden


def test_a_depth_is_the_third_coordinate_alone() -> None:
    used = SAMPLE.only(["depth"])
    for name in ("xyz", "measured"):
        assert all(np.array_equal(used.arrays[name][..., axis], SAMPLE.arrays[name][..., 2]) for axis in range(3))
    turned = SAMPLE.xyz * np.float32([-1, -1, 1])
    assert np.array_equal(replace(SAMPLE, xyz=turned).only(["depth"]).xyz, used.xyz)


@pytest.mark.parametrize("modalities", [("rgb", "xyz"), MODALITIES])
def test_nothing_is_copied_where_all_is_used(modalities: tuple[str, ...]) -> None:
    assert SAMPLE.only(modalities) is SAMPLE
