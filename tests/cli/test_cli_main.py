import os
import subprocess
import sys

import pytest

from harness import __version__
from harness.cli.main import _VERBS
from harness.distribution import DISTRIBUTION

VERBS = tuple(_VERBS)

HEAVY = ("torch", "timm", "numpy", "scipy", "pandas", "matplotlib", "sklearn", "tifffile", "rich")


def fresh(*arguments, code="from harness.cli.main import main; main()", **environment):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


LOADED = """
import sys
from harness.cli.main import main
try:
    main()
finally:
    print(sorted(set(sys.argv[1].split("+")) & set(sys.modules)), file=sys.stderr)
"""


def loaded(*arguments, watched):
    code = LOADED.replace('sys.argv[1].split("+")', repr(list(watched)))
    return fresh(*arguments, code=code).stderr.strip().splitlines()[-1]


def test_help_loads_nothing_heavy():
    assert loaded("--help", watched=HEAVY) == "[]"


@pytest.mark.parametrize("verb", ["methods", "weights", "env", "splits", "datasets", "tables"])
def test_reading_verbs_do_not_load_torch(verb):
    assert loaded(verb, "--json", watched=("torch", "timm")) == "[]"


def test_help_names_every_verb_and_the_exit_codes(call):
    outcome = call("--help")
    assert outcome.code == 0
    assert all(f"  {verb} " in outcome.out for verb in VERBS)
    assert "6 nothing" in " ".join(outcome.out.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_the_summary_of_the_list(call, verb):
    outcome = call(verb, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: harness {verb}")


def test_the_version_and_the_distribution_are_told(call):
    said = call("--version").out
    assert __version__ in said
    assert DISTRIBUTION in said


@pytest.mark.parametrize(
    ("typed", "suggested"), [("weight", "weights"), ("table", "tables"), ("method", "methods"), ("rum", "run")]
)
def test_an_unknown_verb_is_a_usage_error_with_the_nearest_one(call, typed, suggested):
    outcome = call(typed)
    assert outcome.code == 2
    assert f"There is no verb '{typed}': did you mean '{suggested}'" in outcome.err
    assert outcome.out == ""


def test_a_verb_that_resembles_nothing_gets_the_whole_list(call):
    assert "choose from " + ", ".join(sorted(VERBS)) in call("xyzzy").err


def test_an_error_is_one_sentence_without_a_traceback():
    outcome = fresh("methods", "m3dn")
    assert outcome.returncode == 2
    assert outcome.stderr == "harness: There is no method 'm3dn': did you mean 'm3dm'?\n"


def test_a_closed_pipe_is_no_error():
    code = "from harness.cli.main import main; main()"
    command = f'"{sys.executable}" -c "{code}" tables --format csv | head -n 1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("kind,source,")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("file", ["harness.toml", "pyproject.toml"])
def test_a_projects_settings_are_defaults_that_options_override(call, tmp_path, file):
    header = "[tool.harness]\n" if file == "pyproject.toml" else ""
    (tmp_path / file).write_text(f'{header}results = "elsewhere"\n', encoding="utf-8")
    assert "elsewhere/cells" in call("tables", "--source", "measured").err
    assert "here/cells" in call("tables", "--source", "measured", "--results", "here").err


def test_a_variable_overrides_a_projects_settings(call, tmp_path, monkeypatch):
    (tmp_path / "harness.toml").write_text('results = "elsewhere"\n', encoding="utf-8")
    monkeypatch.setenv("HARNESS_RESULTS", "variable")
    assert "variable/cells" in call("tables", "--source", "measured").err


def test_an_unknown_setting_is_an_error_that_names_the_file(call, tmp_path):
    (tmp_path / "harness.toml").write_text('result = "elsewhere"\n', encoding="utf-8")
    outcome = call("tables")
    assert outcome.code == 2
    assert "harness.toml sets 'result'" in outcome.err
    assert "did you mean 'results'" in outcome.err
