"""Plugins that are broken, that end the interpreter, or that take a name of others: named once, and left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import registry
from harness.distribution import is_own_distribution
from harness.errors import UsageError
from harness.measure.environment import provider_of

GOOD = """
from harness.contract import Meta

class Plain:
    meta = Meta(name="plain", title="Plain", family="plain", uses_torch=False{more})

    def __init__(self, *, steps: {kind} = 10) -> None:
        {body}

    def fit(self, samples, *, seed, device, progress): ...
    def prepare(self, sample): ...
    def infer(self, inputs): ...
    def state_bytes(self): ...
"""


def good(kind: str = "int", body: str = "pass", more: str = "") -> str:
    return GOOD.format(kind=kind, body=body, more=more)


BROKEN = {
    "ends the interpreter": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "raises what is no Exception": ("class Mine(BaseException): ...\nraise Mine('gone')", "Mine: gone"),
    "stops iterations": ("raise GeneratorExit", "GeneratorExit"),
    "raises": ("raise RuntimeError('no such device')", "RuntimeError: no such device"),
    "needs another package": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    "is no Python": ("def", "SyntaxError"),
    "has no such class": ("", "AttributeError"),
    "breaks the contract": ("class Plain: ...", "it has no fit, prepare, infer, state_bytes"),
    "is no class": ("Plain = 3", "it has no fit"),
    "has a parameter of a list": (good("list"), "parameter 'steps' must be bool"),
    "has a type that is not there": (good("'Nowhere'"), "NameError"),
    "can't be made": (good(body="raise RuntimeError('no GPU')"), "RuntimeError: no GPU"),
    "ends when it is made": (good(body="raise SystemExit(0)"), "SystemExit: 0"),
    "has a preset of nothing": (
        good(more=", presets={'quick': {'epochs': 2}}"),
        "unexpected keyword argument 'epochs'",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_once_and_left_out(call, plugin, caplog, kind: str) -> None:
    code, said = BROKEN[kind]
    plugin(code, {"plain": "some_plugin:Plain"})
    outcome = call("methods", "--json")
    assert outcome.code == 0
    assert {"cfm", "cfm-m"} <= {method["name"] for method in json.loads(outcome.out)}
    assert '"name": "plain"' not in outcome.out
    assert "plain" not in [spec.name for spec in registry.parse(["all"])]
    call("weights")
    (record,) = caplog.records
    assert "'plain'" in record.getMessage()
    assert said in record.getMessage()
    with pytest.raises(UsageError, match="pla"):
        registry.parse(["pla*"])


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_that_is_asked_for_is_an_error(call, plugin, kind: str) -> None:
    code, said = BROKEN[kind]
    plugin(code, {"plain": "some_plugin:Plain"})
    for arguments in (("methods", "plain"), ("run", "--methods", "cfm-t,plain", "--weights", "random", "--dry-run")):
        outcome = call(*arguments)
        assert outcome.code == 2, outcome
        assert said in outcome.err
        assert outcome.out == ""


def test_the_command_names_it_on_standard_error(tmp_path: Path, plugin) -> None:
    plugin("import sys\nsys.exit(0)", {"plain": "some_plugin:Plain"})
    done = subprocess.run(
        [sys.executable, "-m", "harness", "methods"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "cfm-t" in done.stdout
    assert "plain" not in done.stdout
    assert done.stderr.count("Method 'plain'") == 1
    assert "SystemExit: 0" in done.stderr


def test_a_name_of_this_package_can_not_be_taken(call, plugin, caplog) -> None:
    from methods.cfm import CFM

    plugin(good(), {"cfm": "some_plugin:Plain", "plain": "some_plugin:Plain"})
    assert registry.load("cfm") is CFM
    assert is_own_distribution(provider_of("cfm").distribution)
    assert provider_of("plain").distribution == "some-plugin"
    (record,) = caplog.records
    assert "some-plugin registers 'cfm' (some_plugin:Plain)" in record.getMessage()
    assert '"name": "plain"' in call("methods", "--json").out


def test_a_name_that_two_plugins_register_is_nobodys(call, plugin, tmp_path: Path, caplog) -> None:
    plugin(good(), {"plain": "some_plugin:Plain"})
    info = tmp_path / "site" / "other-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[harness.methods]\nplain = other:Plain\n")
    registry._plugins.forget()
    outcome = call("methods", "plain")
    assert outcome.code == 2
    assert "some-plugin (some_plugin:Plain)" in outcome.err
    assert "other (other:Plain)" in outcome.err
    assert '"name": "plain"' not in call("methods", "--json").out
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["all", "a b", "../up", "x[y", "pla*"])
def test_a_registered_name_must_be_a_name(plugin, caplog, name: str) -> None:
    plugin(good(), {name: "some_plugin:Plain", "plain": "some_plugin:Plain"})
    assert name not in registry.method_names()
    assert "plain" in registry.method_names()
    assert name in caplog.text
