"""Tables as one HTML page that needs nothing else, readable by people, printers and screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from harness.report.grid import Column, Grid, Row, Value
from harness.report.render.text import TIE_MARK

__all__ = ["as_html", "html_table"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; }
section { margin: 0 0 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .5rem; }
caption strong { display: block; }
th, td { padding: .15rem .45rem; text-align: right; white-space: nowrap; }
thead th { border-bottom: 1px solid; vertical-align: bottom; }
tbody th, thead th.label, td.label { text-align: left; font-weight: normal; }
thead th.label { font-weight: bold; }
tr.starts > * { border-top: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
tr.published > *, tr.difference > * { font-style: italic; }
sup { line-height: 0; }
sup a { text-decoration: none; padding: 0 .1em; }
.warning { font-weight: bold; border-left: .25rem solid; padding-left: .5rem; display: block; }
.unseen { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
.notes, .legend { font-size: .85rem; }
""".strip()


def as_html(grids: Sequence[Grid], legend: Sequence[str] = ()) -> str:
    """Return tables as a page of their own: no script, no network.

    Parameters
    ----------
    grids
        In order.
    legend
        Sentences below all of them.
    """
    sections = "\n".join(f"<section>\n{html_table(grid, f't{place}')}\n</section>" for place, grid in enumerate(grids))
    below = "".join(f"<p>{escape(sentence)}</p>" for sentence in legend)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Tables</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n<h1>Tables</h1>\n"
        f'{sections}\n<footer class="legend">{below}</footer>\n</main>\n</body>\n</html>'
    )


def html_table(grid: Grid, name: str) -> str:
    """Return one table with its caption and footnotes, for a page of one's own.

    Parameters
    ----------
    grid
        What it shows.
    name
        Prefix of the ids in it, unique on the page.
    """
    notes = grid.notes
    body = "\n".join(_row(row, notes, name) for row in grid.rows)
    below = "".join(f'<li id="{name}-n{place}">{escape(note)}</li>' for place, note in enumerate(notes, start=1))
    footnotes = f'\n<ol class="notes">{below}</ol>' if notes else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}-title">\n'
        f"<table>\n{_caption(grid, name)}\n<thead>\n{_heading(grid)}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
        f"</div>{footnotes}"
    )


def _caption(grid: Grid, name: str) -> str:
    more = f" {escape(grid.caption)}" if grid.caption else ""
    warning = f'<span class="warning">{escape(grid.warning)}</span>' if grid.warning else ""
    return f'<caption><strong id="{name}-title">{escape(grid.title)}</strong>{more}{warning}</caption>'


def _heading(grid: Grid) -> str:
    labels = (
        f'<th scope="col" class="label">{escape(text)}</th>' if text else '<th scope="col" class="label">source</th>'
        for text in grid.label_headings
    )
    return f"<tr>{''.join(labels)}{''.join(map(_column, grid.columns))}</tr>"


def _column(column: Column) -> str:
    return f'<th scope="col">{"<br>".join(escape(line) for line in column.heading.split(chr(10)))}</th>'


def _row(row: Row, notes: Sequence[str], name: str) -> str:
    first, *others = row.labels
    head = f'<th scope="row">{_value(first, notes, name) or _named(row)}</th>'
    labels = "".join(f'<td class="label">{_value(value, notes, name)}</td>' for value in others)
    numbers = "".join(f"<td>{_value(value, notes, name)}</td>" for value in row.values)
    kinds = " ".join(filter(None, (row.keys.get("source", ""), "starts" if row.starts else "")))
    return f'<tr class="{escape(kinds)}">{head}{labels}{numbers}</tr>'


def _named(row: Row) -> str:
    """Return the name of a row whose label is only shown above it, for those who don't see the table."""
    return f'<span class="unseen">{escape(row.keys.get("method", ""))}</span>'


def _value(value: Value, notes: Sequence[str], name: str) -> str:
    text = escape(value.text)
    text = {1: f"<b>{text}</b>", 2: f"<u>{text}</u>"}.get(value.place, text)
    if value.tied:
        text += f'<span title="tied with the best">{TIE_MARK}</span>'
    if value.note:
        number = notes.index(value.note) + 1
        text += f'<sup><a href="#{name}-n{number}">{number}</a></sup>'
    return text
