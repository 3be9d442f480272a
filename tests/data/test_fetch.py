import hashlib
import io
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_eyecandies import packed
from fileserver import FileServer, running

from harness.data import download
from harness.data.fetch import fetch_dataset, fetchable
from harness.data.registry import DATASETS
from harness.errors import DataError, PrerequisiteError, UsageError

MVTEC = DATASETS["mvtec3d"]
(PUBLISHED,) = MVTEC.archives
CONTENT = packed(
    iter([*((f"{c}/train/good/rgb/000.png", c.encode()) for c in MVTEC.categories), ("readme.txt", b"hi")]), "w:xz"
)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    """Serves an archive of all categories under its published name, and another address of it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running(FileServer(files={PUBLISHED.name: CONTENT})) as started:
        yield started


def only(folder: Path, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


def tar_xz(files: dict[str, bytes]) -> bytes:
    return packed(iter(files.items()), "w:xz")


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def yes(_: str) -> bool:
    return True


def fetch(server: FileServer, to: Path, name: str = "mvtec3d", **options):
    """Fetch from the server, as from a mirror whose archive has a digest of its own."""
    given = {"confirm": yes, "source": server.url(""), **options}
    if name == "mvtec3d":
        given.setdefault("md5", MD5)
    return fetch_dataset(name, to, **given)


def test_licence_size_and_room_come_first_then_download_verify_unpack(server, tmp_path):
    shown, stages = [], []

    def agree(notice: str) -> bool:
        assert server.requests == [], "the licence comes first"
        shown.append(notice)
        return True

    result = fetch(server, tmp_path, confirm=agree, progress=lambda *now: stages.append(now))
    for needed in ("CC BY-NC-SA 4.0", MVTEC.homepage, server.url(PUBLISHED.name), MD5, f"{len(CONTENT) / 1000:.1f} kB"):
        assert needed in shown[0]
    assert f"{tmp_path} has" in shown[0]
    assert server.heads == [f"/{PUBLISHED.name}"]
    assert result.folder == tmp_path / "mvtec3d"
    assert (result.folder / "tire/train/good/rgb/000.png").read_bytes() == b"tire"
    assert (result.folder / "readme.txt").read_bytes() == b"hi"
    assert list(dict.fromkeys(stage.split()[0] for stage, _, _ in stages)) == ["download", "unpack"]
    assert MD5 in result.notes[0]
    assert only(tmp_path, "mvtec3d", PUBLISHED.name)


def test_a_second_call_asks_nothing_and_downloads_nothing(server, tmp_path):
    fetch(server, tmp_path)
    result = fetch(server, tmp_path, confirm=lambda _: pytest.fail("asked"))
    assert len(server.requests) == len(server.heads) == 1
    assert "already" in result.notes[0]


@pytest.mark.parametrize("there", [True, False])
def test_an_archive_brought_by_hand_is_used_and_stays(server, tmp_path, there):
    file = tmp_path / (PUBLISHED.name if there else "mine.tar.xz")
    file.write_bytes(CONTENT)
    shown = []
    result = fetch_dataset(
        "mvtec3d",
        tmp_path,
        confirm=lambda notice: shown.append(notice) or True,
        source=None if there else str(file),
        md5=MD5,
    )
    assert "nothing to download" in shown[0]
    assert (tmp_path / "mvtec3d" / "bagel").is_dir()
    assert file.read_bytes() == CONTENT
    assert "may be deleted" not in result.notes[0]


@pytest.mark.parametrize("name", ["mine.tar.xz", PUBLISHED.name])
def test_a_file_with_another_digest_than_the_published_one_is_refused_and_stays(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(CONTENT)
    with pytest.raises(PrerequisiteError, match=rf"{MD5} instead of {PUBLISHED.md5}.*--md5"):
        fetch_dataset("mvtec3d", tmp_path, confirm=yes, source=str(file))
    assert only(tmp_path, name)
    assert file.read_bytes() == CONTENT


def test_a_damaged_archive_of_the_user_stays_and_leaves_nothing_else(tmp_path):
    file = tmp_path / "mine.tar.xz"
    file.write_bytes(CONTENT[: len(CONTENT) // 2])
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="truncated or no archive"):
        fetch_dataset("mvtec3d", tmp_path / "data", confirm=yes, source=str(file), md5=md5)
    assert only(tmp_path, "mine.tar.xz", "data")
    assert only(tmp_path / "data")


def test_without_consent_nothing_is_downloaded(server, tmp_path):
    with pytest.raises(UsageError, match="--yes"):
        fetch(server, tmp_path / "new", confirm=lambda _: False)
    assert server.requests == []
    assert only(tmp_path)


@pytest.mark.parametrize("md5", ["0" * 32, None])
def test_a_wrong_checksum_unpacks_nothing(server, tmp_path, md5):
    with pytest.raises(PrerequisiteError, match="not the published one"):
        fetch(server, tmp_path, md5=md5)
    assert only(tmp_path)


@pytest.mark.parametrize("pack", [tar_xz, zipped])
@pytest.mark.parametrize("prefix", ["", "mvtec_3d_anomaly_detection/"])
def test_categories_make_one_archive_no_smaller_and_are_unpacked_alone(server, tmp_path, pack, prefix):
    content = pack({f"{prefix}{c}/train/good/rgb/000.png": c.encode() for c in MVTEC.categories})
    server.files[PUBLISHED.name] = content
    shown = []
    options = {"md5": hashlib.md5(content).hexdigest(), "confirm": lambda notice: shown.append(notice) or True}
    fetch(server, tmp_path, categories=["tire", "bagel"], **options)
    assert "one archive of 10 categories" in shown[0]
    assert "only bagel, tire would be unpacked" in shown[0]
    assert only(tmp_path / "mvtec3d", "bagel", "tire")
    result = fetch(server, tmp_path, categories=["tire", "rope"], source=None, **options)
    assert only(tmp_path / "mvtec3d", "bagel", "rope", "tire")
    assert len(server.requests) == 1, "the archive that was kept is used"
    assert "tire already" in result.notes[0]


def test_the_room_on_the_disk_is_counted_before_anything_is_asked(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 100, 100))
    with pytest.raises(PrerequisiteError, match=r"to download, about .* unpacked.* 100 bytes free: make room"):
        fetch(server, tmp_path, confirm=lambda _: pytest.fail("asked"))
    assert server.requests == []


def test_a_download_that_was_begun_needs_less_room(server, tmp_path):
    begun = CONTENT[: len(CONTENT) // 2]
    (tmp_path / f"{PUBLISHED.name}.part").write_bytes(begun)
    shown = []
    fetch(server, tmp_path, confirm=lambda notice: shown.append(notice) or True)
    assert f"{(len(CONTENT) - len(begun)) / 1000:.1f} kB to download" in shown[0]
    assert server.requests == [(f"/{PUBLISHED.name}", f"bytes={len(begun)}-")]


@pytest.mark.parametrize("prefix", ["", "CandyCane/", "Eyecandies/CandyCane/", "release/"])
@pytest.mark.parametrize("pack", [tar_xz, zipped])
def test_a_category_is_found_at_any_depth(server, tmp_path, prefix, pack):
    server.files["c"] = pack({f"{prefix}train/data/000_image_4.png": b"x", f"{prefix}val/data/00_depth.png": b"y"})
    result = fetch(server, tmp_path, "eyecandies", source=server.url("c"), categories=["CandyCane"])
    found = sorted(p.relative_to(result.folder).as_posix() for p in result.folder.rglob("*") if p.is_file())
    assert found == ["CandyCane/train/data/000_image_4.png", "CandyCane/val/data/00_depth.png"]
    assert "no checksum is published" in result.notes[0]


def test_an_archive_of_something_else_is_an_error(server, tmp_path):
    server.files["c"] = zipped({"kittens/1.png": b"x"})
    with pytest.raises(DataError, match="holds no category 'CandyCane'"):
        fetch(server, tmp_path, "eyecandies", source=server.url("c"), categories=["CandyCane"])


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_only_the_archives_of_the_chosen_categories(server, tmp_path, kind):
    for name in ("CandyCane", "Confetto", "Lollipop"):
        content = zipped({f"{name}/train/data/000_depth.png": b"x"})
        server.files[f"eyecandies_{name}.archive"] = content
        (tmp_path / f"eyecandies_{name}.archive").write_bytes(content)
    source = server.url("") if kind == "address" else str(tmp_path)
    fetch(server, tmp_path / "data", "eyecandies", source=source, categories=["Confetto", "Lollipop"])
    assert only(tmp_path / "data" / "eyecandies", "Confetto", "Lollipop")
    wanted = [f"/eyecandies_{name}.archive" for name in ("Confetto", "Lollipop")] if kind == "address" else []
    assert [path for path, _ in server.requests] == wanted


def test_unknown_names_are_refused(tmp_path):
    assert fetchable() == ("mvtec3d", "eyecandies")
    with pytest.raises(UsageError, match="'toy' is made"):
        fetch_dataset("toy", tmp_path, confirm=yes)
    with pytest.raises(UsageError, match="'folder' offers no download"):
        fetch_dataset("folder", tmp_path, confirm=yes)
    with pytest.raises(UsageError, match="unknown"):
        fetch_dataset("imagenet", tmp_path, confirm=yes)
    with pytest.raises(UsageError, match="no category 'Kandy'"):
        fetch_dataset("eyecandies", tmp_path, confirm=yes, categories=["Kandy"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"source": "http://127.0.0.1:9/a"}, "--from with an address that does not end in a slash goes with one"),
        ({"source": "nowhere"}, "--from with a file goes with one archive, and 10 would be fetched"),
        ({"source": "nowhere", "categories": ["Lollipop"]}, "There is no nowhere"),
        ({"source": "file:///etc/passwd", "categories": ["Lollipop"]}, "There is no file:"),
        ({"source": "."}, "There is no eyecandies_CandyCane.archive"),
        ({"md5": MD5}, "--md5 goes with one archive"),
        ({"md5": "123", "categories": ["Lollipop"]}, "'123' is not an MD5 digest"),
    ],
)
def test_a_source_or_digest_that_is_none_is_a_usage_error(tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=sentence):
        fetch_dataset("eyecandies", tmp_path, confirm=yes, **options)


def test_the_published_archives_hold_every_category():
    for name in fetchable():
        info = DATASETS[name]
        assert sorted(c for a in info.archives for c in a.unpacked) == sorted(info.categories)
        assert len({a.url for a in info.archives}) == len({a.name for a in info.archives}) == len(info.archives)
        assert sum(size for a in info.archives for size in a.unpacked.values()) == pytest.approx(26e9, rel=0.01)


def test_facts_of_the_published_archives():
    assert PUBLISHED.md5 == "d8bb2800fbf3ac88e798da6ae10dc819"
    assert DATASETS["eyecandies"].licence == "not stated by the authors, see homepage"
    assert {archive.check for archive in DATASETS["eyecandies"].archives} == {"no checksum is published"}
