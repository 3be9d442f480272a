"""The Python of the page on deciding compiles, and calls what is there."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

import pytest
from docs_pages import DOCS

import harness
from harness.metrics.regions import Region
from harness.running.predict import FittedMethod, PredictedSample, load_fitted
from harness.running.verdicts import DecisionRule

PAGE = (DOCS / "how-to" / "predict.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TYPES = {"found": PredictedSample, "region": Region, "rule": DecisionRule}


def attributes(block: str) -> Iterator[tuple[str, str]]:
    """Yield the names before and after each dot of a name's attributes."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


@pytest.mark.parametrize("block", BLOCKS)
def test_what_a_block_calls_is_there(block: str) -> None:
    compile(block, "predict.md", "exec")
    used = set(attributes(block))
    assert ("method", "predict") in used
    made = set(vars(FittedMethod)) | {"cell", "rule"}
    for owner, name in used:
        if owner == "harness" and name != "errors":
            assert name in harness.__all__
        elif owner == "method":
            assert name in made
        elif owner in TYPES:
            assert name in {*TYPES[owner].__dataclass_fields__, *vars(TYPES[owner])}


def test_the_keywords_of_load_fitted_are_its_own() -> None:
    taken = set(inspect.signature(load_fitted).parameters)
    calls = [node for block in BLOCKS for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    named = {word.arg for call in calls for word in call.keywords if ast.unparse(call.func) == "harness.load_fitted"}
    assert named
    assert named <= taken
