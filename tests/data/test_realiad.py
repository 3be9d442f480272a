"""Real-IAD D3 from made archives: read without unpacking, in the declared unit, on a grid of bounded size."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from samples import make_sample

from harness.contract import MODALITIES
from harness.data.clean import valid_points
from harness.data.open import dataset_in, open_dataset
from harness.data.realiad import RealIADD3
from harness.data.units import decode_in_metres
from harness.data.verify import verify_dataset
from harness.errors import DataError, UsageError
from harness.running import predict
from harness.store.fitted import Origin

SIDE = 64
MM = '[cloud]\nunit = "mm"\n'
SPLITS = {"train": ("OK",) * 4, "validation": ("OK", "scratch"), "test": ("OK", "OK", "scratch", "pit")}


def encoded(array: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    if kind == "tiff":
        tifffile.imwrite(stream, array, photometric="rgb")
    else:
        Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


@dataclass
class Made:
    """A category's archive and list before they are written; a test changes both."""

    stem: str = "knob-cap"
    prefix: str = "knob-cap/"
    height: int = SIDE
    width: int = SIDE
    cloud_scale: int = 1
    files: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    def fill(self) -> Made:
        number = 0
        for split, classes in SPLITS.items():
            for anomaly in classes:
                number += 1
                self.lists.setdefault(split, []).append(
                    self._add(f"{anomaly}/S{number:04d}/knob_{number:04d}", anomaly)
                )
        return self

    def _add(self, stem: str, anomaly: str) -> dict[str, object]:
        sample = make_sample(len(self.files), height=self.height, width=self.width, radius=24)
        rgb, mask = sample.rgb.copy(), np.zeros((self.height, self.width), np.uint8)
        if anomaly != "OK":
            rgb[28:36, 28:36], mask[28:36, 28:36] = (0, 255, 0), 255
        xyz = np.where(sample.xyz == 0, np.float32(np.nan), sample.xyz * np.float32(1000))
        xyz = xyz[:: self.cloud_scale, :: self.cloud_scale]
        entry: dict[str, object] = {"anomaly_class": anomaly, "ps_path": f"{stem}_ps.jpg", "category": self.stem}
        kinds = {
            "image_path": ("jpg", rgb, "jpeg"),
            "xyz_path": ("tiff", xyz, "tiff"),
            "mask_path": ("png", mask, "png"),
        }
        for key, (suffix, array, kind) in kinds.items():
            if key != "mask_path" or anomaly != "OK":
                entry[key] = f"{stem}.{suffix}"
                self.files[f"{self.prefix}{stem}.{suffix}"] = encoded(array, kind)
        return entry if anomaly != "OK" else entry | {"mask_path": ""}

    def write(self, root: Path, declaration: str | None = MM, *, zipped: bool = False) -> Path:
        (root / "realiad_d3_raw").mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root / "realiad_d3_raw" / f"{self.stem}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files.items():
                archive.writestr(name, content)
        content = json.dumps({"meta": {"prefix": self.prefix}, **self.lists})
        if zipped:
            with zipfile.ZipFile(root / "realiad_d3_jsons.zip", "w") as archive:
                archive.writestr(f"__MACOSX/realiad_d3_jsons/._{self.stem}.json", b"\0\5\26\7")
                archive.writestr(f"realiad_d3_jsons/{self.stem}.json", content)
        else:
            (root / "realiad_d3_jsons").mkdir(exist_ok=True)
            (root / "realiad_d3_jsons" / f"{self.stem}.json").write_text(content)
        if declaration is not None:
            (root / "realiad_d3.toml").write_text(declaration)
        return root


@pytest.fixture
def made() -> Made:
    return Made().fill()


