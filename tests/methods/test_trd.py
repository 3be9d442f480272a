"""TRD: parameters, training, normalisation, determinism, state, unusual and invalid input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import make_sample, no_progress

from harness.contract import MethodError, Prediction, Sample, UnsupportedError
from harness.measure.reach import reachable_bytes
from methods.parts.normals import sobel_derivatives, surface_normals
from methods.parts.trd.distances import distance_map, imitation_loss, level_loss, normalise, statistics_of
from methods.parts.trd.inputs import corner_plane, object_of
from methods.parts.trd.student import Imitation, Levels, Student, build_student
from methods.parts.wide_resnet import build_wide_resnet
from methods.trd import TRD
from methods.weights import WIDE_RESNET50_2_V1

SMALL = {"size": 64, "width": 8, "epochs": 2, "batch": 2}


def make(seed: int = 0, **sizes) -> Sample:
    sample = make_sample(seed, **({"height": 64, "width": 64, "radius": 24} | sizes))
    return replace(sample, measured=sample.xyz)


def fit(seed: int = 0, samples: int = 3, validation: list[Sample] | None = None, **parameters) -> TRD:
    method = TRD(**(SMALL | parameters))
    if validation is not None:
        method.use_validation(validation)
    method.fit([make(s) for s in range(samples)], seed=seed, device="cpu", progress=no_progress)
    return method


def predict(method: TRD, sample: Sample | None = None) -> Prediction:
    return method.infer(method.prepare(make(9) if sample is None else sample))


@pytest.fixture(scope="module")
def fitted() -> TRD:
    return fit()


def levels(seed: int = 0) -> Levels:
    draw = torch.Generator().manual_seed(seed)
    fine, middle, coarse = (torch.rand(2, c, side, side, generator=draw) for c, side in ((256, 8), (512, 4), (1024, 2)))
    return fine, middle, coarse


def test_a_student_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        student = Student()
    counts = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in student.named_children()}
    rounded = {name: round(count, 1) for name, count in counts.items()}
    assert rounded == {"filter": 59.8, "amplifier": 17.9, "bottleneck": 90.7, "decoder": 24.9}
    assert round(sum(counts.values()), 1) == 193.4


def test_a_narrow_student_imitates_features_of_the_same_shapes() -> None:
    student = build_student(16, seed=0, scope="test").eval()
    own = levels()
    imitation = student(own, levels(1))
    for part in (imitation.filtered, imitation.amplified, imitation.pure, imitation.mixed):
        assert [level.shape for level in part] == [level.shape for level in own]


def test_the_decoder_begins_with_equal_shares_of_stage_and_amplified_features() -> None:
    imitation = build_student(8, seed=0, scope="test").eval()(levels(), levels(1))
    for pure, amplified, mixed in zip(imitation.pure, imitation.amplified, imitation.mixed, strict=True):
        torch.testing.assert_close(mixed, (pure + amplified) / 2)


def test_convolutions_have_the_variance_of_their_fan_out() -> None:
    student = build_student(128, seed=0, scope="test")
    weight = student.amplifier.levels[2][0].weight
    assert float(weight.detach().std()) == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_tilted_plane_has_the_same_normal_everywhere_inside(size: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing="ij")
    normals = surface_normals(0.003 * columns - 0.001 * rows + 0.5, size)
    reach = size // 2
    inside = normals[:, reach:-reach, reach:-reach]
    gain = {3: 8, 5: 128, 7: 2048}[size]
    expected = torch.tensor([-0.003 * gain, 0.001 * gain, 1])
    torch.testing.assert_close(
        inside, (expected / expected.norm())[:, None, None].expand_as(inside), atol=1e-4, rtol=1e-3
    )


def test_the_gain_grows_sixteenfold_with_each_size_of_the_filter() -> None:
    ramp = torch.arange(20.0).expand(9, 20)
    gains = [float(sobel_derivatives(ramp, size)[0][4, 10]) for size in (3, 5, 7)]
    assert gains == [8, 128, 2048]


def test_a_student_that_equals_its_teacher_scores_zero_everywhere() -> None:
    taught = levels()
    assert float(distance_map(taught, taught, 40).abs().max()) < 1e-6
    assert float(level_loss(taught, taught)) == pytest.approx(0, abs=1e-6)
    assert float(imitation_loss(Imitation(taught, taught, taught, taught), taught)) == pytest.approx(0, abs=1e-5)


def test_normalised_maps_have_mean_zero_and_deviation_one_where_they_were_measured() -> None:
    draw = torch.Generator().manual_seed(0)
    scale = torch.tensor([0.1, 7.0], dtype=torch.float64)[:, None, None]
    maps = [3 + scale * torch.rand(2, 9, 9, generator=draw, dtype=torch.float64) for _ in range(4)]
    found = torch.stack([normalise(each, statistics_of(maps)) for each in maps], dim=1).flatten(1)
    torch.testing.assert_close(found.mean(1), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(found.std(1, correction=0), torch.ones(2, dtype=torch.float64))


def test_maps_without_deviation_are_only_centred() -> None:
    flat = torch.full((2, 4, 4), 0.25, dtype=torch.float64)
    assert not normalise(flat, statistics_of([flat])).any()


def test_statistics_are_those_of_every_tenth_sample_which_no_student_learns_from() -> None:
    seen: list[tuple[str, int]] = []
    method = TRD(**SMALL | {"epochs": 1})
    method.fit(
        [make(s) for s in range(12)],
        seed=0,
        device="cpu",
        progress=lambda stage, _, total, **__: seen.append((stage, total)),
    )
    assert dict(seen) == {"images": 12, "teacher": 10, "rgb": 1, "normal": 1}
    model = method._fitted()
    maps = [model.maps(method.prepare(make(s)).pair) for s in (0, 10)]
    torch.testing.assert_close(model.statistics, statistics_of(maps))


def test_statistics_are_those_of_the_validation_split_where_it_is_asked_for() -> None:
    validation = [make(20), make(21)]
    method = fit(validation=validation, norm_split="validation")
    assert method.wants_validation()
    assert not TRD().wants_validation()
    model = method._fitted()
    torch.testing.assert_close(
        model.statistics, statistics_of([model.maps(method.prepare(sample).pair) for sample in validation])
    )
    assert len(method.losses_["rgb"]) == 2 * 2


def test_samples_that_maps_are_normalised_by_are_looked_at_before_the_training() -> None:
    stages: set[str] = set()
    with pytest.raises(MethodError, match=r"no (valid )?point"):
        TRD(**SMALL).fit(
            [make(0, radius=0), make(1), make(2)],
            seed=0,
            device="cpu",
            progress=lambda stage, *_, **__: stages.add(stage),
        )
    assert stages == {"images"}


def test_every_student_learns() -> None:
    losses = fit(samples=4, epochs=12).losses_
    assert set(losses) == {"rgb", "normal"}
    assert all(np.mean(values[-3:]) < 0.75 * values[0] for values in losses.values())


def test_equal_seeds_give_equal_predictions_and_other_seeds_other_ones(fitted: TRD) -> None:
    torch.manual_seed(5)
    first, again, other = predict(fitted), predict(fit()), predict(fit(1))
    np.testing.assert_array_equal(first.anomaly_map, again.anomaly_map)
    assert first.score == again.score
    assert first.score != other.score


def test_state_survives_restoring(fitted: TRD) -> None:
    restored = TRD(**SMALL)
    restored.restore(fitted.state(), seed=5, device="cpu")
    np.testing.assert_array_equal(predict(restored).anomaly_map, predict(fitted).anomaly_map)


def test_state_bytes_are_those_of_reachable_tensors(fitted: TRD) -> None:
    sizes = fitted.state_bytes()
    assert sum(sizes.values()) == pytest.approx(reachable_bytes(fitted), rel=0.001)
    assert (sizes["bank"], sizes["other"]) == (0, 4 * 8)


@pytest.mark.parametrize(("category", "sobel"), [("cookie", "3"), ("dowel", "7"), ("tire", "7"), ("bagel", "5")])
def test_the_papers_filter_depends_on_the_category(fitted: TRD, category: str, sobel: str) -> None:
    sample = replace(make(1), category=category)
    for choice in ("3", "5", "7"):
        pairs = []
        for value in ("paper", choice):
            method = TRD(**SMALL, sobel=value)
            method._model = fitted._fitted()
            pairs.append(method.prepare(sample).pair)
        assert torch.equal(*pairs) == (choice == sobel)


def test_a_map_lies_in_the_images_frame_within_the_padded_square(fitted: TRD) -> None:
    sample = make(9, height=40, width=80, radius=18)
    anomaly_map = predict(fitted, sample).anomaly_map
    assert anomaly_map.shape == (80, 80)
    assert (anomaly_map[:20] == anomaly_map.min()).all()
    assert (anomaly_map[60:] == anomaly_map.min()).all()
    assert anomaly_map[20:60].std() > 0


def test_the_maps_of_both_students_explain_a_prediction(fitted: TRD) -> None:
    maps = fitted.explain(fitted.prepare(make(9)))
    assert set(maps) == {"map_rgb", "map_normal"}
    assert all(values.shape == (64, 64) for values in maps.values())


def test_the_weights_of_torchvision_are_read(tmp_path: Path) -> None:
    network = build_wide_resnet(weights=None, seed=3)
    path = tmp_path / WIDE_RESNET50_2_V1.name
    torch.save({**network.state_dict(), "fc.weight": torch.ones(10, 2048)}, path, _use_new_zipfile_serialization=False)
    method = TRD(**SMALL)
    method.load_weights({path.name: path})
    teacher = method._build(0, "cpu").teacher
    read = teacher.state_dict()
    assert all(torch.equal(read[name], t) for name, t in network.state_dict().items() if t.is_floating_point())
    assert {"conv1.weight", "layer1.0.downsample.1.running_var", "layer3.5.bn3.bias"} <= set(read)


def test_a_corner_without_a_point_has_no_plane_and_what_cleaning_left_is_taken() -> None:
    sample = make(0)
    measured = np.ones((64, 64, 3), np.float32)
    measured[..., :2] = np.mgrid[:64, :64].transpose(1, 2, 0) * 1e-3
    plane = corner_plane(measured)
    assert plane is not None
    assert not object_of_or_none(replace(sample, measured=measured))
    measured[-3:, :3] = 0
    assert corner_plane(measured) is None
    _, inside = object_of(replace(sample, measured=measured), "code", "cpu")
    assert torch.equal(inside, object_of(sample, "cleaned", "cpu")[1])


def object_of_or_none(sample: Sample) -> bool:
    try:
        return bool(object_of(sample, "code", "cpu")[1].any())
    except MethodError:
        return False


@pytest.mark.parametrize("third", ["normal", "depth"])
@pytest.mark.parametrize("foreground", ["code", "cleaned"])
def test_a_cloud_without_a_point_is_an_error(fitted: TRD, third, foreground) -> None:
    method = TRD(**SMALL, third=third, foreground=foreground)
    method._model = fitted._fitted()
    with pytest.raises(MethodError, match=r"no (valid )?point"):
        method.prepare(make(5, radius=0))


def test_modalities_are_those_that_the_third_image_is_made_of() -> None:
    assert TRD().modalities() == ("rgb", "xyz")
    assert TRD(foreground="cleaned").modalities() == TRD(third="depth").modalities() == ("rgb", "depth")


def test_two_samples_are_enough_and_one_is_an_error() -> None:
    assert np.isfinite(predict(fit(samples=2)).anomaly_map).all()
    with pytest.raises(UnsupportedError, match="norm_split=validation"):
        fit(samples=1)


def test_without_validation_samples_there_is_nothing_to_normalise_by() -> None:
    for validation in (None, []):
        with pytest.raises(UnsupportedError, match="norm_split=heldout"):
            fit(validation=validation, norm_split="validation")


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"trd\[lr=1e\+29\]"):
        fit(lr=1e30)


def test_using_an_unfitted_method_is_an_error() -> None:
    with pytest.raises(MethodError, match="not fitted"):
        predict(TRD())


@pytest.mark.parametrize(
    "parameters",
    [{"size": 32}, {"size": 100}, {"width": 12}, {"epochs": 0}, {"batch": 0}, {"lr": 0.0}, {"lr_decay": 0.0}],
    ids=str,
)
def test_parameters_out_of_range_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        TRD(**parameters)
