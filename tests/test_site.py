"""The site of README and docs, built strictly: links, reference pages, notebooks that have run, and no network."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import TOP

from harness import registry
from harness.cli.main import cli
from harness.store.quantities import QUANTITIES
from harness.store.record import Record

pytest.importorskip("material")
pytest.importorskip("mkdocstrings")
pytest.importorskip("nbclient")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site with the installed code, and its notebooks with small methods."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=TOP, env=os.environ | {"SITE_URL": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def page(site: Path, name: str) -> str:
    """Return the text of a page as a reader sees it."""
    return html.unescape(re.sub(r"<[^>]+>", "", (site / name / "index.html").read_text(encoding="utf-8")))


def test_no_page_loads_anything_from_the_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for path in pages:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]+)\"", text)
        loaded += re.findall(r"<link\b(?=[^>]*\brel=\"(?:stylesheet|preconnect|icon)\")[^>]*\bhref=\"([^\"]+)\"", text)
        assert [target for target in loaded if re.match(r"\w+:|//", target)] == [], path


def test_commands_quantities_and_methods_are_all_in_the_reference(site: Path) -> None:
    commands = page(site, "reference/cli")
    assert [verb for verb in cli.list_commands(None) if f"harness {verb}" not in commands] == []
    assert "--save-maps" in commands
    quantities = page(site, "reference/quantities")
    assert [id for id in QUANTITIES if id not in quantities] == []
    methods = page(site, "methods")
    own = [name for name in registry.method_names() if registry.load(name).__module__.startswith("methods.")]
    assert [name for name in own if name not in methods] == []


def test_records_are_described_and_have_a_schema(site: Path) -> None:
    records = page(site, "reference/records")
    assert [name for name in Record.__dataclass_fields__ if name not in records] == []
    schema = json.loads((site / "reference" / "record.schema.json").read_text(encoding="utf-8"))
    assert schema["$ref"].rpartition("/")[2] in schema["$defs"]


def test_notebooks_have_run(site: Path) -> None:
    answer = page(site, "notebooks/compare-methods")
    assert "('depth-vm', 'ok')" in answer
    assert "95% interval" in answer
    assert (site / "notebooks" / "own-parts-0.png").read_bytes().startswith(b"\x89PNG")
    assert "I-AUROC" in page(site, "notebooks/own-parts")


def test_docstrings_are_markdown(site: Path) -> None:
    text = page(site, "reference/python")
    assert "timeout" in text
    assert re.findall(r":(?:func|class|mod|meth|data):", text) == []
