"""The cache in runs: who fills it, who reads it, and who must not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.plan.planning import make_plan
from harness.plan.selection import Selection
from harness.store.store import Store

DEEP = """
import numpy as np
from harness.contract import Meta, Prediction


class Deep:
    \"\"\"Mean brightness, a feature that a deeper method of the family finds for all of them.\"\"\"

    meta = Meta(name="deep", title="Deep", family="shades", uses_torch=False, cache_order=2)
    needs = ("mean", "spread")
    cache = None

    def use_cache(self, cache):
        self.cache = cache

    def make(self, sample):
        found = {"mean": np.array(sample.rgb.mean()), "spread": np.array(sample.rgb.std())}
        return {name: found[name] for name in self.needs}

    def fit(self, samples, *, seed, device, progress):
        self.mean = 0.0
        for sample in samples:
            if self.cache is None:
                found = self.make(sample)
            else:
                found = self.cache.fetch(sample, self.needs, lambda: self.make(sample), version=1)
            self.mean += float(found["mean"]) / len(samples)
        progress("fit", 1, 1)

    def prepare(self, sample):
        return sample.rgb.astype(np.float32).mean(-1)

    def infer(self, inputs):
        distance = np.abs(inputs - self.mean)
        return Prediction(distance, float(distance.max()))

    def state_bytes(self):
        return {"weights": 0, "bank": 8, "other": 0}
"""

SHALLOW = """
from dataclasses import replace
from shades import Deep


class Shallow(Deep):
    meta = replace(Deep.meta, name="shallow", title="Shallow", cache_order=1)
    needs = ("mean",)


class Peeking(Shallow):
    meta = replace(Deep.meta, name="peeking", title="Peeking", cache_order=0)

    def prepare(self, sample):
        self.cache.fetch(sample, self.needs, lambda: self.make(sample), version=1)
        return super().prepare(sample)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    info = site / "shades-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "shades.py").write_text(DEEP)
    (site / "pale.py").write_text(SHALLOW)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shades\nVersion: 1.0\n")
    entries = ["deep = shades:Deep", "shallow = pale:Shallow", "peeking = pale:Peeking", "broken = lost:Broken"]
    (info / "entry_points.txt").write_text("\n".join(["[harness.methods]", *entries]) + "\n")
    return site


@pytest.fixture
def run(harness, site: Path, tiny_mvtec: Path, tmp_path: Path):
    def call(methods: str, *more: str, **environment: str):
        where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5")
        path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        environment = {"PYTHONPATH": path, "HARNESS_CACHE": str(tmp_path / "own"), **environment}
        return harness(
            "run", "--methods", methods, *where, "--preset", "quick", "--device", "cpu", *more, **environment
        )

    return call


def by_method(folder: Path) -> dict[str, dict]:
    found = (json.loads(path.read_text()) for path in (folder / "results" / "cells").glob("*.json"))
    return {record["cell"]["method"]: record for record in found}


def test_the_deeper_method_fills_the_cache_for_the_others_whatever_was_typed_first(run, tmp_path, harness) -> None:
    done = run("peeking,shallow,deep")
    assert done.returncode == 3
    found = by_method(tmp_path)
    assert found["deep"]["environment"]["cache"] == {"read": 0, "made": 5}
    assert found["shallow"]["environment"]["cache"] == {"read": 5, "made": 0}
    assert found["deep"]["metrics"] == found["shallow"]["metrics"]
    assert found["peeking"]["status"] == "failed"
    assert "The cache serves fit alone" in found["peeking"]["reason"]
    told = json.loads(harness("cache", "show", "features", "--json", HARNESS_CACHE=str(tmp_path / "own")).stdout)
    assert told["entries"] == 5
    (group,) = told["groups"]
    assert (group["family"], group["dataset"], group["category"]) == ("shades", "mvtec3d", "bagel")


def test_another_method_of_the_family_that_changed_may_have_filled_the_cache(run, site, tmp_path) -> None:
    assert run("shallow").returncode == 0
    (site / "pale.py").write_text(SHALLOW.replace('needs = ("mean",)', 'needs = ("spread", "mean")'))
    assert run("deep").returncode == 0
    assert by_method(tmp_path)["deep"]["environment"]["cache"] == {"read": 0, "made": 5}


def test_a_run_without_the_cache_neither_reads_nor_fills_it(run, tmp_path) -> None:
    done = run("shallow", "--no-cache")
    assert done.returncode == 0, done.stderr
    assert by_method(tmp_path)["shallow"]["environment"]["cache"] is None
    assert not (tmp_path / "own" / "features").exists()


def test_a_cache_that_cannot_be_written_fails_no_cell(run, tmp_path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "features").write_text("in the way")
    done = run("shallow")
    assert done.returncode == 0, done.stderr
    assert by_method(tmp_path)["shallow"]["environment"]["cache"] == {"read": 0, "made": 5}


def test_a_limit_that_is_no_size_is_refused_before_any_work(run, tmp_path) -> None:
    done = run("shallow", HARNESS_CACHE_LIMIT="lots")
    assert done.returncode == 2
    assert "HARNESS_CACHE_LIMIT is not a valid size ('lots'): write 500MB, 20GB or 0 to keep nothing." in " ".join(
        done.stderr.split()
    )
    assert not (tmp_path / "results").exists()


def test_deeper_variants_run_first_and_families_stay_in_order(tiny_mvtec, tmp_path) -> None:
    selection = Selection(
        methods=("cfm-t", "ast", "cfm-m", "cfm", "cfm[aggregate=sum]", "cfm-s"),
        dataset="mvtec3d",
        data=tiny_mvtec,
        shots=(5,),
        weights="random",
    )
    jobs = make_plan(selection, Store(tmp_path)).to_run
    order = ["cfm", "cfm[aggregate=sum]", "cfm-m", "cfm-s", "cfm-t", "ast"]
    assert [job.cell.label for job in jobs] == [*order, *order]
    assert all(job.cache for job in jobs)
