"""The pages of README and docs, for tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
DOCS = TOP / "docs"
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def commands_in(path: Path) -> Iterator[str]:
    """Yield the lines of a page that stand apart from the text and begin with the command."""
    text = re.sub(r" \\\n +", " ", path.read_text(encoding="utf-8"))
    for line in re.findall(r"^(?: {4})?(?:\S.* && )?(harness .+)$", text, re.MULTILINE):
        for command in re.split(r" && |; ", re.split(r"  +#? ?|\s>> | \| ", line)[0]):
            if command.startswith("harness "):
                yield command
