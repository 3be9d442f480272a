from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.clean import clean_masks
from harness.data.images import read_mask, read_rgb, read_xyz
from harness.data.mvtec3d import MVTec3D
from harness.data.registry import DATASETS
from harness.data.toy import TOY_COUNTS, ToySample, ensure_toy, toy_samples, toy_scene
from harness.data.toy_defects import DEFECTS, KINDS, SEVERITIES, draw_defective_scene
from harness.data.toy_scene import LOOKS, SIDE, Paint, Part, place, render
from harness.data.verify import CountRow, verify_dataset
from harness.errors import PrerequisiteError

CATEGORIES = tuple(LOOKS)
DEFECTIVE = [s for s in toy_samples() if s.defect != "good"]


def kind_of(sample: ToySample) -> str:
    return DEFECTS[sample.defect][0]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_toy(tmp_path_factory.mktemp("cache"))


def nominal_twin(sample: ToySample):
    scene = toy_scene(sample)
    parts = tuple(part for part in scene.pictured if part not in scene.wrong)
    return replace(scene, pictured=parts, measured=parts, wrong=())


def arrays_digest(sample: ToySample) -> str:
    return sha256(b"".join(array.tobytes() for array in render(toy_scene(sample)))).hexdigest()


def test_the_reader_finds_every_sample(root):
    dataset = MVTec3D(root, DATASETS["toy"])
    assert dataset.categories == CATEGORIES == DATASETS["toy"].categories
    for category in CATEGORIES:
        found = [
            (r.split, r.defect) for split in ("train", "validation", "test") for r in dataset.refs(category, split)
        ]
        assert {key: found.count(key) for key in set(found)} == TOY_COUNTS


def test_files_hold_exactly_what_is_rendered(root):
    for sample in (ToySample("bump", "train", "good", 7), ToySample("ridge", "test", "both-plain", 1)):
        folder = root / sample.category / sample.split / sample.defect
        rgb, xyz, mask = render(toy_scene(sample))
        assert np.array_equal(read_rgb(folder / "rgb" / f"{sample.index:03d}.png"), rgb)
        assert np.array_equal(read_xyz(folder / "xyz" / f"{sample.index:03d}.tiff"), xyz)
        if mask.any():
            assert np.array_equal(read_mask(folder / "gt" / f"{sample.index:03d}.png").pixels, mask)


def test_verification_finds_nothing_wrong(root):
    report = verify_dataset(root)
    assert report.ok
    assert (report.dataset, report.decoded) == ("toy", 172)
    assert report.counts[0] == CountRow("bump", "train", 50, 50)


def test_it_is_small(root):
    assert sum(path.stat().st_size for path in root.rglob("*.*")) < 20e6


def test_a_sample_is_the_same_every_time_and_differs_from_every_other():
    some = [s for s in toy_samples() if s.index == 0]
    digests = [arrays_digest(sample) for sample in some]
    assert digests == [arrays_digest(sample) for sample in some]
    assert len(set(digests)) == len(some)


def test_a_second_call_makes_nothing(root):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert ensure_toy(root.parents[1]) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert list(root.parent.iterdir()) == [root]


def test_concurrent_calls_agree(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.data.toy.TOY_COUNTS", {("train", "good"): 2})
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: ensure_toy(tmp_path), range(4)))
    assert len(set(folders)) == 1
    assert list(folders[0].parent.iterdir()) == [folders[0]]
    assert len(list(folders[0].rglob("*.tiff"))) == 4


def test_a_cache_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PrerequisiteError, match="set HARNESS_CACHE"):
        ensure_toy(tmp_path / "file")


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.data.toy.render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure_toy(tmp_path)
    assert list((tmp_path / "toy").iterdir()) == []


CLEANED = [ToySample("ridge", "train", "good", 0), ToySample("ridge", "test", "mismatch-plain", 1)]
CLEANED += [
    ToySample("bump", "test", defect, index) for defect in ("good", "shape-medium", "both-plain") for index in (0, 1)
]


@pytest.mark.parametrize("sample", CLEANED, ids=str)
def test_cleaning_keeps_the_object_and_nothing_else(sample):
    scene = toy_scene(sample)
    rgb, xyz, mask = render(scene)
    masks = clean_masks(xyz)
    valid = (xyz != 0).all(axis=2)
    kept = masks.keep & valid
    assert 10_000 < kept.sum() < 12_500
    assert kept[mask & valid].all(), "no point of the defect is lost"
    assert (kept | masks.plane | ~valid).mean() > 0.99
    coloured = np.ptp(rgb.astype(int), axis=2) > 12
    assert coloured[kept].mean() > 0.9
    assert coloured[masks.plane].mean() < 0.1, "the table is grey"


def test_the_cloud_is_a_cloud_of_metres_with_dropouts():
    _, xyz, _ = render(toy_scene(ToySample("bump", "train", "good", 0)))
    missing = (xyz == 0).any(axis=2)
    assert xyz.dtype == np.float32
    assert xyz.shape == (SIDE, SIDE, 3)
    assert (xyz[missing] == 0).all()
    assert 0.002 < missing.mean() < 0.02
    assert (np.square(xyz[~missing]).sum(axis=1) > 0.1).all()
    assert np.ptp(xyz[~missing][:, 0]) == pytest.approx(0.177, abs=0.001)


