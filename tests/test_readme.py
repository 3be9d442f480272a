"""What the README says is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from harness.distribution import VERSION

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")
EXTRAS = set(tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def test_it_fits_a_few_screens() -> None:
    assert len(README.splitlines()) <= 130


def test_the_set_up_commands_stand_alone() -> None:
    lines = README.splitlines()
    assert "    pip install -e . && harness run --methods cfm,cfm-t --shots 10" in lines
    assert "    pip install tox && tox" in lines


def test_every_extra_is_named_and_every_named_extra_exists() -> None:
    rows = re.findall(r"^\| (`.*?) \| .* \|$", README[README.index("| extra |") :].partition("\n\n")[0], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert named == EXTRAS


def test_it_cites_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((TOP / "CITATION.cff").read_text(encoding="utf-8"))
    (paper,) = citation["references"]
    for wanted in (VERSION, citation["authors"][0]["name"], paper["title"], str(paper["year"])):
        assert f"{{{wanted}}}" in README
    assert all(f"{author['family-names']}, {author['given-names']}" in README for author in paper["authors"])
