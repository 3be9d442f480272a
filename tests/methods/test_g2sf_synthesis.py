"""Synthetic anomalies: masks, places, colours and shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle_g2sf as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_sample
from scipy import ndimage

from harness.contract import Sample
from harness.geometry import square_pad
from methods.parts.g2sf.colours import OPERATIONS, recoloured
from methods.parts.g2sf.perlin import SIDE, anomaly_mask, perlin_noise
from methods.parts.g2sf.synthesis import Square, Synthesis, paste
from methods.parts.g2sf.warping import Augmentation, Warp, augmentation_for, warped


def sample(seed: int, *, radius: float = 40, **size):
    made = make_sample(seed, radius=radius, **size)
    rows, columns = np.indices(made.plane.shape)
    table = np.stack([columns * 7e-4 - 0.09, rows * 7e-4 - 0.09, np.full(rows.shape, 0.52)], -1).astype(np.float32)
    return replace(made, measured=np.where(made.plane[..., None], table, made.xyz))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 16), (8, 4)])
def test_noise_is_0_at_corners_of_cells_and_smooth_between_them(rows, columns) -> None:
    noise = perlin_noise(np.random.default_rng(3), 64, rows, columns)
    np.testing.assert_allclose(noise[:: 64 // rows, :: 64 // columns], 0, atol=1e-12)
    assert noise.std() > 0.05
    assert np.abs(noise).max() <= 1 + 1e-12
    steps = np.abs(np.diff(noise, axis=0)).max() * 64 / rows, np.abs(np.diff(noise, axis=1)).max() * 64 / columns
    assert max(steps) < 5


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 240))
def test_a_mask_lies_within_both_foregrounds_and_has_no_small_or_large_components(seed: int, radius: int) -> None:
    rows, columns = np.indices((SIDE, SIDE)) - SIDE // 2
    allowed = rows**2 + columns**2 < radius**2
    mask = anomaly_mask(np.random.default_rng(seed), allowed, 0.4)
    assert not (mask & ~allowed).any()
    sizes = np.bincount(ndimage.label(mask)[0].ravel())[1:]
    assert sizes.sum() >= 300
    assert sizes.min() >= 100
    assert sizes.max() <= 1600


def test_a_mask_without_room_is_empty() -> None:
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[:9, :9] = True
    assert not anomaly_mask(np.random.default_rng(0), allowed, 0.4).any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(160, 160), (120, 160)]), st.floats(14, 50))
def test_no_component_of_the_mask_lies_off_the_object(seed: int, size, radius: float) -> None:
    samples = [sample(index, radius=radius, height=size[0], width=size[1]) for index in range(2)]
    samples = [replace(one, measured=one.xyz) for one in samples]  # nothing is pasted beside the base's object
    found = Synthesis(samples, seed).make(seed % 7)
    foreground = (found.xyz != 0).all(-1)
    labels, count = ndimage.label(found.mask, np.ones((3, 3)))
    assert count
    assert all(foreground[labels == component].any() for component in range(1, count + 1))
    assert found.rgb.shape == found.xyz.shape == (160, 160, 3)
    again = Synthesis(samples, seed).make(seed % 7)
    assert all(np.array_equal(getattr(found, name), getattr(again, name)) for name in ("rgb", "xyz"))


@pytest.mark.parametrize(("below", "stays"), [(7, True), (6, False)])
def test_a_component_stays_where_more_than_two_thirds_of_it_are_on_the_object(below: int, stays: bool) -> None:
    """Its rows 45 to 53, nine of them, of which ``below`` lie on an object that begins further down."""
    cloud = np.zeros((60, 60, 3), np.float32)
    cloud[54 - below :] = 0.5
    base = Square(np.zeros((60, 60, 3), np.uint8), cloud, cloud)
    mask = np.zeros((60, 60), bool)
    mask[45:54, 20:30] = True
    found = [paste(base, base.rgb, cloud, mask, np.random.default_rng(seed)).mask for seed in range(4)]
    assert all(one.sum() == 90 for one in found)
    assert all(np.array_equal(one, mask) for one in found) == stays


def test_sources_without_a_place_in_common_are_drawn_again() -> None:
    samples = [at(sample(0, radius=20, height=112, width=112), columns) for columns in (-30, 30)]
    drawn = {number: np.random.default_rng([5, number]).integers(0, 2, 2).tolist() for number in range(20)}
    apart = [number for number, (base, shape) in drawn.items() if base == shape]  # colours are the other sample's
    for number in apart[:3]:
        assert Synthesis(samples, 5).make(number).mask.any()


def at(moved: Sample, columns: int) -> Sample:
    """Return the sample with its object further to the right."""
    names = ("rgb", "xyz", "plane", "blackened", "measured")
    return replace(moved, **{name: np.roll(getattr(moved, name), columns, 1) for name in names})


def test_only_pasted_pixels_change_and_by_the_sources() -> None:
    base, source = Square.of(sample(1)), Square.of(sample(2))
    mask = np.zeros((224, 224), bool)
    mask[100:112, 104:120] = True
    mask[6:14, 8:20] = True  # off the object: it is moved there
    source.xyz[6:14, 8:20] = source.measured[6:14, 8:20]
    found = paste(base, source.rgb, source.xyz, mask, np.random.default_rng(0))
    moved = found.mask.copy()
    moved[100:112, 104:120] = False
    assert found.mask[100:112, 104:120].all()
    assert base.foreground[moved].any()
    rows, columns = np.nonzero(moved)
    assert np.ptp(rows) <= 7
    assert np.ptp(columns) <= 11
    np.testing.assert_array_equal(found.rgb[~found.mask], base.rgb[~found.mask])
    np.testing.assert_array_equal(found.xyz[~found.mask], base.xyz[~found.mask])
    inside = np.zeros_like(mask)
    inside[100:112, 104:120] = True
    inside &= ~moved
    own = (found.rgb[inside].astype(float) - source.rgb[inside]) @ (1.0 * base.rgb[inside] - source.rgb[inside]).sum(0)
    other = (1.0 * base.rgb[inside] - source.rgb[inside]) @ (1.0 * base.rgb[inside] - source.rgb[inside]).sum(0)
    assert 0 <= own.sum() / other.sum() <= 0.5


def test_pasted_points_are_the_sources_relief_about_the_bases_mean_with_measured_x_and_y() -> None:
    base, source = Square.of(sample(1)), Square.of(sample(2))
    mask = np.zeros((224, 224), bool)
    mask[100:112, 104:120] = True
    found = paste(base, source.rgb, source.xyz, mask, np.random.default_rng(4))
    known = mask & source.foreground & (base.measured != 0).all(-1)
    np.testing.assert_array_equal(found.xyz[known][:, :2], base.measured[known][:, :2])
    depths, around = source.xyz[mask & source.foreground][:, 2], base.xyz[mask & base.foreground][:, 2]
    expected = oracle.relief(depths.astype(float), around.astype(float), 0)
    whole = np.zeros((224, 224))
    whole[mask & source.foreground] = expected
    shift = found.xyz[known][:, 2] - whole[known]
    assert np.ptp(shift) < 1e-6
    assert 2e-4 - 1e-7 <= abs(shift.mean()) <= 2e-3 + 1e-7
    np.testing.assert_array_equal(found.xyz[mask & ~known], base.xyz[mask & ~known])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(OPERATIONS)))
def test_every_operation_returns_an_image_and_follows_its_generator(seed: int, name: str) -> None:
    rgb = sample(seed, height=40, width=56).rgb
    before = rgb.copy()
    found = OPERATIONS[name](rgb, np.random.default_rng(seed))
    assert found.shape == rgb.shape
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(found, OPERATIONS[name](rgb, np.random.default_rng(seed)))


def test_operations_do_what_their_names_say() -> None:
    rgb = sample(3).rgb
    draw = np.random.default_rng(0)
    assert len(OPERATIONS) == 8
    assert OPERATIONS["average blur"](rgb, draw).std() < 0.6 * rgb.std()
    inverted = [np.array_equal(OPERATIONS["inversion"](rgb[:1, :1], draw), 255 - rgb[:1, :1]) for _ in range(2000)]
    assert 0.03 < np.mean(inverted) < 0.07
    ramp = np.repeat(np.arange(100, 150, dtype=np.uint8)[None, :, None], 3, 2).repeat(50, 0)
    assert np.ptp(OPERATIONS["autocontrast"](ramp, draw)) == 255
    assert len(np.unique(OPERATIONS["cartoon"](ramp, draw))) <= 8
    assert not np.array_equal(OPERATIONS["hue and saturation"](rgb, draw), rgb)
    grey = np.full((4, 4, 3), 100, np.uint8)
    gamma = OPERATIONS["gamma"](grey, draw)[0, 0]
    assert len(set(gamma.tolist())) > 1
    np.testing.assert_array_equal(OPERATIONS["elastic"](grey, draw), grey)
    assert not np.array_equal(recoloured(rgb, np.random.default_rng(1)), recoloured(rgb, np.random.default_rng(2)))


def test_warps_are_those_of_their_names() -> None:
    image = np.arange(49 * 49 * 2).reshape(49, 49, 2)
    np.testing.assert_array_equal(warped(image, Warp()), image)
    np.testing.assert_array_equal(warped(image, Warp(angle=90)), np.rot90(image, 3))
    np.testing.assert_array_equal(warped(image, Warp(flips=(True, False))), image[::-1])
    np.testing.assert_array_equal(warped(image, Warp(flips=(False, True))), image[:, ::-1])
    moved = warped(image, Warp(shift=(5 / 49, -3 / 49)))
    np.testing.assert_array_equal(moved[5:, :-3], image[:-5, 3:])
    assert not moved[:5].any()
    assert not moved[:, -3:].any()
    small = warped(np.ones((49, 49)), Warp(scale=0.5))
    assert small.sum() == pytest.approx(0.25 * 49**2, rel=0.05)


def test_points_keep_their_coordinates_and_categories_have_their_ranges() -> None:
    square = Square.of(sample(0, height=120, width=160))
    np.testing.assert_array_equal(square.measured, square_pad(sample(0, height=120, width=160).measured))
    turned = square.warped(Warp(angle=30, scale=0.9))
    points = {tuple(point) for point in square.xyz.reshape(-1, 3).tolist()}
    assert {tuple(point) for point in turned.xyz.reshape(-1, 3).tolist()} <= points
    assert augmentation_for("bagel") == augmentation_for("my part") == Augmentation()
    assert augmentation_for("dowel").angle == 10
    assert not augmentation_for("rope").flips
    assert augmentation_for("GummyBear").angle == 90
    assert augmentation_for("CandyCane").threshold == 0.3
    warps = [augmentation_for("foam").drawn(np.random.default_rng(seed)) for seed in range(200)]
    assert max(abs(warp.angle) for warp in warps) <= 10
    assert {warp.flips for warp in warps} == {(False, False)}
    assert 0.9 <= min(warp.scale for warp in warps) < max(warp.scale for warp in warps) <= 1.1
    assert max(abs(share) for warp in warps for share in warp.shift) <= 0.05