def test_every_defect_differs_from_nominal_in_the_right_modality_and_place():
    for sample in DEFECTIVE:
        rgb, xyz, mask = render(toy_scene(sample))
        nominal_rgb, nominal_xyz, nominal_mask = render(nominal_twin(sample))
        in_rgb = (rgb != nominal_rgb).any(axis=2)
        in_xyz = (xyz != nominal_xyz).any(axis=2)
        sees = {
            "colour": (True, False),
            "shape": (False, True),
            "mismatch": (sample.index % 2 == 0, sample.index % 2 == 1),
            "both": (True, True),
        }[kind_of(sample)]
        assert (in_rgb.any(), in_xyz.any()) == sees, sample
        assert not nominal_mask.any()
        shape_rim = np.pad(mask, 1)[2:, 1:-1] | np.pad(mask, 1)[:-2, 1:-1]
        shape_rim |= np.pad(mask, 1)[1:-1, 2:] | np.pad(mask, 1)[1:-1, :-2] | mask
        assert not (in_rgb & ~shape_rim).any(), "shading reaches one pixel further"
        assert not (in_xyz & ~mask).any()
        covered = 0.8 if DEFECTS[sample.defect][1] == SEVERITIES["plain"] else 0.4
        assert (in_rgb | in_xyz)[mask].mean() > covered, "the mask holds little that is nominal"


def test_a_mismatch_shows_nominal_colour_and_nominal_shape():
    for sample in (s for s in DEFECTIVE if kind_of(s) == "mismatch"):
        scene = toy_scene(sample)
        nominal = scene.look.part
        (wrong,) = scene.wrong
        size = DEFECTS[sample.defect][1].size
        assert wrong.paint == nominal.paint
        assert (wrong.length, wrong.radius) == pytest.approx((size * nominal.length, size * nominal.radius))
        assert wrong.height / wrong.radius == pytest.approx(nominal.height / nominal.radius), "its slopes are nominal"
        assert (wrong in scene.pictured) != (wrong in scene.measured)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_defect_is_clear_of_everything_else_and_large_enough_to_be_a_region(category):
    for sample in (s for s in DEFECTIVE if s.category == category):
        scene = toy_scene(sample)
        (wrong,) = scene.wrong
        others = [part for part in {*scene.pictured, *scene.measured} if part != wrong]
        assert wrong.room(others) > 0
        plain = DEFECTS[sample.defect][1] == SEVERITIES["plain"]
        assert render(scene)[2].sum() > (350 if plain else 40)


def test_parts_do_not_overlap_and_move_from_sample_to_sample():
    places = set()
    for sample in (s for s in toy_samples() if s.defect == "good"):
        scene = toy_scene(sample)
        parts = scene.pictured
        assert scene.measured == parts
        assert 2 <= len(parts) <= 5
        for index, part in enumerate(parts):
            assert part.room(parts[:index]) > 0, sample
        places.add((parts[0].u, parts[0].v))
    assert len(places) == sum(s.defect == "good" for s in toy_samples())


def test_foreign_colours_are_far_from_nominal_ones():
    for look in LOOKS.values():
        foreign = np.array([look.foreign.light, look.foreign.dark])
        nominal = np.array([look.body.light, look.body.dark, look.part.paint.light, look.part.paint.dark])
        assert np.abs(foreign[:, None] - nominal[None]).max(axis=2).min() > 60


def test_every_kind_comes_in_three_severities():
    assert {defect for _, defect in TOY_COUNTS} == {"good", *DEFECTS}
    assert len(DEFECTS) == len(KINDS) * len(SEVERITIES) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_of_a_higher_severity_departs_further_from_nominal(kind):
    def departure(severity: str) -> float:
        found = 0.0
        for category in CATEGORIES:
            scene = draw_defective_scene(LOOKS[category], f"{kind}-{severity}", 0, np.random.default_rng(5))
            nominal = tuple(part for part in scene.pictured if part not in scene.wrong)
            rgb, xyz, _ = render(scene)
            twin_rgb, twin_xyz, _ = render(replace(scene, pictured=nominal, measured=nominal, wrong=()))
            found += float(np.abs(rgb.astype(float) - twin_rgb).sum() / 255 + np.abs(xyz - twin_xyz).sum() * 1000)
        return found

    faint, medium, plain = (departure(severity) for severity in SEVERITIES)
    assert 0 < faint < medium < plain


def test_a_part_is_placed_nowhere_rather_than_upon_another():
    part = LOOKS["bump"].part
    whole_body = replace(part, radius=60.0)
    assert place(part, (whole_body,), np.random.default_rng(0)) is None


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 30), st.floats(4, 12))
def test_a_placed_part_has_room_where_there_is_some(seed, length, radius):
    paint = Paint((0, 0, 0), (255, 255, 255), "dots", 5.0)
    placed = place(Part(0, 0, 0, length, radius, 3.0, paint), (), np.random.default_rng(seed))
    assert placed is not None
    assert placed.room(()) > 0
    assert (placed.length, placed.radius) == (length, radius)
