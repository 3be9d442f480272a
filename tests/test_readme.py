"""What the README shows is what the repository holds."""

from __future__ import annotations

import re
from pathlib import Path

from harness.cli.main import cli

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_method_is_the_tested_plugin() -> None:
    assert (TOP / "tests" / "plugin" / "colour_distance.py").read_text(encoding="utf-8") in README


def test_every_verb_is_named_and_every_named_verb_exists() -> None:
    verbs = set(cli.list_commands(None))
    assert set(re.findall(r"^ *harness ([a-z]+)", README, re.MULTILINE)) <= verbs
    assert all(f"`{verb}`" in README for verb in verbs)


def test_pictures_exist() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (TOP / path).is_file()
