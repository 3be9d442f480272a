"""Cells under conditions: one fit for all of test samples, training left as it is, only what is missing measured."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.api import placed_jobs
from harness.plan.job import job_from_json, job_to_json
from harness.plan.planning import make_plan
from harness.plan.selection import Selection
from harness.protocol import Protocol
from harness.registry import load
from harness.running.events import EventWriter, parse_event
from harness.running.worker import run_cells
from harness.store.claims import Claim
from harness.store.details import read_details
from harness.store.record import Record
from harness.store.store import Store

SPY = '''
import hashlib
from pathlib import Path
import numpy as np
from harness.contract import Meta, Prediction
from harness.geometry import square_pad


def content(sample):
    parts = (name.encode() + array.tobytes() for name, array in sorted(sample.arrays.items()))
    return hashlib.sha256(b"".join(parts)).hexdigest()


class Spy:
    """Notes the content of what it gets; finds what is bright."""

    meta = Meta("{name}", "Spy", "example", modalities={modalities}, uses_torch=False{more})

    def __init__(self, *, where: str = "", breaks: int = 0):
        self.where, self.breaks, self.seen = where, breaks, 0

    def note(self, what, sample):
        with open(self.where, "a") as file:
            file.write(what + " " + content(sample) + "\\n")

    def fit(self, samples, *, seed, device, progress):
        for sample in samples:
            self.note("fit", sample)

    def prepare(self, sample):
        self.note("infer", sample)
        return square_pad(sample.rgb.mean(2) + 100 * sample.xyz[..., 2])

    def infer(self, inputs):
        return Prediction(inputs.astype(np.float32), float(inputs.max()))

    def state_bytes(self):
        return {{"weights": 0, "bank": 0, "other": 0}}

    def state(self):
        return {{"fitted": np.ones(1)}}

    def restore(self, state, *, seed, device):
        pass

    def find_checkpoint(self, folder, category):
        return ()

    def load_checkpoint(self, folder, category, *, seed, device):
        pass
'''
NUMBERS = count()
"""Of the spies of this process: no two methods have one name."""
STRESS = ("rgb-shift:2", "rgb-rotate:3", "xyz-noise:0.5mm", "xyz-dropout:0.3", "light:0.7", "blur:1", "missing:rgb:0.5")


class Bench:
    """A results folder and a spy, in this process."""

    def __init__(self, data: Path, folder: Path, modalities: str = '("rgb", "xyz")', more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data, self.notes, self.store = data, folder / "notes", Store(folder / "results")
        file = folder / "spy.py"
        self.name = f"spy-{next(NUMBERS)}"
        file.write_text(
            SPY.format(name=self.name, modalities=modalities, more=more or ', tolerates_missing=("rgb", "xyz")')
        )
        self.method = f"{file}:Spy[where={self.notes}]"

    def plan(self, *conditions: str, **more: object):
        where = {"dataset": "mvtec3d", "data": self.data, "categories": ("bagel",), "shots": (5,), "preset": "quick"}
        return make_plan(Selection((self.method,), conditions=conditions, **(where | more)), self.store)

    def run(self, *conditions: str, **more: object) -> list[Record]:
        jobs = placed_jobs(self.plan(*conditions, **more))
        return [record for job in jobs for record in run_cells(job.on("cpu"), EventWriter(io.StringIO()))]

    def noted(self, what: str) -> list[str]:
        lines = self.notes.read_text().split("\n") if self.notes.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(what)]


@pytest.fixture
def bench(tiny_mvtec: Path, tmp_path: Path) -> Callable[..., Bench]:
    def make(name: str = "bench", **more: str) -> Bench:
        return Bench(tiny_mvtec, tmp_path / name, **more)

    return make


def test_none_is_the_cell_that_it_was_and_every_condition_another(bench) -> None:
    cells = [planned.job.cell for planned in bench().plan("none", *STRESS, "contaminate:0.2").cells]
    assert cells[0].protocol == Protocol.for_preset("quick", cells[0].protocol.weights)
    assert "condition" not in cells[0].to_json()["protocol"]
    assert len({cell.id for cell in cells}) == len({cell.stem for cell in cells}) == len(cells)
    assert {cell.fit_id for cell in cells[:-1]} == {cells[0].id}
    assert cells[-1].fit_id == cells[-1].id
    assert [cell.keys.get("condition") for cell in cells] == [None, *STRESS, "contaminate:0.2"]


def test_all_conditions_of_test_samples_are_one_job_with_one_fit(bench) -> None:
    one = bench()
    plan = one.plan(*STRESS, "none")
    (job,) = plan.to_run
    assert [cell.condition.text for cell in job.cells] == ["none", *STRESS]
    assert (len(job.cells), plan.cells_to_run) == (8, 8)
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))).cells == job.cells
    plain, *under = one.run("none", *STRESS)
    assert len(one.noted("fit")) == 5
    assert [record.status for record in (plain, *under)] == ["ok"] * 8
    assert [record.cell.condition.text for record in under] == list(STRESS)
    assert plain.latency.device is not None
    assert all(record.latency.device is None and record.memory.peak_fit is None for record in under)
    assert all(record.test_images == plain.test_images and record.content == plain.content for record in under)
    assert all(one.store.counts_path(record.cell).exists() and record.details for record in under)


@pytest.fixture
def usual(bench) -> Bench:
    """A run without conditions."""
    made: Bench = bench("usual")
    made.run("none")
    return made


@given(st.lists(st.sampled_from(STRESS), min_size=1, max_size=3, unique=True), st.booleans())
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_condition_of_test_samples_touches_training(usual, bench, conditions: Sequence[str], plain: bool) -> None:
    changed = bench(str(next(NUMBERS)))
    changed.run(*(["none"] if plain else []), *conditions)
    assert changed.noted("fit") == usual.noted("fit")
    assert len(set(usual.noted("fit"))) == 5
    assert set(changed.noted("infer")) - set(usual.noted("infer"))


def test_a_condition_gives_the_same_number_by_itself_and_beside_others(bench) -> None:
    together, alone = bench("together"), bench("alone")
    of_all = {record.cell.condition.text: record for record in together.run("none", *STRESS)}
    for text in reversed(STRESS[:3]):
        (record,) = alone.run(text)
        assert record.metrics == of_all[text].metrics
    assert len(alone.noted("fit")) == 15


def test_a_later_run_adds_what_is_missing_alone(bench) -> None:
    one = bench()
    one.run("none", "light:0.7")
    (job,) = one.plan("none", "light:0.7", "light:0.5", "blur:2").to_run
    assert [cell.condition.text for cell in job.cells] == ["light:0.5", "blur:2"]
    assert [record.cell.condition.text for record in one.run("none", "light:0.7", "light:0.5", "blur:2")] == [
        "light:0.5",
        "blur:2",
    ]
    assert one.plan("none", "light:0.7", "light:0.5", "blur:2").to_run == ()


def test_a_kept_fit_serves_later_conditions(bench) -> None:
    one = bench()
    (job,) = placed_jobs(one.plan("none"), save_fitted=True)
    list(run_cells(job.on("cpu"), EventWriter(io.StringIO())))
    (record,) = one.run("light:0.7")
    assert record.status == "ok"
    assert len(one.noted("fit")) == 5
    assert "fit" not in record.seconds
    anew = bench("anew")
    assert anew.run("light:0.7")[0].metrics == record.metrics
    assert one.plan("light:0.7", "none", save_fitted=True).to_run == ()


def test_a_kept_fit_belongs_to_the_record_also_when_the_cell_is_measured_again(bench) -> None:
    """Else later conditions would be measured with a fit of earlier code, and compared with a record of the new one."""
    one = bench()
    (job,) = placed_jobs(one.plan("none"), save_fitted=True)
    list(run_cells(job.on("cpu"), EventWriter(io.StringIO())))
    path = one.store.fitted_path(job.cell)
    first = path.stat().st_ino, path.stat().st_mtime_ns
    (again,) = placed_jobs(one.plan("none", rerun=("all",)))
    assert again.save_fitted is None
    list(run_cells(again.on("cpu"), EventWriter(io.StringIO())))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) != first
    one.store.adopt_files(job.cell)  # as where the fitted method could not be written
    assert not path.exists()
    assert len(list((one.store.folder / "aside").glob("*.safetensors"))) == 1
    assert one.plan("light:0.7").to_run[0].fitted is None


def test_thresholds_under_conditions_are_those_without(bench) -> None:
    """Nominal samples are scored as they are: a condition changes test samples alone, with a kept fit, too."""
    one, kept = bench("one"), bench("kept")
    plain, *under = one.run("none", *STRESS, shots=(3,))
    (job,) = placed_jobs(kept.plan("none", shots=(3,)), save_fitted=True)
    list(run_cells(job.on("cpu"), EventWriter(io.StringIO())))
    later = kept.run(*STRESS[:2], shots=(3,))
    thresholds = {key: point.threshold for key, point in plain.decisions.points.items()}
    nominal = read_details(one.store, plain).nominal
    assert (len(thresholds), len(nominal.ids)) == (3, plain.decisions.nominal)
    for bench_of, records in ((one, under), (kept, later)):
        for record in records:
            assert {key: point.threshold for key, point in record.decisions.points.items()} == thresholds
            assert read_details(bench_of.store, record).nominal == nominal


def test_what_another_run_measures_meanwhile_is_left_to_it(bench) -> None:
    one = bench()
    (job,) = placed_jobs(one.plan("none", "light:0.7", "blur:1"))
    own = Claim(job.results, job.cell)
    assert own.take()
    theirs = Claim(job.results, job.also[0])
    assert theirs.take()
    events = io.StringIO()
    job = job.on("cpu").claimed(job.results, own.holder.token)
    with own, theirs:
        records = list(run_cells(job, EventWriter(events)))
    assert [record.cell.condition.text for record in records] == ["none", "blur:1"]
    cells = [
        event.stage for event in map(parse_event, events.getvalue().splitlines()) if event and event.kind == "cell"
    ]
    assert cells == [job.also[1].id]
    assert not one.store.path(job.also[0]).exists()


def test_what_a_method_uses_and_does_not_tolerate_is_unsupported(bench) -> None:
    strict = bench("strict", more=", note='strict'")
    reasons = [planned.job.unsupported for planned in strict.plan("missing:rgb", "missing:xyz:0.2", "blur:1").cells]
    assert "uses an image" in reasons[0]
    assert "uses a cloud" in reasons[1]
    assert reasons[2] == ""
    (without,) = bench("rgb", modalities='("rgb",)', more=", note='strict'").plan("missing:xyz").cells
    assert without.job.unsupported == ""
    tolerant = bench("tolerant")
    (record,) = tolerant.run("missing:rgb")
    assert record.status == "ok"
    assert load(tolerant.name).meta.tolerates_missing == ("rgb", "xyz")


def test_contaminated_training_is_a_fit_of_its_own_and_its_record_says_what_was_drawn(bench) -> None:
    one = bench()
    plain, mixed, apart = one.run("none", "contaminate:0.2", "contaminate:0.2:no-overlap")
    assert [record.status for record in (plain, mixed, apart)] == ["ok"] * 3
    assert [record.samples.train for record in (plain, mixed, apart)] == [5, 6, 6]
    assert [record.samples.test for record in (plain, mixed, apart)] == [6, 6, 5]
    assert mixed.latency.device is not None
    (note,) = [note for note in mixed.notes if "anomalies" in note]
    assert note.startswith("1 of 6 training samples are anomalies of the test set (also tested): test/hole/")
    assert "(not tested)" in " ".join(apart.notes)
    assert mixed.cell.split_digest != plain.cell.split_digest
    assert len(one.noted("fit")) == 17
    assert one.plan("none", "contaminate:0.2").to_run == ()


def test_released_weights_can_not_be_contaminated(bench, tmp_path: Path) -> None:
    released = {"shots": ("full",), "checkpoint": tmp_path}
    _, stressed, trained = bench().plan("none", "rgb-shift:2", "contaminate:0.2", **released).cells
    assert not stressed.job.unsupported
    assert "'contaminate:0.2' changes nothing" in trained.job.unsupported


@pytest.fixture
def run(harness, tiny_mvtec):
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5", "--preset", "quick")
    return lambda *more: harness("run", "--methods", "colour-distance", *where, "--device", "cpu", *more)


def test_the_command_line_measures_conditions_and_tells_of_each(run, harness, tmp_path: Path) -> None:
    options = ("--condition", "none,light:0.7,light:0.70", "--contaminate", "0.2")
    dry = run(*options, "--dry-run")
    assert "3 of 3 cells to run" in dry.stdout
    assert "contaminate:0.2" in dry.stdout
    done = run(*options)
    assert done.returncode == 0, done.stderr
    assert "condition light:0.7" in done.stdout
    assert len(list((tmp_path / "results" / "cells").glob("*.json"))) == 3
    assert "Nothing to do" in run(*options).stderr
    assert harness("status").stdout.count("1 of 1 ok") == 3
    accuracy = ("tables", "--table", "accuracy", "--format", "json")
    assert "light" not in harness(*accuracy).stdout
    assert "light:0.7" in harness(*accuracy, "--condition", "light*").stdout
    assert "light:0.7" in harness("tables", "--table", "stress", "--format", "csv").stdout
    wrong = run("--condition", "fog:3")
    assert wrong.returncode == 2
    assert "not a valid condition" in wrong.stderr


def test_contaminated_training_is_measured_beside_none_whatever_other_conditions_are_named(run) -> None:
    for typed, expected in (((), []), (("--condition", "light:0.7"), ["light:0.7"])):
        planned = json.loads(run(*typed, "--contaminate", "0.2", "--dry-run", "--json").stdout)
        measured = [cell.get("condition", "none") for cell in planned["cells"]]
        assert measured == ["none", *expected, "contaminate:0.2"]


def test_a_worker_that_takes_too_long_keeps_what_it_has_measured(run, tmp_path: Path) -> None:
    assert run("--condition", "none").returncode == 0
    late = run("--condition", "none,light:0.7,blur:1", "--timeout", "0.2s")
    assert late.returncode == 3
    states = {record.cell.condition.text: record.status for record in Store(tmp_path / "results").all()}
    assert states == {"none": "ok", "light:0.7": "timeout"}
    assert run("--condition", "none,light:0.7,blur:1").returncode == 0
    assert {record.status for record in Store(tmp_path / "results").all()} == {"ok"}


def test_pullers_take_all_conditions_of_a_fit_together(run, harness, tmp_path: Path) -> None:
    planned = run("--condition", "none,light:0.7,blur:1", "--write-plan", "plan.json")
    assert planned.returncode == 0, planned.stderr
    assert "3 cells to run" in planned.stderr
    pulled = harness("run", "--plan", "plan.json")
    assert pulled.returncode == 0, pulled.stderr
    assert "3 measured here" in pulled.stderr
    store = Store(tmp_path / "results")
    assert len(store.all()) == 3
    store.path(next(record.cell for record in store.all() if record.cell.condition.text == "blur:1")).unlink()
    again = harness("run", "--plan", "plan.json")
    assert "1 measured here" in again.stderr
    assert len(store.all()) == 3
