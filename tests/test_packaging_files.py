"""Workflows, Dockerfile, development container and changelog name things that exist."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.main import cli
from harness.distribution import VERSION

TOP = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((TOP / ".github" / "workflows").glob("*.yml"))
DOCKERFILE = re.sub(r"\\\n", " ", (TOP / "Dockerfile").read_text(encoding="utf-8"))
DEVCONTAINER = json.loads((TOP / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
PYTHONS = {
    entry.rpartition(" ")[2] for entry in PROJECT["project"]["classifiers"] if re.search(r"Python :: \d\.\d+", entry)
}


def jobs_of(path: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return jobs


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the words of every command that a workflow runs."""
    for job in jobs_of(path).values():
        for step in job["steps"]:
            for line in step.get("run", "").splitlines():
                yield shlex.split(line)


def docker_targets() -> set[str]:
    return set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_digest_and_says_its_version(path: Path) -> None:
    uses = re.findall(r"uses: *(.+)", path.read_text(encoding="utf-8"))
    assert uses
    assert [text for text in uses if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", text)] == []


def test_one_action_has_one_digest_in_all_workflows() -> None:
    texts = [path.read_text(encoding="utf-8") for path in WORKFLOWS]
    pins = {tuple(pin) for text in texts for pin in re.findall(r"uses: *(\S+)@(\S+)", text)}
    assert len(pins) == len({action for action, _ in pins})


def test_the_environments_of_tox_that_workflows_run_exist() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(TOP / "tox.ini", encoding="utf-8")
    known = {section.removeprefix("testenv:") for section in tox.sections()}
    asked = {words[2] for path in WORKFLOWS for words in commands(path) if words[:2] == ["tox", "-e"]}
    assert {"lint", "test", "gate", "build"} <= asked
    assert asked <= known


def test_every_version_of_python_is_supported() -> None:
    asked = set(re.findall(r"^FROM python:(\d+\.\d+)", DOCKERFILE, re.MULTILINE))
    assert len(asked) == 1
    for path in WORKFLOWS:
        for job in jobs_of(path).values():
            versions = job.get("strategy", {}).get("matrix", {}).get("python", [])
            steps = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
            asked |= {*versions, *(version for version in steps if not version.startswith("${{"))}
    assert asked == PYTHONS
    least = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert min(PYTHONS, key=lambda text: int(text.partition(".")[2])) == least


def test_the_extras_that_images_install_exist() -> None:
    texts = DOCKERFILE, DEVCONTAINER["postCreateCommand"]
    extras = {
        name for text in texts for names in re.findall(r"'[/\w.]+\[([^\]]+)\]'", text) for name in names.split(",")
    }
    assert extras
    assert extras <= set(PROJECT["project"]["optional-dependencies"])


def test_the_targets_that_are_built_exist() -> None:
    (path,) = (path for path in WORKFLOWS if path.stem == "containers")
    built = set(jobs_of(path)["build"]["strategy"]["matrix"]["target"])
    assert {"cpu", "cuda", DEVCONTAINER["build"]["target"]} == built
    assert built <= docker_targets()
    assert (TOP / ".devcontainer" / DEVCONTAINER["build"]["dockerfile"]).resolve() == TOP / "Dockerfile"
    assert set(re.findall(r"--from=(\S+)", DOCKERFILE)) <= docker_targets()


def test_an_image_gets_all_that_the_wheel_is_built_from() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    }
    project = PROJECT["project"]
    needed = {
        "pyproject.toml",
        project["readme"],
        *project["license-files"],
        *wheel["packages"],
        *wheel["force-include"],
    }
    assert copied == needed
    assert [name for name in copied if not (TOP / name).exists()] == []
    sent = {line[1:] for line in (TOP / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    assert copied <= sent


def test_the_commands_that_containers_run_are_commands_of_the_harness() -> None:
    lines = [words for path in WORKFLOWS for words in commands(path) if words[:2] == ["docker", "run"]]
    lines += [shlex.split(line) for line in re.findall(r"^# (docker run .+)", DOCKERFILE, re.MULTILINE)]
    called = [words[next(i for i, word in enumerate(words) if word.startswith("harness:")) + 1 :] for words in lines]
    verbs = [arguments for arguments in called if not arguments[0].startswith("-")]
    assert verbs
    for verb, *arguments in verbs:
        command = cli.get_command(cli.make_context("harness", [verb]), verb)
        assert command is not None
        command.make_context(verb, arguments)


def test_a_release_is_of_the_version_and_needs_no_secret() -> None:
    (path,) = (path for path in WORKFLOWS if path.stem == "release")
    jobs = jobs_of(path)
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in path.read_text(encoding="utf-8")
    assert any("harness.distribution" in " ".join(words) for words in commands(path))


def test_every_workflow_may_only_read_by_default() -> None:
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
        assert all("timeout-minutes" in job for job in jobs_of(path).values())


def test_updates_are_proposed_for_all_that_is_pinned() -> None:
    updates = yaml.safe_load((TOP / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip", "docker"}
    assert {update["directory"] for update in updates} == {"/"}


def test_changelog_and_citation_are_of_this_version() -> None:
    changelog = (TOP / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert VERSION in changelog
    assert set(re.findall(r"^### (.+)", changelog, re.MULTILINE)) <= {
        *("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    }
    assert yaml.safe_load((TOP / "CITATION.cff").read_text(encoding="utf-8"))["version"] == VERSION