def refusal(root: Path, split: str = "test") -> str:
    with pytest.raises(DataError) as caught:
        decode_all(RealIADD3(root), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def decode_all(dataset: RealIADD3, split: str) -> list[tuple[int, ...]]:
    return [decode_in_metres(dataset, ref, "").xyz.shape for ref in dataset.refs("knob_cap", split)]


@pytest.mark.parametrize("zipped", [False, True])
def test_samples_are_read_from_the_archives_in_the_declared_unit(made: Made, tmp_path: Path, zipped: bool) -> None:
    root = made.write(tmp_path / "realiad_d3", zipped=zipped)
    before = sorted(root.rglob("*"))
    dataset = open_dataset("realiad_d3", root.parent)
    assert dataset_in(root) == "realiad_d3"
    assert (dataset.categories, dataset.unofficial, dataset.modalities("knob_cap")) == (("knob_cap",), (), MODALITIES)
    train, test = dataset.refs("knob_cap", "train"), dataset.refs("knob_cap", "test")
    assert [ref.id for ref in train] == [f"train/OK/S{number:04d}/knob_{number:04d}" for number in range(1, 5)]
    assert sorted(ref.defect for ref in test) == ["good", "good", "pit", "scratch"]
    assert len(dataset.refs("knob_cap", "validation")) == 1

    sample = dataset.load(train[0])
    expected = make_sample(0, height=SIDE, width=SIDE, radius=24).xyz
    assert np.allclose(sample.xyz, expected, atol=1e-6)
    assert np.array_equal(valid_points(sample.xyz), valid_points(expected))
    assert sample.rgb.dtype == np.uint8
    masks = {ref.defect: int(dataset.decode(ref).mask.sum()) for ref in test}
    assert masks == {"good": 0, "pit": 64, "scratch": 64}
    assert sorted(root.rglob("*")) == before


def test_nothing_is_read_before_the_unit_is_declared(made: Made, tmp_path: Path) -> None:
    root = made.write(tmp_path, declaration=None)
    assert all(text in refusal(root) for text in (str(root / "realiad_d3.toml"), "unit"))
    report = verify_dataset(root)
    assert [problem.category for problem in report.problems] == ["knob_cap"]
    for wrong in (
        'unit = "mm"',
        '[cloud]\nunit = "inch"',
        "[cloud]\nunit = -1",
        "[cloud]\nunit = nan",
        MM + "scale = 1",
    ):
        (root / "realiad_d3.toml").write_text(wrong)
        assert str(root / "realiad_d3.toml") in refusal(root)


def test_the_unit_is_part_of_what_a_cell_is(made: Made, tmp_path: Path) -> None:
    first = RealIADD3(made.write(tmp_path))
    sample = first.decode(first.refs("knob_cap", "train")[0])
    second = RealIADD3(made.write(tmp_path, '[cloud]\nunit = "cm"\n'))
    assert np.allclose(second.decode(second.refs("knob_cap", "train")[0]).xyz, sample.xyz * 10, atol=1e-5)
    third = RealIADD3(made.write(tmp_path, "[cloud]\nunit = 0.001\n"))
    assert first.digest("knob_cap") == third.digest("knob_cap") != second.digest("knob_cap")


@pytest.mark.parametrize("unit", ["m", "um"])
def test_a_unit_that_cannot_be_is_refused_with_the_figures(made: Made, tmp_path: Path, unit: str) -> None:
    text = refusal(made.write(tmp_path, f'[cloud]\nunit = "{unit}"\n'))
    assert all(part in text for part in ("knob-cap.zip", "pixels are", str(tmp_path / "realiad_d3.toml")))
    dataset = RealIADD3(tmp_path)
    dataset.decode(dataset.refs("knob_cap", "test")[0])  # which is timed


def test_new_files_are_read_and_cleaned_as_those_of_the_archive(tmp_path: Path) -> None:
    made = Made(height=1100, width=1040).fill()
    dataset = RealIADD3(made.write(tmp_path))
    origin = Origin.from_json(json.loads(json.dumps(Origin.of(dataset, "knob_cap").to_json())))
    assert origin == Origin.of(dataset, "knob_cap")
    ref = dataset.refs("knob_cap", "test")[0]
    seen, paths = dataset.load(ref), [tmp_path / f"new{suffix}" for suffix in (".jpg", ".tiff")]
    for path in paths:
        name = made.prefix + ref.id.removeprefix("test/") + path.suffix
        path.write_bytes(made.files[name])
    new, _ = origin.background.clean(predict._read(*paths, origin, None))
    assert new.rgb.shape == (1024, 968, 3)
    assert all(np.array_equal(getattr(new, name), getattr(seen, name)) for name in ("rgb", "xyz", "plane"))


def test_large_samples_are_made_smaller_and_this_is_told(tmp_path: Path) -> None:
    made = Made(height=1100, width=2050).fill()
    dataset = RealIADD3(made.write(tmp_path))
    (ref,) = (ref for ref in dataset.refs("knob_cap", "test") if ref.defect == "pit")
    sample = dataset.decode(ref)
    assert sample.rgb.shape == (549, 1024, 3)
    assert sample.xyz.shape == sample.rgb.shape
    assert sample.mask.shape == sample.rgb.shape[:2]
    whole = np.asarray(Image.open(io.BytesIO(made.files[next(n for n in made.files if "pit" in n and "jpg" in n)])))
    assert abs(sample.rgb.mean() - whole.mean()) < 1
    assert 12 <= sample.mask.sum() <= 20
    assert any("2050x1100 to 1024x549" in note for note in dataset.notes("knob_cap"))


def test_a_mask_of_one_pixel_is_not_lost(tmp_path: Path) -> None:
    made = Made(height=40, width=4000).fill()
    name = next(name for name in made.files if "pit" in name and name.endswith("png"))
    mask = np.zeros((40, 4000), np.uint8)
    mask[0, 0] = 255
    made.files[name] = encoded(mask, "png")
    dataset = RealIADD3(made.write(tmp_path))
    (ref,) = (ref for ref in dataset.refs("knob_cap", "test") if ref.defect == "pit")
    assert np.argwhere(dataset.decode(ref).mask).tolist() == [[0, 0]]


@pytest.mark.parametrize("value", [None, ""])
def test_an_anomalous_sample_without_a_mask_is_one(made: Made, tmp_path: Path, value: str | None) -> None:
    made.lists["test"][3]["mask_path"] = value
    dataset = RealIADD3(made.write(tmp_path))
    (ref,) = (ref for ref in dataset.refs("knob_cap", "test") if ref.defect == "pit")
    sample = dataset.decode(ref)
    assert (sample.mask, sample.anomalous) == (None, True)
    assert any("1 of 2 anomalous samples have no mask" in note for note in dataset.notes("knob_cap"))


@pytest.mark.parametrize("fault", ["size", "empty"])
def test_a_mask_of_another_size_or_without_a_pixel_is_refused(made: Made, tmp_path: Path, fault: str) -> None:
    name = next(name for name in made.files if "pit" in name and name.endswith("png"))
    made.files[name] = encoded(
        np.full((SIDE, SIDE // 2), 255, np.uint8) if fault == "size" else np.zeros((SIDE, SIDE), np.uint8), "png"
    )
    assert name in refusal(made.write(tmp_path))


def test_grids_that_differ_are_refused_until_they_are_declared_to_be_one_view(tmp_path: Path) -> None:
    made = Made(cloud_scale=2).fill()
    text = refusal(made.write(tmp_path))
    assert all(part in text for part in ("64x64", "32x32", "registered = true"))
    dataset = RealIADD3(made.write(tmp_path, MM + "[rgb]\nregistered = true\n"))
    sample = dataset.decode(dataset.refs("knob_cap", "test")[0])
    assert sample.rgb.shape == sample.xyz.shape == (32, 32, 3)
    name = next(name for name in made.files if name.endswith("tiff") and "OK/S0001" in name)
    made.files[name] = encoded(np.ones((32, 20, 3), np.float32), "tiff")
    assert "same view" in refusal(made.write(tmp_path, MM + "[rgb]\nregistered = true\n"), "train")


def test_what_is_not_finite_is_missing_and_a_coordinate_of_zero_is_not(made: Made, tmp_path: Path) -> None:
    xyz = np.stack([*np.mgrid[1 : SIDE + 1, 1 : SIDE + 1], np.full((SIDE, SIDE), 500)], -1).astype(np.float32)
    xyz[0, 0, 1], xyz[0, 1, 2], xyz[0, 2], xyz[0, 3, 0] = np.nan, np.inf, 0, 0
    for name in made.files:
        if name.endswith("tiff"):
            made.files[name] = encoded(xyz, "tiff")
    dataset = RealIADD3(made.write(tmp_path))
    valid = valid_points(dataset.decode(dataset.refs("knob_cap", "train")[0]).xyz)
    assert valid[0, :5].tolist() == [False, False, False, True, True]
    for name in made.files:
        if name.endswith("tiff"):
            made.files[name] = encoded(xyz * np.float32(np.nan), "tiff")
    assert "no valid point" in refusal(made.write(tmp_path))


def test_litter_of_macos_is_no_sample_and_no_category(made: Made, tmp_path: Path) -> None:
    made.files |= {"__MACOSX/knob-cap/._x.jpg": b"\0", "knob-cap/.DS_Store": b"\0", "knob-cap/OK/._a.jpg": b"\0"}
    root = made.write(tmp_path)
    for name in ("realiad_d3_raw/._knob-cap.zip", "realiad_d3_jsons/._knob-cap.json"):
        (root / name).write_bytes(b"\0\5\26\7")
    (root / "realiad_d3_raw/__MACOSX").mkdir()
    dataset = RealIADD3(root)
    assert (dataset.categories, dataset.unofficial) == (("knob_cap",), ())
    assert verify_dataset(root).problems == ()


@pytest.mark.parametrize(("archive", "lists"), [("knob-cap", "knob_cap"), ("knob_cap", "knob-cap")])
def test_hyphens_and_underscores_are_one_name(made: Made, tmp_path: Path, archive: str, lists: str) -> None:
    root = made.write(tmp_path)
    (root / "realiad_d3_raw/knob-cap.zip").rename(root / f"realiad_d3_raw/{archive}.zip")
    (root / "realiad_d3_jsons/knob-cap.json").rename(root / f"realiad_d3_jsons/{lists}.json")
    dataset = RealIADD3(root)
    assert len(dataset.refs("knob_cap", "train")) == 4
    with pytest.raises(UsageError, match="knob_cap"):
        dataset.refs("knob-cap", "train")


@pytest.mark.parametrize("prefix", ["", "knob-cap", "./knob-cap/", "data\\knob-cap\\"])
def test_members_are_found_below_the_prefix_however_it_is_written(tmp_path: Path, prefix: str) -> None:
    made = Made(prefix=prefix).fill()
    if prefix == "knob-cap":
        made.files = {name.replace("knob-cap", "knob-cap/", 1): content for name, content in made.files.items()}
    assert verify_dataset(made.write(tmp_path)).problems == ()


LISTS = {
    "a file that is not in the archive": lambda entry: entry | {"image_path": "OK/none.jpg"},
    "a path out of the archive": lambda entry: entry | {"image_path": "../../../../etc/passwd"},
    "an absolute path": lambda entry: entry | {"image_path": "/etc/passwd"},
    "an empty path": lambda entry: entry | {"image_path": ""},
    "a line break in a class": lambda entry: entry | {"anomaly_class": "pit\nhole"},
    "a class that leads elsewhere": lambda entry: entry | {"anomaly_class": "../pit"},
    "no cloud": lambda entry: {key: value for key, value in entry.items() if key != "xyz_path"},
    "a number for a path": lambda entry: entry | {"image_path": 7},
    "a cloud for an image": lambda entry: entry | {"image_path": entry["xyz_path"]},
}


@pytest.mark.parametrize("fault", LISTS)
def test_what_a_list_says_is_not_trusted(made: Made, tmp_path: Path, fault: str) -> None:
    made.lists["test"][3] = LISTS[fault](made.lists["test"][3])
    assert str(tmp_path) in refusal(made.write(tmp_path))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"test": 5}', b"[" * 100_000])
def test_a_list_that_is_none_is_one_sentence(made: Made, tmp_path: Path, content: bytes) -> None:
    root = made.write(tmp_path)
    (root / "realiad_d3_jsons/knob-cap.json").write_bytes(content)
    assert "knob-cap.json" in refusal(root)


def test_an_archive_without_a_list_and_two_lists_of_one_category(made: Made, tmp_path: Path) -> None:
    root = made.write(tmp_path)
    (root / "realiad_d3_jsons/knob_cap.json").write_bytes((root / "realiad_d3_jsons/knob-cap.json").read_bytes())
    assert "knob_cap.json" in refusal(root)
    for path in (root / "realiad_d3_jsons").iterdir():
        path.unlink()
    assert "realiad_d3_jsons.zip" in refusal(root)


def test_unpacked_archives_and_the_older_layout_are_named(tmp_path: Path) -> None:
    (tmp_path / "new/realiad_d3_raw/knob-cap/OK").mkdir(parents=True)
    (tmp_path / "old/knob-cap/train/GOOD/rgb/0001").mkdir(parents=True)
    for root in (tmp_path / "new", tmp_path / "old"):
        assert dataset_in(root) == "realiad_d3"
        assert RealIADD3(root).categories == ("knob_cap",)
        assert "read from its archives" in refusal(root)


def bomb(archive: Path, size: int) -> None:
    """Let the archive's directory say that its first cloud is so large."""
    content = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        (info, *_) = (info for info in opened.infolist() if info.filename.endswith("tiff"))
    place = content.index(info.filename.encode(), content.index(b"PK\1\2")) - 46 + 24
    archive.write_bytes(content[:place] + struct.pack("<I", size) + content[place + 4 :])


def test_a_file_that_says_it_is_huge_or_is_more_than_it_says_is_not_unpacked(made: Made, tmp_path: Path) -> None:
    root = made.write(tmp_path)
    archive = root / "realiad_d3_raw/knob-cap.zip"
    bomb(archive, 2**32 - 2)
    assert "MB" in refusal(root, "train")
    made.write(tmp_path)
    bomb(archive, 100)
    assert "archive" in refusal(root, "train")


def test_two_files_of_one_name_are_not_guessed_about(made: Made, tmp_path: Path) -> None:
    root = made.write(tmp_path)
    name = next(name for name in made.files if "S0001" in name)
    with zipfile.ZipFile(root / "realiad_d3_raw/knob-cap.zip", "a") as archive, pytest.warns(match="Duplicate"):
        archive.writestr(name, b"other")
    assert "more than once" in refusal(root, "train")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    root = Made(height=16, width=16).fill().write(tmp_path_factory.mktemp("mutated"))
    return root, (root / "realiad_d3_raw/knob-cap.zip").read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_archive_gives_what_it_gave_or_one_sentence(scratch: tuple[Path, bytes], data: st.DataObject) -> None:
    root, content = scratch
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = data.draw(
        st.sampled_from(
            (
                content[:place],
                content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :],
                content[:place] + data.draw(st.binary(max_size=8)) + content[place:],
            )
        )
    )
    (root / "realiad_d3_raw/knob-cap.zip").write_bytes(damaged)
    said = ""
    try:
        assert set(decode_all(RealIADD3(root), "train")) == {(16, 16, 3)}
    except DataError as error:
        said = str(error)
    assert "\n" not in said


def test_the_digest_of_the_content_is_that_of_the_archive_as_it_is_now(made: Made, tmp_path: Path) -> None:
    root = made.write(tmp_path)
    dataset = RealIADD3(root)
    refs = dataset.refs("knob_cap", "train")
    before, of_names = dataset.content_digest(refs), dataset.digest("knob_cap")
    assert before == RealIADD3(root).content_digest(refs) != dataset.content_digest(refs[1:])
    name = next(name for name in made.files if "S0001" in name and name.endswith("jpg"))
    made.files[name] = encoded(np.zeros((SIDE, SIDE, 3), np.uint8), "jpeg")
    made.write(root)
    assert dataset.content_digest(refs) != before
    assert RealIADD3(root).digest("knob_cap") != of_names
    del made.files[name]
    made.write(root)
    with pytest.raises(DataError):
        dataset.content_digest(refs)


def test_it_is_verified_run_and_shown_like_a_folder_of_files(harness, made: Made, tmp_path: Path, records) -> None:
    root = made.write(tmp_path / "realiad_d3")
    verdict = harness("verify", "--dataset", "realiad_d3", "--data", root, "--json")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    read = harness("data", "verify", root, "--json")
    assert json.loads(read.stdout)["decoded"] == 9, read.stderr
    assert "realiad_d3" in harness("datasets", "--data", root).stdout
    arguments = ("run", "--methods", "colour-distance", "--data", root, "--shots", "full", "--save-maps")
    run = harness(*arguments)
    assert run.returncode == 0, run.stderr
    (record,) = records()
    assert (record["cell"]["dataset"], record["status"]) == ("realiad_d3", "ok")
    assert record["samples"] == {"train": 4, "test": 4, "validation": None}
    assert json.loads(harness(*arguments, "--dry-run", "--json").stdout)["to_run"] == 0
    shown = harness("show", "--dataset", "realiad_d3", "--data", root, "--to", "picture.png")
    assert shown.returncode == 0, shown.stderr
    report = harness("report", "--data", root, "--to", "page")
    assert report.returncode == 0, report.stderr
    assert any((tmp_path / "page").rglob("*knob*.jpg"))
