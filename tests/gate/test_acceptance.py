"""Submissions: what was measured is accepted, and each thing that does not fit is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from submission_records import fitting_record, make_history

from harness.data.open import open_dataset
from harness.data.splits import load_split
from harness.files.digest import file_sha256
from harness.gate.acceptance import objections, verify_submission
from harness.gate.history import History
from harness.gate.submission import MANIFEST, find_submissions, write_submission
from harness.store.environment import Environment, Git, Provider
from harness.store.record import DataContent, Record, TestImages
from harness.store.store import Store


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, str]:
    return make_history(tmp_path_factory.mktemp("checkout") / "harness")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def record(store: Store, known: tuple[History, str]) -> Record:
    return fitting_record(store, known[1])


@pytest.fixture
def submission(tmp_path: Path, store: Store, record: Record) -> Path:
    folder = tmp_path / "submissions" / "lab-test"
    write_submission(folder, [record], store)
    return folder


Verify = Callable[..., list[str]]


@pytest.fixture
def told(submission: Path, known: tuple[History, str]) -> Verify:
    """Verify the submission and return what is told, with the file where it is not the record."""

    def verify(*accepted: Record) -> list[str]:
        result = verify_submission(submission, accepted, known[0])
        assert result.to_json()["accepted"] == (not result.objections)
        return [f"{objection.path.name}: {objection.why}" for objection in result.objections]

    return verify


def test_what_was_measured_is_accepted_and_names_no_host(
    told: Verify, submission: Path, record: Record, tmp_path: Path
) -> None:
    assert told() == []
    assert told(record) == [], "the same samples as in another submission"
    assert find_submissions(tmp_path / "submissions") == (submission,)
    (kept,) = Store(submission).all()
    assert (record.environment.host, kept.environment.host) == ("private", "")
    assert kept == replace(record, environment=kept.environment)


def test_files_that_were_changed_added_or_removed_are_named(told: Verify, submission: Path) -> None:
    (counts,) = (submission / "counts").iterdir()
    (cell,) = (submission / "cells").iterdir()
    content = cell.read_bytes()
    cell.write_bytes(content + b" ")
    assert told() == [f"{cell.name}: {MANIFEST} has another SHA-256 for it"]
    cell.write_bytes(content)
    whole = counts.read_bytes()
    counts.unlink()
    assert told() == [f"{counts.name}: {MANIFEST} lists it, and it is not there"]
    counts.write_bytes(whole)
    for name in ("cells/more.json", "cells/.hidden.json", "counts/x.pkl", "maps/x.npz", "counts/deep/x.npz", "run.py"):
        path = submission / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        assert [line.partition(":")[0] for line in told()] == [path.name]
        path.unlink()
        if path.parent not in (cell.parent, counts.parent, submission):
            path.parent.rmdir()
    assert told() == []


def test_links_are_not_followed_and_large_files_are_not_read(told: Verify, submission: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    link = submission / "cells" / "link.json"
    link.symlink_to(tmp_path / "secret.json")
    assert "a link" in told()[0]
    link.unlink()
    (submission / "counts" / "folder.npz").symlink_to(tmp_path)
    assert "a link" in told()[0]
    (submission / "counts" / "folder.npz").unlink()
    with (submission / "counts" / "hole.npz").open("wb") as stream:
        os.truncate(stream.fileno(), 60_000_000)
    assert "larger than 50 MB" in told()[0]


def changed(submission: Path, record: Record) -> None:
    """Put a record into a submission as a stranger would who also writes the list of files."""
    store = Store(submission.with_name("again"))
    (counts,) = (submission / "counts").iterdir()
    store.counts_path(record.cell).parent.mkdir(parents=True)
    store.counts_path(record.cell).write_bytes(counts.read_bytes())
    for path in [*(submission / "cells").iterdir(), counts, submission / MANIFEST]:
        path.unlink()
    for path in ("cells", "counts", ""):
        (submission / path).rmdir()
    write_submission(submission, [record], store)


def changed_environment(record: Record, **changes: Any) -> Record:
    return replace(record, environment=replace(record.environment, **changes))


CHANGES: dict[str, tuple[Callable[[Record], Record], str]] = {
    "metric": (lambda r: replace(r, metrics={**r.metrics, "aupro_1": 0.99}), "aupro_1 is 0.990000"),
    "more metrics": (lambda r: replace(r, metrics={**r.metrics, "f1": 0.9}), "other metrics"),
    "speed": (
        lambda r: replace(r, latency=replace(r.latency, device=replace(r.latency.device, median_ms=1.0))),
        "device_median_ms is 1.0",
    ),
    "interval": (
        lambda r: replace(r, latency=replace(r.latency, device=replace(r.latency.device, low_ms=1.0))),
        "device_low_ms is 1.0",
    ),
    "busy": (lambda r: changed_environment(r, contended=True), "busy machine"),
    "hardware": (lambda r: changed_environment(r, device_name=None, cpu=None), "on which device"),
    "commit": (lambda r: changed_environment(r, git=Git("1" * 40)), "a commit that its history does not have"),
    "dirty": (lambda r: changed_environment(r, git=replace(r.environment.git, dirty=True)), "with changes to harness"),
    "stale": (
        lambda r: changed_environment(r, provider=Provider("ad3d-harness", "0.1.0", "0" * 64)),
        "its software is stale",
    ),
    "a file": (
        lambda r: changed_environment(r, provider=Provider("mine.py:Mine", "0" * 64, "0" * 64)),
        "not an installed package",
    ),
    "split": (lambda r: replace(r, cell=replace(r.cell, split_digest="0" * 16)), "the published list"),
    "protocol": (
        lambda r: replace(r, cell=replace(r.cell, protocol=replace(r.cell.protocol, eval_size=112))),
        "protocol",
    ),
    "parameters": (
        lambda r: replace(r, cell=replace(r.cell, parameters={**r.cell.parameters, "coreset": 0.5})),
        "those of its label",
    ),
    "own data": (lambda r: replace(r, cell=replace(r.cell, dataset="folder")), "is not a published category"),
    "counts of samples": (lambda r: replace(r, samples=replace(r.samples, test=109)), "109 of 110 test samples"),
    "content": (lambda r: replace(r, content=DataContent()), "does not say what the files"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_claim_that_does_not_fit_is_named(told: Verify, submission: Path, record: Record, name: str) -> None:
    change, words = CHANGES[name]
    changed(submission, change(record))
    assert any(words in line for line in told()), told()


def test_a_digest_of_software_that_is_not_that_of_the_records_is_named(told: Verify, submission: Path) -> None:
    manifest = json.loads((submission / MANIFEST).read_text())
    manifest["software"] = dict.fromkeys(manifest["software"], "0" * 32)
    (submission / MANIFEST).write_text(json.dumps(manifest))
    (line,) = told()
    assert "digest of its software" in line


def test_samples_must_be_those_of_accepted_submissions(told: Verify, record: Record) -> None:
    assert "test images are not those" in told(replace(record, test_images=TestImages("0123")))[0]
    other = replace(record, content=replace(record.content, test="others"))
    assert "files of test samples are not those" in told(other)[0]
    five = replace(record.cell, shots=5)
    assert told(replace(record, cell=five, content=replace(record.content, train="others"))) == []


def test_cells_that_are_not_ok_or_old_are_named(store: Store, record: Record) -> None:
    assert list(objections(store, replace(record, status="oom"), ())) == ["it is oom"]
    assert "earlier version" in next(objections(store, replace(record, schema=1), ()))


def test_samples_of_a_dataset_that_harness_makes_are_made_again(
    store: Store, record: Record, toy_content: DataContent
) -> None:
    def of_samples(content: DataContent) -> list[str]:
        cell = replace(record.cell, dataset="toy", category="bump", shots=2)
        clauses = objections(store, replace(record, cell=cell, content=content), ())
        return [clause for clause in clauses if "that harness makes" in clause]

    assert of_samples(toy_content) == []
    assert len(of_samples(replace(toy_content, test="0" * 16))) == 1
    assert len(of_samples(replace(toy_content, train="0" * 16))) == 1


@pytest.fixture
def toy_content() -> DataContent:
    toy = open_dataset("toy", None)
    ids = load_split(toy, "bump", 2, "first").ids
    train = [ref for ref in toy.refs("bump", "train") if ref.id in ids]
    return DataContent(toy.content_digest(train), toy.content_digest(toy.refs("bump", "test")))


def test_which_versions_of_harness_are_known(known: tuple[History, str]) -> None:
    history, commit = known
    assert history.why_unknown(Environment(git=Git(commit))) == ""
    assert history.why_unknown(Environment(harness="0.1.0")) == ""
    for unknown in (
        Environment(harness="0.1.1"),
        Environment(harness="*"),
        Environment(),
        Environment(git=Git(commit, dirty=True)),
        Environment(git=Git("--help")),
        Environment(git=Git("HEAD")),
    ):
        assert history.why_unknown(unknown)


def test_pickles_are_not_loaded(submission: Path, told: Verify) -> None:
    (counts,) = (submission / "counts").iterdir()
    np.savez(counts, ids=np.array([Loaded()], dtype=object), allow_pickle=True)
    manifest = json.loads((submission / MANIFEST).read_text())
    manifest["files"][f"counts/{counts.name}"] = file_sha256(counts)
    (submission / MANIFEST).write_text(json.dumps(manifest))
    assert any("counts" in line for line in told())
    assert not Loaded.happened


class Loaded:
    """Tells when it is loaded from a pickle."""

    happened = False

    def __reduce__(self) -> tuple[object, ...]:
        return setattr, (Loaded, "happened", True)
