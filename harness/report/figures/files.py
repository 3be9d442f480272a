"""Figures as files: PNG, SVG or PDF by suffix, the same bytes for the same figure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.report.figures.style import house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "figure_bytes", "figure_format", "write_figure"]

_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": "harness"},
    "svg": {"Date": None, "Creator": "harness"},
    "pdf": {"Creator": "harness", "Producer": None, "CreationDate": None},
}
"""No file says when it was made, or by which version of matplotlib."""

FORMATS = tuple(_METADATA)
"""Suffixes of figures."""


def figure_format(path: Path) -> str:
    """Return ``png``, ``svg`` or ``pdf``; raise UsageError for another suffix."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        ending = f"the suffix '{path.suffix}'" if path.suffix else "no suffix"
        raise UsageError(
            f"{path} has {ending}: figures are PNG, SVG or PDF, for example --to {path.stem or 'figure'}.png."
        )
    return suffix


def figure_bytes(figure: Figure, form: str) -> bytes:
    """Return a file's content: ``png`` (in the figure's dots an inch), ``svg`` or ``pdf`` (TrueType fonts inside)."""
    stream = io.BytesIO()
    with house_style():
        figure.savefig(stream, format=form, dpi="figure", metadata=_METADATA[form])
    return stream.getvalue()


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of its suffix; raise UsageError for another, PrerequisiteError where it can't be."""
    content = figure_bytes(figure, figure_format(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise PrerequisiteError(
            f"The figure {path} can't be written ({error.strerror}): name another file with --to FILE."
        ) from error
