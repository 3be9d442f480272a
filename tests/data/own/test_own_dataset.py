"""Own data in every form that a description can give them: the same samples come out, or one sentence says why not."""

from __future__ import annotations

import csv
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from own_files import CLOUDS, SAMPLES, SUFFIXES, describe, part, write
from PIL import Image
from samples import write_tiny_mvtec

from harness.data.background import Background
from harness.data.mvtec3d import MVTec3D
from harness.data.open import dataset_in, open_dataset
from harness.data.own.reader import OwnDataset
from harness.data.verify import verify_dataset
from harness.errors import DataError, UsageError
from harness.geometry import valid_points


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "brackets"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("image", ["png", "jpg", "bmp"])
def test_one_sample_comes_from_every_format(root: Path, kind: str, image: str) -> None:
    write(root, kind, image=image)
    describe(
        root,
        CLOUDS[kind],
        rgb=f"{{split}}/{{defect}}/img/{{id}}.{image}",
        cloud=f"{{split}}/{{defect}}/cloud/{{id}}.{SUFFIXES[kind]}",
    )
    data = open_dataset("folder", root)
    assert (data.info.name, data.categories) == ("brackets", ("brackets",))
    assert [len(data.refs("brackets", split)) for split in ("train", "validation", "test")] == [4, 0, 5]
    for ref in data.refs("brackets", "test"):
        sample, made = data.decode(ref), part(int(ref.id.rpartition("/")[2]), ref.defect)
        missing = ~valid_points(made.xyz)
        assert (sample.xyz[missing] == 0).all()
        assert np.abs(sample.xyz - made.xyz)[~missing].max() < (1e-4 if kind == "depth" else 1e-6)
        assert np.abs(sample.rgb.astype(int) - made.rgb).mean() <= (0 if image != "jpg" else 2)
        assert np.array_equal(sample.mask, made.mask)
        assert sample.anomalous == (ref.defect == "scratch")
        cleaned = data.clean(sample)
        kept = valid_points(cleaned.xyz)
        assert kept[15:33, 17:29].all()
        assert not kept[:10].any()
    assert verify_dataset(root).ok


def test_the_layout_of_mvtec_needs_no_description_and_reads_as_its_reader_does(tmp_path: Path) -> None:
    root = write_tiny_mvtec(tmp_path / "mine", ("flange", "bolt"))
    own, reader = open_dataset("folder", root), MVTec3D(root, replace(MVTec3D.info, categories=("bolt", "flange")))
    assert own.categories == ("bolt", "flange")
    for category in own.categories:
        assert own.refs(category, "test") == reader.refs(category, "test")
        for ref in own.refs(category, "test"):
            ours, theirs = own.load(ref), reader.load(ref)
            for name in ("rgb", "xyz", "plane", "mask"):
                assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


def test_data_without_dataset_go_by_their_own_name(tmp_path: Path) -> None:
    root = write_tiny_mvtec(tmp_path / "My parts (2)", ("flange",))
    assert dataset_in(root) == "My-parts-2"
    assert open_dataset("My-parts-2", root).categories == ("flange",)
    assert OwnDataset(write_tiny_mvtec(tmp_path / "toy", ("flange",))).info.name == "own-toy"


def test_a_description_makes_it_own_data_whatever_the_categories(tmp_path: Path) -> None:
    root = write_tiny_mvtec(tmp_path / "mine", ("bagel", "bolt"))
    assert dataset_in(root) == "mvtec3d"
    (root / "dataset.toml").write_text('[cloud]\nunit = "m"\n[dataset]\nname = "bakery"\ncategories = ["bolt"]')
    assert dataset_in(root) == "bakery"
    assert open_dataset("bakery", root).categories == ("bolt",)
    (root / "dataset.toml").write_text('[cloud]\nunit = "m"\n[dataset]\ncategories = ["nut"]')
    with pytest.raises(DataError, match="nut"):
        open_dataset("folder", root)


