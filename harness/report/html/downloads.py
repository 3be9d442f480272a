"""What downloads of the leaderboard are made of: each setting as the table that 'harness tables' would print of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import to_builtins

from harness.report.grid import Grid, Row, Value
from harness.report.html.columns import COLUMNS
from harness.report.html.sections import Line, Section
from harness.report.legend import legend
from harness.report.pivot import Cut, label_of
from harness.report.render.latex import LATEX_FRAME, latex_legend, latex_tables
from harness.report.ties import detectable_text

__all__ = ["latex_data", "section_grid"]


def section_grid(section: Section) -> Grid:
    """Return a setting of the leaderboard as a table, with every column; measured rows, then published ones.

    Parameters
    ----------
    section
        Of the leaderboard.
    """
    with_source = section.measured and any(line.published for line in section.lines)
    grid = Grid(
        title=f"Leaderboard: {section.title}",
        label_headings=("method", "") if with_source else ("method",),
        columns=tuple(Cut(column.quantity).column for column in COLUMNS),
        rows=tuple(_row(section, line, with_source) for line in section.lines),
        warning=section.warning,
        keys={"kind": "leaderboard", "dataset": section.dataset, "shots": str(section.shots), "split": section.split},
    )
    return replace(grid, caption="; ".join(filter(None, ("means over categories", detectable_text(grid)))))


def _row(section: Section, line: Line, with_source: bool) -> Row:
    source = "published" if line.published else "measured"
    text = label_of(section.group, line.method).text if section.group and line.method else line.label
    labels = (Value(text, note=line.note), Value(source))[: 2 if with_source else 1]
    return Row(labels, line.values, {"method": line.label, "source": source})


def latex_data(sections: Sequence[Section]) -> dict[str, object]:
    """Return the texts of every setting in LaTeX and what stands around them, as plain JSON values.

    Parameters
    ----------
    sections
        Of the leaderboard.
    """
    grids = [section_grid(section) for section in sections]
    return {
        "frame": to_builtins(LATEX_FRAME),
        "legend": latex_legend(legend(grids)),
        "tables": [to_builtins(table) for table in latex_tables(grids)],
    }
