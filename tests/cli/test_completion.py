"""What a shell completes, asked as bash asks it; and what the pages of parameters say."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness import registry
from harness.cli.parameter_texts import parameter_texts
from harness.data.registry import DATASETS
from harness.data.split_files import SPLIT_NAMES

CALL = "import sys; sys.argv[0] = 'harness'; from harness.cli.main import main; main()"


def completions(line: str, **variables: str) -> list[str]:
    """The values that bash is offered for the last word of a line."""
    asked = {"_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        env=os.environ | asked | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


def test_methods_are_completed_in_a_list_too() -> None:
    cfm = [name for name in registry.method_names() if name.startswith("cfm")]
    assert completions("harness run --methods cfm") == cfm
    assert completions("harness run --methods btf,cfm") == [f"btf,{name}" for name in cfm]
    assert completions("harness tables -m cfm,cfm") == [f"cfm,{name}" for name in cfm if name != "cfm"]
    assert completions("harness methods cfm-") == [name for name in cfm if name != "cfm"]


def test_datasets_and_the_categories_of_the_one_that_was_typed_are_completed() -> None:
    assert completions("harness run --dataset ") == list(DATASETS)
    assert completions("harness run --dataset mvtec3d --categories ca") == ["cable_gland", "carrot"]
    assert completions("harness run --categories ") == list(DATASETS["toy"].categories)
    assert {"bagel", "bump"} <= set(completions("harness tables -c "))
    assert completions("harness splits --dataset toy --category r") == ["ridge"]


def test_few_shot_lists_are_completed() -> None:
    assert completions("harness run --split ") == list(SPLIT_NAMES)
    assert completions("harness splits --dataset toy --category bump --split f") == ["first"]


@pytest.mark.parametrize(
    "line",
    ["harness run --dataset nix --categories ", "harness run --methods cfm[epo", "harness run '' --sp"],
)
def test_a_line_that_makes_no_sense_is_completed_by_nothing_or_an_option(line: str) -> None:
    assert all(text.startswith("--") or not text for text in completions(line))


def test_behind_an_unknown_verb_the_verbs_are_completed() -> None:
    assert completions("harness nix com") == ["compare"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_gets_a_script(shell: str) -> None:
    script = "\n".join(completions("harness ", _HARNESS_COMPLETE=f"{shell}_source"))
    assert f"_HARNESS_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize("name", registry.method_names())
def test_every_parameter_is_explained(call, name: str) -> None:
    texts = parameter_texts(registry.load(name))
    assert set(registry.parameters_of(name)) <= {key for key, text in texts.items() if text}
    (method,) = json.loads(call("methods", name, "--json").out)
    assert {parameter["name"]: parameter["help"] for parameter in method["parameters"]}.items() <= texts.items()
    printed = " ".join(call("methods", name).out.split())
    assert all(text.split(" ")[0] in printed for text in texts.values())


class Base:
    """A method.

    Parameters
    ----------
    steps, rate : int
        How often, as in :class:`methods.btf.BTF`.

        With a second paragraph.
    mode
        ``a`` or ``b``.

    Attributes
    ----------
    other
        No parameter.
    """


class Derived(Base):
    """Another.

    Parameters
    ----------
    mode
        Only ``b``.
    """


def test_texts_are_plain_and_those_of_a_base_hold_where_a_class_says_nothing() -> None:
    both = "How often, as in methods.btf.BTF. With a second paragraph."
    assert parameter_texts(Base) == {"steps": both, "rate": both, "mode": "a or b."}
    assert parameter_texts(Derived) == {"steps": both, "rate": both, "mode": "Only b."}
    assert parameter_texts(int) == {}
