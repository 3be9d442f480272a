"""The variation models: known bumps, the oracle, seeds, memory, state, unusual and invalid input."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import oracle_voxels as oracle
import pytest
import torch
from planes import scene
from samples import no_progress

from harness import registry
from harness.contract import MethodError
from harness.measure.reach import reachable_bytes
from methods.parts.mvtec.depth import DepthImage
from methods.parts.mvtec.stream import LARGEST_ANGLE, AugmentedSet, augmented
from methods.parts.mvtec.variation import deviation_scores, fit_variation
from methods.parts.mvtec.voxels import VoxelGrid
from methods.variation import DepthVM, VoxelVM

SMALL = {VoxelVM: {"rotations": 3, "grid": 12, "rays": 24}, DepthVM: {"rotations": 3}}
BOTH = pytest.mark.parametrize("kind", [VoxelVM, DepthVM])


def fit(kind, seed: int = 0, count: int = 3, scenes: dict | None = None, **parameters):
    method = kind(**(SMALL[kind] | parameters))
    samples = [scene(s, **(scenes or {})) for s in range(count)]
    method.fit(samples, seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method, sample=None):
    return method.infer(method.prepare(scene(9) if sample is None else sample))


@pytest.mark.parametrize("camera", ["pinhole", "telecentric"])
@BOTH
def test_a_bump_on_a_plane_scores_beyond_ten_deviations_and_nothing_else_does(kind, camera) -> None:
    """Where a bump of 6 cm stands nominal samples are empty; of 200 of them a voxel's deviation is 0.14."""
    still = {"kind": camera, "noise": 1e-4, "holes": 0.0}
    parameters = {"rgb": "off", "rotations": 100} | ({"grid": 12} if kind is VoxelVM else {})
    # One nominal sample reaches up to where the bump will be, else the cube would not.
    high = replace(scene(7, **still), id="post")
    high.measured[2, 2] *= np.float32(0.75)
    method = kind(**(SMALL[kind] | parameters))
    samples = [scene(0, **still), high]
    method.fit(samples, seed=0, device="cpu", progress=no_progress)
    sample = scene(5, bump=0.06, **still)
    found = predict(method, sample)
    inner = np.zeros_like(sample.mask)
    inner[22:26, 22:26] = True
    assert found.anomaly_map[inner].min() > 10
    far = np.ones_like(sample.mask)
    far[12:36, 12:36] = False
    far[:12] = far[-12:] = far[:, :12] = far[:, -12:] = False
    assert found.score == found.anomaly_map.max()
    nominal = predict(method, scene(6, **still)).anomaly_map[12:36, 12:36]
    assert np.median(nominal) < 3
    assert found.anomaly_map[inner].min() > nominal.max()


@pytest.mark.parametrize("rgb", ["on", "off"])
@BOTH
def test_mean_deviation_and_scores_equal_the_oracle(kind, rgb) -> None:
    method = fit(kind, rgb=rgb, scenes={"height": 20, "width": 20})
    representation, mean, deviation = method._fitted()
    samples = [scene(s, height=20, width=20) for s in range(3)]
    items = augmented(representation, samples, rotations=3, seed=0, progress=no_progress)
    arrays = [values.numpy() for values in items]
    assert len(arrays) == 9
    least = representation.least_deviation
    if rgb == "off":
        least = None if kind is VoxelVM else (0.001 / (representation.farthest - representation.nearest),)
    expected = oracle.variation(arrays, least)
    np.testing.assert_allclose(mean.numpy(), expected[0], atol=1e-6)
    np.testing.assert_allclose(deviation.numpy(), expected[1], atol=1e-5)
    inputs = method.prepare(scene(8, height=20, width=20))
    scores = deviation_scores(inputs.values, mean, deviation)
    distances = np.abs(inputs.values.numpy() - expected[0]) / expected[1]
    np.testing.assert_allclose(scores.numpy(), distances.mean(axis=0), rtol=2e-4, atol=1e-4)
    assert method.modalities() == (("rgb", "xyz") if rgb == "on" else ("xyz",))


