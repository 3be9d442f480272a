import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from harness.data.unpack import unpack
from harness.errors import DataError

CONTENT = {"bagel/train/good/rgb/000.png": b"red" * 1000, "bagel/readme.txt": b"", "licence.txt": b"free\n"}


def tar_of(path: Path, mode: str, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, mode) as tar:
        for info, content in entries:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def tar_entry(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, content if kind == tarfile.REGTYPE else b""


def zip_of(path: Path, entries: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def nothing_left(tmp_path: Path, archive: Path) -> bool:
    return [p for p in tmp_path.iterdir() if p != archive] == []


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_files_of_every_kind(tmp_path, mode):
    folders = [tar_entry("./", kind=tarfile.DIRTYPE), tar_entry("bagel/empty", kind=tarfile.DIRTYPE)]
    archive = tar_of(tmp_path / "a", mode, folders + [tar_entry(*item) for item in CONTENT.items()])
    unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == CONTENT
    assert (tmp_path / "out" / "bagel" / "empty").is_dir()


def test_zip_files(tmp_path):
    archive = zip_of(tmp_path / "a", {**CONTENT, "bagel/empty/": b""})
    unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == CONTENT
    assert (tmp_path / "out" / "bagel" / "empty").is_dir()


def test_progress_ends_at_the_archives_size(tmp_path):
    archive = tar_of(tmp_path / "a", "w:xz", [tar_entry(*item) for item in CONTENT.items()])
    seen = []
    unpack(archive, tmp_path / "out", lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) == len(CONTENT)
    assert {total for _, total in seen} == {archive.stat().st_size}


def test_permissions_of_the_archive_are_not_taken_over(tmp_path):
    info, content = tar_entry("run.sh")
    info.mode = 0o4777
    unpack(tar_of(tmp_path / "a", "w", [(info, content)]), tmp_path / "out")
    mode = (tmp_path / "out" / "run.sh").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_IXUSR | stat.S_IWOTH)


ESCAPES = ["../evil", "a/../../evil", "/tmp/evil", "..", "a\\..\\evil", "C:evil"]
LINKS = [
    (tarfile.SYMTYPE, "/etc"),
    (tarfile.SYMTYPE, "../.."),
    (tarfile.SYMTYPE, "inside"),
    (tarfile.LNKTYPE, "../x"),
    (tarfile.FIFOTYPE, ""),
    (tarfile.CHRTYPE, ""),
    (tarfile.BLKTYPE, ""),
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_tar_entry_that_leaves_the_folder_is_refused(tmp_path, name):
    archive = tar_of(tmp_path / "a", "w:gz", [tar_entry("good.txt"), tar_entry(name)])
    with pytest.raises(DataError, match="leaves the folder"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, archive)


@pytest.mark.parametrize("name", ESCAPES)
def test_a_zip_entry_that_leaves_the_folder_is_refused(tmp_path, name):
    archive = zip_of(tmp_path / "a", {"good.txt": b"x", name: b"x"})
    with pytest.raises(DataError, match="leaves the folder"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, archive)


@pytest.mark.parametrize(("kind", "link"), LINKS)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, link):
    archive = tar_of(
        tmp_path / "a", "w", [tar_entry("inside"), tar_entry("way", kind=kind, link=link), tar_entry("way/x")]
    )
    with pytest.raises(DataError, match="'way' is a link or a device"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, archive)


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("way")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = zip_of(tmp_path / "a", {link: b"/etc"})
    with pytest.raises(DataError, match="'way' is a link or a device"):
        unpack(archive, tmp_path / "out")


def test_an_entry_that_occurs_twice_is_refused(tmp_path):
    archive = tar_of(tmp_path / "a", "w", [tar_entry("x", b"1"), tar_entry("./x", b"2")])
    with pytest.raises(DataError, match="occurs twice"):
        unpack(archive, tmp_path / "out")


def test_a_file_below_a_file_is_refused(tmp_path):
    archive = tar_of(tmp_path / "a", "w", [tar_entry("x", b"1"), tar_entry("x/y", b"2")])
    with pytest.raises(DataError, match="file and a folder at once"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:xz", "zip"])
def test_a_truncated_archive_is_refused_and_nothing_is_left(tmp_path, kind):
    entries = {"bagel/big": bytes(range(256)) * 4000, "bagel/next": bytes(range(255)) * 4000}
    if kind == "zip":
        archive = zip_of(tmp_path / "a", entries)
    else:
        archive = tar_of(tmp_path / "a", kind, [tar_entry(*item) for item in entries.items()])
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 3])
    with pytest.raises(DataError, match="truncated or no archive"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, archive)


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>", bytes(2000)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    archive = tmp_path / "a"
    archive.write_bytes(content)
    with pytest.raises(DataError, match="truncated or no archive"):
        unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, archive)
