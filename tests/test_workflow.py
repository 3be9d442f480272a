"""The workflow of the repository's host calls what the repository holds."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).resolve().parents[1]
TRIGGERS = True
"""YAML 1.1 reads the key ``on`` as the truth value."""


def workflow() -> dict[Any, Any]:
    return yaml.safe_load((TOP / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def tox_environments() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(TOP / "tox.ini", encoding="utf-8")
    return parser


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_it_runs_on_pull_requests_and_on_main_with_least_rights() -> None:
    found = workflow()
    assert set(found[TRIGGERS]) == {"pull_request", "push"}
    assert found[TRIGGERS]["push"] == {"branches": ["main"]}
    assert found["permissions"] == {"contents": "read"}
    assert not [name for name, job in found["jobs"].items() if "permissions" in job]
    assert "cancel-in-progress" in found["concurrency"]


def test_every_job_calls_a_tox_environment_and_has_a_time_limit() -> None:
    environments = tox_environments()
    for name, job in workflow()["jobs"].items():
        called = [match[1] for line in commands(job) if (match := re.fullmatch(r"tox -e (\w+)", line))]
        assert called == [name]
        assert environments.has_section(f"testenv:{name}")
        assert 0 < job["timeout-minutes"] <= 60
    assert set(workflow()["jobs"]) == {"lint", "test", "gate"}


def test_tests_run_on_every_python_that_the_package_names() -> None:
    named = re.findall(r"Programming Language :: Python :: (3\.\d+)", (TOP / "pyproject.toml").read_text("utf-8"))
    assert workflow()["jobs"]["test"]["strategy"]["matrix"]["python"] == named


def test_the_gate_keeps_its_results_whatever_happens() -> None:
    (upload,) = [step for step in workflow()["jobs"]["gate"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    assert upload["with"]["include-hidden-files"] is True
    written = tox_environments()["testenv:gate"]["commands"]
    assert upload["with"]["path"] == ".tox/gate/tmp/results"
    assert written.count("--results {env_tmp_dir}/results") == 2


def test_the_gate_checks_even_after_a_cell_went_wrong_and_passes_its_cache_on() -> None:
    gate = tox_environments()["testenv:gate"]
    run, check, verify = (line.split() for line in gate["commands"].strip().splitlines())
    assert (run[:2], check[:2], verify[:2]) == (["harness", "run"], ["harness", "check"], ["harness", "verify"])
    assert run[run.index("--methods") + 1] == "all"
    assert gate.getboolean("ignore_errors")
    assert "HARNESS_CACHE" in gate["pass_env"].split()
    assert "HARNESS_CACHE" in workflow()["jobs"]["gate"]["env"]


@pytest.mark.parametrize("job", ["lint", "test", "gate"])
def test_actions_are_pinned_to_a_version_and_checkouts_keep_no_credentials(job) -> None:
    steps = [step for step in workflow()["jobs"][job]["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps)
    (checkout,) = [step for step in steps if "checkout" in step["uses"]]
    assert checkout["with"]["persist-credentials"] is False
