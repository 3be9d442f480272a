"""Every test that the table of kinds names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", (Path(__file__).parent / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_the_named_tests_exist(file: str) -> None:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name for other, name in NAMED if other == file} <= found


def test_every_line_of_the_table_names_a_test() -> None:
    lines = (Path(__file__).parent / "README.md").read_text(encoding="utf-8").splitlines()
    kinds = [line for line in lines if line.startswith("| ") and not line.startswith("| what")]
    assert len(kinds) > 30
    assert all("::test_" in line for line in kinds)
