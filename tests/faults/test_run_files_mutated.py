"""Files of a run with faults (plans, jobs, locks, fitted methods): each is read, left alone or a documented error."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutated_bytes, places
from PIL import Image
from report_records import make_record
from samples import make_sample

from harness import registry
from harness.cell import Cell
from harness.data.weights import ResolvedWeight
from harness.errors import DataError, PrerequisiteError, UsageError
from harness.files.atomic import sweep_temporaries
from harness.files.locks import FileLock, is_locked, oldest_lock
from harness.plan.job import Job, read_job, write_job
from harness.report.status import read_states
from harness.running.predict import load_fitted
from harness.store.claims import Claim, holders
from harness.store.fitted import save_fitted
from harness.store.pending import drop_finished, save_pending, unfinished
from harness.store.store import Store

CELLS = [make_record(method, category).cell for method in ("cfm", "btf") for category in ("bagel", "foam")]
often = settings(max_examples=500, derandomize=True, deadline=None, database=None)

ODD: st.SearchStrategy[Any] = st.sampled_from(
    ["", "../../up", "/etc/passwd", "\0", "\ud800", "x" * 400, "[/red]", "\x1b[2J", 1e400, -1, 0, 2**70, True, None, []]
) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def altered(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None], new: Any) -> Any:
    """Return a copy in which one part is changed."""
    copy = json.loads(json.dumps(value))
    if not path:
        return new
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return copy


@st.composite
def odd_json(draw: st.DrawFn, value: Any) -> bytes:
    """Return JSON of which a part is another value, is gone, or has a neighbour that nobody knows."""
    new = draw(ODD)

    def change(inner: Any, key: Any) -> None:
        how = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if how == "replace":
            inner[key] = new
        elif how == "remove":
            del inner[key]
        elif isinstance(inner, dict):
            inner["neighbour"] = new
        else:
            inner.append(new)

    return json.dumps(altered(value, draw(st.sampled_from(list(places(value)))), change, new)).encode()


def either(value: Any) -> st.SearchStrategy[bytes]:
    return odd_json(value) | mutated_bytes(json.dumps(value).encode()) | st.just(b"[" * 100_000)


PLAN = [cell.to_json() for cell in CELLS[:2]]


@often
@given(either(PLAN))
def test_an_odd_plan_is_read_or_left_alone(content: bytes) -> None:
    """The plan beside it is read whatever it holds; a plan that can't be read is kept."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "results"
        save_pending(folder, CELLS[2:])
        odd = folder / "plans" / "20300101T000000-odd.json"
        odd.write_bytes(content)
        found = unfinished(folder)
        assert {cell.id for cell in CELLS[2:]} <= {cell.id for cell in found}
        assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", cell.stem) for cell in found)
        states, _ = read_states(Store(folder)), drop_finished(folder)
        assert {state.state for state in states} == {"planned"}
        try:
            empty = json.loads(content) == []
        except (ValueError, RecursionError):
            empty = False
        assert odd.exists() != empty
        assert os.listdir(name) == ["results"]  # noqa: PTH208 - hidden files, too


JOB = Job(
    CELLS[0],
    Path("/data"),
    ("train/good/000",),
    {"dino.pth": ResolvedWeight("dino.pth", Path("/weights/dino.pth"), "0" * 64, True)},
    results=Path("/results"),
)


