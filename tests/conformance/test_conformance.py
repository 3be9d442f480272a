"""The conformance suite: it passes methods that keep the contract, and catches each way of breaking it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import make_sample

from harness import registry
from harness.conformance import CHECKS, Outcome, Subject, Verdict, run_suite
from harness.conformance.samples import (
    SampleTracker,
    TrainingSamples,
    bigger,
    black_image,
    empty_cloud,
    not_square,
    with_fields,
)
from harness.conformance.side_effects import captured_output, changed_settings, watched
from harness.contract import OPTIONAL_FIELDS

TRAIN = [make_sample(seed, height=48, width=48, radius=16) for seed in range(3)]
VALIDATION = [make_sample(5, height=48, width=48, radius=16)]
TEST = [make_sample(seed, height=48, width=48, radius=16) for seed in (7, 8)]


@pytest.fixture(scope="module", autouse=True)
def _plugins(plugin_site: Path) -> Iterator[None]:
    """Let this process find the methods of the plugin project."""
    sys.path.insert(0, str(plugin_site))
    registry._plugins.forget()
    registry._is_usable.cache_clear()
    yield
    sys.path.remove(str(plugin_site))
    registry._plugins.forget()
    registry._is_usable.cache_clear()
    registry.load.cache_clear()
    for name in ("calibrated", "colour_distance", "dishonest", "many_lights"):
        sys.modules.pop(name, None)


def suite(method: str, root: Path | None = None) -> dict[str, Outcome]:
    (spec,) = registry.parse([method])
    return {
        outcome.check: outcome for outcome in run_suite(Subject(spec, TRAIN, TEST, validation=VALIDATION, root=root))
    }


def failed(outcomes: dict[str, Outcome]) -> list[str]:
    return [name for name, outcome in outcomes.items() if outcome.status == "fail"]


@pytest.mark.parametrize(
    "method",
    [
        "colour-distance",
        "colour-distance[size=20]",
        "dishonest",
        "forgetful[keeps=all]",
        "many-lights",
        "calibrated",
        "calibrated[by=training]",
    ],
)
def test_a_method_that_keeps_the_contract_passes_every_check(method: str) -> None:
    outcomes = suite(method)
    assert {name: outcome.sentence for name, outcome in outcomes.items() if outcome.status != "pass"} == {}
    assert list(outcomes) == [check.name for check in CHECKS]
    assert [outcome.sentence for outcome in outcomes.values()] == [check.demand for check in CHECKS]


BROKEN = [
    ("misnamed", "meta", "meta.name is 'another', but the entry point is 'misnamed'"),
    ("untitled", "meta", "meta.title is empty"),
    ("smelling", "meta", "not a selection of rgb, depth, xyz"),
    ("weightless", "meta", "there is no load_weights()"),
    ("wishful", "meta", "names 'smell', which is none of normals, lights, measured"),
    ("coreless", "meta", "meta.cores is 0"),
    ("fast", "meta", "names 'fast', which is none of paper, quick"),
    ("greedy", "parameters", "a misspelt one goes unnoticed"),
    ("touchy", "parameters", "given grid=0, where only ValueError is allowed, raises ZeroDivisionError"),
    ("undecided", "parameters", "The default of 'grid' is 0.5, which is not of type int"),
    ("misfit", "construct", "unexpected keyword argument 'sise'"),
    ("stubborn", "construct", "grid must be positive"),
    ("eager[at=reading]", "light", "open: /dev/null"),
    ("eager[at=drawing]", "light", "draws random numbers"),
    ("dishonest[how=fit-raises]", "fit", "fit raises KeyError: 'bank' (dishonest.py, line"),
    ("dishonest[how=fit-refuses]", "fit", "five samples are too few"),
    ("dishonest[how=fit-exits]", "fit", "fit raises SystemExit: 0"),
    ("undemanding", "validation", "wants_validation() is 'yes'"),
    ("undemanding[says=true]", "validation", "no validation sample is read"),
    ("dishonest[how=tells-nothing]", "progress", "never calls progress"),
    ("dishonest[how=tells-nonsense]", "progress", "fit calls progress('fit', 4, 3)"),
    ("dishonest[how=lacks-a-key]", "state-keys", "has the keys ['weights', 'bank']"),
    ("dishonest[how=numpy-bytes]", "state-keys", "is np.int64("),
    ("dishonest[how=hoards]", "state-bytes", "reports 0.0 MB where 8.0 MB are held"),
    ("dishonest[how=boasts]", "state-bytes", "reports 80.0 MB where"),
    ("dishonest[how=tuple]", "predict", "infer returns tuple"),
    ("dishonest[how=double]", "predict", "is of float64"),
    ("dishonest[how=oblong]", "predict", "has shape (15, 16)"),
    ("dishonest[how=nan]", "predict", "NaN or infinity"),
    ("dishonest[how=constant]", "predict", "of every sample is constant"),
    ("dishonest[how=numpy-score]", "predict", "is of type float32"),
    ("dishonest[how=pixel-map-of-a-list]", "predict", "The pixel_map of sample train/good/007 is a list"),
    ("dishonest[how=flat-extra]", "predict", "extras['distance'] of sample train/good/007 has shape (256,)"),
    ("dishonest[how=counts]", "repeatable", "has another score"),
    ("dishonest[how=shares-a-buffer]", "own-arrays", "another anomaly_map (by up to"),
    ("dishonest[how=nan-if-empty]", "empty-cloud", "is nan"),
    ("dishonest[how=crash-if-empty]", "empty-cloud", "prepare raises LinAlgError: Singular matrix (dishonest.py, line"),
    ("dishonest[how=crash-if-black]", "black-image", "prepare raises ZeroDivisionError"),
    ("dishonest[how=squares-only]", "not-square", "prepare raises"),
    ("dishonest[how=refuses-oblong]", "not-square", "It refuses what it must be able to do: only squares"),
    ("dishonest[how=one-size]", "bigger", "another size"),
    ("dishonest[how=unseeded]", "seed", "Two fits with one seed differ in the score"),
    ("dishonest[how=unpicklable]", "state", "pickling raises"),
    ("forgetful", "state", "After restore(state()) it differs in the score"),
    ("forgetful[keeps=nothing]", "state", "can't be restored (KeyError: 'mean')"),
    ("dishonest[how=keeps-views]", "aliases", "It keeps 'rgb' of a sample: a change of it alters the score"),
    ("dishonest[how=peeks]", "blind", "It reads 'mask' of a sample"),
    ("dishonest[how=scribbles-in-fit]", "inputs", "The call of fit changes 'xyz' of a sample"),
    ("dishonest[how=scribbles-in-prepare]", "inputs", "The call of prepare or infer changes 'rgb'"),
    ("dishonest[how=prints]", "silent", "for example 'epoch 1 of 1'"),
    ("dishonest[how=prints-below]", "silent", "for example 'made by compiled code'"),
    ("dishonest[how=errstate]", "settings", "It changes numpy's error handling from"),
    ("dishonest[how=dtype]", "settings", "torch's default dtype from torch.float32 to torch.float64"),
    ("dishonest[how=threads]", "settings", "torch's number of threads from"),
    ("dishonest[how=no-grad]", "settings", "torch's gradient mode from True to False"),
    ("dishonest[how=chdir]", "settings", "the working folder from"),
]


@pytest.mark.parametrize(("method", "check", "fact"), BROKEN, ids=[method for method, _, _ in BROKEN])
def test_each_way_of_breaking_the_contract_fails_its_own_check_alone(method: str, check: str, fact: str) -> None:
    before = Path.cwd(), np.geterr(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    outcomes = suite(method)
    assert failed(outcomes) == [check]
    assert fact in outcomes[check].sentence
    after = Path.cwd(), np.geterr(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    assert before == after


def test_a_constructor_that_takes_its_time_is_not_light(monkeypatch) -> None:
    monkeypatch.setattr("harness.conformance.construction._LONGEST_SECONDS", 0.04)
    outcomes = suite("eager[at=waiting]")
    assert failed(outcomes) == ["light"]
    assert "do the work in fit" in outcomes["light"].sentence


def test_every_check_has_a_method_that_fails_it() -> None:
    assert {check for _, check, _ in BROKEN} == {check.name for check in CHECKS}


def test_reading_a_file_of_the_dataset_is_no_blindness(tmp_path: Path) -> None:
    mask = tmp_path / "data" / "gt.png"
    mask.parent.mkdir()
    mask.write_bytes(b"white")
    method = f"dishonest[how=opens-a-mask,where={mask}]"
    outcomes = suite(method, root=mask.parent)
    assert failed(outcomes) == ["blind"]
    assert f"It opens {mask}" in outcomes["blind"].sentence
    assert failed(suite(method, root=tmp_path / "elsewhere")) == []


def test_an_unsupported_method_is_skipped_with_its_reason() -> None:
    outcomes = suite("dishonest[how=unsupported]")
    assert failed(outcomes) == []
    assert "pip install suns" in outcomes["fit"].sentence
    assert "'fit'" in outcomes["predict"].sentence
    assert outcomes["meta"].status == "pass"


@pytest.mark.parametrize(
    ("method", "passed", "cannot_run"),
    [
        ("dishonest", True, ""),
        ("dishonest[how=nan]", False, ""),
        ("dishonest[how=unsupported]", False, "Dishonest needs two suns: pip install suns."),
        ("eager[at=refusing]", False, "Eager needs suns."),
    ],
)
def test_a_verdict_distinguishes_a_failure_from_what_cannot_run_here(
    method: str, passed: bool, cannot_run: str
) -> None:
    verdict = Verdict(method, "cpu", tuple(suite(method).values()), 1.0)
    assert (verdict.passed, verdict.cannot_run) == (passed, cannot_run)
    assert verdict.to_json()["passed"] is passed


def test_what_needs_a_failed_check_is_skipped() -> None:
    outcomes = suite("dishonest[how=nan]")
    skipped = {name: outcome.sentence for name, outcome in outcomes.items() if outcome.status == "skip"}
    assert "'predict'" in skipped["repeatable"]
    assert "'repeatable'" in skipped["seed"]
    assert outcomes["silent"].status == "pass"


def test_training_samples_are_copies_that_are_dropped_at_the_end() -> None:
    tracker = SampleTracker()
    samples = TrainingSamples(TRAIN, tracker)
    first, again, (last,) = samples[0], samples[0], samples[-1:]
    assert first.rgb is not again.rgb
    np.testing.assert_array_equal(first.rgb, TRAIN[0].rgb)
    assert first.id == again.id != TRAIN[0].id
    np.testing.assert_array_equal(last.rgb, TRAIN[-1].rgb)
    kept = first.xyz[3:]
    part = samples[1:]
    samples.close()
    tracker.settle("fit")
    assert tracker.changed == []
    del first, again, last
    ((name, array),) = tracker.held()
    assert name == "xyz"
    assert np.shares_memory(array, kept)
    for sequence in (samples, part):
        with pytest.raises(RuntimeError, match="after fit"):
            sequence[0]
    with pytest.raises(IndexError):
        samples[len(TRAIN)]


@pytest.mark.parametrize("make", [not_square, bigger])
def test_unusual_samples_are_complete(make) -> None:
    source = with_fields(TRAIN[0], OPTIONAL_FIELDS)
    sample = make(source)
    assert (
        sample.rgb.shape == sample.xyz.shape == sample.normals.shape == sample.measured.shape == sample.lights[0].shape
    )
    assert sample.plane.shape == sample.rgb.shape[:2]
    assert sample.rgb.shape != source.rgb.shape
    assert {name: array.dtype for name, array in sample.arrays.items()} == {
        **dict.fromkeys(("xyz", "normals", "measured"), np.float32),
        **dict.fromkeys(("rgb", "lights"), np.uint8),
        **dict.fromkeys(("plane", "blackened"), bool),
    }


def test_optional_fields_are_made_where_a_method_needs_them() -> None:
    always = {"rgb", "xyz", "plane", "blackened"}
    assert TRAIN[0].arrays.keys() == always
    sample = with_fields(TRAIN[0], OPTIONAL_FIELDS)
    length = np.linalg.norm(sample.normals, axis=2)
    assert np.allclose(length[length > 0], 1)
    assert sample.measured.all()
    points = sample.xyz.any(axis=2)
    assert np.array_equal(sample.measured[points], sample.xyz[points])
    assert not any(empty_cloud(sample).arrays[name].any() for name in ("xyz", "normals", "measured"))
    assert not any(black_image(sample).arrays[name].any() for name in ("rgb", "lights"))
    assert sample.blind().arrays.keys() == always | set(OPTIONAL_FIELDS)


def test_copying_a_sample_is_no_peeking() -> None:
    import copy
    import dataclasses
    import pickle

    tracker = SampleTracker()
    sample = tracker.give(TRAIN[0])
    changed = dataclasses.replace(sample, rgb=sample.rgb[::2])
    copy.copy(sample), pickle.loads(pickle.dumps(sample))
    assert tracker.reads == ()
    assert changed.mask is None
    assert tracker.reads == ("mask",)


def test_printing_is_caught_in_order_and_standard_output_is_whole_again(capfd) -> None:
    printed: list[str] = []
    with captured_output(printed):
        print("one")
        sys.stdout.flush()
        importlib.import_module("os").write(1, b"two")
    print("outside")
    assert printed == ["one\ntwo"]
    assert capfd.readouterr().out == "outside\n"


def test_files_are_noted_while_they_are_watched(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    touches: list = []
    with watched(touches):
        path.write_text("here")
    path.read_text()
    assert [(touch.event, touch.target) for touch in touches] == [("open", str(path))]


def test_settings_are_set_back_also_after_an_error() -> None:
    def fail() -> None:
        with changed_settings(changed):
            np.seterr(all="raise")
            raise KeyError

    changed: list[str] = []
    with pytest.raises(KeyError):
        fail()
    assert len(changed) == 1
    assert np.geterr()["over"] == "warn"
