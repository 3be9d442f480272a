"""The shared cache: what goes, what stays, and what two processes do with one key."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import load_file

from harness.errors import UsageError
from harness.files.array_cache import ArrayCache, cache_limit, facts_of
from harness.files.caches import CACHES, Entry

MEGABYTE = 10**6


def block(fill: int = 0, size: int = MEGABYTE) -> dict[str, np.ndarray]:
    return {"a": np.full(size, fill, np.uint8)}


def age(cache: ArrayCache, key: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(cache.folder / f"{key}.safetensors", (then, then))


def keys(cache: ArrayCache) -> set[str]:
    return {entry.key for entry in cache.entries()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArrayCache:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return ArrayCache(limit=10 * MEGABYTE)


def clear(unused_since: float = float("inf")) -> list[Entry]:
    return CACHES["features"].clear(unused_since)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text("abc_1", min_size=1, max_size=4),
        arrays_of.arrays(
            st.sampled_from([np.float32, np.int64, np.bool_]), arrays_of.array_shapes(min_dims=0, min_side=0)
        ),
        min_size=1,
        max_size=3,
    )
)
def test_what_is_put_is_what_is_got(tmp_path_factory, arrays) -> None:
    cache = ArrayCache(tmp_path_factory.mktemp("features"), 10 * MEGABYTE)
    assert cache.put("k", arrays, {})
    found = cache.get("k", list(arrays))
    assert found is not None
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_an_entry_is_a_safetensors_file_that_tells_what_it_is(cache) -> None:
    cache.put("k", {"a": np.arange(3), "b": np.eye(2)[::-1]}, {"family": "cfm"})
    (entry,) = cache.entries()
    np.testing.assert_array_equal(load_file(entry.path)["b"], [[0, 1], [1, 0]])
    assert facts_of(entry) == {"family": "cfm"}
    assert entry.size == entry.path.stat().st_size


def test_arrays_of_other_names_stay_when_an_entry_is_written_again(cache) -> None:
    cache.put("k", {"shallow": np.arange(3)}, {})
    assert cache.get("k", ["shallow", "deep"]) is None
    cache.put("k", {"deep": np.arange(5)}, {})
    assert {name: len(array) for name, array in cache.get("k", ["shallow", "deep"]).items()} == {
        "shallow": 3,
        "deep": 5,
    }


def test_what_was_not_used_for_the_longest_time_goes_first(cache) -> None:
    for position in range(10):
        cache.put(f"k{position}", block(position, 950_000), {})
        age(cache, f"k{position}", 1000 - position)
    assert cache.get("k0", ["a"]) is not None  # used now, so k1 is the oldest
    cache.put("new", block(99, 1_900_000), {})
    assert keys(cache) == {"k0", *(f"k{i}" for i in range(3, 10)), "new"}
    assert sum(entry.size for entry in cache.entries()) <= cache.limit


def test_an_entry_above_the_limit_is_not_kept_and_removes_nothing(cache, capsys) -> None:
    cache.put("small", block(), {})
    age(cache, "small", 100)
    assert not cache.put("large", block(size=11 * MEGABYTE), {})
    assert not cache.put("large", block(size=11 * MEGABYTE), {})
    assert keys(cache) == {"small"}
    assert capsys.readouterr().err.count("raise HARNESS_CACHE_LIMIT") == 1


def test_what_a_running_session_has_used_stays(cache) -> None:
    for name in ("read", "left"):
        cache.put(name, block(size=4 * MEGABYTE), {})
        age(cache, name, 1000)
    other = ArrayCache(cache.folder, cache.limit)
    with cache.session():
        cache.get("read", ["a"])
        assert other.put("first", block(size=4 * MEGABYTE), {})
        assert keys(cache) == {"read", "first"}
        assert not other.put("second", block(size=4 * MEGABYTE), {})
        assert keys(cache) == {"read", "first"}
        assert clear() == []
    assert other.put("second", block(size=4 * MEGABYTE), {})
    assert "second" in keys(cache)


def test_a_session_of_a_dead_process_holds_nothing(cache) -> None:
    code = "import os, sys; from pathlib import Path; from harness.files.array_cache import ArrayCache\n"
    code += "cache = ArrayCache(Path(sys.argv[1]), 10**7)\nwith cache.session(): os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(cache.folder)], check=True)
    assert list((cache.folder / "sessions").iterdir())
    cache.put("k", block(), {})
    assert [entry.key for entry in clear()] == ["k"]
    assert not list((cache.folder / "sessions").iterdir())


@pytest.mark.parametrize("place", [3, 40, -1, "cut", "empty"])
def test_a_damaged_entry_is_dropped(cache, place) -> None:
    cache.put("k", {"a": np.arange(50)}, {})
    path = cache.folder / "k.safetensors"
    content = bytearray(path.read_bytes())
    if isinstance(place, int):
        content[place] ^= 0x55
    path.write_bytes(content[: {"cut": 100, "empty": 0}.get(place, len(content))])
    assert cache.get("k", ["a"]) is None
    cache.put("k", {"a": np.arange(50)}, {})
    np.testing.assert_array_equal(cache.get("k", ["a"])["a"], np.arange(50))


MAKER = """
import sys, time
from pathlib import Path
import numpy as np
from harness.files.array_cache import ArrayCache
from harness.running.cache_during_fit import CellCache
from samples import make_sample