def test_a_list_says_what_trains(root: Path) -> None:
    write(root, "xyz", place="shots")
    rows = [
        {"id": index, "split": split, "defect": {"good": "OK"}.get(defect, defect), "rgb": f"shots/img/{index}.png"}
        | {"cloud": f"shots/cloud/{index}.tiff", "mask": f"shots/masks/{index}.png" if defect != "good" else ""}
        for split, defect, index in SAMPLES
    ]
    with (root / "samples.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    describe(root, list="samples.csv")
    data = OwnDataset(root)
    assert [ref.id for ref in data.refs("brackets", "train")] == [f"train/good/{index}" for index in range(4)]
    assert [ref.defect for ref in data.refs("brackets", "test")] == ["good"] * 2 + ["scratch"] * 3
    assert verify_dataset(root).ok
    listed = (root / "samples.csv").read_text()
    for wrong, said in (
        (listed.replace("shots/img/2.png", "../2.png"), "leads out"),
        (listed.replace("shots/img/2.png", "/etc/passwd"), "leads out"),
        (listed.replace("shots/img/2.png", "shots/img/22.png"), "22.png"),
        (listed.replace("\n3,train", "\n3,trian"), "trian"),
        (listed.replace("rgb", "colour"), "rgb"),
        (listed.replace("\n3,train", "\n2,train"), "train/good/2"),
        ("", "lists no sample"),
    ):
        (root / "samples.csv").write_text(wrong)
        with pytest.raises(DataError, match=said):
            OwnDataset(root).refs("brackets", "train")


def list_samples(root: Path, *rows: str) -> None:
    (root / "samples.csv").write_text("category,id,split,defect,rgb,cloud\n" + "\n".join(rows))


def test_a_digest_follows_what_a_list_says_of_the_samples(root: Path) -> None:
    """A sample that is given another label, or another split, makes other numbers from the same files."""
    write(root, "xyz", place="all")
    describe(root, list="samples.csv")
    rows = [
        f",{index},{'train' if index < 4 else 'test'},good,all/img/{index}.png,all/cloud/{index}.tiff"
        for index in range(9)
    ]
    seen = set()
    for changed in (None, "bad", "dent"):
        if changed is not None:
            rows[8] = f",8,test,{changed},all/img/8.png,all/cloud/8.tiff"
        list_samples(root, *rows)
        data = OwnDataset(root)
        seen.add((data.digest("brackets"), data.content_digest(data.refs("brackets", "test"))))
    assert len({digest for digest, _ in seen}) == len({content for _, content in seen}) == 3


def test_a_file_is_of_one_sample(root: Path) -> None:
    write(root, "xyz", place="all")
    describe(root, list="samples.csv")
    list_samples(
        root,
        ",1,train,good,all/img/0.png,all/cloud/0.tiff",
        ",2,test,good,all/img/0.png,all/cloud/1.tiff",
        ",3,test,bad,all/img/3.png,all/cloud/0.tiff",
    )
    report = verify_dataset(root)
    assert not report.ok
    assert [name in problem.message for problem, name in zip(report.problems, ("0.png", "0.tiff"), strict=True)] == [
        True
    ] * 2
    describe(root, rgb="{split}/{defect}/{id}.png", cloud="clouds/{id}.tiff")
    for place in ("train/good", "test/good", "test/bad"):
        (root / place).mkdir(parents=True)
        (root / place / "0.png").write_bytes((root / "all/img/0.png").read_bytes())
    (root / "clouds").mkdir()
    (root / "clouds" / "0.tiff").write_bytes((root / "all/cloud/0.tiff").read_bytes())
    assert any("clouds/0.tiff" in problem.message for problem in verify_dataset(root).problems)


@pytest.mark.parametrize("column", [0, 1, 3])
@pytest.mark.parametrize("name", ["../../evil", "a/b", "a\\b", "..", "x" * 300])
def test_names_of_a_list_lead_nowhere(root: Path, column: int, name: str) -> None:
    write(root, "xyz", place="all")
    describe(root, list="samples.csv")
    cells = ["left", "0", "test", "bad", "all/img/0.png", "all/cloud/0.tiff"]
    cells[column] = name
    list_samples(root, ",".join(cells))
    with pytest.raises(DataError, match="Line 2"):
        OwnDataset(root)


def test_each_unmatched_file_is_one_sentence_that_names_what_is_there(root: Path) -> None:
    write(root, "xyz")
    describe(root)
    (root / "train/good/cloud/0.tiff").rename(root / "train/good/cloud/0.npy")
    (root / "train/good/cloud/1.tiff").unlink()
    (root / "train/good/img/2.png").unlink()
    (root / "test/scratch/masks/7.png").rename(root / "test/scratch/masks/77.png")
    report = verify_dataset(root)
    said = {problem.message for problem in report.problems}
    assert not report.ok
    assert len(said) == 4
    for names in (("0.png", "0.npy"), ("1.png", "1.tiff"), ("2.tiff",), ("77.png",)):
        assert any(all(name in sentence for name in names) for sentence in said), (names, said)
    assert any("1 of 3 anomalous samples have no mask" in note.message for note in report.notes)
    assert not any("download" in sentence or "delete" in sentence for sentence in said)
    with pytest.raises(DataError, match="more like it"):
        OwnDataset(root).refs("brackets", "train")


def test_defective_samples_do_not_train(root: Path) -> None:
    write(root, "xyz")
    for path in (root / "test/scratch").rglob("*.*"):
        target = root / "train" / path.relative_to(root / "test")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    describe(root)
    data = OwnDataset(root)
    assert {ref.defect for ref in data.refs("brackets", "train")} == {"good"}
    assert any("left out" in note for note in data.notes("brackets"))


def test_masks_are_optional(root: Path) -> None:
    write(root, "xyz", mask=False)
    describe(root)
    data = OwnDataset(root)
    found = [data.decode(ref) for ref in data.refs("brackets", "test")]
    assert [sample.mask is None for sample in found] == [False] * 2 + [True] * 3
    assert "3 of 3 anomalous samples have no mask" in data.notes("brackets")


RULES = {
    "none": Background(rule="none"),
    "depth": Background(rule="depth", nearest=0.1, farthest=0.39),
}


def test_rules_of_the_background(root: Path) -> None:
    write(root, "xyz")
    for split, defect, index in SAMPLES:
        (root / split / defect / "object").mkdir(exist_ok=True)
        shown = np.zeros((48, 64), np.uint8)
        shown[16:20, 20:26] = 255
        Image.fromarray(shown).save(root / split / defect / "object" / f"{index}.png")
    kept = {}
    for rule, more in {
        "plane": "",
        "none": "",
        "depth": 'nearest = 100\nfarthest = "0.39 m"',
        "mask": 'mask = "{split}/{defect}/object/{id}.png"',
    }.items():
        describe(root, more=f'[background]\nrule = "{rule}"\n{more}')
        data = OwnDataset(root)
        cleaned = data.load(data.refs("brackets", "train")[0])
        kept[rule] = int(valid_points(cleaned.xyz).sum())
        assert not cleaned.xyz[cleaned.plane].any()
    assert kept == {"plane": 280, "none": 48 * 64 - 1, "depth": 280, "mask": 24}


def test_all_parts_or_the_largest_are_kept(root: Path) -> None:
    write(root, "xyz")
    for index in range(4):
        points = part(index, parts=2).xyz * 1000
        tifffile.imwrite(root / f"train/good/cloud/{index}.tiff", points, photometric="rgb")
    kept = {}
    for keep in ("largest", "all"):
        describe(root, more=f'[background]\nkeep = "{keep}"')
        data = OwnDataset(root)
        kept[keep] = int(valid_points(data.load(data.refs("brackets", "train")[0]).xyz).sum())
        assert any("keeps the largest cluster" in note for note in data.notes("brackets")) == (keep == "largest")
    assert kept == {"largest": 280, "all": 480}


def test_a_digest_follows_description_and_files(root: Path) -> None:
    write(root, "xyz")
    describe(root)
    first = OwnDataset(root).digest("brackets")
    assert OwnDataset(root).digest("brackets") == first
    describe(root, more="# only a comment")
    assert OwnDataset(root).digest("brackets") == first
    for same in ("thickness = 5", 'thickness = "0.5 cm"', 'cluster = "0.006 m"', 'rule = "plane"'):
        describe(root, "unit = 0.001", more=f"[background]\n{same}")
        assert OwnDataset(root).digest("brackets") == first, same
    describe(root, more='[background]\nthickness = "4 mm"')
    assert OwnDataset(root).digest("brackets") != first
    describe(root, 'unit = "cm"')
    assert OwnDataset(root).digest("brackets") != first


def test_large_images_are_made_smaller(root: Path) -> None:
    write(root, "xyz")
    describe(root)
    text = (root / "dataset.toml").read_text()
    for path in root.rglob("img/*.png"):
        Image.fromarray(np.asarray(Image.open(path)).repeat(3, 0).repeat(3, 1)).save(path)
    for path in root.rglob("*.tiff"):
        tifffile.imwrite(path, tifffile.imread(path).repeat(3, 0).repeat(3, 1), photometric="rgb")
    for path in root.rglob("masks/*.png"):
        Image.fromarray(np.asarray(Image.open(path)).repeat(3, 0).repeat(3, 1)).save(path)
    (root / "dataset.toml").write_text(f"[dataset]\nmax_side = 64\n{text}")
    data = OwnDataset(root)
    for ref in data.refs("brackets", "test"):
        sample, made = data.decode(ref), part(int(ref.id.rpartition("/")[2]), ref.defect)
        assert np.array_equal(sample.rgb, made.rgb)
        assert np.array_equal(sample.mask, made.mask)
        assert np.abs(sample.xyz - made.xyz).max() < 1e-6
    assert any("192x144 to 64x48" in note for note in data.notes("brackets"))


@pytest.mark.parametrize("name", ["folder", "brackets", "mvtec3d"])
def test_no_message_offers_a_download_into_the_folder(root: Path, name: str) -> None:
    (root / "scans").mkdir()
    (root / "scans" / "a.png").write_bytes(b"")
    with pytest.raises(UsageError) as error:
        open_dataset(name, root)
    assert f"--to {root}" not in str(error.value)
    assert "delete" not in str(error.value)


def test_a_file_that_is_left_out_is_told(root: Path) -> None:
    write(root, "xyz")
    describe(root)
    (root / "test").joinpath("good").rename(root / "tested")
    (root / "train" / "good" / "img" / "0.png").rename(root / "train" / "good" / "img" / "0.gif")
    (root / "train" / "good" / "cloud" / "0.tiff").unlink()
    (root / "trial" / "good" / "img").mkdir(parents=True)
    (root / "trial" / "good" / "img" / "5.png").write_bytes(b"")
    notes = " ".join(OwnDataset(root).scan("brackets", "test").notes)
    assert "5 images or clouds fit no pattern" in notes
    assert str(root / "tested") in notes or str(root / "train/good/img/0.gif") in notes
    assert "'trial'" in notes


def test_clouds_in_one_folder_are_paired_by_their_id(root: Path) -> None:
    write(root, "xyz")
    (root / "clouds").mkdir()
    for path in root.glob("*/*/cloud/*.tiff"):
        path.rename(root / "clouds" / f"3d_{path.name}")
    describe(root, cloud="clouds/3d_{id}.tiff")
    assert verify_dataset(root).ok
    (root / "clouds" / "3d_77.tiff").write_bytes((root / "clouds" / "3d_0.tiff").read_bytes())
    (note,) = [note for split in ("train", "test") for note in OwnDataset(root).scan("brackets", split).notes]
    assert "3d_77.tiff" in note


def test_no_fitting_file_says_what_lies_there(root: Path) -> None:
    write(root, "xyz")
    describe(root, rgb="{split}/{defect}/image/{id}.png")
    problems = OwnDataset(root).scan("brackets", "test").problems
    assert len(problems) == 5
    assert all(str(root / f"test/good/{name}") in problems[0] for name in ("cloud/4.tiff", "img/4.png"))
    describe(root, rgb="{split}/{defect}/image/{id}.png", cloud="{id}.pcd")
    with pytest.raises(DataError) as error:
        OwnDataset(root)
    assert str(root / "test/good/cloud/4.tiff") in str(error.value)
    assert "'{split}/{defect}/image/{id}.png'" in str(error.value)


def test_linked_folders_are_followed_once(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, "xyz")
    for split in ("train", "test"):
        (root / split).symlink_to(elsewhere / split)
    (elsewhere / "test" / "loop").symlink_to(elsewhere)
    describe(root)
    assert len(OwnDataset(root).refs("brackets", "test")) == 5


def test_many_missing_partners_are_told_in_little_time(root: Path) -> None:
    folder = root / "train" / "good" / "img"
    folder.mkdir(parents=True)
    for index in range(4000):
        (folder / f"{index}.png").touch()
        (folder / f"{index}.gif").touch()
    describe(root)
    start = time.process_time()
    scan = OwnDataset(root).scan("brackets", "train")
    assert len(scan.problems) == 4000
    assert "3.gif" in next(problem for problem in scan.problems if "/3.png" in problem)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("name", ["all", "mean", "a,b", "[1]", "what?"])
def test_a_category_that_can_not_be_chosen_is_refused(tmp_path: Path, name: str) -> None:
    root = write_tiny_mvtec(tmp_path / "mine", (name, "my part"))
    with pytest.raises(DataError, match="rename"):
        OwnDataset(root)
    shutil.rmtree(root / name)
    assert OwnDataset(root).categories == ("my part",)