@pytest.fixture(scope="module")
def job_json(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("jobs") / "job.json"
    write_job(path, JOB)
    assert read_job(path) == JOB
    return json.loads(path.read_bytes())


@often
@given(data=st.data())
def test_an_odd_job_is_a_usage_error_or_a_job(job_json: Any, data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "job.json"
        path.write_bytes(data.draw(either(job_json)))
        try:
            job = read_job(path)
        except UsageError:
            return
        assert isinstance(job, Job)
        assert isinstance(job.results, Path)
        assert job.cell.seed >= 0
        write_job(path, job)
        assert read_job(path).cell.id == job.cell.id


LINKED = b"of somebody else"
KINDS = ("nothing", "file", "held", "folder", "pipe", "link", "dangling link", "unreadable")


def put(path: Path, kind: str, content: bytes) -> int | None:
    """Put something in the place of a lock file; returns the descriptor that holds its lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("file", "held", "unreadable"):
        path.write_bytes(content)
        path.chmod(0 if kind == "unreadable" else 0o644)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif "link" in kind:
        path.symlink_to(path.parents[1] / ("linked" if kind == "link" else "nowhere"))
    if kind != "held":
        return None
    handle = os.open(path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


@often
@given(
    st.sampled_from(KINDS),
    st.binary(max_size=20),
    st.sampled_from([b"\xff\xfe", "孔".encode(), b"a b", b"-", b"." * 9, b"x" * 200, CELLS[0].stem.encode()]),
)
def test_whatever_lies_where_a_lock_should_be(kind: str, content: bytes, name: bytes) -> None:
    """A lock is had, held by another, or can't be made; nothing hangs, and no link leads to a file of others."""
    with TemporaryDirectory() as top:
        folder = Path(top)
        linked = folder / "linked"
        linked.write_bytes(LINKED)
        linked.chmod(0o600)
        path = folder / "locks" / os.fsdecode(name + b".lock")
        handle = put(path, kind, content)
        lock = Claim(folder, CELLS[0]) if name == CELLS[0].stem.encode() else FileLock(path)
        assert lock.path == path
        assert is_locked(path) == (kind == "held")
        assert set(holders(folder)) == ({path.stem} if kind == "held" else set())
        try:
            taken = lock.take()
        except OSError:
            assert kind in ("folder", "link", "dangling link", "unreadable")
        else:
            assert taken == (kind != "held")
            assert is_locked(path)
        finally:
            lock.release()
        assert (oldest_lock(path.parent) < float("inf")) == (kind == "held")
        sweep_temporaries(path.parent)
        if handle is not None:
            os.close(handle)
        assert (linked.read_bytes(), linked.stat().st_mode & 0o777) == (LINKED, 0o600)
        assert not (folder / "nowhere").exists()


METHOD = """
import numpy as np
from harness.contract import Meta, Prediction

class Mean:
    meta = Meta(name="mean-colour", title="Mean", family="mean", uses_torch=False)

    def __init__(self, *, power: float = 1.0, size: int = 8) -> None:
        self.power, self.size = power, size

    def fit(self, samples, *, seed, device, progress):
        self.mean, self.table = np.arange(3, dtype=np.float32), np.ones((self.size, self.size), np.float64)

    def prepare(self, sample):
        return sample.rgb[: self.size, : self.size].astype(np.float32)

    def infer(self, inputs):
        distance = np.abs(inputs - self.mean).sum(-1) ** self.power * self.table
        return Prediction(distance.astype(np.float32), float(distance.max()))

    def state_bytes(self):
        return {"weights": 0, "bank": self.mean.nbytes, "other": 0}

    def state(self):
        return {"mean": self.mean, "table": self.table}

    def restore(self, state, *, seed, device):
        self.mean, self.table = state["mean"], state["table"]
"""


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bytes]]:
    """A folder with a sample, and the content of the file of a method that was fitted."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "mean_colour.py").write_text(METHOD)
    name = registry.load_reference(f"{folder / 'mean_colour.py'}:Mean")
    sample = make_sample(0, height=16, width=16)
    Image.fromarray(sample.rgb).save(folder / "rgb.png")
    tifffile.imwrite(folder / "xyz.tiff", sample.xyz, photometric="rgb")
    method: Any = registry.load(name)()
    method.fit([], seed=0, device="cpu", progress=None)
    cell = Cell.from_json(CELLS[0].to_json() | {"method": name, "parameters": {"power": 1.0, "size": 8}})
    save_fitted(folder / "whole.safetensors", method, cell)
    content = (folder / "whole.safetensors").read_bytes()
    assert predicted(folder, content) == predicted(folder, content) != "refused"
    yield folder, content
    registry._references.pop(name)
    registry.load.cache_clear()


def predicted(folder: Path, content: bytes) -> str:
    """Predict the sample with the content of a file of a fitted method: returns a digest, or that it was refused."""
    file = folder / "one.safetensors"
    file.write_bytes(content)
    try:
        method = load_fitted(file, clean=False, device="cpu")
        found = method.predict_files(folder / "rgb.png", folder / "xyz.tiff")
    except (UsageError, DataError, PrerequisiteError):
        return "refused"
    assert np.isfinite(found.anomaly_map).all()
    return str(found.anomaly_map.sum())


def header_of(content: bytes) -> tuple[Any, bytes]:
    """Return the header of a file of tensors, the cell in it parsed, and the rest."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def with_header(header: bytes, rest: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


@often
@given(data=st.data())
def test_an_odd_file_of_a_fitted_method_predicts_or_is_refused(fitted: tuple[Path, bytes], data: st.DataObject) -> None:
    """Neither its tensors, nor their description, nor the cell inside are trusted."""
    folder, content = fitted
    header, rest = header_of(content)
    how = data.draw(st.sampled_from(["bytes", "description", "cell"]))
    if how == "bytes":
        odd = data.draw(mutated_bytes(content))
    elif how == "description":
        odd = with_header(data.draw(odd_json(header)), rest)
    else:
        (key, text), *_ = header["__metadata__"].items()
        inner = data.draw(either(json.loads(text))).decode("utf-8", errors="replace")
        odd = with_header(json.dumps({**header, "__metadata__": {key: inner}}).encode(), rest)
    predicted(folder, odd)
    assert {path.name for path in folder.iterdir()} <= {
        "mean_colour.py",
        "rgb.png",
        "xyz.tiff",
        "whole.safetensors",
        "one.safetensors",
        "__pycache__",
    }