def test_an_element_that_never_changes_keeps_the_least_deviation() -> None:
    constant = [torch.full((2, 3), 0.25) for _ in range(5)]
    assert torch.equal(fit_variation(constant, (0.1, 0.2))[1], torch.tensor([[0.1] * 3, [0.2] * 3]))
    empty = [torch.full((1, 2), -1.0) for _ in range(4998)]
    assert fit_variation(empty, ())[1][0, 0] == pytest.approx(2 * (4999 / 5000**2) ** 0.5, rel=1e-6)


@BOTH
def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(kind) -> None:
    first, again, other = (predict(fit(kind, seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert not np.array_equal(first.anomaly_map, other.anomaly_map)


@BOTH
def test_state_survives_restoring_and_pickling_and_its_bytes_are_those_of_reachable_arrays(kind) -> None:
    method = fit(kind)
    restored = kind(**SMALL[kind])
    restored.restore(method.state(), seed=5, device="cpu")
    expected = predict(method).anomaly_map
    np.testing.assert_array_equal(predict(restored).anomaly_map, expected)
    np.testing.assert_array_equal(predict(pickle.loads(pickle.dumps(method))).anomaly_map, expected)
    assert sum(method.state_bytes().values()) == pytest.approx(reachable_bytes(method), rel=0.001)


@BOTH
def test_an_image_of_another_size_than_the_training_images_is_predicted(kind) -> None:
    method = fit(kind)
    expected = predict(method, scene(5, bump=0.05)).anomaly_map
    for height, width in ((64, 40), (33, 48)):
        found = predict(method, scene(5, height=height, width=width, bump=0.05)).anomaly_map
        assert found.shape == (max(height, width),) * 2
        assert np.isfinite(found).all()
        assert found.max() > 0.2 * expected.max()
    samples = [scene(0), scene(1, height=64, width=40), scene(2)]
    mixed = kind(**SMALL[kind])
    mixed.fit(samples, seed=0, device="cpu", progress=no_progress)
    assert predict(mixed).anomaly_map.shape == (48, 48)


@BOTH
def test_images_cropped_at_different_places_have_cameras_of_their_own(kind) -> None:
    def crop(seed: int, row: int, column: int):
        whole = scene(seed, height=64, width=64, bump=0.05)
        part = (slice(row, row + 40), slice(column, column + 40))
        arrays = {name: getattr(whole, name)[part] for name in ("rgb", "xyz", "plane", "measured", "mask")}
        return replace(whole, **arrays)

    method = kind(**SMALL[kind])
    samples = [crop(0, 2, 20), crop(1, 22, 2), crop(2, 10, 12)]
    method.fit(samples, seed=0, device="cpu", progress=no_progress)
    assert method._fitted()[0].camera is None
    restored = kind(**SMALL[kind])
    restored.restore(method.state(), seed=0, device="cpu")
    for found in (predict(method, crop(5, 5, 18)), predict(restored, crop(5, 5, 18))):
        assert found.anomaly_map.shape == (40, 40)
        assert np.isfinite(found.anomaly_map).all()
    assert sum(method.state_bytes().values()) == pytest.approx(reachable_bytes(method), rel=0.001)


@BOTH
def test_what_cannot_be_used_is_refused(kind) -> None:
    with pytest.raises(MethodError, match="not fitted"):
        kind().prepare(scene())
    empty = replace(scene(), measured=np.zeros((48, 48, 3), np.float32))
    with pytest.raises(MethodError, match="no valid point"):
        kind(**SMALL[kind]).fit([scene(), empty], seed=0, device="cpu", progress=no_progress)
    with pytest.raises(MethodError, match="no valid point"):
        fit(kind).prepare(empty)
    for wrong in ({"rgb": "yes"}, {"rotations": 0}, {"grid": 1} if kind is VoxelVM else {"size": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            kind(**wrong)


@BOTH
def test_it_asks_for_the_measured_cloud_and_says_that_it_is_re_implemented(kind) -> None:
    assert kind.meta.needs == ("measured",)
    assert kind.meta.note == "re-implemented, details of the original unpublished"
    assert registry.note_of(kind.meta.name) == kind.meta.note
    assert registry.note_of("not-installed") == ""
    cleaned = replace(scene(9), xyz=scene(9).measured)
    method = fit(kind)
    np.testing.assert_array_equal(predict(method, cleaned).anomaly_map, predict(method).anomaly_map)


def test_angles_are_uniform_within_five_degrees_and_reach_every_sample() -> None:
    drawn: list[list[float]] = []

    class Recorder:
        def rotated(self, sample, angles, *, seed):
            drawn.append(list(angles))
            return iter([torch.zeros(1)] * len(angles))

    list(augmented(Recorder(), [scene()] * 30, rotations=20, seed=4, progress=no_progress))
    angles = np.array(drawn)
    assert angles.shape == (30, 20)
    assert len(np.unique(angles)) == 600
    assert np.abs(angles).max() <= LARGEST_ANGLE == 5
    assert abs(angles.mean()) < 0.5
    assert angles.std() == pytest.approx(10 / 12**0.5, rel=0.1)


@pytest.mark.parametrize(
    "make",
    [lambda: VoxelGrid(grid=12, rgb=True, rays=8), lambda: DepthImage(size=0, rgb=True)],
    ids=["voxels", "depth"],
)
def test_the_stream_repeats_its_samples_in_any_order(make) -> None:
    samples = [scene(s) for s in range(3)]
    representation = make()
    representation.fit(samples, seed=0, progress=no_progress)
    items = torch.stack(list(augmented(representation, samples, rotations=4, seed=2, progress=no_progress)))
    with AugmentedSet(representation, samples, rotations=4, seed=2, progress=no_progress) as stream:
        assert len(stream) == 12
        order = [7, 0, 11, 0, 5]
        found = stream.batch(order)
        assert found.shape == (5, representation.channels, *representation.shape)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, items[order], atol=0.5 / 255 + 1e-6, rtol=0)
        assert torch.equal(stream.batch(torch.tensor([11])), stream.batch(np.array([11])))
    with pytest.raises(ValueError, match="closed"):
        stream.batch([0])


class Rereading:
    """A sequence that draws its samples anew, as one on disk is read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int):
        if position >= self.count:
            raise IndexError(position)
        return scene(position, height=24, width=24)


@pytest.mark.parametrize(
    ("make", "most"),
    [(lambda: VoxelGrid(grid=16, rgb=True, rays=8), 7 * 24**2), (lambda: DepthImage(size=0, rgb=True), 7 * 24**2)],
    ids=["voxels", "depth"],
)
def test_host_memory_does_not_grow_with_the_stream(make, most) -> None:
    """Eight bytes of a rotated sample stay in memory, so 361 training samples 20 times are 58 kB."""
    representation = make()
    representation.fit(Rereading(3), seed=0, progress=no_progress)

    def held(count: int) -> tuple[int, int, int]:
        tracemalloc.start()
        try:
            with AugmentedSet(representation, Rereading(count), rotations=4, seed=0, progress=no_progress) as stream:
                stream.batch(range(4))
                return *tracemalloc.get_traced_memory(), stream.nbytes
        finally:
            tracemalloc.stop()

    held(2)
    (few, few_peak, few_bytes), (many, many_peak, many_bytes) = held(4), held(44)
    grown = 40 * 4
    assert many - few < grown * 8 + 20_000
    assert many_peak - few_peak < grown * 8 + 50_000
    assert few_bytes < many_bytes <= 44 * 4 * most


def test_a_folder_without_space_is_named(monkeypatch) -> None:
    class Full:
        def write(self, content):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **options: Full())
    grid = VoxelGrid(grid=8, rgb=False, rays=8)
    grid.fit([scene()], seed=0, progress=no_progress)
    with pytest.raises(MethodError, match=r"No space left on device.*TMPDIR"):
        AugmentedSet(grid, [scene()], rotations=1, seed=0, progress=no_progress)
