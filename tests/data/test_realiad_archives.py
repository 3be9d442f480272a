"""Archives and lists of Real-IAD D3 that are damaged, hostile or of another layout."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from realiad_archives import SIDE, Made, decode_all, encoded, refusal

from harness.data.open import dataset_in
from harness.data.realiad import RealIADD3
from harness.errors import DataError

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


@pytest.fixture
def made() -> Made:
    return Made().fill()


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
