import json
import os
import time

import numpy as np
import pytest

from harness.files.array_cache import ArrayCache


@pytest.fixture
def filled(tmp_path) -> ArrayCache:
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


def test_an_empty_cache_is_told_with_its_folder_and_limit(call, tmp_path) -> None:
    outcome = call("cache")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        f"folder {tmp_path / 'cache' / 'features'}",
        "0 entries, 0.0 MB of at most 20.0 GB",
    ]
    assert not (tmp_path / "cache").exists()


def test_entries_are_added_up_by_family_dataset_and_category(call, filled, monkeypatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", "1GB")
    out = call("cache").out
    assert "3 entries, 28.0 MB of at most 1.0 GB" in out
    (line,) = [line.split() for line in out.splitlines() if "bagel" in line]
    assert line[:6] == ["cfm", "mvtec3d", "bagel", "2", "24.0", "MB"]
    told = json.loads(call("cache", "--json").out)
    assert (told["entries"], told["limit"], told["folder"]) == (3, 10**9, str(filled.folder))
    assert told["bytes"] == sum(group["bytes"] for group in told["groups"])
    assert [(group["family"], group["entries"]) for group in told["groups"]] == [("cfm", 2), ("other", 1)]


def test_clearing_by_age_and_then_all(call, filled) -> None:
    outcome = call("cache", "clear", "--older-than", "30d")
    assert outcome.code == 0
    assert outcome.out == f"1 entry removed (8.0 MB), 2 kept, in {filled.folder}\n"
    told = json.loads(call("cache", "clear", "--json").out)
    assert (told["removed"], told["kept"]) == (2, 0)
    assert filled.entries() == []


def test_what_a_running_cell_uses_is_kept(call, filled) -> None:
    with filled.session():
        filled.get("a", ["x"])
        assert "2 entries removed (20.0 MB), 1 kept" in call("cache", "clear").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("clear", "--older-than", "soon"), "'soon' is no age: write 90m, 12h or 30d."), (("clera",), "No such command")],
)
def test_a_wrong_request(call, arguments, said) -> None:
    outcome = call("cache", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_wrong_limit_is_one_sentence(call, monkeypatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", "lots")
    outcome = call("cache")
    assert outcome.code == 2
    assert outcome.err.startswith("harness: HARNESS_CACHE_LIMIT is no size ('lots'): write 500MB")
