"""A test set and its defects at once: exactly what evaluating each of them by itself gives."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics import (
    RankedTestSet,
    evaluate_by_defect,
    evaluate_test_set,
    evaluate_with_reasons,
    normal_pixels,
)
from harness.store.counts import count_images

KINDS = ("good", "hole", "crack", "cut")


def same(first, second) -> bool:
    """Tell whether numbers are the same to the last bit; NaN is the same as NaN."""
    return first.keys() == second.keys() and all(
        first[name] == second[name] or (isnan(first[name]) and isnan(second[name])) for name in first
    )


@st.composite
def drawn_sets(draw):
    """Draw few images of few sizes with many ties; even nominal ones may have anomalous pixels."""
    defects = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels, density = draw(st.sampled_from([2, 5, 1000])), draw(st.sampled_from([0, 0.1, 0.6, 1]))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.uint8, np.float16]))
    shapes = [(int(rng.integers(1, 7)), int(rng.integers(1, 7))) for _ in defects]
    maps = [(rng.integers(0, levels, shape) % 256).astype(dtype) for shape in shapes]
    nominal_too = draw(st.booleans())
    masks = [
        rng.random(shape) < (density if kind != "good" or nominal_too else 0)
        for shape, kind in zip(shapes, defects, strict=True)
    ]
    labels = [int(kind != "good") for kind in defects]
    return maps, masks, labels, [float(image.mean()) for image in maps], defects


@given(drawn_sets(), st.booleans())
def test_everything_at_once_is_everything_by_itself(case, with_pixel_maps):
    maps, masks, labels, scores, defects = case
    pixel_maps = [image[::-1] * 2 for image in maps] if with_pixel_maps else None
    whole, by_defect = evaluate_test_set(RankedTestSet.of(*case, pixel_maps))
    expected = evaluate_with_reasons(maps, masks, labels, scores, pixel_maps)
    assert same(whole.values, expected.values)
    assert whole.reasons == expected.reasons
    assert list(by_defect) == sorted(set(defects) - {"good"})
    for defect, found in by_defect.items():
        chosen = [index for index, kind in enumerate(defects) if kind in ("good", defect)]
        parts = [[values[index] for index in chosen] for values in (maps, masks, labels, scores)]
        more = None if pixel_maps is None else [pixel_maps[index] for index in chosen]
        expected = evaluate_with_reasons(*parts, more)
        assert same(found.values, expected.values)
        assert found.reasons == expected.reasons


@pytest.fixture
def case():
    rng = np.random.default_rng(3)
    maps = list(np.round(rng.random((8, 24, 24)), 2))
    masks = [np.zeros((24, 24), bool) for _ in maps]
    for index in range(3, 8):
        masks[index][index : index + 4, 5:12] = True
        maps[index][masks[index]] += 0.2
    return maps, masks, [int(mask.any()) for mask in masks], [float(image.max()) for image in maps]


DEFECTS = ["good"] * 3 + ["hole", "hole", "crack", "crack", "cut"]


def test_the_same_arrays_twice_are_like_copies_and_like_none(case):
    maps = case[0]
    copies = [image.copy() for image in maps]
    assert evaluate_with_reasons(*case, maps) == evaluate_with_reasons(*case, copies) == evaluate_with_reasons(*case)
    shared, apart = (evaluate_by_defect(*case, DEFECTS, given) for given in (maps, copies))
    assert shared == apart == evaluate_by_defect(*case, DEFECTS)


def test_one_array_that_differs_is_seen(case):
    maps = case[0]
    others = [*maps[:-1], maps[-1][::-1] * 2]
    values = evaluate_with_reasons(*case, others).values
    plain = evaluate_with_reasons(*case).values
    assert values.pop("p_auroc") != plain.pop("p_auroc")
    assert values == plain


def test_masks_of_255_and_stacked_arrays_are_the_same(case):
    maps, masks, labels, scores = case
    stacked = (np.stack(maps), np.stack(masks) * np.uint8(255), labels, scores)
    of = RankedTestSet.of
    assert evaluate_test_set(of(*stacked, DEFECTS, stacked[0])) == evaluate_test_set(of(*case, DEFECTS))


def test_pixels_that_are_sorted_anew_give_what_kept_ones_give(case, monkeypatch):
    counted, evaluated = [], []
    for kept_bytes in (10**9, 5000, 0):
        monkeypatch.setattr(normal_pixels, "_KEPT_BYTES", kept_bytes)
        test_set = RankedTestSet.of(*case, DEFECTS)
        evaluated.append(evaluate_test_set(test_set))
        counted.append(count_images(test_set, DEFECTS).arrays())
    assert evaluated[0] == evaluated[1] == evaluated[2]
    for other in counted[1:]:
        for name, values in counted[0].items():
            np.testing.assert_array_equal(values, other[name])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda case: [case[0][:-1], *case[1:], DEFECTS], "maps holds 7 images"),
        (lambda case: [*case, DEFECTS, case[0][:-1]], "pixel_maps holds 7 images"),
        (lambda case: [*case, DEFECTS[:-1]], "defects holds 7 images"),
        (lambda case: [[*case[0][:-1], case[0][-1] * np.nan], *case[1:], DEFECTS], r"maps\[7\] holds NaN"),
        (lambda case: [*case, DEFECTS, [*case[0][:-1], case[0][-1] + np.inf]], r"pixel_maps\[7\] holds NaN"),
        (lambda case: [case[0], [*case[1][:-1], case[1][-1] * 0.5], *case[2:], DEFECTS], r"masks\[7\] is soft"),
        (lambda case: [[*case[0][:-1], case[0][-1][:-1]], *case[1:], DEFECTS], r"maps\[7\] has shape \(23, 24\)"),
    ],
)
def test_complaints_name_the_image(case, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        RankedTestSet.of(*change(case))
