"""Wrong input is refused with one sentence that names it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics import evaluate, evaluate_by_defect

MAPS = np.arange(12.0).reshape(2, 2, 3)
MASKS = np.array([np.zeros((2, 3)), np.eye(2, 3)])
LABELS, SCORES = [0, 1], [0.1, 0.2]


def changed(array, value):
    copy = np.array(array, dtype=np.result_type(array, type(value)))
    copy[1, 1, 1] = value
    return copy


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["maps", "pixel_maps"])
def test_maps_that_are_not_finite(name, value):
    given = {"maps": MAPS, "pixel_maps": MAPS} | {name: changed(MAPS, value)}
    with pytest.raises(ValueError, match=rf"^{name}\[1\] holds NaN or infinity"):
        evaluate(given["maps"], MASKS, LABELS, SCORES, given["pixel_maps"])


@pytest.mark.parametrize("value", [0.5, 2, -1, 254, 255, np.nan])
def test_soft_masks(value):
    with pytest.raises(ValueError, match=r"^masks\[\d\] is soft"):
        evaluate(MAPS, changed(MASKS, value), LABELS, SCORES)


@pytest.mark.parametrize("value", [0.5, -1, -255, np.nan, np.inf])
def test_masks_of_two_values_that_are_no_masks(value):
    with pytest.raises(ValueError, match=r"^masks\[1\] is soft"):
        evaluate(MAPS, np.where(MASKS > 0, value, 0), LABELS, SCORES)


@pytest.mark.parametrize("values", [(1, 1), (2, 2), (255, 255), (255, 253), (65535, 65534)])
def test_masks_of_labels_are_those_of_true_and_false(values):
    labels = np.array([np.zeros((2, 3)), [[values[0], 0, 0], [0, values[1], 0]]])
    assert evaluate(MAPS, labels, LABELS, SCORES) == evaluate(MAPS, labels > 0, LABELS, SCORES)


def test_masks_of_one_and_of_255_in_one_set():
    with pytest.raises(ValueError, match="is soft"):
        evaluate(MAPS, [np.eye(2, 3) * 255, np.eye(2, 3)], LABELS, SCORES)


@pytest.mark.parametrize(
    ("maps", "masks", "labels", "scores", "words"),
    [
        (MAPS[:1], MASKS, LABELS, SCORES, "maps holds 1 images"),
        (MAPS, MASKS[:1], LABELS, SCORES, "maps holds 2 images, but masks holds 1"),
        (MAPS[:, :1], MASKS, LABELS, SCORES, r"maps\[0\] has shape \(1, 3\), but masks\[0\]"),
        (MAPS[0], MASKS, LABELS, SCORES, r"maps\[0\] has shape \(3,\)"),
        (MAPS[..., None], MASKS, LABELS, SCORES, r"maps\[0\] has shape \(2, 3, 1\)"),
        (MAPS[:, :0], MASKS[:, :0], LABELS, SCORES, "not empty"),
        (MAPS + 1j, MASKS, LABELS, SCORES, "only real numbers"),
        ([MAPS[0], np.full((2, 3), 2**53 + 1)], MASKS, LABELS, SCORES, r"maps\[1\] has dtype int64"),
        (MAPS.astype(str), MASKS, LABELS, SCORES, "only real numbers"),
        (MAPS, MASKS.astype(str), LABELS, SCORES, "only real numbers"),
        (MAPS, MASKS, [0, 1, 1], SCORES, "scores has shape|maps holds 2"),
        (MAPS, MASKS, [0, 2], SCORES, "labels must be"),
        (MAPS, MASKS, LABELS, [0.1], "scores has shape"),
        (MAPS, MASKS, LABELS, [0.1, np.nan], "scores holds NaN"),
        ([], [], [], [], "holds no image"),
    ],
)
def test_shapes_and_kinds(maps, masks, labels, scores, words):
    with pytest.raises(ValueError, match=words):
        evaluate(maps, masks, labels, scores)


def test_pixel_maps_of_another_size():
    with pytest.raises(ValueError, match=r"pixel_maps\[0\] has shape \(1, 3\)"):
        evaluate(MAPS, MASKS, LABELS, SCORES, MAPS[:, :1])


def test_a_defect_name_for_every_image():
    with pytest.raises(ValueError, match="defects holds 1"):
        evaluate_by_defect(MAPS, MASKS, LABELS, SCORES, ["good"])
    with pytest.raises(ValueError, match="pixel_maps holds 1"):
        evaluate_by_defect(MAPS, MASKS, LABELS, SCORES, ["good", "hole"], MAPS[:1])
