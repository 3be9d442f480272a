"""``harness verify``, with methods in real processes on the toy dataset."""

import json
import os
import subprocess
import sys

import pytest

from harness import registry
from harness.cli.main import _VERBS
from harness.conformance import CHECKS

NAMES = [check.name for check in CHECKS]
SMALL = "cfm-t[epochs=1,centres=32,group_size=16,pixels=64]"


@pytest.fixture
def verify(call, toy, plugin_site, monkeypatch):
    """Run the verb with the plugin project installed, and the toy dataset made."""
    monkeypatch.setitem(_VERBS, "verify", "Check that methods keep the contract.")
    monkeypatch.setenv("HARNESS_CACHE", str(toy.parents[1]))
    monkeypatch.setenv("PYTHONPATH", str(plugin_site), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.syspath_prepend(str(plugin_site))
    registry._plugins.forget()
    registry._is_usable.cache_clear()
    yield lambda *arguments: call("verify", *arguments, "--device", "cpu")
    registry._plugins.forget()
    registry._is_usable.cache_clear()
    registry.load.cache_clear()


def statuses(verdict):
    return {one["check"]: one["status"] for one in verdict["checks"]}


def test_a_method_that_conforms_is_a_table_and_exit_0(verify):
    outcome = verify(SMALL)
    assert outcome.code == 0, outcome.out
    assert outcome.out.startswith("cfm-t[centres=32,epochs=1,group_size=16,pixels=64]: 23 pass (")
    rows = [line.split() for line in outcome.out.splitlines()]
    assert [row[0] for row in rows if row[1:2] == ["pass"]] == NAMES
    assert "Two fits with one seed give identical predictions." in outcome.out


def test_a_method_that_dies_fails_the_check_it_was_in_and_the_next_is_verified(verify):
    outcome = verify("dishonest[how=fit-dies],eager[at=torch]", "--json")
    assert outcome.code == 3
    dead, heavy = json.loads(outcome.out)
    assert (dead["method"], dead["passed"], dead["device"]) == ("dishonest[how=fit-dies]", False, "cpu")
    assert [one["check"] for one in dead["checks"]] == NAMES
    (failed,) = (one for one in dead["checks"] if one["status"] == "fail")
    assert failed["check"] == "fit"
    assert all(fact in failed["sentence"] for fact in ("exit code 0", "goodbye"))
    assert set(statuses(dead).values()) == {"pass", "fail", "skip"}
    assert [name for name, status in statuses(heavy).items() if status != "pass"] == ["light"]
    assert "imports torch" in heavy["checks"][NAMES.index("light")]["sentence"]


def test_a_method_that_hangs_is_ended(verify):
    outcome = verify("eager[at=hanging]", "--timeout", "5s", "--json")
    assert outcome.code == 3
    (verdict,) = json.loads(outcome.out)
    (failed,) = (one["sentence"] for one in verdict["checks"] if one["status"] == "fail")
    assert "5 s" in failed
    assert "--timeout" in failed
    assert 5 <= verdict["seconds"] < 60


def test_a_method_that_cannot_run_here_is_exit_5_with_its_sentence_and_the_verb_itself_loads_no_torch(verify):
    code = "import sys\nfrom harness.cli.verify import command\n"
    code += "code = command.main(sys.argv[1:], standalone_mode=False)\n"
    code += "print(int(code), sorted({'torch', 'timm', 'sklearn'} & set(sys.modules)))"
    arguments = ["dishonest[how=unsupported]", "--device", "cpu"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "5 []"
    said = "Method 'dishonest[how=unsupported]' can't run here: Dishonest needs two suns: pip install suns."
    assert f"harness: {said}\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dishonst"], "There is no method 'dishonst': did you mean 'dishonest'"),
        (["dishonest[how=lie]"], "can't be 'lie'"),
        (["colour-distance[sise=3]"], "did you mean 'size'"),
        (["colour-distance", "--timeout", "soon"], "'soon' is not a valid time"),
        ([], "Nothing is named"),
    ],
)
def test_a_wrong_request_is_exit_2_before_any_work(verify, arguments, said):
    outcome = verify(*arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.out == ""
