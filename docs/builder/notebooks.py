"""A notebook as a page of Markdown, after it has run."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["page_of_notebook", "run_notebook"]

_TIMEOUT_SECONDS = 300
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_notebook(path: Path) -> nbformat.NotebookNode:
    """Run a notebook in an empty folder, and return it with its outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        Where a cell raises; the message holds the cell and the traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=_TIMEOUT_SECONDS, resources={"metadata": {"path": folder}})
        return client.execute()


def page_of_notebook(path: Path) -> tuple[str, list[bytes]]:
    """Run a notebook; return its page, and its pictures (PNG), which the page expects as ``<name>-<index>.png``."""
    pictures: list[bytes] = []
    parts: list[str] = []
    for cell in run_notebook(path).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            parts += _outputs(cell.outputs, path.stem, pictures)
    return "\n\n".join(parts) + "\n", pictures


def _outputs(outputs: list[Any], name: str, pictures: list[bytes]) -> Iterator[str]:
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            yield f"![Output of the cell above]({name}-{len(pictures)}.png)"
            pictures.append(b64decode(data["image/png"]))
        elif "text/html" in data:
            yield f'<div class="output">{data["text/html"]}</div>'
        elif text := _COLOURS.sub("", output.get("text", "") or data.get("text/plain", "")).strip("\n"):
            yield f"```text\n{text}\n```"
