"""Images with several defects, and images without masks: each defect by itself, from maps and from counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from harness.metrics import METRICS, RankedTestSet, auroc, evaluate, evaluate_test_set, evaluate_with_reasons
from harness.store.counts import ImageCounts, count_images
from harness.store.details import Details, write_details
from harness.store.record import ImageScore, TestImages

KINDS = ("crack", "cut", "hole")
PIXEL_METRICS = METRICS[1:]


@dataclass
class Case:
    """A test set: ``combined`` images hold several of the other defects, which may overlap."""

    maps: list[Any]
    masks: list[Any]
    labels: list[int]
    scores: list[float]
    defects: list[str]
    pixel_maps: list[Any] | None
    regions: list[dict[str, Any]]

    def ranked(self) -> RankedTestSet:
        return RankedTestSet.of(*vars(self).values())

    def about(self, defect: str) -> list[int]:
        pairs = zip(self.defects, self.regions, strict=True)
        return [index for index, (name, parts) in enumerate(pairs) if name in ("good", defect) or defect in parts]


@st.composite
def cases(draw, missing: bool = False) -> Case:
    defects = draw(st.lists(st.sampled_from(("good", "combined", *KINDS)), min_size=1, max_size=8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels, density = draw(st.sampled_from([2, 5, 1000])), draw(st.sampled_from([0.1, 0.4, 1]))
    shapes = [(int(rng.integers(1, 7)), int(rng.integers(1, 7))) for _ in defects]
    maps = [rng.integers(0, levels, shape).astype(np.float32) for shape in shapes]
    masks, regions = [], []
    for shape, defect in zip(shapes, defects, strict=True):
        held = rng.permutation(KINDS)[: rng.integers(1, 4)] if defect == "combined" else ()
        parts = {str(name): rng.random(shape) < density for name in held}
        whole = rng.random(shape) < (density if defect in KINDS else 0.1 if defect == "combined" else 0)
        masks.append(np.logical_or.reduce([whole, *parts.values()]))
        regions.append(parts)
    labels = [int(defect != "good") for defect in defects]
    if missing:
        gone = rng.random(len(defects)) < 0.3
        masks = [None if lost else mask for mask, lost in zip(masks, gone, strict=True)]
        regions = [{} if lost else parts for parts, lost in zip(regions, gone, strict=True)]
    pixel_maps = [image[::-1] * 2 for image in maps] if draw(st.booleans()) else None
    return Case(maps, masks, labels, [float(image.mean()) for image in maps], defects, pixel_maps, regions)


def same(first, second, tolerance: float = 0.0) -> bool:
    return first.keys() == second.keys() and all(
        (isnan(first[name]) and isnan(second[name])) or abs(first[name] - second[name]) <= tolerance for name in first
    )


def strips(image: Any, mask: Any, part: Any) -> list[tuple[Any, Any]]:
    """Return every component of a part as an anomalous strip of pixels, and what lies outside the mask as a normal one.

    Pixels of the mask outside the part are in neither.
    """
    labelled, count = ndimage.label(part, np.ones((3, 3)))
    found = [(image[labelled == index][None], True) for index in range(1, count + 1)]
    found += [(image[~mask][None], False)] if not mask.all() else []
    return [(pixels, np.full(pixels.shape, anomalous)) for pixels, anomalous in found]


def alone(case: Case, defect: str) -> dict[str, float]:
    """Evaluate a defect on images that hold no pixel of another one."""
    chosen, values = case.about(defect), {}
    for maps, names in ((case.maps, METRICS), (case.pixel_maps or case.maps, ("p_auroc",))):
        pieces = []
        for index in chosen:
            part = case.regions[index].get(defect, case.masks[index])
            pieces += strips(maps[index], case.masks[index], part)
        images, truth = zip(*pieces, strict=True) if pieces else ((np.zeros((1, 1)),), (np.zeros((1, 1), bool),))
        found = evaluate(images, truth, [0] * len(images), [0.0] * len(images))
        values |= {name: found[name] for name in names}
    i_auroc = auroc([case.labels[index] for index in chosen], [case.scores[index] for index in chosen])
    return values | {"i_auroc": i_auroc}


@given(cases())
def test_other_defects_of_an_image_are_neither_normal_nor_anomalous(case):
    whole, by_defect = evaluate_test_set(case.ranked())
    expected = evaluate_with_reasons(*list(vars(case).values())[:4], case.pixel_maps)
    assert same(whole.values, expected.values)
    held = {name for parts in case.regions for name in parts}
    assert set(by_defect) == (set(case.defects) | held) - {"good"}
    for defect, found in by_defect.items():
        assert same(found.values, alone(case, defect), 1e-12)


@given(cases(missing=True))
def test_a_missing_mask_takes_the_pixel_metrics_of_what_its_image_belongs_to(case):
    whole, by_defect = evaluate_test_set(case.ranked())
    filled = Case(**vars(case) | {"masks": [np.zeros(i.shape, bool) if m is None else m for i, m in pairs(case)]})
    expected = evaluate_test_set(filled.ranked())
    for defect, found in ((None, whole), *by_defect.items()):
        indices = range(len(case.defects)) if defect is None else case.about(defect)
        anomalous = [index for index in indices if case.labels[index]]
        missing = [index for index in anomalous if case.masks[index] is None]
        other = expected[0] if defect is None else expected[1][defect]
        if missing:
            reason = f"{len(missing)} of {len(anomalous)} anomalous samples have no mask"
            assert all(isnan(found.values[name]) and found.reasons[name] == reason for name in PIXEL_METRICS)
            assert same({"i": found.values["i_auroc"]}, {"i": other.values["i_auroc"]})
        else:
            assert same(found.values, other.values)
    everything = evaluate_with_reasons(case.maps, case.masks, case.labels, case.scores, case.pixel_maps)
    assert same(everything.values, whole.values)
    assert everything.reasons == whole.reasons


def pairs(case: Case):
    return zip(case.maps, case.masks, strict=True)


@given(cases(missing=True))
def test_counts_say_the_same_after_they_were_written(case):
    test_set = case.ranked()
    ids = [f"test/{index}" for index in range(len(case.defects))]
    also = [names[1:] for names in test_set.kinds]
    images = tuple(map(ImageScore, ids, case.defects, case.labels, case.scores, also))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "counts.npz"
        write_details(path, Details(images), count_images(test_set, ids))
        counts = ImageCounts.read(path)
    assert counts is not None
    assert counts.kinds == test_set.kinds
    whole, by_defect = evaluate_test_set(test_set)
    assert same({name: value[0] for name, value in counts.evaluate().items()}, whole.values, 1e-9)
    for defect, found in by_defect.items():
        about = counts.of_defect(defect)
        assert about.ids == tuple(ids[index] for index in case.about(defect))
        assert same({name: value[0] for name, value in about.evaluate().items()}, found.values, 1e-9)
    assert TestImages.of(images).defects.get("hole", 0) == sum("hole" in names for names in test_set.kinds)


def test_masks_may_be_left_out_altogether():
    maps = np.arange(27.0).reshape(3, 3, 3)
    found = evaluate_with_reasons(maps, None, [0, 1, 1], [0.1, 0.2, 0.3])
    assert found.values["i_auroc"] == 1
    assert found.reasons == dict.fromkeys(PIXEL_METRICS, "2 of 2 anomalous samples have no mask")


@pytest.mark.parametrize("change", ["image", "defect", "size", "pixels"])
def test_parts_that_fit_no_image_are_refused(tmp_path, change):
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:3] = mask[4, 4] = True
    hole = np.zeros_like(mask)
    hole[1:3, 1:3] = True
    maps = np.random.default_rng(0).random((2, 6, 6))
    masks, regions = [np.zeros_like(mask), mask], [{}, {"hole": hole, "cut": mask & ~hole}]
    counts = count_images(RankedTestSet.of(maps, masks, [0, 1], [0, 1], ["good", "combined"], None, regions), "ab")
    arrays = counts.arrays()
    if change == "image":
        arrays["parts_image"] = arrays["parts_image"] + np.uint8(7)
    elif change == "defect":
        arrays["parts_defect"] = np.array(["hole", "bent"])
    elif change == "size":
        arrays["also_image"] = np.array([9, 9], dtype=np.uint32)
    else:
        arrays["parts_found"] = arrays["parts_found"] * np.uint8(0)
    np.savez(tmp_path / "counts.npz", **arrays)
    with pytest.raises(ValueError, match=r"part|defect"):
        ImageCounts.read(tmp_path / "counts.npz")
