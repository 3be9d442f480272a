"""Commands of README and docs that need no dataset do what the page says of them; no cell is measured."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_pages import PAGES, commands_in

from harness.cli.main import main
from harness.errors import ExitCode

LISTS = {"quantities", "methods", "datasets", "weights", "cache", "env", "splits"}
"""Verbs that only list, given nothing that they change."""

ELSEWHERE = {"--plan", "--write-plan", "--launcher", "--collect", "--checkpoint"}


def rehearsed(line: str) -> list[str] | None:
    """Return the words of a command that is run here, with what makes it a rehearsal; None for another command."""
    _, verb, *words = shlex.split(re.sub(r" --data \S+", "", line) if "--suite" in line else line)
    on_toy = {"mvtec3d", "eyecandies", "adam3d", "realiad_d3", "folder"}.isdisjoint(words) and "--data" not in words
    if verb == "run" and ("--suite" in words or on_toy) and ELSEWHERE.isdisjoint(words) and ".py:" not in line:
        return [verb, *words, *([] if "--dry-run" in words else ["--dry-run"]), "--device", "cpu"]
    published = verb in ("tables", "plot") and "published" in words
    if published or (verb in LISTS and not {"fetch", "clear", "make"} & set(words)) or "--list" in words:
        return [verb, *words]
    return None


def rehearsals() -> Iterator[tuple[str, ...]]:
    for path in PAGES:
        for line in commands_in(path):
            if words := rehearsed(line):
                yield tuple(words)


REHEARSALS = sorted(set(rehearsals()))


def test_the_commands_of_the_readme_are_among_them() -> None:
    assert len(REHEARSALS) > 15
    runs = {words for words in REHEARSALS if words[0] == "run"}
    assert ("run", "--methods", "cfm,cfm-t", "--shots", "10", "--dry-run", "--device", "cpu") in runs


@pytest.mark.parametrize("words", REHEARSALS, ids=" ".join)
def test_a_command_of_a_page_runs(words: tuple[str, ...], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == ExitCode.OK, printed.err
    assert printed.out
