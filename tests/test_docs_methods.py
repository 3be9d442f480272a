"""Every method of this distribution has a page, and the pages say what the constructors do."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from harness import registry

PAGES = Path(__file__).resolve().parents[1] / "docs" / "methods"
SECTIONS = ["Parameters", "What the authors' code does", "What differs here", "What was checked"]
OWN = sorted({entry.name for entry in entry_points(group="harness.methods") if entry.value.startswith("methods.")})
ROW = re.compile(r"^\| *`(\w+)` *\| *(.*?) *\| *(.+?) *\|$", re.MULTILINE)


def sections_of(name: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", (PAGES / f"{name}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def defaults_of(name: str) -> dict[str, str]:
    return {key: str(parameter.default).lower() for key, parameter in registry.parameters_of(name).items()}


def stated_in(name: str) -> dict[str, str]:
    """Names and defaults in the table of a page, or of the one page that stands in its place."""
    text = sections_of(name)["Parameters"]
    rows = ROW.findall(text)
    if not rows:
        (other,) = re.findall(r"\]\((\S+)\.md\)", text)
        rows = ROW.findall(sections_of(other)["Parameters"])
    assert len({key for key, _, _ in rows}) == len(rows)
    return {key: default.replace("(empty)", "").strip("`").lower() for key, default, _ in rows}


def test_every_method_has_a_page_and_every_page_a_method() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md") if path.name != "README.md") == OWN


@pytest.mark.parametrize("name", OWN)
def test_a_page_has_the_constructors_parameters_and_defaults(name: str) -> None:
    assert stated_in(name) == defaults_of(name)


@pytest.mark.parametrize("name", OWN)
def test_a_page_has_all_sections_and_names_tests_that_are_there(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    found = sections_of(name)
    assert text.startswith(f"# {name}: {registry.load(name).meta.title}\n")
    assert list(found) == SECTIONS
    assert all(part.strip() for part in found.values())
    for path in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (PAGES.parents[1] / path).exists(), path
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (PAGES / link).exists(), link
