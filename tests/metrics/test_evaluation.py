"""All metrics at once: values, reasons, dtypes and layouts of the input."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from harness.metrics import (
    METRICS,
    aupro,
    aupro_official,
    evaluate,
    evaluate_by_defect,
    evaluate_with_reasons,
    pixel_auroc,
)


@pytest.fixture
def case():
    """Six maps with a zero background like CFM's, the last four with defects of different clarity."""
    rng = np.random.default_rng(11)
    maps = np.round(rng.random((6, 32, 40)), 2)
    maps[:, :12] = 0
    masks = np.zeros(maps.shape, bool)
    masks[2, 20:26, 5:15] = masks[3, 14:18, 30:] = masks[4, 25:, 20:24] = masks[5, 8:16, 10:14] = True
    maps[masks] += 0.3
    labels = masks.any(axis=(1, 2)).astype(int)
    return maps, masks, labels, maps.mean(axis=(1, 2))


def test_values_are_those_of_the_single_metrics_and_of_sklearn(case):
    maps, masks, labels, scores = case
    values = evaluate(*case)
    assert tuple(values) == METRICS
    assert all(type(value) is float for value in values.values())
    assert values["i_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    assert values["p_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-9)
    assert values["aupro_30"] == aupro(maps, masks, 0.3)
    assert values["aupro_1"] == aupro(maps, masks, 0.01)
    assert values["aupro_30_official"] == aupro_official(maps, masks, 0.3)
    assert values["aupro_1_official"] == aupro_official(maps, masks, 0.01)
    assert len(set(values.values())) == len(METRICS)


def test_pixel_maps_decide_p_auroc_only(case):
    maps, masks, _, _ = case
    plain = evaluate(*case)
    pixel_maps = maps / np.sqrt(maps.mean(axis=(1, 2), keepdims=True))
    scaled = evaluate(*case, pixel_maps=pixel_maps)
    assert scaled.pop("p_auroc") == pixel_auroc(pixel_maps, masks) != plain.pop("p_auroc")
    assert scaled == plain


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.int64, np.uint64, np.float16, np.float32, ">f4", np.longdouble]
)
def test_every_real_dtype_gives_the_same_values(case, dtype):
    maps, masks, labels, scores = case
    whole = np.round(maps * 50)
    expected = evaluate(whole, masks, labels, scores)
    assert evaluate(whole.astype(dtype), masks, labels, scores) == expected
    mixed = [image.astype(dtype if index % 2 else np.float64) for index, image in enumerate(whole)]
    assert evaluate(mixed, masks, labels, scores) == expected


def test_unsigned_scores_neither_wrap_nor_change_sign():
    maps = np.array([[[255, 0], [128, 1]]], np.uint8)
    masks = np.array([[[1, 0], [0, 0]]], np.uint8)
    values = evaluate(maps, masks, [1], [1])
    assert [values[name] for name in METRICS[1:]] == [1.0] * 5
    assert pixel_auroc(255 - maps, masks) == 0


def test_double_precision_is_kept():
    maps = np.array([[[1 + 1e-12, 1.0, 1.0]]])
    masks = np.array([[[True, False, False]]])
    assert pixel_auroc(maps, masks) == 1
    assert pixel_auroc(maps.astype(np.float32), masks) == 0.5


@pytest.mark.parametrize("convert", [lambda m: m.astype(np.uint8), lambda m: m * np.uint8(255), lambda m: m * 255.0])
def test_masks_of_zero_and_one_or_255_are_the_same(case, convert):
    maps, masks, labels, scores = case
    assert evaluate(maps, convert(masks), labels, scores) == evaluate(*case)


def test_lists_views_and_read_only_arrays(case):
    maps, masks, labels, scores = case
    expected = evaluate(*case)
    for array in case:
        array.flags.writeable = False
    before = [array.copy() for array in case]
    assert evaluate(*case) == expected
    assert all(np.array_equal(old, new) for old, new in zip(before, case, strict=True))
    strided = np.repeat(np.asfortranarray(maps), 2, axis=2)[:, :, ::2]
    assert not strided.flags.c_contiguous
    assert evaluate(strided, np.asfortranarray(masks), labels, scores) == expected
    assert evaluate(list(maps), tuple(masks), labels.tolist(), scores.tolist(), list(maps)) == expected


def test_images_may_differ_in_size(case):
    maps, masks, labels, scores = case
    cut = [maps[0][:, :20], maps[0][:, 20:], *maps[1:]]
    cut_masks = [masks[0][:, :20], masks[0][:, 20:], *masks[1:]]
    values = evaluate(cut, cut_masks, [0, *labels], [0.0, *scores])
    expected = evaluate(*case)
    assert [values[name] for name in METRICS[1:]] == [expected[name] for name in METRICS[1:]]


def test_no_anomalous_pixel_leaves_image_auroc():
    maps = np.arange(18.0).reshape(2, 3, 3)
    result = evaluate_with_reasons(maps, np.zeros((2, 3, 3)), [0, 1], [0.1, 0.2])
    assert result.values["i_auroc"] == 1
    assert all(isnan(result.values[name]) for name in METRICS[1:])
    assert result.reasons == dict.fromkeys(METRICS[1:], "no image has an anomalous pixel")


def test_no_normal_pixel_is_undefined_too():
    result = evaluate_with_reasons(np.ones((2, 3, 3)), np.ones((2, 3, 3)), [0, 1], [0.1, 0.2])
    assert result.reasons == dict.fromkeys(METRICS[1:], "no image has a normal pixel")
    assert all(isnan(result.values[name]) for name in METRICS[1:])


@pytest.mark.parametrize(("label", "word"), [(0, "nominal"), (1, "anomalous")])
def test_one_class_of_images_leaves_the_pixel_metrics(case, label, word):
    maps, masks, _, scores = case
    result = evaluate_with_reasons(maps, masks, [label] * len(maps), scores)
    assert isnan(result.values["i_auroc"])
    assert result.reasons == {"i_auroc": f"every image is {word}"}
    assert result.values["aupro_30"] == evaluate(*case)["aupro_30"]


def test_nothing_is_undefined_on_a_whole_test_set(case):
    assert evaluate_with_reasons(*case).reasons == {}


def test_each_defect_is_set_against_all_nominal_images(case):
    maps, masks, labels, scores = case
    defects = ["good", "good", "hole", "crack", "hole", "cut"]
    results = evaluate_by_defect(*case, defects)
    assert list(results) == ["crack", "cut", "hole"]
    chosen = [0, 1, 2, 4]
    assert results["hole"] == evaluate(maps[chosen], masks[chosen], labels[chosen], scores[chosen])
    pixel_maps = maps**2 + np.arange(6)[:, None, None]
    scaled = evaluate_by_defect(*case, defects, pixel_maps=pixel_maps)["hole"]
    assert scaled["p_auroc"] == pixel_auroc(pixel_maps[chosen], masks[chosen])
    assert evaluate_by_defect(maps[:2], masks[:2], labels[:2], scores[:2], ["good", "good"]) == {}
