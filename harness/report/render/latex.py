"""Tables for a paper: LaTeX with booktabs, nothing else but the underline of the kernel."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.report.grid import Column, Grid, Row, Value
from harness.report.presentation import with_short_labels

__all__ = ["as_latex", "escape_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "–": r"\textendash{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "µ": r"\textmu{}",
}
_MANY = 7
"""Columns, those of labels among them, that a table has at most where it stands in one column of the page."""
_NARROW = r"\footnotesize\setlength{\tabcolsep}{2pt}"
_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Begins what is as wide as it is by itself, and no wider than the line."""
_NAMED_BY = ("kind", "dataset", "table", "shots", "split")
_TIED = r"$^{\approx}$"
_NEGATIVE = re.compile(r"(?<![\w.])-\d[\d.]*")
_PREAMBLE = "% \\usepackage[T1]{fontenc} \\usepackage{booktabs} \\usepackage{graphicx}"


def as_latex(grids: Sequence[Grid], legend: Sequence[str] = ()) -> str:
    r"""Return tables as LaTeX, one environment each; the document loads ``booktabs``, ``graphicx`` and T1 fonts.

    A table of more than seven columns is a ``table*``, as wide as the page where that has two columns. What is wider
    than its line is made smaller. Every table has a ``\\label``; long labels of methods are explained below it.

    Best bold, runner-up underlined, footnotes below each table, the legend as a paragraph at the end.

    Parameters
    ----------
    grids
        In order.
    legend
        Sentences.
    """
    names = _names(grids)
    parts = [_PREAMBLE, *(_table(with_short_labels(grid), name) for grid, name in zip(grids, names, strict=True))]
    if legend:
        parts.append(r"{\sloppy\noindent " + " ".join(map(_breakable, legend)) + r"\par}")
    return "\n\n".join(parts)


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is; characters that its usual fonts lack become question marks."""
    plain = "".join(_SPECIAL.get(letter) or _plain(letter) for letter in text)
    return re.sub("-(?=-)", "-{}", plain)


def _breakable(text: str) -> str:
    """Return escaped text that may end a line inside a label with parameters, too."""
    return re.sub(r"(?<=[,=/])(?=\S)|(?<=\{\[\})", r"\\allowbreak{}", escape_latex(text))


def _plain(letter: str) -> str:
    if letter in "\n\t\r":
        return " "
    return letter if " " <= letter < "\x7f" or "\xc0" <= letter <= "\xff" else "?"


def _names(grids: Sequence[Grid]) -> list[str]:
    """Return a name for the label of each table, of what it shows; equal ones are counted."""
    names: list[str] = []
    for grid in grids:
        columns = {column.keys.get("metric", "") for column in grid.columns}
        parts = [*map(grid.keys.get, _NAMED_BY), columns.pop() if len(columns) == 1 else ""]
        name = re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, parts)).lower()).strip("-") or "table"
        count = sum(other == name or other.startswith(f"{name}:") for other in names)
        names.append(f"{name}:{count + 1}" if count else name)
    return names


def _table(grid: Grid, name: str) -> str:
    labels = len(grid.label_headings)
    notes = grid.notes
    many = labels + len(grid.columns) > _MANY
    environment = "table*" if many else "table"
    lines = [
        rf"\begin{{{environment}}}[{'tp' if many else 'htbp'}]",
        r"\centering" + (_NARROW if many else r"\small"),
        rf"\caption{{{_caption(grid)}}}",
        rf"\label{{tab:{name}}}",
        _FITTED,
        rf"\begin{{tabular}}{{@{{}}{'l' * labels}{'r' * len(grid.columns)}@{{}}}}",
        r"\toprule",
        *_heading(grid),
        r"\midrule",
    ]
    for position, row in enumerate(grid.rows):
        if row.starts and position:
            lines.append(r"\addlinespace")
        lines.append(_line(row, notes))
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if notes:
        marked = (rf"\textsuperscript{{{number}}} {_breakable(note)}" for number, note in enumerate(notes, start=1))
        lines += ["", r"\smallskip\raggedright\footnotesize " + r" \\ ".join(marked)]
    return "\n".join([*lines, rf"\end{{{environment}}}"])


def _caption(grid: Grid) -> str:
    sentences = [_sentence(_title(grid)), _sentence(grid.caption[:1].upper() + grid.caption[1:])]
    if grid.warning:
        sentences.append(rf"\textbf{{{_sentence(grid.warning)}}}")
    return " ".join(filter(None, sentences))


def _title(grid: Grid) -> str:
    """Return the title without the number of a table of the paper, which LaTeX would take for its own."""
    number = grid.keys.get("table", "")
    plain = grid.title.removeprefix(f"Table {number}. ")
    return grid.title if plain == grid.title else f"{plain} (their Table {number})"


def _sentence(text: str) -> str:
    return escape_latex(text if not text or text.endswith(".") else f"{text}.")


def _heading(grid: Grid) -> list[str]:
    """Return the heading, one line of LaTeX for each line of it; shorter ones stand at the bottom."""
    headings = [*((name,) for name in grid.label_headings), *(_lines(column) for column in grid.columns)]
    height = max(map(len, headings))
    padded = [(*[""] * (height - len(lines)), *lines) for lines in headings]
    return [" & ".join(escape_latex(lines[index]) for lines in padded) + r" \\" for index in range(height)]


def _lines(column: Column) -> tuple[str, ...]:
    return tuple(column.heading.split("\n"))


def _line(row: Row, notes: Sequence[str]) -> str:
    return " & ".join(_value(value, notes) for value in (*row.labels, *row.values)) + r" \\"


def _value(value: Value, notes: Sequence[str]) -> str:
    text = escape_latex(value.text)
    text = "--" if value.text == "-" else text
    if value.number is not None:
        text = _NEGATIVE.sub(r"$\g<0>$", text)
    text = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(value.place, text)
    mark = rf"\textsuperscript{{{notes.index(value.note) + 1}}}" if value.note else ""
    return text + (_TIED if value.tied else "") + mark
