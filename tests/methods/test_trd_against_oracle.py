"""TRD against a direct float64 implementation: third images, student, loss, maps and whole predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle_trd as oracle
import pytest
import torch
from PIL import Image
from samples import make_sample, no_progress

from harness.contract import Sample
from harness.geometry import square_pad
from methods.parts.normals import sobel_derivatives, surface_normals
from methods.parts.trd.distances import distance_map, imitation_loss, normalise, smoothed_sum
from methods.parts.trd.inputs import Settings, close_gaps, make_images, object_of
from methods.parts.trd.student import Imitation, Levels, Student, build_student
from methods.parts.trd.training import Schedule, train_student
from methods.trd import TRD

SIDES = {256: 16, 512: 8, 1024: 4}


def on_a_table(seed: int = 0, height: int = 64, width: int = 80) -> Sample:
    """A box with a wavy top on a tilted table, with gaps; cleaning left the box."""
    rows, columns = np.mgrid[:height, :width]
    depth = 0.6 + 4e-4 * rows - 2e-4 * columns
    box = (rows > height // 4) & (rows < 3 * height // 4) & (columns > width // 4) & (columns < 3 * width // 4)
    depth[box] -= 0.02 + 2e-3 * np.sin(rows[box] / 5 + seed) * np.cos(columns[box] / 7)
    depth[np.random.default_rng(seed).random(depth.shape) < 0.05] = 0
    measured = np.stack([columns * 1e-3, rows * 1e-3, depth], -1) * (depth != 0)[..., None]
    sample = make_sample(seed, height=height, width=width)
    return replace(
        sample,
        xyz=(measured * box[..., None]).astype(np.float32),
        plane=~box & (depth != 0),
        measured=measured.astype(np.float32),
        blackened=None,
    )


def assert_close(actual, expected, tolerance: float = 1e-4) -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def as_weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def some_features(count: int, seed: int) -> Levels:
    draw = torch.Generator().manual_seed(seed)
    fine, middle, coarse = (torch.rand(count, c, side, side, generator=draw) for c, side in SIDES.items())
    return fine, middle, coarse


def split(features: Levels, sample: int) -> list[np.ndarray]:
    return [level[sample].double().numpy() for level in features]


def trained_like(seed: int = 0) -> Student:
    """A student whose norms and mixing weights are no longer the first ones."""
    student = build_student(8, seed=seed, scope="test").eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(seed)
    for layer in student.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (layer.weight, 0.5, 1.5),
                (layer.bias, -0.3, 0.3),
                (layer.running_mean, -0.2, 0.2),
                (layer.running_var, 0.5, 2),
            ):
                tensor.uniform_(low, high, generator=draw)
    student.decoder.mixing.normal_(generator=draw)
    return student


@pytest.mark.parametrize("size", [3, 5, 7])
def test_derivatives_and_normals(size: int) -> None:
    image = np.random.default_rng(size).normal(size=(9, 12))
    across, down = oracle.sobel(image, size)
    for actual, expected in zip(sobel_derivatives(torch.from_numpy(image), size), (across, down), strict=True):
        assert_close(actual, expected, 1e-12)
    normals = np.stack([-across, -down, np.ones_like(image)]) / np.sqrt(across**2 + down**2 + 1)
    assert_close(surface_normals(torch.from_numpy(image), size), normals, 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_gaps_of_a_mask_are_closed(seed: int) -> None:
    mask = np.random.default_rng(seed).random((23, 31)) < 0.03
    expected = oracle.close_gaps(mask)
    assert expected.sum() > mask.sum()
    np.testing.assert_array_equal(close_gaps(torch.from_numpy(mask)).numpy(), expected)


def test_the_object_is_off_the_plane_through_three_corners() -> None:
    sample = on_a_table()
    expected = oracle.close_gaps(oracle.off_the_plane(sample.measured.astype(float)))
    depth, inside = object_of(sample, "code", "cpu")
    assert 0.2 < expected.mean() < 0.4
    np.testing.assert_array_equal(inside.numpy(), expected)
    np.testing.assert_array_equal(depth.numpy(), np.where(expected, sample.measured[..., 2].astype(float), 0))


@pytest.mark.parametrize("third", ["normal", "depth"])
@pytest.mark.parametrize("foreground", ["code", "cleaned"])
@pytest.mark.parametrize("kernel", [3, 7])
def test_images_of_a_sample(third, foreground, kernel: int) -> None:
    sample = on_a_table(1)
    images = make_images(sample, Settings(third, foreground, 32), kernel, "cpu")
    photograph = np.asarray(Image.fromarray(sample.rgb).resize((32, 32), Image.Resampling.BILINEAR), float) / 255
    assert_close(images.pair[0], oracle.standardise(photograph.transpose(2, 0, 1)))
    assert_close(images.pair[1], oracle.standardise(third_image(sample, third, foreground, kernel, 32)))
    assert images.frame == (64, 80)
    assert images.pair.dtype == torch.float32


def third_image(sample: Sample, third: str, foreground: str, kernel: int, size: int) -> np.ndarray:
    cloud = (sample.xyz if foreground == "cleaned" else sample.measured).astype(float)
    if third == "depth":
        return oracle.depth_image(cloud, size)
    inside = oracle.off_the_plane(cloud) if foreground == "code" else cloud[..., 2] != 0
    return oracle.normal_image(cloud, inside, kernel, size)


def test_a_student_imitates_four_times() -> None:
    student = trained_like()
    own, other = some_features(2, 1), some_features(2, 2)
    imitation = student(own, other)
    expected = [oracle.student(split(own, n), split(other, n), as_weights(student)) for n in range(2)]
    for name in ("filtered", "amplified", "pure", "mixed"):
        for level, actual in enumerate(getattr(imitation, name)):
            assert_close(actual, np.stack([made[name][level] for made in expected]))
    loss = oracle.loss(expected, [split(own, n) for n in range(2)])
    assert float(imitation_loss(imitation, own)) == pytest.approx(loss, rel=1e-5)
    assert loss > 1


class Weights(torch.nn.Module):
    """Imitates by weights of the other image's channels, four times alike."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = torch.nn.ParameterList([torch.ones(channels) for channels in SIDES])

    def forward(self, own: Levels, other: Levels) -> Imitation:
        fine, middle, coarse = (w[:, None, None] * level for w, level in zip(self.levels, other, strict=True))
        return Imitation(*[(fine, middle, coarse)] * 4)


