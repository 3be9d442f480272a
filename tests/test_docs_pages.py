"""Pages of the docs are found, link to what is there, and show what the repository holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import DOCS, PAGES, TOP

NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
OUTSIDE = {"index.md": "README.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
"""Pages of the site that lie outside docs/."""


class Loader(yaml.SafeLoader):
    """Reads the configuration of MkDocs, which takes a value from the environment."""


Loader.add_constructor("!ENV", lambda loader, node: loader.construct_sequence(node)[-1])
CONFIG: dict[str, Any] = yaml.load((TOP / "mkdocs.yml").read_text(encoding="utf-8"), Loader)


def entries(nav: Any) -> Iterator[str]:
    """Yield the files that a navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(entry)


def test_every_page_and_notebook_is_in_the_navigation_once() -> None:
    there = [path.relative_to(DOCS).as_posix() for path in PAGES if DOCS in path.parents]
    there += [path.relative_to(DOCS).with_suffix(".md").as_posix() for path in NOTEBOOKS]
    assert sorted(entries(CONFIG["nav"])) == sorted([*there, *OUTSIDE])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(TOP).as_posix())
def test_links_and_pictures_lead_to_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)[^)]*\)|<img src=\"([^\":]+)\"", prose)
    for target in map("".join, targets):
        assert (path.parent / target).exists(), target


def test_the_example_of_a_method_is_the_tested_plugin() -> None:
    plugin = (TOP / "tests" / "plugin" / "colour_distance.py").read_text(encoding="utf-8")
    assert plugin in (DOCS / "how-to" / "own-method.md").read_text(encoding="utf-8")


def test_every_variable_that_is_read_is_explained() -> None:
    paths = [*(TOP / "harness").rglob("*.py"), *(TOP / "methods").rglob("*.py")]
    sources = [path.read_text(encoding="utf-8") for path in paths]
    read = {name for text in sources for name in re.findall(r"(?<![_A-Z])HARNESS_[A-Z_]*[A-Z]", text)}
    options = {name for text in sources for name in re.findall(r"(?:variable|envvar)=\"(HARNESS_\w+)\"", text)}
    page = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert read - options - {"HARNESS_WORKER_TOKEN"} == set(re.findall(r"\| `(HARNESS_\w+)` \|", page))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_a_page_has_each_heading_and_each_block_of_numbers_once() -> None:
    for path in PAGES:
        if path.name == "CHANGELOG.md":  # every version has the same headings
            continue
        text = path.read_text(encoding="utf-8")
        for found in (re.findall(r"<!-- made: (\S+) -->", text), re.findall(r"^#{2,3} .+", text, re.MULTILINE)):
            assert len(found) == len(set(found)), path
