"""Tables for a paper: LaTeX with booktabs, nothing else but the underline of the kernel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.grid import Grid, Value
from harness.report.presentation import with_short_labels

__all__ = ["LATEX_FRAME", "LatexFrame", "LatexTable", "as_latex", "escape_latex", "latex_legend", "latex_tables"]

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
_NAMED_BY = ("kind", "dataset", "table", "shots", "split")
_TIED = r"$^{\approx}$"
_NEGATIVE = re.compile(r"(?<![\w.])-\d[\d.]*")


@dataclass(frozen=True, slots=True)
class LatexFrame:
    """What stands around tables.

    Parameters
    ----------
    preamble
        Packages that the document loads.
    most
        Columns, those of labels among them, that a table has at most where it stands in one column of the page.
    few, many
        Environment, placement and size of a table of so many columns, and of one of more.
    fitted
        Begins what is as wide as it is by itself, and no wider than the line.
    notes
        Stands before footnotes.
    """

    preamble: str = "% \\usepackage[T1]{fontenc} \\usepackage{booktabs} \\usepackage{graphicx}"
    most: int = 7
    few: tuple[str, str, str] = ("table", "htbp", r"\small")
    many: tuple[str, str, str] = ("table*", "tp", r"\footnotesize\setlength{\tabcolsep}{2pt}")
    fitted: str = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    notes: str = r"\smallskip\raggedright\footnotesize "


LATEX_FRAME = LatexFrame()


@dataclass(frozen=True, slots=True)
class LatexTable:
    """The texts of a table in LaTeX, of which any rows and columns make a table.

    Parameters
    ----------
    name
        What its label ends with.
    caption
        All sentences of it.
    headings
        Lines of each column's heading, those of the columns of labels first.
    labels
        How many columns of labels there are.
    rows
        Text and footnote of every value; 0 for none, else the place of the footnote, from 1 on.
    starts
        Whether a gap precedes a row.
    notes
        Footnotes.
    """

    name: str
    caption: str
    headings: tuple[tuple[str, ...], ...]
    labels: int
    rows: tuple[tuple[tuple[str, int], ...], ...]
    starts: tuple[bool, ...]
    notes: tuple[str, ...]

    def text(self) -> str:
        """Return the whole table."""
        frame = LATEX_FRAME
        environment, placement, size = frame.many if len(self.headings) > frame.most else frame.few
        height = max(map(len, self.headings))
        padded = [(*[""] * (height - len(lines)), *lines) for lines in self.headings]
        lines = [
            rf"\begin{{{environment}}}[{placement}]",
            rf"\centering{size}",
            rf"\caption{{{self.caption}}}",
            rf"\label{{tab:{self.name}}}",
            frame.fitted,
            rf"\begin{{tabular}}{{@{{}}{'l' * self.labels}{'r' * (len(self.headings) - self.labels)}@{{}}}}",
            r"\toprule",
            *(" & ".join(lines[index] for lines in padded) + r" \\" for index in range(height)),
            r"\midrule",
        ]
        for position, (row, starts) in enumerate(zip(self.rows, self.starts, strict=True)):
            if starts and position:
                lines.append(r"\addlinespace")
            lines.append(" & ".join(text + _note_mark(note) for text, note in row) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}}"]
        if self.notes:
            marked = (f"{_note_mark(number)} {note}" for number, note in enumerate(self.notes, start=1))
            lines += ["", frame.notes + r" \\ ".join(marked)]
        return "\n".join([*lines, rf"\end{{{environment}}}"])


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
    tables = (table.text() for table in latex_tables(grids))
    return "\n\n".join(filter(None, (LATEX_FRAME.preamble, *tables, latex_legend(legend))))


def latex_tables(grids: Sequence[Grid]) -> list[LatexTable]:
    """Return the texts of tables; long labels of methods are short, with a footnote."""
    return [_table(with_short_labels(grid), name) for grid, name in zip(grids, _names(grids), strict=True)]


def latex_legend(legend: Sequence[str]) -> str:
    """Return the paragraph that explains the marks of tables; empty without sentences."""
    return r"{\sloppy\noindent " + " ".join(map(_breakable, legend)) + r"\par}" if legend else ""


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it is; characters that its usual fonts lack become question marks."""
    plain = "".join(_SPECIAL.get(letter) or _plain(letter) for letter in text)
    return re.sub("-(?=-)", "-{}", plain)


def _breakable(text: str) -> str:
    """Return escaped text that may end a line inside a label with parameters, too, and inside no number."""
    return re.sub(r"(?<=[,=/])(?=\S)(?!(?<=\d,)\d{3}(?!\d))|(?<=\{\[\})", r"\\allowbreak{}", escape_latex(text))


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


def _table(grid: Grid, name: str) -> LatexTable:
    headings = [*((text,) for text in grid.label_headings), *(column.heading.split("\n") for column in grid.columns)]
    places = {note: place for place, note in enumerate(grid.notes, start=1)} | {"": 0}
    return LatexTable(
        name=name,
        caption=_caption(grid),
        headings=tuple(tuple(map(escape_latex, lines)) for lines in headings),
        labels=len(grid.label_headings),
        rows=tuple(
            tuple((_value(value), places[value.note]) for value in (*row.labels, *row.values)) for row in grid.rows
        ),
        starts=tuple(row.starts for row in grid.rows),
        notes=tuple(map(_breakable, grid.notes)),
    )


def _note_mark(place: int) -> str:
    return rf"\textsuperscript{{{place}}}" if place else ""


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


def _value(value: Value) -> str:
    text = escape_latex(value.text)
    text = "--" if value.text == "-" else text
    if value.number is not None:
        text = _NEGATIVE.sub(r"$\g<0>$", text)
    text = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(value.place, text)
    return text + (_TIED if value.tied else "")
