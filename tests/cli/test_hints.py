"""Every command that a message, a help text or a page of the docs names is one that the command line understands."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docs_pages import PAGES, TOP, commands_in

from harness.cli.main import cli

QUOTED = re.compile(r"'(harness [a-z](?:[^'\n]| '\S[^'\n]*')*)'|: (harness [a-z]+ -(?:[^.,;:'\n]|'[^'\n]*')*)")
STANDS_FOR = "1"
"""In place of what a sentence fills in."""


def texts_in(path: Path) -> Iterator[str]:
    """Yield the texts of a module; what an f-string fills in is a word."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    for node in joined:
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else STANDS_FOR for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def commands_in_sources() -> set[str]:
    paths = [*(TOP / "harness").rglob("*.py"), *(TOP / "methods").rglob("*.py")]
    return {
        " ".join((match[1] or match[2]).split())
        for path in paths
        for text in texts_in(path)
        for match in QUOTED.finditer(text)
    }


def commands_in_help(command: click.Command) -> Iterator[str]:
    """Yield the examples in the help of a verb and of the verbs below it."""
    for line in (command.help or "").splitlines():
        if line.strip().startswith("harness "):
            yield re.split(r"  +| >> ", line.strip())[0]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands_in_help(below)


def require_understood(line: str) -> None:
    """Read a command line as far as it can be read without running it."""
    _, *words = shlex.split(line)
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(click.Context(command), words[0])
        assert below is not None, f"'{line}' names no verb"
        command, words = below, words[1:]
    if words:  # else a sentence speaks of the verb
        command.make_context(line, words)


SOURCES = sorted(commands_in_sources())
HELP = sorted(set(commands_in_help(cli)))


def test_there_are_hints() -> None:
    assert len(SOURCES) > 20
    assert len(HELP) > 20


@pytest.mark.parametrize("line", [*SOURCES, *HELP])
def test_a_command_that_is_named_can_be_pasted(line: str) -> None:
    require_understood(line)


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    for line in ("harness nix", "harness tables --nix"):
        with pytest.raises((AssertionError, click.UsageError)):
            require_understood(line)


IN_PAGES = sorted({command for path in PAGES for command in commands_in(path)})


def test_the_pages_have_commands() -> None:
    assert len(IN_PAGES) > 20


@pytest.mark.parametrize("line", IN_PAGES)
def test_a_command_in_the_docs_can_be_pasted(line: str) -> None:
    require_understood(line)
