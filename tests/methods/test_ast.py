"""AST: parameters, training, determinism, state, unusual and invalid input."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import MethodError, Sample
from harness.measure.reach import reachable_bytes
from methods.ast import AST
from methods.parts.ast.features import image_input
from methods.parts.ast.networks import Architecture, TeacherStudent
from methods.parts.depth import corner_plane, depth_and_foreground, find_foreground
from methods.parts.epochs import run_epochs

SMALL = {"image_size": 128, "epochs": 3, "batch": 2, "hidden": 8, "width": 12, "residual_blocks": 2}
DEPTH_ONLY = SMALL | {"modality": "depth"}


def fit(seed: int = 0, samples: int = 3, **parameters) -> AST:
    method = AST(**(DEPTH_ONLY | parameters))
    method.fit([make_sample(s, radius=40) for s in range(samples)], seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: AST, sample: Sample | None = None):
    return method.infer(method.prepare(make_sample(9, radius=40) if sample is None else sample))


def test_both_networks_have_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        pair = TeacherStudent(368, 24, Architecture())
    teacher, student = (sum(p.numel() for p in part.parameters()) for part in (pair.teacher, pair.student))
    assert (round(teacher / 1e6, 2), round(student / 1e6, 1)) == (3.89, 82.6)
    assert round(4 * (teacher + student) / 1e6, 2) == 345.97


def test_the_published_settings_are_the_defaults() -> None:
    method = AST()
    assert (method.image_size, method.epochs, method.batch, method.lr, method.weight_decay) == (768, 72, 8, 2e-4, 1e-5)
    assert (method.width, method.residual_blocks, method.mask_power, method.score) == (1024, 4, 2, "max")


@pytest.mark.parametrize(
    ("count", "drop_last", "sizes"),
    [(5, True, [5]), (8, True, [8]), (10, True, [8]), (17, True, [8, 8]), (10, False, [8, 2]), (1, True, [1])],
)
def test_an_incomplete_batch_is_left_out_if_there_are_others(count: int, drop_last: bool, sizes: list[int]) -> None:
    drawn: list[list[int]] = []

    def step(epoch: int, members: list[int]) -> torch.Tensor:
        drawn.append(members)
        return torch.zeros(())

    generator, remedy = torch.Generator().manual_seed(0), ""
    rules = {"epochs": 1, "batch": 8, "drop_last": drop_last}
    run_epochs(step, count, generator=generator, progress=no_progress, remedy=remedy, **rules)
    assert [len(batch) for batch in drawn] == sizes
    assert len({member for batch in drawn for member in batch}) == sum(sizes)


def test_the_student_is_trained_after_the_teacher_and_every_stage_reports_its_progress() -> None:
    calls: list[tuple[str, int, int]] = []
    method = AST(**DEPTH_ONLY)
    method.fit(
        [make_sample(s, radius=40) for s in range(2)],
        seed=0,
        device="cpu",
        progress=lambda *step, **_: calls.append(step),
    )
    passes = [("extract", 2), ("teacher", 3), ("student", 3)]
    assert calls == [(stage, done, total) for stage, total in passes for done in range(total + 1)]


def test_both_losses_decrease_and_running_statistics_are_updated() -> None:
    method = fit(epochs=60, lr=2e-3)
    assert np.mean(method.teacher_losses_[-5:]) < 0.5 * method.teacher_losses_[0]
    assert np.mean(method.student_losses_[-5:]) < 0.5 * method.student_losses_[0]
    student = method._fitted()[1].student
    assert not student.training
    assert all((norm.running_mean != 0).any() for norm in student.modules() if isinstance(norm, torch.nn.BatchNorm2d))


def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones() -> None:
    first, again, other = (predict(fit(seed, modality="rgb+depth")) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_fit_does_not_depend_on_the_global_generator() -> None:
    maps = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        maps.append(predict(fit()).anomaly_map)
    np.testing.assert_array_equal(*maps)


def test_state_survives_restoring_and_pickling() -> None:
    method = fit()
    restored = AST(**DEPTH_ONLY)
    restored.restore(method.state(), seed=5, device="cpu")
    expected = predict(method).anomaly_map
    np.testing.assert_array_equal(predict(restored).anomaly_map, expected)
    np.testing.assert_array_equal(predict(pickle.loads(pickle.dumps(method))).anomaly_map, expected)


@pytest.mark.parametrize("modality", ["rgb+depth", "rgb", "depth"])
def test_state_bytes_are_those_of_reachable_tensors(modality: str) -> None:
    method = fit(modality=modality, width=64)
    sizes = method.state_bytes()
    assert sum(sizes.values()) == pytest.approx(reachable_bytes(method), rel=0.001)
    assert (sizes["bank"], sizes["other"]) == (0, 0)


def test_other_holes_are_filled_but_not_the_removed_background() -> None:
    depth = np.zeros((13, 13))
    depth[4:9, 4:9] = 0.5
    depth[6, 6] = 0
    plane = np.ones((13, 13), bool)
    plane[4:9, 4:9] = False
    sample = replace(make_sample(0, height=13, width=13), xyz=np.repeat(depth[..., None], 3, -1), plane=plane)
    _, foreground = depth_and_foreground(sample, 13, "auto", 3)
    np.testing.assert_array_equal(foreground.numpy() > 0, ~plane)
    _, grown = depth_and_foreground(replace(sample, plane=np.zeros_like(plane)), 13, "auto", 1)
    assert grown.sum() == 49


def test_without_depth_in_a_corner_auto_takes_all_measured_pixels_and_the_plane_is_an_error() -> None:
    depth = torch.full((6, 6), 0.5, dtype=torch.float64)
    depth[:2, -2:] = 0
    assert torch.equal(find_foreground(depth, "auto", cleaned=False), depth != 0)
    with pytest.raises(MethodError, match="foreground=auto"):
        corner_plane(depth)
    depth[0, -1] = 0.5
    assert not find_foreground(depth, "auto", cleaned=False).any()
    assert torch.equal(find_foreground(depth, "auto", cleaned=True), depth != 0)


def test_images_are_padded_by_their_edges_and_normalised() -> None:
    rgb = np.zeros((20, 40, 3), np.uint8)
    rgb[:, :20] = (255, 0, 51)
    image = image_input(rgb, 64)
    assert image.shape == (3, 64, 64)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for corner in (image[:, 0, 0], image[:, -1, 0]):
        np.testing.assert_allclose(corner, (np.array([1, 0, 0.2]) - mean) / deviation, rtol=1e-5)
    np.testing.assert_allclose(image[:, 30, -1], -mean / deviation, rtol=1e-5)


def test_a_map_covers_the_padded_square_and_is_zero_off_the_object() -> None:
    sample = make_sample(9, height=100, width=200, radius=30)
    prediction = predict(fit(image_size=256), sample)
    assert prediction.anomaly_map.shape == (64, 64)
    assert (prediction.anomaly_map[:4] == 0).all()
    assert (prediction.anomaly_map[:, :4] == 0).all()
    assert np.abs(prediction.anomaly_map[24:40, 24:40]).min() > 0


def test_one_training_sample_is_enough() -> None:
    assert np.isfinite(predict(fit(samples=1)).anomaly_map).all()


def test_a_cloud_without_an_object_is_an_error() -> None:
    with pytest.raises(MethodError, match="train/good/005"):
        predict(fit(), make_sample(5, radius=0))


def test_features_of_the_image_alone_need_no_cloud_and_no_mask() -> None:
    method, sample = fit(modality="rgb"), make_sample(9, radius=40)
    empty = replace(sample, xyz=np.zeros_like(sample.xyz), plane=np.zeros_like(sample.plane))
    np.testing.assert_array_equal(predict(method, sample).anomaly_map, predict(method, empty).anomaly_map)
    assert method.modalities() == ("rgb",)
    assert (np.abs(predict(method, sample).anomaly_map) > 0).all()


def test_the_corner_rule_on_a_cleaned_cloud_is_an_error() -> None:
    with pytest.raises(MethodError, match="foreground=auto"):
        fit(foreground="corners")


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"ast\[lr=1e\+29\]"):
        fit(lr=1e30, epochs=8)


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(AST())


@pytest.mark.parametrize(
    "parameters",
    [
        {"epochs": 0},
        {"batch": 0},
        {"width": 0},
        {"lr": 0.0},
        {"weight_decay": -1.0},
        {"image_size": 700},
        {"image_size": 0},
        {"position_channels": 6},
        {"gap_passes": -1},
        {"dilation": -1},
        {"mask_power": -1},
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        AST(**parameters)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_the_same_maps() -> None:
    maps = []
    for device in ("cpu", "cuda:0", "cuda:0"):
        method = AST(**SMALL)
        method.fit([make_sample(s, radius=40) for s in (1, 2)], seed=0, device=device, progress=no_progress)
        maps.append(predict(method).anomaly_map)
    np.testing.assert_allclose(maps[0], maps[1], atol=2e-2 * maps[0].max())
    np.testing.assert_array_equal(maps[1], maps[2])
