"""Methods that return or raise what nobody expects: the record says it in one sentence of a bearable length."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.contract import MethodError, Prediction
from harness.metrics.scoring import check_prediction
from methods.parts.weight_files import read_tensors

PLUGIN = Path(__file__).parents[1] / "plugin" / "colour_distance.py"
RESULT = "return Prediction(distance.astype(np.float32), float(distance.max()))"
HUGE = "raise ValueError('\\x1b[31m' + 'x' * 20_000_000 + 'the end')"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("return None", "infer() returned a NoneType"),
        ("return distance", "infer() returned a ndarray"),
        (HUGE, "the end"),
    ],
)
def test_a_record_says_it_in_one_sentence(harness, records, tiny_mvtec, tmp_path, line, told):
    code = PLUGIN.read_text(encoding="utf-8").replace('"colour-distance"', '"odd"').replace(RESULT, line)
    (tmp_path / "odd.py").write_text(code, encoding="utf-8")
    where = ("--dataset", "mvtec3d", "--data", tiny_mvtec, "--categories", "bagel", "--shots", "5")
    done = harness("run", "--methods", "./odd.py:ColourDistance", *where, "--preset", "quick", "--device", "cpu")
    assert done.returncode == 3, done.stderr
    (record,) = records()
    assert record["status"] == "failed"
    assert told in record["reason"]
    assert "replace()" not in record["reason"]
    sizes = [path.stat().st_size for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert max(sizes) < 100_000
    assert len(done.stderr) < 100_000
    assert "\x1b" not in done.stderr
    shown = harness("status", "--failed")
    assert told.split()[-1] in "".join(shown.stdout.split("\n"))
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize(
    "prediction",
    [
        None,
        Prediction(None, 0.5),
        Prediction([[0.5]], 0.5),
        Prediction(np.zeros((4, 4), np.float32), None),
        Prediction(np.zeros((4, 4), np.float32), "high"),
        Prediction(np.zeros((4, 4), np.float32), float("nan")),
    ],
)
def test_what_is_no_prediction_is_an_error_of_the_method(prediction):
    with pytest.raises(MethodError, match="sample a"):
        check_prediction(prediction, "a")


def test_no_advice_to_load_a_pickle_is_passed_on(tmp_path):
    torch.save({"a": Path("x")}, tmp_path / "odd.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": Path("x")}))
    for name in ("odd.pth", "plain.pth"):
        with pytest.raises(MethodError) as caught:
            read_tensors(tmp_path / name)
        assert "weights_only" not in str(caught.value)
        assert "still be loaded" not in str(caught.value)
