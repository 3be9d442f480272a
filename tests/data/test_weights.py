import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from fileserver import FileServer, running

from harness.contract import WeightFile
from harness.data.download import mismatch
from harness.data.weights import ResolvedWeight, WeightStore, default_weights_dir
from harness.errors import PrerequisiteError

CONTENT = b"tensor" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
FILE = WeightFile(
    name="dino.pth",
    url="https://example.org/dino.pth",
    licence="Apache-2.0",
    size=len(CONTENT),
    sha256=SHA256,
    alternatives=("dino.safetensors",),
)


@pytest.fixture
def store(tmp_path, monkeypatch) -> WeightStore:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_WEIGHTS_DIR", raising=False)
    folder = tmp_path / "weights"
    folder.mkdir()
    return WeightStore(folder)


def put(store: WeightStore, name: str, content: bytes) -> Path:
    path = store.folder / name
    path.write_bytes(content)
    return path


def test_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.delenv("HARNESS_WEIGHTS_DIR", raising=False)
    assert WeightStore().folder == default_weights_dir() == tmp_path / "weights"
    monkeypatch.setenv("HARNESS_WEIGHTS_DIR", "~/w")
    assert WeightStore().folder == Path.home() / "w"


def test_the_published_file_is_present_and_verified(store):
    path = put(store, "dino.pth", CONTENT)
    status = store.status(FILE)
    assert (status.state, status.path, status.sha256, status.verified) == ("present", path, SHA256, True)
    assert store.resolve([FILE], unverified=False) == {"dino.pth": ResolvedWeight("dino.pth", path, SHA256, True)}


def test_a_missing_file_is_described_with_all_that_is_needed_to_get_it(store):
    assert store.status(FILE).state == "missing"
    with pytest.raises(PrerequisiteError) as caught:
        store.resolve([FILE], unverified=True)
    for needed in ("dino.pth", "6,000 bytes", SHA256, str(store.folder), "harness weights fetch", "dino.safetensors"):
        assert needed in str(caught.value)


def test_every_missing_file_is_named_at_once(store):
    second = WeightFile("pretrain.pth", "https://example.org/p", "MIT")
    with pytest.raises(PrerequisiteError, match=r"dino\.pth.*pretrain\.pth .*size not published, no sha256 published"):
        store.resolve([FILE, second], unverified=False)


def test_another_sha256_needs_the_flag(store):
    path = put(store, "dino.pth", b"other")
    assert (store.status(FILE).state, store.status(FILE).verified) == ("unverified", False)
    with pytest.raises(PrerequisiteError, match=rf"{OTHER} instead of {SHA256}.*--unverified"):
        store.resolve([FILE], unverified=False)
    assert store.resolve([FILE], unverified=True)["dino.pth"] == ResolvedWeight("dino.pth", path, OTHER, False)


def test_the_first_digits_of_a_digest_are_compared_where_no_more_are_published(store):
    path = put(store, "dino.pth", CONTENT)
    assert store.status(replace(FILE, sha256=SHA256[:8])).verified
    assert store.status(replace(FILE, sha256=OTHER[:8])).state == "unverified"
    assert mismatch(path, sha256=SHA256[:8]) is None
    assert "instead of" in str(mismatch(path, sha256=OTHER[:8]))
    for few in ("", SHA256[:7]):
        assert store.status(replace(FILE, sha256=few)).state == "unverified"
        assert "instead of" in str(mismatch(path, sha256=few))
    assert "instead of" in str(mismatch(path, md5=hashlib.md5(CONTENT).hexdigest()[:8]))


def test_an_alternative_stands_in_under_the_files_name(store):
    path = put(store, "dino.safetensors", b"other")
    assert store.status(FILE).state == "present"
    assert store.resolve([FILE], unverified=False) == {"dino.pth": ResolvedWeight("dino.pth", path, OTHER, False)}


def test_the_published_file_comes_before_an_alternative_and_a_wrong_one_after_it(store):
    alternative = put(store, "dino.safetensors", b"other")
    own = put(store, "dino.pth", CONTENT)
    assert store.status(FILE).path == own
    put(store, "dino.pth", b"damaged")
    assert store.status(FILE).path == alternative


def test_a_file_without_a_published_digest_is_present_but_not_verified(store):
    put(store, "dino.pth", b"other")
    status = store.status(replace(FILE, sha256=None))
    assert (status.state, status.verified, status.sha256) == ("present", False, OTHER)


def test_a_folder_is_no_file(store):
    (store.folder / "dino.pth").mkdir()
    assert store.status(FILE).state == "missing"


def test_a_cache_that_can_not_be_written_only_costs_time(store, tmp_path):
    put(store, "dino.pth", CONTENT)
    (tmp_path / "cache").write_text("a file where a folder belongs")
    assert store.status(FILE).verified


def test_fetch_downloads_and_verifies(store, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running(FileServer(files={"dino.pth": CONTENT, "bad.pth": b"other"})) as server:
        good, bad = (replace(FILE, url=server.url(name)) for name in ("dino.pth", "bad.pth"))
        with pytest.raises(PrerequisiteError, match="not the published one"):
            store.fetch(bad)
        assert store.status(FILE).state == "missing"
        assert store.fetch(good) == store.folder / "dino.pth"
        assert store.status(FILE).verified
        store.fetch(good)
        assert len(server.requests) == 2
