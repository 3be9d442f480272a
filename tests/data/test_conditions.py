"""Conditions: one text for equal ones, seeded changes of samples, drawn anomalies in a training list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import make_sample

from harness.contract import Sample
from harness.data.conditions import CONDITIONS, Condition, condition_texts, parse_condition
from harness.data.contamination import contaminated, left_to_test
from harness.data.splits import TrainingSplit
from harness.data.stressing import stressed
from harness.dataset_contract import SampleRef
from harness.errors import UsageError

STRESS = (
    "rgb-shift:3",
    "rgb-rotate:5",
    "xyz-noise:0.5mm",
    "xyz-dropout:0.3",
    "light:0.7",
    "blur:1.5",
    "missing:rgb",
    "missing:xyz",
)
TEXTS = (*STRESS, "none", "missing:rgb:0.25", "contaminate:0.1", "contaminate:0.1:no-overlap")


def full_sample(seed: int = 0) -> Sample:
    """One with every optional field."""
    sample = make_sample(seed, height=40, width=56, radius=15)
    rgb, xyz = sample.rgb, sample.xyz
    measured = np.where(sample.plane[..., np.newaxis], np.float32([0.1, 0.2, 0.6]), xyz)
    normals = np.where((xyz != 0).all(-1, keepdims=True), np.float32([0, 0, -1]), np.float32(0))
    return replace(sample, lights=np.stack([rgb, rgb // 2]), measured=measured, normals=normals)


def changed(text: str, sample: Sample) -> Sample:
    return stressed(sample, parse_condition(text), "toy")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_names_one_condition_and_a_condition_has_one_text(text: str) -> None:
    assert parse_condition(text).text == text
    assert parse_condition(text) == parse_condition(text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("rgb-shift:02", "rgb-shift:2"),
        ("rgb-shift:2.0", "rgb-shift:2"),
        ("xyz-noise:0.50mm", "xyz-noise:0.5mm"),
        ("missing:rgb:1", "missing:rgb"),
        ("rgb-shift:0", "none"),
        ("light:1", "none"),
        ("missing:xyz:0.0", "none"),
        ("contaminate:0:no-overlap", "none"),
    ],
)
def test_equal_conditions_have_equal_texts(written: str, text: str) -> None:
    assert parse_condition(written).text == text
    assert condition_texts([written, text]) == (text,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rgb-shift:1.5", "whole pixels"),
        ("rgb-shift:65", "up to 64"),
        ("rgb-shift", "rgb-shift takes"),
        ("xyz-noise:0.5", "20mm"),
        ("xyz-noise:-1mm", "20mm"),
        ("light:5", "factor"),
        ("contaminate:0.6", "0.5"),
        ("missing:depth", "choose from"),
        ("xyz-dropout:nan", "share"),
        ("fog", "choose from"),
        ("", "choose from"),
    ],
)
def test_a_wrong_text_is_one_sentence_that_says_what_is_right(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_condition(text)


@given(st.sampled_from(sorted(CONDITIONS)), st.integers(1, 64))
def test_every_level_in_range_is_read_as_it_is_written(title: str, level: int) -> None:
    kind = CONDITIONS[title]
    condition = Condition(kind, level if kind.whole else round(kind.low + (kind.high - kind.low) * level / 65, 6))
    if condition.level != kind.neutral:
        assert parse_condition(condition.text) == condition


@pytest.mark.parametrize("text", STRESS)
def test_a_change_depends_on_the_sample_alone_and_leaves_what_it_was_made_of(text: str) -> None:
    sample, other = full_sample(), full_sample(1)
    before = {name: array.copy() for name, array in sample.arrays.items()}
    first = changed(text, sample)
    changed(text, other)
    again = changed(text, sample)
    assert all(np.array_equal(first.arrays[name], again.arrays[name]) for name in first.arrays)
    assert all(np.array_equal(before[name], sample.arrays[name]) for name in before)
    assert any(name not in first.arrays or not np.array_equal(first.arrays[name], before[name]) for name in before)
    assert (first.mask is sample.mask, first.id, first.anomalous) == (True, sample.id, sample.anomalous)
    assert all(array.dtype == before[name].dtype for name, array in first.arrays.items())
    assert all(array.shape == before[name].shape for name, array in first.arrays.items())


@pytest.mark.parametrize("text", STRESS)
def test_a_condition_of_one_part_leaves_the_other(text: str) -> None:
    sample = full_sample()
    kind = parse_condition(text).kind
    assert kind is not None
    kept = ("xyz", "plane", "measured", "normals", "blackened") if kind.changes == "rgb" else ("rgb", "lights")
    after = changed(text, sample)
    assert all(np.array_equal(after.arrays[name], sample.arrays[name]) for name in kept)


def test_shifts_of_a_sample_go_one_way_by_whole_pixels() -> None:
    sample = full_sample()
    moved = {level: changed(f"rgb-shift:{level}", sample).rgb for level in (1, 4)}
    ways = {(1, 0): (0, 1), (-1, 0): (0, -1), (0, 1): (1, 1), (0, -1): (1, -1)}

    def way(level: int) -> list[tuple[int, int]]:
        inner = (slice(8, -8), slice(8, -8))
        return [
            key
            for key, (axis, sign) in ways.items()
            if np.array_equal(np.roll(sample.rgb, sign * level, axis)[inner], moved[level][inner])
        ]

    assert way(1) == way(4)
    assert len(way(1)) == 1
    directions = {
        tuple(np.argwhere(changed("rgb-shift:4", full_sample(seed)).rgb != full_sample(seed).rgb)[0])
        for seed in range(8)
    }
    assert len(directions) > 1


def test_lights_are_moved_as_the_image_is() -> None:
    sample = full_sample()
    for text in ("rgb-shift:3", "rgb-rotate:5", "blur:1"):
        after = changed(text, sample)
        assert after.lights is not None
        assert np.array_equal(after.lights[0], after.rgb)


def test_noise_is_of_the_level_and_of_points_alone() -> None:
    sample = full_sample()
    noisy = changed("xyz-noise:2mm", sample)
    valid = (sample.xyz != 0).all(-1)
    assert (noisy.xyz[~valid] == 0).all()
    assert noisy.xyz[valid].std(axis=0) == pytest.approx(np.sqrt(sample.xyz[valid].var(axis=0) + 0.002**2), rel=0.1)
    assert noisy.measured is not None
    assert np.array_equal(noisy.measured[valid], noisy.xyz[valid])


def test_more_dropout_takes_the_same_points_and_more() -> None:
    sample = full_sample()
    valid = (sample.xyz != 0).all(-1)
    left = {level: (changed(f"xyz-dropout:{level}", sample).xyz != 0).all(-1) for level in (0.1, 0.3, 1)}
    assert not left[1].any()
    assert (left[0.3] <= left[0.1]).all()
    assert left[0.3].sum() / valid.sum() == pytest.approx(0.7, abs=0.08)
    normals = changed("xyz-dropout:1", sample).normals
    assert normals is not None
    assert not normals.any()


def test_light_and_blur() -> None:
    sample = full_sample()
    assert np.abs(changed("light:0.5", sample).rgb.astype(float) - sample.rgb / 2).max() <= 0.5
    assert (changed("light:4", sample).rgb == np.clip(sample.rgb.astype(int) * 4, 0, 255)).all()
    assert changed("light:0", sample).rgb.max() == 0
    assert changed("blur:4", sample).rgb.std() < sample.rgb.std()
    assert changed("blur:4", sample).rgb.mean() == pytest.approx(sample.rgb.mean(), rel=0.05)


def test_missing_is_of_a_share_of_the_samples_nested_in_a_larger_one() -> None:
    samples = [full_sample(seed) for seed in range(60)]
    without = {
        share: {sample.id for sample in samples if not changed(f"missing:rgb:{share}", sample).rgb.any()}
        for share in (0.2, 0.5, 1)
    }
    assert without[0.2] < without[0.5] < without[1] == {sample.id for sample in samples}
    cloudless = changed("missing:xyz", samples[0])
    assert not cloudless.xyz.any()
    assert cloudless.normals is None
    assert cloudless.rgb.any()


def test_what_a_dataset_lacks_is_said() -> None:
    noise, dropout = parse_condition("xyz-noise:1mm"), parse_condition("xyz-dropout:0.1")
    assert noise.lacking(("rgb", "depth", "xyz"), "Toy") == ""
    assert "points in metres" in noise.lacking(("rgb", "depth"), "Toy")
    assert dropout.lacking(("rgb", "depth"), "Toy") == ""
    assert parse_condition("rgb-shift:1").lacking(("rgb",), "Toy") == ""


SPLIT = TrainingSplit("toy", "disc", 20, "first", tuple(f"train/good/{i:03d}" for i in range(20)), "digest")
TESTED = tuple(
    SampleRef("disc", f"test/{defect}/{i:03d}", "test", defect) for defect in ("cut", "good", "hole") for i in range(6)
)


@given(st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.35]), st.booleans())
def test_a_contaminated_list_has_its_share_of_test_anomalies_and_every_nominal_sample(share: float, out: bool) -> None:
    condition = parse_condition(f"contaminate:{share}{':no-overlap' if out else ''}")
    split, why = contaminated(SPLIT, TESTED, condition)
    assert why == ""
    drawn = [ref.id for ref in TESTED if ref.id in split.ids]
    assert len(drawn) == max(1, round(share * 20 / (1 - share)))
    assert all("good" not in name for name in drawn)
    assert [name for name in split.ids if name in SPLIT.ids] == list(SPLIT.ids)
    assert len(split.ids) == 20 + len(drawn)
    assert split.digest != SPLIT.digest
    assert contaminated(SPLIT, tuple(reversed(TESTED)), condition) == (split, "")
    tested = left_to_test(condition, split.ids, TESTED)
    assert [ref.id for ref in TESTED if ref not in tested] == (drawn if out else [])


def test_a_larger_share_holds_the_anomalies_of_a_smaller_one() -> None:
    few, many = (contaminated(SPLIT, TESTED, parse_condition(f"contaminate:{share}"))[0] for share in (0.1, 0.3))
    assert set(few.ids) < set(many.ids)


def test_too_few_anomalies_are_said() -> None:
    assert contaminated(SPLIT, TESTED, parse_condition("contaminate:0.375"))[1] == ""
    split, why = contaminated(SPLIT, TESTED, parse_condition("contaminate:0.375:no-overlap"))
    assert split is SPLIT
    assert "takes 12 anomalies and one that is tested, and disc has 12" in why
    assert contaminated(SPLIT, TESTED, parse_condition("rgb-shift:1")) == (SPLIT, "")
