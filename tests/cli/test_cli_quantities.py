import json

import pytest
from test_cli_main import loaded

from harness.store.quantities import QUANTITIES


def test_json_describes_every_quantity(call):
    described = {entry["id"]: entry for entry in json.loads(call("quantities", "--json").out)}
    assert list(described) == list(QUANTITIES)
    assert described["i_auroc"] == {
        "id": "i_auroc",
        "kind": "accuracy",
        "heading": "I-AUROC",
        "math": None,
        "unit": "",
        "digits": 3,
        "best": "highest",
        "place": ["metrics", "i_auroc"],
        "help": QUANTITIES["i_auroc"].help,
    }
    assert described["device_median_ms"]["best"] == "lowest"
    math = {id: described[id]["math"] for id in ("fps", "end_to_end_p95_ms", "fps_default", "decode_mean_ms")}
    assert list(math.values()) == ["strict", "strict", "default", None]
    assert described["train_samples"]["best"] is None


@pytest.mark.parametrize("id", ["i_auroc", "fps", "memory_mb", "fit_s"])
def test_a_quantity_is_printed_with_its_facts(call, id):
    outcome = call("quantities")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    (position,) = [number for number, line in enumerate(lines) if line.startswith(f"  {id}: ")]
    assert QUANTITIES[id].title in lines[position]
    assert ".".join(QUANTITIES[id].place) in lines[position]
    assert lines[position + 1].strip() == QUANTITIES[id].help


def test_the_verb_does_not_load_torch():
    assert loaded("quantities", "--json", watched=("torch", "timm")) == "[]"
