from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fake_eyecandies import FOCAL, HIGH, LOW, POSE, TABLE, depth_image, items, kind_mask, object_mask
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.data.backproject import back_project, find_background, from_sample_axes, scale_depth, to_sample_axes
from harness.data.eyecandies import Eyecandies
from harness.data.verify import verify_dataset
from harness.errors import DataError, UsageError
from harness.geometry import resize_nearest, valid_points

SIDE = 64
OBJECT = object_mask(SIDE)

real = pytest.mark.skipif("HARNESS_TEST_DATA" not in os.environ, reason="needs HARNESS_TEST_DATA")


def write_official(
    root: Path, split: str, stem: str, kinds: tuple[str, ...] = (), *, metadata: bool = True, mask: bool = True
) -> Path:
    data = root / "Lollipop" / split / "data"
    data.mkdir(parents=True, exist_ok=True)
    left_out = {"metadata.yaml": not metadata, "mask.png": not mask}
    for item, content in items(SIDE, kinds, int(stem)).items():
        if not left_out.get(item):
            (data / f"{stem}_{item}").write_bytes(content)
    return data


def write_converted(root: Path, folder: str, stem: str, kinds: tuple[str, ...] = ("bumps",)) -> None:
    """Points without background: x is zero there, y and z are not."""
    target = root / "Lollipop" / folder
    xyz = to_sample_axes(back_project(scale_depth(depth_image(SIDE), LOW, HIGH), POSE))
    xyz[find_background(xyz)] = [0, -0.1, 0.2]
    for kind in ("rgb", "xyz", "gt"):
        (target / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(target / "rgb" / f"{stem}.png")
    tifffile.imwrite(target / "xyz" / f"{stem}.tiff", xyz, photometric="rgb")
    mask = kind_mask(SIDE, () if folder.endswith("good") else kinds)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(target / "gt" / f"{stem}.png")


TEST_KINDS: tuple[tuple[str, ...], ...] = ((), ("bumps",), ("dents",), ("colors",), ("normals",), ("bumps", "colors"))


@pytest.fixture
def official(tmp_path: Path) -> Eyecandies:
    root = tmp_path / "official"
    for stem in ("001", "000", "010"):
        write_official(root, "train", stem)
    write_official(root, "val", "03")
    for number, kinds in enumerate(TEST_KINDS):
        write_official(root, "test_public", f"{number:02d}", kinds)
    return Eyecandies(root)


@pytest.fixture
def converted(tmp_path: Path) -> Eyecandies:
    root = tmp_path / "converted"
    for stem in ("001", "000", "010"):
        write_converted(root, "train/good", stem)
    write_converted(root, "validation/good", "03")
    write_converted(root, "test/good", "00")
    for number, kinds in enumerate(TEST_KINDS[1:], start=1):
        write_converted(root, "test/bad", f"{number:02d}", kinds)
    return Eyecandies(root)


def ids(dataset: Eyecandies, split: str) -> list[str]:
    return [ref.id for ref in dataset.refs("Lollipop", split)]


@given(st.integers(0, 2**32 - 1))
def test_back_projection_is_the_homogeneous_one(seed: int) -> None:
    """Each pixel (u, v, 1, 1/d), through the inverse of K @ pose, times d."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, rng.normal(size=3)
    depth = rng.uniform(0.5, 5, (6, 8))
    camera = np.array([[FOCAL, 0, 4, 0], [0, FOCAL, 3, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    inverse = np.linalg.inv(camera @ pose)
    points = back_project(depth, pose)
    for v in range(6):
        for u in range(8):
            d = depth[v, u]
            wanted = d * (inverse @ np.array([u, v, 1, 1 / d]))
            assert wanted[3] == pytest.approx(1)
            assert np.allclose(points[v, u], wanted[:3], atol=1e-9)


def test_sample_axes_are_x_minus_z_y_in_tenths() -> None:
    xyz = to_sample_axes(np.array([[1.0, 2.0, 3.0]]))
    assert xyz.dtype == np.float32
    assert np.allclose(xyz, [[0.1, -0.3, 0.2]])
    assert np.allclose(from_sample_axes(xyz), [[1, 2, 3]])


def test_point_on_an_axis_stays_a_point() -> None:
    xyz = to_sample_axes(np.zeros((1, 3)))
    assert valid_points(xyz).all()
    assert np.abs(xyz).max() < 1e-8


@pytest.mark.parametrize("angle", [-0.3, 0.0, 0.5])
def test_background_rule_on_a_tilted_table(angle: float) -> None:
    """Levelled heights, distances and sides on both sides of each threshold."""
    x, z = np.meshgrid(np.linspace(-1.2, 1.2, 25) + 0.003, np.linspace(3.7, 0, 19) + 0.004)
    y = np.zeros_like(x)
    y[2:-2, 2:-2] = np.tile([-0.3, -0.021, -0.019, 0.1], (21 * 15) // 4 + 1)[: 21 * 15].reshape(15, 21)
    wanted = (y > -0.02) | (z - z[-1, 0] > 1.8) | (np.abs(x) > 1)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]])
    world = np.stack([x, y, z], axis=-1) @ turn.T + [0, 5, 7]
    assert np.array_equal(find_background(to_sample_axes(world)), wanted)
    assert 0.05 < (~wanted).mean() < 0.3


def test_ids_and_defects_of_the_official_layout(official: Eyecandies) -> None:
    assert official.categories == ("Lollipop",)
    assert ids(official, "train") == ["train/000", "train/001", "train/010"]
    assert ids(official, "validation") == ["val/03"]
    assert ids(official, "test") == [f"test_public/{n:02d}" for n in range(6)]
    defects = [ref.defect for ref in official.refs("Lollipop", "test")]
    assert defects == ["good", "bumps", "dents", "colors", "normals", "mixed"]


def test_ids_are_the_same_in_both_layouts(official: Eyecandies, converted: Eyecandies) -> None:
    for split in ("train", "validation", "test"):
        assert ids(official, split) == ids(converted, split)


@pytest.mark.parametrize("stem", ["7", "07", "007", "0007"])
def test_converted_numbers_get_the_official_digits(tmp_path: Path, stem: str) -> None:
    write_converted(tmp_path, "train/good", stem)
    write_converted(tmp_path, "test/bad", stem)
    dataset = Eyecandies(tmp_path)
    assert ids(dataset, "train") == ["train/007"]
    assert ids(dataset, "test") == ["test_public/07"]
    assert dataset.load(dataset.refs("Lollipop", "test")[0]).anomalous


def test_two_converted_files_of_one_id_are_named(tmp_path: Path) -> None:
    write_converted(tmp_path, "test/good", "00")
    write_converted(tmp_path, "test/bad", "00")
    with pytest.raises(DataError, match=r"good/rgb/00\.png .*bad/rgb/00\.png .*test_public/00"):
        Eyecandies(tmp_path).refs("Lollipop", "test")
    (problem,) = verify_dataset(tmp_path, fast=True).problems
    assert "test_public/00" in problem.message


def test_a_copy_of_the_script_of_m3dm_is_read(tmp_path: Path) -> None:
    """Clouds of float64, masks of three channels, the folders test/good and test/bad."""
    for folder in ("train/good", "validation/good", "test/good", "test/bad"):
        write_converted(tmp_path, folder, "000" if folder != "test/bad" else "001")
    for path in tmp_path.rglob("*.tiff"):
        tifffile.imwrite(path, tifffile.imread(path).astype(np.float64), photometric="rgb")
    for path in tmp_path.rglob("gt/*.png"):
        Image.open(path).convert("RGB").save(path)
    dataset = Eyecandies(tmp_path)
    assert [ids(dataset, split) for split in ("train", "validation")] == [["train/000"], ["val/00"]]
    good, bad = (dataset.load(ref) for ref in dataset.refs("Lollipop", "test"))
    assert np.array_equal(valid_points(bad.xyz), OBJECT)
    assert (good.mask.any(), bad.xyz.dtype) == (False, np.float32)
    assert np.array_equal(bad.mask, kind_mask(SIDE, ["bumps"]))
    assert verify_dataset(tmp_path).problems == ()


def test_a_copy_with_depth_images_for_clouds_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Another public script: numbers of four digits, the folder test_public, the depth image in xyz."""
    for split, defect, number in (("train", "good", 0), ("train", "good", 1), ("test_public", "bad", 0)):
        folder = tmp_path / "Lollipop" / split / defect
        files = items(SIDE, ("bumps",) if defect == "bad" else (), number)
        for kind, item in (("rgb", "image_5.png"), ("xyz", "depth.png"), ("gt", "mask.png")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            (folder / kind / f"{number:04d}.png").write_bytes(files[item])
    dataset = Eyecandies(tmp_path)
    for split, place in (("train", "train/good/xyz"), ("test", "test_public/bad/xyz")):
        with pytest.raises(DataError, match=f"{place} hold depth images .*as its authors publish it"):
            dataset.refs("Lollipop", split)
    assert len(verify_dataset(tmp_path, fast=True).problems) == 2


def test_decoded_cloud_is_the_scene(official: Eyecandies) -> None:
    sample = official.decode(official.refs("Lollipop", "test")[1])
    world = from_sample_axes(sample.xyz)
    assert np.allclose(world[..., 1], np.where(OBJECT, TABLE - 0.1, TABLE), atol=1e-4)
    assert valid_points(sample.xyz).all()
    assert not sample.plane.any()
    assert np.array_equal(sample.mask, kind_mask(SIDE, TEST_KINDS[1]))
    assert sample.anomalous is True
    assert sample.xyz.dtype == np.float32


def test_cleaning_leaves_the_object(official: Eyecandies) -> None:
    raw = official.decode(official.refs("Lollipop", "train")[0])
    sample = official.clean(raw)
    assert np.array_equal(valid_points(sample.xyz), OBJECT)
    assert np.array_equal(sample.plane, ~OBJECT)
    assert not sample.xyz[~OBJECT].any()
    assert np.array_equal(sample.xyz[OBJECT], raw.xyz[OBJECT])
    assert sample.anomalous is False
    assert not sample.mask.any()


def test_both_layouts_give_the_same_cloud(official: Eyecandies, converted: Eyecandies) -> None:
    for split in ("train", "test"):
        for one, other in zip(official.refs("Lollipop", split), converted.refs("Lollipop", split), strict=True):
            first, second = official.load(one), converted.load(other)
            assert np.array_equal(first.xyz, second.xyz)
            assert np.array_equal(first.plane, second.plane)
            assert np.array_equal(first.mask, second.mask)
            assert (first.id, first.anomalous) == (second.id, second.anomalous)


def test_cleaning_twice_changes_nothing(official: Eyecandies, converted: Eyecandies) -> None:
    for dataset in (official, converted):
        once = dataset.load(dataset.refs("Lollipop", "train")[0])
        twice = dataset.clean(once)
        assert np.array_equal(once.xyz, twice.xyz)
        assert np.array_equal(once.plane, twice.plane)


def test_the_seventeen_files_of_a_sample_are_one_sample(official: Eyecandies) -> None:
    """Masks of single kinds end like the mask of all: they are no samples of their own."""
    assert len([*(official.root / "Lollipop/test_public/data").iterdir()]) == 17 * len(TEST_KINDS)
    assert verify_dataset(official.root, fast=True).problems == ()


def test_label_comes_from_the_mask_where_metadata_is_missing(tmp_path: Path) -> None:
    write_official(tmp_path, "test_public", "00", metadata=False)
    write_official(tmp_path, "test_public", "01", ("bumps",), metadata=False)
    assert [ref.defect for ref in Eyecandies(tmp_path).refs("Lollipop", "test")] == ["good", "bad"]


def test_sample_without_metadata_and_mask_is_named(tmp_path: Path) -> None:
    write_official(tmp_path, "test_public", "00", metadata=False, mask=False)
    with pytest.raises(DataError, match=r"data/00 .*metadata.* mask"):
        Eyecandies(tmp_path).refs("Lollipop", "test")


def test_a_mask_is_missing_or_it_marks_something(tmp_path: Path) -> None:
    data = write_official(tmp_path, "test_public", "00", ("dents",))
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(data / "00_mask.png")
    dataset = Eyecandies(tmp_path)
    with pytest.raises(DataError, match=r"00_mask\.png marks no pixel"):
        dataset.load(dataset.refs("Lollipop", "test")[0])
    (data / "00_mask.png").unlink()
    dataset = Eyecandies(tmp_path)
    sample = dataset.load(dataset.refs("Lollipop", "test")[0])
    assert (sample.mask, sample.anomalous) == (None, True)
    scan = dataset.scan("Lollipop", "test")
    assert "00_mask.png" in scan.warnings[0]
    assert scan.notes[0].startswith("1 of 1 anomalous samples have no mask")


@pytest.mark.parametrize("part", ["image_4.png", "depth.png", "info_depth.yaml", "pose.txt"])
def test_missing_part_is_named(tmp_path: Path, part: str) -> None:
    data = write_official(tmp_path, "train", "000")
    (data / f"000_{part}").unlink()
    with pytest.raises(DataError, match=f"Lollipop/train/data .*000_{part}.* 'harness data verify"):
        Eyecandies(tmp_path).refs("Lollipop", "train")


def spoil_rgb(data: Path) -> None:
    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(data / "000_image_4.png")


def spoil_depth(data: Path) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(data / "000_depth.png")


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda data: (data / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_rgb, r"000_image_4\.png .*6x5.* .*000_depth\.png .*64x64"),
        (spoil_depth, r"000_depth\.png .* mode L"),
        (write("000_depth.png", "x"), r"000_depth\.png .*PNG"),
        (write("000_info_depth.yaml", "{"), r"000_info_depth\.yaml .*YAML"),
        (write("000_info_depth.yaml", "7"), r"000_info_depth\.yaml "),
        (write("000_info_depth.yaml", "normalization: {max: 1}"), r"normalization\.min"),
        (write("000_info_depth.yaml", "normalization: {min: 2, max: 1}"), r"2\.0 to 1\.0"),
        (write("000_info_depth.yaml", "normalization: {min: .nan, max: 1}"), r"nan to 1\.0"),
        (write("000_pose.txt", "1 2\n3"), r"000_pose\.txt .*matrix"),
        (write("000_pose.txt", "1 2\n3 4"), r"000_pose\.txt .*4x4"),
        (write("000_pose.txt", "0 0 0 0\n" * 4), r"000_pose\.txt .*4x4"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(write_official(tmp_path, "train", "000"))
    dataset = Eyecandies(tmp_path)
    with pytest.raises(DataError, match=message):
        dataset.load(dataset.refs("Lollipop", "train")[0])


def test_bad_metadata_is_named(tmp_path: Path) -> None:
    data = write_official(tmp_path, "test_public", "00")
    (data / "00_metadata.yaml").write_text(":\n- {")
    with pytest.raises(DataError, match=r"00_metadata\.yaml .*YAML"):
        Eyecandies(tmp_path).refs("Lollipop", "test")


def test_files_that_are_not_read_do_not_count(official: Eyecandies) -> None:
    before = official.digest("Lollipop")
    data = official.root / "Lollipop/train/data"
    for name in ("000_image_0.png", "000_normals.png", "._000_depth.png", "readme.txt"):
        (data / name).write_bytes(b"x")
    again = Eyecandies(official.root)
    assert len(again.refs("Lollipop", "train")) == 3
    (data / "._000_depth.png").unlink()
    assert again.digest("Lollipop") == before
    write_official(official.root, "train", "011")
    assert again.digest("Lollipop") != before


def test_digest_of_the_converted_layout(converted: Eyecandies) -> None:
    before = converted.digest("Lollipop")
    write_converted(converted.root, "train/good", "011")
    assert Eyecandies(converted.root).digest("Lollipop") != before


def test_unknown_category_names_the_nearest(official: Eyecandies) -> None:
    with pytest.raises(UsageError, match=r"'lollipop' .*'Lollipop'"):
        official.refs("lollipop", "train")


@real
@pytest.mark.data
def test_real_candy_canes() -> None:
    dataset = Eyecandies(Path(os.environ["HARNESS_TEST_DATA"]) / "eyecandies")
    counts = {split: len(dataset.refs("CandyCane", split)) for split in ("train", "validation", "test")}
    assert counts["train"] >= 100
    assert (counts["validation"], counts["test"]) == (50, 50)
    test = dataset.refs("CandyCane", "test")
    assert sum(ref.defect == "good" for ref in test) == 25
    assert {ref.defect for ref in test} == {"good", "bumps", "dents", "colors", "normals", "mixed"}
    for ref in test[::7]:
        sample = dataset.load(ref)
        kept = valid_points(sample.xyz)
        assert 0.03 < kept.mean() < 0.08
        assert 1500 < valid_points(resize_nearest(sample.xyz, 224)).sum() < 4000
        assert np.array_equal(sample.plane, ~kept)
        assert sample.mask.any() == sample.anomalous == (ref.defect != "good")
        if sample.anomalous:
            assert (sample.mask & kept).sum() > 0.5 * sample.mask.sum()
        extent = np.ptp(sample.xyz[kept], axis=0)
        assert extent[:2].max() < 0.2
        assert extent[2] < 0.02
