"""Counts at thresholds: the metrics of whole and of resampled test sets, without the maps."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from harness.metrics import METRICS, RankedTestSet, evaluate
from harness.metrics.thresholds import MOST_DISTINCT
from harness.store.counts import ImageCounts, count_images

MOST_OFF = 0.001
MOST_OFF_RESAMPLED = 0.002
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def names(labels):
    return ["crack" if label else "good" for label in labels], [f"test/{index:03d}" for index in range(len(labels))]


def counted(maps, masks, labels, scores, pixel_maps=None) -> ImageCounts:
    defects, ids = names(labels)
    return count_images(RankedTestSet.of(maps, masks, labels, scores, defects, pixel_maps), ids)


def close(found, expected, tolerance) -> bool:
    return found.keys() == expected.keys() and all(
        (isnan(found[name]) and isnan(expected[name])) or abs(found[name] - expected[name]) <= tolerance
        for name in expected
    )


def row(values, index=0):
    return {name: float(value[index]) for name, value in values.items()}


def smooth_set(seed, images=14, size=72, clarity=0.4, zeros=False, digits=None):
    """Draw smooth noise with brighter discs on the later images, as a detector would; some images have two."""
    rng = np.random.default_rng(seed)
    maps = np.abs(ndimage.gaussian_filter(rng.standard_normal((images, size, size), np.float32), (0, 2, 2)))
    masks = np.zeros(maps.shape, bool)
    rows, columns = np.mgrid[:size, :size]
    for index in range(images // 3, images):
        for _ in range(rng.integers(1, 3)):
            centre, radius = rng.integers(12, size - 12, 2), rng.integers(4, 10)
            disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
            masks[index] |= disc
            maps[index] += np.float32(clarity * rng.random()) * ndimage.gaussian_filter(disc.astype(np.float32), 1)
    if zeros:
        maps[:, : size // 2] *= masks[:, : size // 2]
    if digits is not None:
        maps = np.round(maps, digits)
    labels = masks.any(axis=(1, 2)).astype(int)
    return maps, masks, labels, maps.max(axis=(1, 2))


@st.composite
def small_sets(draw):
    """Draw few tiny images with many ties; empty and full masks, constant maps, sizes that differ."""
    count = draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels, density = draw(st.sampled_from([1, 2, 5, 1000])), draw(st.sampled_from([0, 0.1, 0.6, 1]))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.uint8, np.float16, np.int8]))
    shapes = [(int(rng.integers(1, 8)), int(rng.integers(1, 8))) for _ in range(count)]
    maps = [(rng.integers(0, levels, shape) % 120).astype(dtype) for shape in shapes]
    masks = [rng.random(shape) < density for shape in shapes]
    labels = rng.integers(0, 2, count).tolist()
    return maps, masks, labels, [float(image.mean()) for image in maps]


@given(small_sets(), st.booleans())
@UNHURRIED
def test_few_distinct_scores_lose_nothing(case, own_pixel_maps):
    pixel_maps = [image[::-1] // 2 for image in case[0]] if own_pixel_maps else None
    found = row(counted(*case, pixel_maps).evaluate())
    assert close(found, evaluate(*case, pixel_maps), 1e-9)


@given(small_sets(), st.integers(0, 2**32))
@UNHURRIED
def test_a_weight_is_a_number_of_copies(case, seed):
    maps, masks, labels, scores = case
    copies = np.random.default_rng(seed).integers(0, 4, len(maps))
    copies[0] += not copies.any()
    order = np.repeat(np.arange(len(maps)), copies)
    expected = evaluate(
        [maps[index] for index in order],
        [masks[index] for index in order],
        [labels[index] for index in order],
        [scores[index] for index in order],
    )
    assert close(row(counted(*case).evaluate(copies[np.newaxis])), expected, 1e-9)


@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.1, 0.4, 3.0]),
    st.booleans(),
    st.sampled_from([None, 2, 3]),
    st.sampled_from([np.float32, np.float64]),
)
@UNHURRIED
def test_many_distinct_scores_lose_next_to_nothing(seed, clarity, zeros, digits, dtype):
    maps, masks, labels, scores = smooth_set(seed, clarity=clarity, zeros=zeros, digits=digits)
    maps = maps.astype(dtype)
    counts = counted(maps, masks, labels, scores)
    assert close(row(counts.evaluate()), evaluate(maps, masks, labels, scores), MOST_OFF)
    assert counts.regions.thresholds.size <= MOST_DISTINCT
    copies = np.random.default_rng(seed).multinomial(len(maps), np.full(len(maps), 1 / len(maps)))
    order = np.repeat(np.arange(len(maps)), copies)
    expected = evaluate(maps[order], masks[order], labels[order], scores[order])
    assert close(row(counts.evaluate(copies[np.newaxis])), expected, 2 * MOST_OFF_RESAMPLED)


def test_resampled_test_sets_on_average():
    maps, masks, labels, scores = smooth_set(5, images=24)
    counts = counted(maps, masks, labels, scores)
    drawn = np.random.default_rng(0).multinomial(24, np.full(24, 1 / 24), size=20)
    found, off = counts.evaluate(drawn), []
    for index, copies in enumerate(drawn):
        order = np.repeat(np.arange(24), copies)
        expected = evaluate(maps[order], masks[order], labels[order], scores[order])
        off.append([abs(found[name][index] - expected[name]) for name in METRICS])
    assert np.max(off) < MOST_OFF_RESAMPLED
    assert np.mean(off) < MOST_OFF_RESAMPLED / 5


@pytest.fixture(scope="module")
def case():
    return smooth_set(11)


def test_another_order_of_images_changes_nothing(case):
    order = np.random.default_rng(0).permutation(len(case[0]))
    found, other = counted(*case).evaluate(), counted(*(part[order] for part in case)).evaluate()
    assert row(found) == pytest.approx(row(other), abs=1e-12)


def test_pixel_maps_decide_p_auroc_only(case):
    maps = case[0]
    scaled = maps / maps.mean(axis=(1, 2), keepdims=True)
    counts, plain = counted(*case, scaled), counted(*case)
    assert not counts.shared
    assert close(row(counts.evaluate()), evaluate(*case, scaled), MOST_OFF)
    changed = {name for name in METRICS if counts.evaluate()[name] != plain.evaluate()[name]}
    assert changed == {"p_auroc"}


def test_equal_pixel_maps_are_counted_once(case):
    assert counted(*case, case[0].copy()).shared
    assert counted(*case, list(case[0])).shared


def test_what_is_undefined_is_nan_in_that_replicate_alone(case):
    counts = counted(*case)
    labels = counts.labels.astype(int)
    values = counts.evaluate(np.stack([np.ones_like(labels), labels, 1 - labels, 0 * labels]))
    assert np.isnan(values["i_auroc"]).tolist() == [False, True, True, True]
    for name in METRICS[1:]:
        assert np.isnan(values[name]).tolist() == [False, False, True, True]


def test_no_replicates_are_empty_arrays(case):
    values = counted(*case).evaluate(np.empty((0, len(case[0]))))
    assert {name: value.shape for name, value in values.items()} == dict.fromkeys(METRICS, (0,))


def test_many_replicates_are_the_same_as_one_by_one(case):
    counts = counted(*case)
    drawn = np.random.default_rng(1).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=600)
    together = counts.evaluate(drawn)
    for index in (0, 255, 256, 599):
        assert row(together, index) == pytest.approx(row(counts.evaluate(drawn[index : index + 1])), abs=1e-12)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [(np.ones(14), r"shape \(14,\)"), (np.ones((2, 13)), "14 images"), (-np.ones((1, 14)), "not negative")],
)
def test_weights_that_make_no_sense(case, weights, complaint):
    with pytest.raises(ValueError, match=complaint):
        counted(*case).evaluate(weights)


def test_curves_hold_the_exact_points(case):
    maps, masks, *_ = case
    counts = counted(*case)
    rates, overlap = counts.pro_curve()
    fpr, tpr = counts.roc_curve()
    for x, y in ((rates, overlap), (fpr, tpr)):
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) >= 0).all()
    regions = []
    for image, mask in zip(maps, masks, strict=True):
        labelled, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [image[labelled == one] for one in range(1, count + 1)]
    assert sorted(counts.region_sizes) == sorted(region.size for region in regions)
    for place in (0, 40, 150, -1):
        threshold = counts.regions.thresholds[place]
        point = place + 1 if place >= 0 else place
        assert rates[point] == pytest.approx((maps[~masks] >= threshold).mean())
        assert overlap[point] == pytest.approx(np.mean([(region >= threshold).mean() for region in regions]))
        assert tpr[point] == pytest.approx((maps[masks] >= threshold).mean())


def test_thresholds_lie_densely_where_metrics_are_integrated(case):
    rates, _ = counted(*case).pro_curve()
    assert np.diff(rates[rates <= 0.01]).max() <= 0.0005
    assert np.diff(rates[rates <= 0.3]).max() <= 0.005
    assert np.diff(rates).max() <= 0.02


@pytest.mark.parametrize("size", [72, 200])
def test_where_no_score_repeats_each_rate_takes_one_threshold(size):
    """At a score or just above it, not both: files and resampling would take half as much again."""
    assert 350 < counted(*smooth_set(11, size=size)).regions.thresholds.size < 450


@pytest.mark.parametrize("own_pixel_maps", [False, True])
def test_a_file_gives_back_what_was_written(case, own_pixel_maps, tmp_path):
    counts = counted(*case, case[0] ** 2 + 1 if own_pixel_maps else None)
    path = tmp_path / "cell.npz"
    np.savez_compressed(path, **counts.arrays())
    again = ImageCounts.read(path)
    assert (again.ids, again.defects, again.shared) == (counts.ids, counts.defects, not own_pixel_maps)
    weights = np.random.default_rng(0).integers(0, 3, (9, len(counts)))
    for name, values in counts.evaluate(weights).items():
        np.testing.assert_array_equal(again.evaluate(weights)[name], values)
    np.testing.assert_array_equal(again.region_image, counts.region_image)
    np.testing.assert_array_equal(again.regions.thresholds, counts.regions.thresholds)
    assert path.stat().st_size < 60_000


def damaged(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("no archive")
    elif how == "missing":
        path.unlink()
    else:
        arrays = dict(np.load(path))
        changes = {
            "version": {"version": np.array(99)},
            "pickle": {"ids": np.array([{"a": 1}] * 14, dtype=object)},
            "short": {"labels": arrays["labels"][:-1]},
            "region": {"region_image": arrays["region_image"] + 14},
            "narrow": {"regions_normal": arrays["regions_normal"][:, :-1]},
            "float": {"regions_found": arrays["regions_found"].astype(np.float32)},
            "nameless": {"version": arrays["version"]},
        }[how]
        if how == "nameless":
            del arrays["scores"]
        np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    "how", ["cut", "empty", "text", "missing", "version", "pickle", "short", "region", "narrow", "float", "nameless"]
)
def test_a_damaged_file_is_refused(case, how, tmp_path):
    path = tmp_path / "cell.npz"
    np.savez_compressed(path, **counted(*case).arrays())
    damaged(path, how)
    with pytest.raises((OSError, ValueError)) as raised:
        ImageCounts.read(path)
    assert "unsafely" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda case: (case[0][:-1], *case[1:]), "maps holds 13 images"),
        (lambda case: (case[0] * np.nan, *case[1:]), r"maps\[0\] holds NaN"),
        (lambda case: (case[0], case[1] * 0.5, *case[2:]), "soft"),
    ],
)
def test_complaints_are_those_of_the_metrics(case, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        counted(*change(case))
