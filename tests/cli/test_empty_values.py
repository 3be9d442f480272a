"""An empty option or argument names nothing: a usage error, never everything, the current folder or a hang."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

import harness
from harness.cli.main import cli
from harness.cli.options import NameList
from harness.errors import UsageError
from harness.running.scheduler import run_jobs

Path = tuple[str, ...]


def commands(command: click.Command = cli, path: Path = ()) -> Iterator[tuple[Path, click.Command]]:
    """Yield every verb and subcommand with the words that call it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))
    if path:
        yield path, command


COMMANDS = list(commands())
OPTIONS = [
    (path, name, isinstance(option.type, NameList))
    for path, command in COMMANDS
    for option in command.params
    if isinstance(option, click.Option) and not option.is_flag
    for name in option.opts
]
WITH_ARGUMENTS = [
    path for path, command in COMMANDS if any(isinstance(each, click.Argument) for each in command.params)
]


def forms(option: str, is_list: bool) -> Iterator[tuple[str, ...]]:
    yield from ((option, ""), (option, " "))
    if option.startswith("--"):
        yield (f"{option}=",)
    if is_list:
        yield from ((option, ","), (option, " , ,"))


def test_an_empty_value_of_any_option_is_a_usage_error_that_names_it(call) -> None:
    assert {("run",), ("leaderboard", "update"), ("data", "fetch")} <= {path for path, _, _ in OPTIONS}
    assert sum(is_list for _, _, is_list in OPTIONS) > 60
    for path, option, is_list in OPTIONS:
        for form in forms(option, is_list):
            outcome = call(*path, *form)
            assert (outcome.code, outcome.out) == (2, ""), (path, form)
            assert option in outcome.err, (path, form)


@pytest.mark.parametrize("path", WITH_ARGUMENTS, ids=" ".join)
def test_an_empty_argument_is_a_usage_error(call, path: Path) -> None:
    outcome = call(*path, "")
    assert (outcome.code, outcome.out) == (2, "")
    assert "empty" in outcome.err


@pytest.mark.parametrize("name", ["methods", "devices", "shots", "splits"])
def test_a_run_from_python_needs_at_least_one_of_each(name: str) -> None:
    with pytest.raises(UsageError):
        harness.run(**{"methods": ["cfm"], name: []})


def test_jobs_without_a_device_are_refused() -> None:
    with pytest.raises(ValueError, match="device"):
        next(run_jobs([], lambda job, event: None, devices=()))


@pytest.mark.parametrize("devices", ["", ","])
def test_an_empty_device_in_the_settings_is_a_usage_error(call, tmp_path, devices: str) -> None:
    (tmp_path / "harness.toml").write_text(f'device = "{devices}"\n', encoding="utf-8")
    outcome = call("run", "--methods", "cfm")
    assert outcome.code == 2
    assert "device" in outcome.err
