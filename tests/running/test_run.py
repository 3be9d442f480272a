"""``harness run`` as its users meet it: real processes, real files."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from harness.store.details import read_details
from harness.store.record import ImageScore
from harness.store.store import Store

CATEGORIES = ("bagel", "carrot")


@pytest.fixture
def run(harness, tiny_mvtec):
    def call(methods: str, *more: str | Path):
        shots = () if "--shots" in more else ("--shots", "5")
        preset = () if "--preset" in more else ("--preset", "quick")
        return harness(
            "run", "--methods", methods, "--dataset", "mvtec3d", "--data", tiny_mvtec, *shots, *preset, *more
        )

    return call


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "results" / "cells").glob("*.json"))]


def scores(folder: Path) -> tuple[ImageScore, ...]:
    store = Store(folder / "results")
    return read_details(store, store.all()[0]).images


def test_a_run_ends_with_a_table_and_records_and_a_second_does_nothing(run, tmp_path: Path) -> None:
    first = run("colour-distance[floor=2.0]")
    assert first.returncode == 0, first.stderr
    assert "AUROC" in first.stdout
    assert "mean of 2" in first.stdout
    written = records(tmp_path)
    assert [record["cell"]["category"] for record in written] == list(CATEGORIES)
    for record in written:
        assert record["status"] == "ok"
        assert record["metrics"]["i_auroc"] == 1.0
        assert record["by_defect"]["hole"]["p_auroc"] > 0.9
        assert record["cell"]["parameters"] == {"size": 56, "floor": 2.0}
        assert record["samples"] == {"train": 5, "test": 6, "validation": None}
        assert record["latency"]["device"]["calls"] >= 100
        assert record["environment"]["packages"]["numpy"]
        assert not [note for note in record["notes"] if "random" in note]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results" / "cells").iterdir()}
    second = run("colour-distance[floor=2.0]")
    assert second.returncode == 0
    assert "Nothing to do" in second.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_too_few_training_samples_for_some_cells_do_not_end_the_others(run, harness, tmp_path: Path) -> None:
    planned = run("colour-distance", "--shots", "3,300", "--dry-run")
    assert "4 of 4 cells to run" in planned.stdout
    assert "fewer than 300 shots" in " ".join(planned.stdout.split())
    outcome = run("colour-distance", "--shots", "3,300")
    assert outcome.returncode == 3, outcome.stderr
    written = {(record["cell"]["category"], record["cell"]["shots"]): record for record in records(tmp_path)}
    assert {place: record["status"] for place, record in written.items()} == {
        **dict.fromkeys([("bagel", 3), ("carrot", 3)], "ok"),
        **dict.fromkeys([("bagel", 300), ("carrot", 300)], "unsupported"),
    }
    assert "bagel of mvtec3d has 244 training samples, fewer than 300 shots" in written["bagel", 300]["reason"]
    assert written["bagel", 3]["samples"]["train"] == 3
    run("colour-distance", "--shots", "3,300", "--write-plan", tmp_path / "plan.json")
    pulled = harness("run", "--plan", tmp_path / "plan.json")
    assert pulled.returncode == 3
    assert "2 cells in the plan: 2 measured here (2 not ok), 0 elsewhere; 2 more were measured before" in pulled.stderr


def test_a_run_of_two_methods_ends_with_the_command_that_compares_them(run, harness) -> None:
    assert "harness compare" not in run("colour-distance").stderr
    done = run("colour-distance,colour-distance[floor=2.0]")
    (hint,) = [line for line in done.stderr.splitlines() if "harness compare" in line]
    compared = harness(*shlex.split(hint[hint.index("harness compare") :])[1:], "--json")
    assert compared.returncode == 0, compared.stderr
    (answer,) = json.loads(compared.stdout)
    assert {one["method"] for one in answer["methods"]} == {"colour-distance", "colour-distance[floor=2.0]"}


def test_dry_run_says_why_and_writes_nothing(run, tmp_path: Path) -> None:
    result = run("colour-distance", "--dry-run")
    assert result.returncode == 0
    assert "no record yet" in result.stdout
    assert "2 of 2 cells to run" in result.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--methods", "colour-distanse"], "did you mean 'colour-distance'"),
        (["--methods", "colour-distance[flor=2]"], "did you mean 'floor'"),
        (["--methods", "colour-distance[floor=two]"], "must be of type float"),
        (["--methods", "colour-distance[size=2]"], "size must be at least 8"),
        (["--methods", "misbehaving[how=sleeep]"], "did you mean 'sleep'"),
        (["--methods", "cfm["], "is not a method"),
        (["--methods", "colour-distance", "--categories", "bagle"], "did you mean 'bagel'"),
        (["--methods", "colour-distance", "--shots", "0"], "give 1 or more, or full"),
        (["--methods", "colour-distance", "--split", "9"], "There is no split '9'"),
        (["--methods", "colour-distance", "--preset", "fast"], "choose one of paper, quick"),
        (["--methods", "colour-distance", "--dataset", "mvtec"], "mvtec3d"),
        (["--methods", "colour-distance", "--shots", "full", "--checkpoint", "."], "no released checkpoints"),
        (["--methods", "cfm", "--shots", "10", "--checkpoint", "."], "--shots full"),
        (["--methods", "colour-distance", "--save-fitted"], "can't be saved"),
        (["--methods", "colour-distance[floor=inf]"], "must be of type float"),
        (["--methods", "colour-distance", "--device", "cudaxyz"], "There is no device 'cudaxyz'"),
        (["--methods", "colour-distance", "--shots", "full", "--split", "nonsense"], "There is no split"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_request_fails_before_any_work(run, tmp_path: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments[1:2], *arguments[2:])
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "results").exists()


def test_more_shots_than_samples(run) -> None:
    result = run("colour-distance", "--shots", "10")
    assert result.returncode == 5
    assert "bagel of mvtec3d has 5 training samples on disk, fewer than 10 shots" in result.stderr


def test_a_split_with_missing_samples_names_them(run) -> None:
    result = run("colour-distance", "--split", "0")
    assert result.returncode == 5
    assert "train/good/" in result.stderr


def test_missing_weights_are_named_with_their_digest(run) -> None:
    result = run("cfm-t")
    assert result.returncode == 5
    said = " ".join(result.stderr.split())
    for fact in ("dino_vitbase8_pretrain.pth", "575f0efc4838938314afa09897a62ed2b87919928b5edcd133abb907328995eb"):
        assert fact in said
    assert "harness weights fetch" in said


def test_corrupt_weights_need_consent_and_then_fail_with_a_reason(run, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("dino_vitbase8_pretrain.pth", "pretrain.pth"):
        (folder / name).write_bytes(b"not a checkpoint")
    refused = run("cfm-t", "--weights-dir", folder)
    assert refused.returncode == 5
    assert "--unverified" in refused.stderr
    tried = run("cfm-t", "--weights-dir", folder, "--unverified", "--categories", "bagel")
    assert tried.returncode == 3
    assert "can't be read" in records(tmp_path)[0]["reason"]


def test_a_results_folder_that_cannot_be_written(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("colour-distance", "--results", tmp_path / "file" / "results")
    assert result.returncode == 5
    assert "--results" in result.stderr


def test_cfm_from_fit_to_prediction(run, harness, tiny_mvtec: Path, tmp_path: Path) -> None:
    method = "cfm-t[epochs=2,group_size=16,centres=32,pixels=256]"
    result = run(method, "--weights", "random", "--categories", "bagel", "--save-fitted", "--preset", "quick")
    assert result.returncode == 0, result.stderr
    assert "random weights: not comparable with published numbers" in records(tmp_path)[0]["notes"]
    (fitted,) = (tmp_path / "results" / "fitted").iterdir()
    test = tiny_mvtec / "bagel" / "test" / "hole"
    files = ("--rgb", test / "rgb" / "000.png", "--xyz", test / "xyz" / "000.tiff")
    predicted = harness("predict", fitted, *files, "--out", "map.npy", "--json", "lines")
    assert predicted.returncode == 0, predicted.stderr
    expected = next(image.score for image in scores(tmp_path) if image.id == "test/hole/000")
    assert json.loads(predicted.stdout)["score"] == expected
    assert "random weights" in " ".join(predicted.stderr.split())
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    again = run(method, "--weights", "random", "--categories", "bagel", "--save-fitted", "--preset", "quick")
    assert "Nothing to do" in again.stderr
    first, scores_before = records(tmp_path)[0], scores(tmp_path)
    rerun = run(method, "--weights", "random", "--categories", "bagel", "--preset", "quick", "--rerun", "cfm-t")
    assert rerun.returncode == 0, rerun.stderr
    second = records(tmp_path)[0]
    assert second["created"] > first["created"]
    assert all(second[part] == first[part] for part in ("metrics", "by_defect", "test_images"))
    assert scores(tmp_path) == scores_before
    picture = harness("predict", fitted, *files, "--out", "map.png")
    assert picture.returncode == 2
    other = harness("predict", fitted, "--method", "methods.cfm:CFM", *files)
    assert other.returncode == 2
    assert "holds 'cfm-t'" in other.stderr


@pytest.mark.data
@pytest.mark.skipif("HARNESS_TEST_DATA" not in os.environ, reason="HARNESS_TEST_DATA is not set")
def test_real_eyecandies(harness, tmp_path: Path) -> None:
    method = "cfm-t[epochs=2,group_size=16,centres=64,pixels=256]"
    where = ("--dataset", "eyecandies", "--data", os.environ["HARNESS_TEST_DATA"], "--categories", "CandyCane")
    result = harness("run", "--methods", method, *where, "--shots", "5", "--preset", "quick", "--weights", "random")
    assert result.returncode == 0, result.stderr
    (record,) = records(tmp_path)
    assert record["samples"] == {"train": 5, "test": 50, "validation": None}
    assert sum(image.label for image in scores(tmp_path)) == 25
    assert set(record["by_defect"]) == {"bumps", "colors", "dents", "mixed", "normals"}
    assert 0.5 < record["metrics"]["p_auroc"] <= 1
    missing = harness("run", "--methods", method, *where, "--shots", "50", "--split", "0", "--weights", "random")
    assert missing.returncode == 5
    assert "train/" in missing.stderr


def test_released_checkpoints_are_evaluated_without_training(run, tiny_mvtec: Path, tmp_path: Path) -> None:
    import torch

    from methods.cfm import CFMTiny

    pair = CFMTiny()._build(0, "cpu")[1]
    (tmp_path / "released" / "bagel").mkdir(parents=True)
    for direction, mapping in (("2Dto3D", pair.to_3d), ("3Dto2D", pair.to_2d)):
        torch.save(mapping.state_dict(), tmp_path / "released" / "bagel" / f"CFM_{direction}_bagel_250ep_4bs.pth")
    method = "cfm-t[group_size=16,centres=32,epochs=250]"
    more = ("--weights", "random", "--categories", "bagel", "--preset", "quick", "--shots", "full")
    result = run(method, *more, "--checkpoint", tmp_path / "released")
    assert result.returncode == 0, result.stderr
    (record,) = records(tmp_path)
    assert record["samples"]["train"] == 0
    assert record["cell"]["checkpoint"]
    missing = run("cfm-t[epochs=50]", *more, "--checkpoint", tmp_path / "released")
    assert missing.returncode == 5
    assert "CFM_2Dto3D_bagel_50ep_4bs.pth" in missing.stderr


def test_two_spellings_of_a_cell_are_one_cell(run) -> None:
    assert "2 of 2 cells" in run("colour-distance,colour-distance[floor=1.0]", "--dry-run").stdout


def test_a_folder_without_a_dataset_name_is_recognised_or_refused(harness, tiny_mvtec: Path, tmp_path: Path) -> None:
    method = ("run", "--methods", "colour-distance", "--shots", "5", "--dry-run", "--preset", "quick")
    found = harness(*method, "--data", tiny_mvtec)
    assert found.returncode == 0, found.stderr
    assert "cells to run on mvtec3d" in found.stdout
    by_variable = harness(*method, HARNESS_DATA=str(tiny_mvtec))
    assert "cells to run on toy" in by_variable.stdout
    (tmp_path / "empty").mkdir()
    refused = harness(*method, "--data", tmp_path / "empty")
    assert refused.returncode == 2
    assert "--dataset" in refused.stderr