def test_steps_of_a_student_whose_learning_rate_falls_after_each_epoch() -> None:
    own, other = some_features(4, 5), some_features(4, 6)
    schedule = Schedule(epochs=3, batch=2, lr=0.2, lr_decay=0.4)
    student = Weights()
    losses = train_student(
        student,
        lambda chosen: tuple(tuple(level[chosen] for level in levels) for levels in (own, other)),
        4,
        schedule,
        stage="rgb",
        seed=3,
        progress=no_progress,
    )
    draw = torch.Generator().manual_seed(3)
    epochs = [torch.randperm(4, generator=draw).view(2, 2).tolist() for _ in range(3)]
    given = [[level.double().numpy() for level in levels] for levels in (own, other)]
    expected = oracle.train(*given, epochs, schedule.lr, schedule.lr_decay)
    np.testing.assert_allclose(losses, expected, atol=1e-4)
    assert abs(expected[-1] - oracle.train(*given, epochs, schedule.lr, 1.0)[-1]) > 1e-3, "the decay matters"
    assert not student.training
    assert not any(weight.requires_grad for weight in student.parameters())


def test_the_map_of_a_student() -> None:
    mixed, own = some_features(2, 3), some_features(2, 4)
    expected = [oracle.distance_map(split(mixed, n), split(own, n), 33) for n in range(2)]
    assert_close(distance_map(mixed, own, 33), expected, 1e-6)


def test_maps_are_normalised_added_and_smoothed() -> None:
    maps = np.random.default_rng(0).random((2, 40, 40))
    statistics = torch.tensor([[0.3, 0.2], [0.6, 0.5]], dtype=torch.float64)
    expected = oracle.smooth((maps[0] - 0.3) / 0.2 + (maps[1] - 0.6) / 0.5)
    assert_close(smoothed_sum(normalise(torch.from_numpy(maps), statistics).numpy()), expected, 1e-12)


@pytest.mark.parametrize("third", ["normal", "depth"])
def test_a_prediction(third) -> None:
    method = TRD(third=third, size=64, width=8, epochs=2, batch=2, sobel="3", foreground="cleaned")
    method.fit([on_a_table(s) for s in range(4)], seed=0, device="cpu", progress=no_progress)
    sample = on_a_table(7)
    inputs = method.prepare(sample)
    model = method._fitted()
    with torch.no_grad():
        taught = [level.double().numpy() for level in model.teacher(inputs.pair)]
    total = np.zeros((64, 64))
    for image, name in enumerate(("rgb", third)):
        own, other = ([level[index] for level in taught] for index in (image, 1 - image))
        made = oracle.student(own, other, as_weights(model.students[name]))["mixed"]
        mean, deviation = model.statistics[image].tolist()
        total += (oracle.distance_map(made, own, 64) - mean) / deviation
    expected = oracle.smooth(total)
    prediction = method.infer(inputs)
    assert prediction.score == pytest.approx(expected.max(), rel=1e-4)
    framed = oracle.weights_of(64, 64) @ (expected - expected.min()) @ oracle.weights_of(64, 80).T
    assert_close(prediction.anomaly_map, square_pad(framed) + expected.min())
    assert prediction.anomaly_map.dtype == np.float32
