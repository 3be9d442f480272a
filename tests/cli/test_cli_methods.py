import json

from harness.registry import method_names

BUILT_IN = ["cfm", "cfm-m", "cfm-s", "cfm-t"]

PLUGIN = """
from harness.contract import Meta, WeightFile

class Plain:
    \"\"\"Score by brightness.

    More text.
    \"\"\"

    meta = Meta(name="plain", title="Plain", family="plain", paper="Nobody, 2030", presets={"quick": {"steps": 2}},
                weights=(WeightFile("plain.pth", "https://example.org/plain.pth", "MIT"),), extras=("btf",))

    def __init__(self, *, steps: int = 10, sharp: bool = False) -> None:
        self.steps = steps

    def fit(self, samples, *, seed, device, progress): ...
    def prepare(self, sample): ...
    def infer(self, inputs): ...
    def state_bytes(self): ...
"""


def test_every_method_is_listed(call):
    outcome = call("methods")
    assert outcome.code == 0
    for name in method_names():
        assert f"\n{name} " in outcome.out
    assert "Costanzino et al., CVPR 2024" in " ".join(outcome.out.split())


def test_json_describes_methods_with_their_parameters(call):
    found = {method["name"]: method for method in json.loads(call("methods", "--json").out)}
    assert set(BUILT_IN) <= set(found)
    parameters = {parameter["name"]: parameter for parameter in found["cfm"]["parameters"]}
    assert parameters["epochs"]["default"] == parameters["epochs"]["presets"]["paper"] == 250
    assert parameters["epochs"]["presets"]["quick"] < 250
    assert parameters["aggregate"]["choices"] == ["product", "sum", "max", "2d", "3d"]
    assert [file["sha256"] is not None for file in found["cfm"]["weights"]] == [True, True]


def test_a_named_method_shows_types_choices_defaults_and_presets(call):
    out = call("methods", "cfm").out
    assert "product | sum | max | 2d | 3d" in out
    epochs, meaning = [line.split() for line in out.splitlines() if line.startswith("epochs")]
    assert epochs[:4] == ["epochs", "int", "250", "250"]
    assert " ".join(meaning) == "epochs Passes over the training samples."
    assert "CFM-T" not in out


def test_globs_choose_methods(call):
    found = json.loads(call("methods", "cfm-*", "--json").out)
    assert [method["name"] for method in found] == ["cfm-m", "cfm-s", "cfm-t"]


def test_an_unknown_method_is_an_error_with_the_nearest_names(call):
    outcome = call("methods", "cfn")
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean" in outcome.err
    assert "'cfm'" in outcome.err


def test_a_plugin_takes_part(call, plugin):
    plugin(PLUGIN, {"plain": "some_plugin:Plain"})
    (method,) = json.loads(call("methods", "plain", "--json").out)
    assert method["summary"] == "Score by brightness."
    assert method["extras"] == ["btf"]
    assert method["parameters"][1] == {
        "name": "sharp",
        "type": "bool",
        "help": "",
        "default": False,
        "choices": [],
        "presets": {"paper": False, "quick": False},
    }
    out = call("methods", "plain").out
    assert "ad3d-harness[btf]" in out
    assert "false" in out


def test_a_broken_plugin_asked_for_by_name_is_an_error(call, plugin):
    plugin(PLUGIN, {"gone": "some_plugin:Gone"})
    outcome = call("methods", "gone")
    assert outcome.code == 2
    assert "mend or uninstall the package" in outcome.err
