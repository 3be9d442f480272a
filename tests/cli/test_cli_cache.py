import json
import os
import time

import numpy as np
import pytest

from harness.files.array_cache import ArrayCache
from harness.files.caches import CACHES


@pytest.fixture
def features(tmp_path) -> ArrayCache:
    """Three entries in two groups; one was not used for 40 days."""
    cache = ArrayCache()
    for key, family, category, size in (
        ("a", "cfm", "bagel", 10),
        ("b", "cfm", "bagel", 20),
        ("c", "other", "rope", 5),
    ):
        about = {"family": family, "dataset": "mvtec3d", "category": category}
        cache.put(key, {"x": np.zeros(size * 100_000)}, about)
    for key, days in (("a", 40), ("b", 1), ("c", 1)):
        then = time.time() - days * 86400
        os.utime(cache.folder / f"{key}.safetensors", (then, then))
    return cache


@pytest.fixture
def others(tmp_path) -> dict[str, str]:
    """An entry of 1 MB in every other cache: its path below the cache folder by the cache's name."""
    places = {
        "cleaning": "clean/a.npz",
        "bootstrap": "bootstrap/a.npy",
        "digests": "sha256/a.json",
        "toy": "toy/1/bump/a.png",
        "weights": "weights/dino.pth",
    }
    for place in places.values():
        path = tmp_path / "cache" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1_000_000))
    return places


def test_an_empty_cache_is_one_sentence_and_makes_no_folder(call, tmp_path) -> None:
    outcome = call("cache")
    assert outcome.code == 0
    assert outcome.out == f"Nothing is cached in {tmp_path / 'cache'}.\n"
    assert call("cache", "clear").code == 0
    assert not (tmp_path / "cache").exists()


def test_every_cache_is_listed_with_its_size(call, features, others, tmp_path) -> None:
    rows = {line.split()[0]: line.split() for line in call("cache").out.splitlines() if line}
    assert rows["features"][1:4] == ["3", "28.0", "MB"]
    for name in others:
        assert rows[name][1:4] == ["1", "1.0", "MB"]
    told = json.loads(call("cache", "--json").out)
    assert (told["folder"], told["bytes"]) == (str(tmp_path / "cache"), 5_000_000 + told["caches"][0]["bytes"])
    assert {cache["name"] for cache in told["caches"]} == {"features", *others}
    assert [cache["name"] for cache in told["caches"] if cache["downloaded"]] == ["weights"]
    assert all(cache["used"] == pytest.approx(time.time(), abs=86400 + 60) for cache in told["caches"])


def test_features_are_added_up_by_family_dataset_and_category(call, features, monkeypatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", "1GB")
    (features.folder / "damaged.safetensors").write_bytes(b"cut")
    out = call("cache", "show", "features").out
    assert "4 entries, 28.0 MB of at most 1.0 GB" in out
    (line,) = [line.split() for line in out.splitlines() if "bagel" in line]
    assert line[:6] == ["cfm", "mvtec3d", "bagel", "2", "24.0", "MB"]
    told = json.loads(call("cache", "show", "features", "--json").out)
    assert (told["entries"], told["limit"], told["path"]) == (4, 10**9, str(features.folder))
    assert told["bytes"] == sum(group["bytes"] for group in told["groups"])
    assert [(group["family"], group["entries"]) for group in told["groups"]] == [("", 1), ("cfm", 2), ("other", 1)]


def test_clearing_by_age_and_then_all(call, features) -> None:
    outcome = call("cache", "clear", "features", "--older-than", "30d")
    assert outcome.code == 0
    assert outcome.out == f"features: 1 entry removed (8.0 MB), 2 kept, in {features.folder}\n"
    (told,) = json.loads(call("cache", "clear", "features", "--json").out)["caches"]
    assert (told["removed"], told["kept"]) == (2, 0)
    assert features.entries() == []


def test_by_default_all_is_cleared_but_what_is_downloaded(call, features, others, tmp_path) -> None:
    assert call("cache", "clear").code == 0
    assert [name for name, cache in CACHES.items() if cache.entries()] == ["weights"]
    assert call("cache", "clear", "weights").code == 0
    assert not (tmp_path / "cache" / others["weights"]).exists()


def test_what_a_running_cell_uses_is_kept(call, features, others) -> None:
    with features.session():
        features.get("a", ["x"])
        told = json.loads(call("cache", "clear", "--json").out)["caches"]
    kept = {cache["name"]: cache["kept"] for cache in told}
    assert kept == {"features": 1, "cleaning": 0, "bootstrap": 0, "digests": 0, "toy": 1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("clear", "--older-than", "soon"), "'soon' is not a valid time"),
        (("clear", "feature"), "did you mean 'features'"),
        (("show", "toys"), "did you mean 'toy'"),
        (("clera",), "No such command"),
    ],
)
def test_a_wrong_request(call, arguments, said) -> None:
    outcome = call("cache", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_wrong_limit_is_one_sentence(call, monkeypatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", "lots")
    outcome = call("cache")
    assert outcome.code == 2
    assert outcome.err.startswith("harness: HARNESS_CACHE_LIMIT is not a valid size ('lots')")


@pytest.mark.parametrize("arguments", [(), ("show", "toy"), ("clear",)])
def test_a_cache_folder_that_is_a_file_is_one_sentence(call, tmp_path, arguments) -> None:
    (tmp_path / "cache").write_text("in the way")
    outcome = call("cache", *arguments)
    assert outcome.code == 5
    assert "HARNESS_CACHE" in outcome.err
    assert outcome.err.count("\n") == 1


def test_what_cannot_be_removed_is_one_sentence(call, others, monkeypatch) -> None:
    def refuse(path: object, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    outcome = call("cache", "clear", "cleaning")
    assert outcome.code == 5
    assert "Permission denied" in outcome.err