folder, log, start = map(Path, sys.argv[1:])
cache = CellCache(ArrayCache(folder, 10**9), "some", {}, {})
sample = make_sample(1, height=8, width=8, radius=3)

def make():
    with log.open("a") as stream:
        stream.write("made\\n")
    time.sleep(0.5)
    return {"a": np.arange(4)}

print("ready", flush=True)
while not start.exists():
    time.sleep(0.005)
print(cache.fetch(sample, ["a"], make)["a"].sum(), cache.counts().read, cache.counts().made)
"""


def test_two_processes_make_an_entry_once(tmp_path: Path) -> None:
    log, start = tmp_path / "log", tmp_path / "start"
    command = [sys.executable, "-c", MAKER, str(tmp_path / "features"), str(log), str(start)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    makers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    for maker in makers:
        assert maker.stdout.readline() == "ready\n"
    start.touch()
    said = sorted(maker.communicate(timeout=60)[0].strip() for maker in makers)
    assert said == ["6 0 1", "6 1 0", "6 1 0"]
    assert log.read_text() == "made\n"
    assert not list((tmp_path / "features" / "locks").iterdir())


def test_another_key_does_not_wait(cache) -> None:
    with cache.alone("one"), ArrayCache(cache.folder, 1).alone("other"):
        assert len(list((cache.folder / "locks").iterdir())) == 2


@pytest.mark.parametrize("in_the_way", ["features", "cache"])
def test_a_folder_that_cannot_be_made_is_one_note_and_no_error(tmp_path, capsys, in_the_way) -> None:
    (tmp_path / in_the_way).write_text("a file")
    folder = tmp_path / "features" if in_the_way == "features" else tmp_path / "cache" / "features"
    cache = ArrayCache(folder, MEGABYTE)
    with cache.session():
        for key in ("k", "l"):
            with cache.alone(key):
                assert not cache.put(key, block(size=10), {})
            assert cache.get(key, ["a"]) is None
    assert capsys.readouterr().err.count("can't be written") == 1
    assert cache.entries() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_still_read(cache, capsys) -> None:
    cache.put("k", block(), {})
    for path in (cache.folder, cache.folder / "locks"):
        path.mkdir(exist_ok=True)
        path.chmod(0o500)
    try:
        assert cache.get("k", ["a"]) is not None
        with cache.alone("l"):
            assert not cache.put("l", block(), {})
    finally:
        for path in (cache.folder, cache.folder / "locks"):
            path.chmod(0o700)
    assert capsys.readouterr().err.count("can't be written") == 1


def test_a_full_disk_is_a_note(tmp_path, capsys) -> None:
    """A tenth of a megabyte is left: a limit on the size of files, which the system holds to as a disk would."""
    code = "import resource, sys, signal\nfrom pathlib import Path\nimport numpy as np\n"
    code += "from harness.files.array_cache import ArrayCache\n"
    code += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\ncache = ArrayCache(Path(sys.argv[1]), 10**9)\n"
    )
    code += "print([cache.put(k, {'a': np.zeros(10**6)}, {}) for k in 'ab'], cache.entries(), cache.get('a', ['a']))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[False, False] [] None"
    assert done.stderr.count("can't be written") == 1
    assert not list(tmp_path.glob(".*.tmp"))


def test_the_disk_is_never_filled(cache, monkeypatch, capsys) -> None:
    usage = shutil.disk_usage(cache.folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**9 + MEGABYTE))
    assert cache.put("k", block(size=MEGABYTE // 2), {})
    assert not cache.put("l", block(size=2 * MEGABYTE), {})
    assert "less than 1 GB left" in capsys.readouterr().err


def test_clearing_by_age(cache) -> None:
    for name, seconds in (("old", 500), ("new", 5)):
        cache.put(name, block(size=10), {})
        age(cache, name, seconds)
    assert [entry.key for entry in clear(time.time() - 100)] == ["old"]
    assert keys(cache) == {"new"}


@pytest.mark.parametrize(
    ("text", "size"), [("", 20 * 10**9), ("0", 0), ("500MB", 5 * 10**8), ("1.5 gb", 15 * 10**8), ("12", 12)]
)
def test_the_limit_is_read_from_the_environment(monkeypatch, text, size) -> None:
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", text)
    assert cache_limit() == size


@pytest.mark.parametrize("text", ["much", "-1GB", "5 apples"])
def test_a_limit_that_is_no_size(monkeypatch, text) -> None:
    monkeypatch.setenv("HARNESS_CACHE_LIMIT", text)
    with pytest.raises(UsageError, match="500MB"):
        cache_limit()


def test_a_limit_of_nothing_keeps_nothing_and_says_nothing(tmp_path, capsys) -> None:
    assert not ArrayCache(tmp_path, 0).put("k", block(), {})
    assert capsys.readouterr().err == ""


def test_the_same_bytes_of_another_dtype_or_shape_are_damaged(cache: ArrayCache) -> None:
    path = cache.folder / "k.safetensors"
    for old, new in ((b'"F32","shape":[2,4]', b'"I32","shape":[2,4]'), (b'"shape":[2,4]', b'"shape":[4,2]')):
        assert cache.put("k", {"a": np.arange(8, dtype=np.float32).reshape(2, 4)}, {})
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))
        assert cache.get("k", ["a"]) is None
        assert not path.exists()
