from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from harness.data import clean
from harness.data.clean import (
    CLEANING,
    CleaningSettings,
    CleanMasks,
    border_points,
    cached_clean_masks,
    clean_masks,
)
from harness.data.plane import fit_plane
from harness.files.digest import digest
from harness.geometry import valid_points
from harness.protocol import Protocol

Scene = Callable[..., np.ndarray]
IN_MIDDLE = np.s_[17:39, 17:39]


def same(first: CleanMasks, second: CleanMasks) -> bool:
    return np.array_equal(first.keep, second.keep) and np.array_equal(first.plane, second.plane)


def test_protocol_names_these_settings() -> None:
    assert Protocol().cleaning == CLEANING.version


def test_point_with_any_zero_coordinate_is_not_valid() -> None:
    xyz = np.array([[[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0], [-1, -2, 1e-30]]], dtype=np.float32)
    assert valid_points(xyz).tolist() == [[True, False, False, False, False, True]]


def test_frame_counts_corners_twice_and_leaves_out_missing_points() -> None:
    xyz = np.ones((40, 50, 3), dtype=np.float32)
    assert len(border_points(xyz, 10)) == 2 * 10 * 50 + 2 * 10 * 40
    xyz[0, 0] = 0
    xyz[0, 25, 1] = 0
    assert len(border_points(xyz, 10)) == 2 * 10 * 50 + 2 * 10 * 40 - 3


def test_table_goes_and_object_stays(scene: Scene) -> None:
    xyz = scene()
    height = 0.5 + 0.1 * xyz[..., 0] - xyz[..., 2]
    masks = clean_masks(xyz)
    measured = valid_points(xyz)
    assert masks.plane[measured & (height < 0.004)].all()
    assert masks.keep[measured & (height > 0.006)].all()
    assert not masks.keep[~measured].any()
    assert not masks.plane[~measured].any()
    assert not (masks.keep & masks.plane).any()


def test_smaller_object_is_removed_but_is_no_plane(scene: Scene) -> None:
    xyz = scene()
    xyz[2:6, 2:6, 2] -= 0.03
    masks = clean_masks(xyz)
    assert not masks.keep[2:6, 2:6].any()
    assert not masks.plane[2:6, 2:6].any()
    assert masks.keep[IN_MIDDLE].sum() > 390


def test_rules_are_the_plain_ones(scene: Scene) -> None:
    """The reference's steps, point by point, with scikit-learn's DBSCAN."""
    xyz = scene(3, 40, 56)
    xyz[3:5, 3:9, 2] -= 0.04
    xyz[20, 5] = [0.1, 0, 0.4]
    frame = [xyz[:10], xyz[-10:], xyz[:, :10], xyz[:, -10:]]
    points = [p for part in frame for p in part.reshape(-1, 3) if np.all(p != 0)]
    seed = clean.seed_from("clean", "reference-1", clean._content_digest(xyz))
    plane = fit_plane(np.array(points), seed=seed, inlier_distance=0.004, sample_size=50, iterations=1000)
    assert plane is not None
    near = np.abs(xyz.astype(float) @ plane.normal + plane.offset) < 0.005
    left = np.all(xyz != 0, axis=2) & ~near
    labels = DBSCAN(eps=0.006, min_samples=30).fit(xyz[left].astype(float)).labels_
    names, counts = np.unique(labels, return_counts=True)
    keep = left.copy()
    keep[left] = labels == names[np.argmax(counts)]
    masks = clean_masks(xyz)
    assert np.array_equal(masks.keep, keep)
    assert np.array_equal(masks.plane, near & np.all(xyz != 0, axis=2))


def test_cleaning_twice_changes_nothing(scene: Scene) -> None:
    xyz = scene()
    first = clean_masks(xyz)
    second = clean_masks(np.where(first.keep[..., None], xyz, np.float32(0)))
    assert np.array_equal(second.keep, first.keep)
    assert not second.plane.any()


def test_same_cloud_gives_the_same_masks_whatever_was_drawn_before(scene: Scene) -> None:
    first = clean_masks(scene())
    np.random.default_rng().random(5)
    assert same(clean_masks(scene().copy(order="F")), first)


def test_frame_without_points_leaves_only_the_clusters(scene: Scene) -> None:
    xyz = scene()
    xyz[:10] = xyz[-10:] = xyz[:, :10] = xyz[:, -10:] = 0
    masks = clean_masks(xyz)
    assert not masks.plane.any()
    assert masks.keep.sum() == valid_points(xyz).sum()


def test_sparse_cloud_is_all_noise_and_stays() -> None:
    """Noise competes as a cluster, so a cloud without any dense place is kept."""
    xyz = np.random.default_rng(0).uniform(1, 3, (30, 30, 3)).astype(np.float32)
    masks = clean_masks(xyz, replace(CLEANING, iterations=5))
    assert masks.keep.sum() == 900 - masks.plane.sum() > 800


def test_bare_table_leaves_nothing(scene: Scene) -> None:
    xyz = scene()
    xyz[IN_MIDDLE] = 0
    flat = xyz[..., 2] < 0.5 + 0.1 * xyz[..., 0] - 0.002
    xyz[flat] = 0
    masks = clean_masks(xyz)
    assert not masks.keep.any()
    assert np.array_equal(masks.plane, valid_points(xyz))


def test_input_is_not_changed(scene: Scene) -> None:
    xyz = scene()
    xyz.flags.writeable = False
    clean_masks(xyz)


def test_second_call_reads_the_file(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xyz = scene()
    wanted = clean_masks(xyz)
    assert same(cached_clean_masks(xyz, tmp_path / "a" / "b"), wanted)
    monkeypatch.setattr(clean, "_compute", None)
    assert same(cached_clean_masks(xyz, tmp_path / "a" / "b"), wanted)
    assert [path.suffix for path in (tmp_path / "a" / "b").iterdir()] == [".npz"]


def test_every_setting_and_every_point_is_in_the_key(scene: Scene, tmp_path: Path) -> None:
    xyz = scene()
    moved = xyz.copy()
    moved[20, 20, 2] = np.nextafter(moved[20, 20, 2], 1)
    cached_clean_masks(xyz, tmp_path)
    cached_clean_masks(moved, tmp_path)
    fields = CLEANING.to_json()
    for name, value in fields.items():
        changed = "other" if isinstance(value, str) else type(value)(value * 1.5)
        cached_clean_masks(xyz, tmp_path, CleaningSettings(**{**fields, name: changed}))
    assert len(list(tmp_path.iterdir())) == 2 + len(fields)


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "other size", "pickle"])
def test_damaged_file_is_made_again(
    scene: Scene, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    xyz = scene()
    wanted = cached_clean_masks(xyz, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    if damage == "other size":
        np.savez(path, keep=np.zeros(3, np.uint8), plane=np.zeros(3, np.uint8))
    elif damage == "pickle":
        np.savez(path, keep=np.array([{}], dtype=object), plane=np.zeros(3, np.uint8))
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "garbage": b"\0" * len(whole)}[damage])
    with caplog.at_level(logging.WARNING):
        assert same(cached_clean_masks(xyz, tmp_path), wanted)
    assert path.name in caplog.text
    assert path.read_bytes() == whole


def test_settings_digest_is_pinned() -> None:
    """A change here changes every cached result: raise the version with it."""
    assert digest(CLEANING.to_json()) == "edbaf541cf14d2c5"
