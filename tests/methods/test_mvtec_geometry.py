"""Plane, rotation, camera, voxels, rays and drawn depth, against slow oracles and known scenes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle_voxels as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planes import FOCAL, PITCH, rays, scene
from samples import no_progress

from harness.contract import MethodError, UnsupportedError
from harness.data.eyecandies import Eyecandies
from harness.data.toy_scene import LOOKS, draw_scene, render
from harness.geometry import valid_points
from methods.parts.mvtec.camera import Camera, Correspondences, fit_camera
from methods.parts.mvtec.cloud import Pivot, find_pivot
from methods.parts.mvtec.depth import DepthImage
from methods.parts.mvtec.voxels import VoxelGrid

KINDS = ("pinhole", "telecentric")
NORMAL = np.array([0.1, -0.15, 1.0]) / np.linalg.norm([0.1, -0.15, 1.0])


def pairs(clouds, count=4000) -> Correspondences:
    draw = np.random.default_rng(0)
    return Correspondences.join(Correspondences.draw(cloud, count, draw) for cloud in clouds)


def fitted(representation, samples):
    representation.fit(samples, seed=0, progress=no_progress)
    return representation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(48, 48), (30, 51)])
def test_a_camera_is_found_from_pixels_and_points(kind, shape) -> None:
    clouds = [scene(s, kind=kind, height=shape[0], width=shape[1], bump=0.1).measured for s in range(3)]
    camera = fit_camera(pairs(clouds))
    assert camera.telecentric == (kind == "telecentric")
    assert camera.residual(pairs(clouds)) < 1e-3
    origins, directions = camera.rays(np.array([[0.0, 0.0], [7.0, 20.0]]))
    true_origins, true_directions = (part[[0, 20], [0, 7]] for part in rays(*shape, kind))
    unit = true_directions / np.linalg.norm(true_directions, axis=1, keepdims=True)
    np.testing.assert_allclose(directions, unit, atol=1e-4)
    offsets = true_origins - origins
    across = offsets - (offsets * unit).sum(axis=1, keepdims=True) * unit
    np.testing.assert_allclose(across, 0, atol=1e-4)
    if kind == "pinhole":
        np.testing.assert_allclose(camera.distance(np.array([[0.3, 0.4, 1.2]])), [1.3], atol=1e-3)


def test_the_toy_worlds_camera_is_exact_and_telecentric() -> None:
    clouds = [render(draw_scene(LOOKS["bump"], np.random.default_rng(s)))[1] for s in range(4)]
    camera = fit_camera(pairs(clouds))
    assert camera.telecentric
    assert camera.residual(pairs(clouds)) < 1e-9


@pytest.mark.data
def test_one_pinhole_serves_a_category_of_eyecandies() -> None:
    dataset = Eyecandies(Path(os.environ["HARNESS_TEST_DATA"]) / "eyecandies")
    clouds = [dataset.decode(ref).xyz for ref in dataset.refs("CandyCane", "train")[:3]]
    camera = fit_camera(pairs(clouds))
    assert not camera.telecentric
    assert camera.residual(pairs(clouds)) < 1e-4


def test_points_on_a_plane_alone_are_seen_along_its_normal_by_a_telecentric_camera() -> None:
    camera = fit_camera(pairs([scene(kind="telecentric", noise=0).measured]))
    np.testing.assert_allclose(camera.rays(np.zeros((1, 2)))[1][0], NORMAL, atol=1e-4)


def test_an_image_that_is_no_projection_is_refused() -> None:
    cloud = scene(bump=0.1).measured.copy()
    rows, columns, _ = np.indices(cloud.shape)
    with pytest.raises(UnsupportedError, match="px"):
        fit_camera(pairs([cloud[(rows * 7 + columns * 3) % 48, (columns * 5 + rows * 11) % 48, np.arange(3)]]))
    for kind in (VoxelGrid(grid=8, rgb=True, rays=8), DepthImage(size=0, rgb=True)):
        mixed = [scene(), replace(scene(), measured=np.random.default_rng(0).uniform(0.1, 1, cloud.shape))]
        with pytest.raises(UnsupportedError):
            fitted(kind, [mixed[1]])
    with pytest.raises(MethodError, match="12 valid points"):
        fit_camera(pairs([cloud[:2, :3]]))


@given(angle=st.floats(-180, 180), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_rotation_equals_rodrigues_formula_and_keeps_the_axis(angle, seed) -> None:
    draw = np.random.default_rng(seed)
    axis = draw.normal(size=3)
    pivot = Pivot(axis / np.linalg.norm(axis), draw.normal(size=3))
    points = draw.normal(size=(5, 3))
    expected = [oracle.rotate(point, pivot.axis, pivot.centre, angle) for point in points]
    np.testing.assert_allclose(pivot.turn(points, angle), expected, atol=1e-12)
    np.testing.assert_allclose(
        pivot.turn(pivot.centre + 0.3 * pivot.axis[None], angle)[0] - pivot.centre, 0.3 * pivot.axis
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_plane_is_found_below_an_object_and_the_same_with_the_same_seed(kind) -> None:
    cloud = scene(1, kind=kind, bump=0.1).measured
    cloud[:9, :9] *= np.float32(0.7)
    pivot = find_pivot(cloud, 3)
    np.testing.assert_allclose(pivot.axis, NORMAL, atol=3e-3)
    again = find_pivot(cloud, 3)
    assert np.array_equal(pivot.axis, again.axis)
    assert np.array_equal(pivot.centre, again.centre)
    centroid = cloud[valid_points(cloud)].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(np.cross(centroid - pivot.centre, pivot.axis), 0, atol=1e-9)
    assert abs(pivot.centre @ NORMAL - 0.5 / np.linalg.norm([0.1, -0.15, 1.0])) < 2e-3


def test_a_cloud_without_a_border_turns_about_its_own_plane() -> None:
    cloud = scene(bump=0).measured.copy()
    ring = np.ones(cloud.shape[:2], bool)
    ring[10:-10, 10:-10] = False
    cloud[ring] = 0
    np.testing.assert_allclose(find_pivot(cloud, 0).axis, NORMAL, atol=3e-3)


@pytest.mark.parametrize("rgb", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_voxels_and_their_rotation_equal_the_oracle(kind, rgb) -> None:
    samples = [scene(s, kind=kind, bump=0.1) for s in range(2)]
    grid = fitted(VoxelGrid(grid=6, rgb=rgb, rays=4), samples)
    clouds = [sample.measured[valid_points(sample.measured)] for sample in samples]
    corner, side = oracle.cube(clouds)
    np.testing.assert_allclose(np.array([*grid.corner, grid.side]), [*corner, side], atol=1e-6)
    colours = samples[0].rgb[valid_points(samples[0].measured)]
    encoded = grid.encode(samples[0]).values.numpy()
    expected = oracle.voxelise(clouds[0], colours, grid.corner, grid.side, 6, rgb)
    np.testing.assert_allclose(encoded, expected, atol=1e-6)
    assert encoded.shape == (grid.channels, *grid.shape)
    pivot = find_pivot(samples[0].measured, 4)
    (turned,) = grid.rotated(samples[0], [-4.0], seed=4)
    moved = [oracle.rotate(point, pivot.axis, pivot.centre, -4.0) for point in clouds[0]]
    expected = oracle.voxelise(moved, colours, grid.corner, grid.side, 6, rgb)
    np.testing.assert_allclose(turned.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(grid.unpack(grid.pack(turned)).numpy(), turned.numpy(), atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_projected_scores_equal_the_oracle(kind) -> None:
    sample = scene(kind=kind, height=20, width=20, bump=0.1)
    grid = fitted(VoxelGrid(grid=5, rgb=False, rays=20), [sample])
    scores = np.random.default_rng(1).random(grid.shape)
    origins, directions = rays(20, 20, kind)
    expected = [
        [
            oracle.ray_maximum(scores, o, d / np.linalg.norm(d), grid.corner, grid.side, kind == "pinhole")
            for o, d in line
        ]
        for line in (zip(*lines, strict=True) for lines in zip(origins, directions, strict=True))
    ]
    found = grid.to_map(torch.from_numpy(scores), grid.encode(sample))
    differ = ~np.isclose(found, expected, atol=1e-6)
    assert differ.mean() <= 0.01, "rays along an edge of voxels may fall on either side of it"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(40, 40), (25, 40)])
def test_the_voxel_of_a_pixels_own_point_is_projected_onto_that_pixel(kind, shape) -> None:
    """Within one voxel: a ray is looked up at places that lie less than a voxel apart."""
    sample = scene(kind=kind, height=shape[0], width=shape[1], bump=0.1)
    grid = fitted(VoxelGrid(grid=16, rgb=False, rays=40), [sample])
    encoded = grid.encode(sample)
    top = (40 - shape[0]) // 2
    for row, column in ((3, 4), (shape[0] // 2, 20), (shape[0] - 2, 37), (shape[0] // 2, 8)):
        point = sample.measured[row, column]
        if not point.all():
            continue
        own = np.array(np.unravel_index(grid.voxels_of(point[None])[0], grid.shape))
        scores = torch.zeros(grid.shape)
        low, high = np.maximum(own - 1, 0), own + 2
        scores[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
        found = grid.to_map(scores, encoded)
        assert found.shape == (40, 40)
        assert found[top + row, column] > 0.5
        away = np.hypot(*(np.indices(found.shape) - np.array([top + row, column])[:, None, None])) > 25
        assert not found[away].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rotated_depth_image_equals_the_oracle(kind) -> None:
    sample = scene(2, kind=kind, bump=0.1)
    image = fitted(DepthImage(size=0, rgb=True), [sample])
    (drawn,) = image.rotated(sample, [5.0], seed=1)
    pivot = find_pivot(sample.measured, 1)
    valid = valid_points(sample.measured)
    moved = [oracle.rotate(point, pivot.axis, pivot.centre, 5.0) for point in sample.measured[valid]]
    if kind == "pinhole":
        middle = 23.25
        project = lambda p: (FOCAL * p[0] / p[2] + middle, FOCAL * p[1] / p[2] + middle)  # noqa: E731
        distance = np.linalg.norm
    else:
        project = lambda p: (p[0] / PITCH + 23.25, p[1] / PITCH + 23.25)  # noqa: E731
        distance = lambda p: p[2]  # noqa: E731
    background = np.zeros((48, 48, 3))
    depth, colours = oracle.draw_depth(moved, sample.rgb[valid], project, distance, background, (48, 48))
    seen = depth > 0
    scaled = np.where(seen, (depth - image.nearest) / (image.farthest - image.nearest), 0)
    agree = np.isclose(drawn[0].numpy(), scaled, atol=1e-4)
    assert (~agree).mean() < 0.005, "points between two pixels may fall into either"
    both = agree & seen
    assert both.mean() > 0.7
    np.testing.assert_allclose(drawn[1:].numpy().transpose(1, 2, 0)[both], colours[both] / 255, atol=0.04)
    np.testing.assert_allclose(image.unpack(image.pack(drawn)).numpy(), drawn.numpy(), atol=1e-6)


def test_no_rotation_draws_the_image_itself_with_the_colours_of_holes() -> None:
    sample = scene(3, bump=0.05)
    image = fitted(DepthImage(size=0, rgb=True), [sample])
    (drawn,) = image.rotated(sample, [0.0], seed=1)
    np.testing.assert_allclose(drawn.numpy(), image.encode(sample).values.numpy(), atol=1e-5)
    depth = drawn[0].numpy()
    valid = valid_points(sample.measured)
    assert depth[valid].min() == pytest.approx(0, abs=1e-6)
    assert depth[valid].max() == pytest.approx(1, abs=1e-6)
    assert not depth[~valid].any()


@pytest.mark.parametrize("rgb", [False, True])
def test_a_depth_image_of_another_size_keeps_its_content(rgb) -> None:
    sample = scene(4, height=60, width=48, bump=0.1)
    image = fitted(DepthImage(size=24, rgb=rgb), [sample])
    encoded = image.encode(sample)
    assert encoded.values.shape == (image.channels, 24, 24)
    (drawn,) = image.rotated(sample, [0.0], seed=0)
    seen = (drawn[0] > 0) & (encoded.values[0] > 0)
    assert seen.float().mean() > 0.8
    assert (drawn[0] - encoded.values[0])[seen].abs().mean() < 0.02
    found = image.to_map(torch.ones(24, 24), encoded)
    assert found.shape == (60, 60)
    np.testing.assert_allclose(found[:, 6:54], 1, atol=1e-6)
    assert not found[:, :6].any()
    assert not found[:, 54:].any()


def test_a_camera_of_a_resized_image_projects_to_the_same_places() -> None:
    camera = fit_camera(pairs([scene(bump=0.1).measured]))
    points = np.array([[0.05, 0.02, 0.5], [-0.1, 0.1, 0.6]])
    small = camera.resized((48, 48), (12, 24)).project(points)
    np.testing.assert_allclose(small, (camera.project(points) + 0.5) * [0.5, 0.25] - 0.5)


@pytest.mark.parametrize("make", [lambda: VoxelGrid(grid=8, rgb=True, rays=8), lambda: DepthImage(size=0, rgb=True)])
def test_what_a_representation_learned_survives_its_state(make) -> None:
    samples = [scene(s, bump=0.1) for s in range(2)]
    before, after = fitted(make(), samples), make()
    after.restore(before.state())
    one, other = before.encode(samples[1]), after.encode(samples[1])
    assert torch.equal(one.values, other.values)
    scores = torch.rand(before.shape, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(before.to_map(scores, one), after.to_map(scores, other))
    assert (after.shape, after.least_deviation, after.nbytes) == (before.shape, before.least_deviation, before.nbytes)


@pytest.mark.parametrize("make", [lambda: VoxelGrid(grid=8, rgb=True, rays=8), lambda: DepthImage(size=0, rgb=True)])
def test_a_sample_without_points_or_without_a_measured_cloud_is_refused(make) -> None:
    sample = scene(bump=0.1)
    known = fitted(make(), [sample])
    for broken in (replace(sample, measured=np.zeros_like(sample.measured)), replace(sample, measured=None)):
        for call in (known.encode, lambda one: fitted(make(), [one]), lambda one: known.rotated(one, [1.0], seed=0)):
            with pytest.raises(MethodError):
                call(broken)


def test_a_telecentric_camera_is_one_whose_last_row_is_constant() -> None:
    assert Camera(np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])).telecentric
    assert not Camera(np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])).telecentric
