"""The published tables, cell by cell, in every format, against the file as plain CSV."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from statistics import mean

import pytest
from rich.console import Console

from harness.data.registry import DATASETS
from harness.files.bundled import published_dir
from harness.report.presentation import with_short_labels
from harness.report.render.data import as_csv, as_json
from harness.report.render.latex import as_latex
from harness.report.render.page import as_html
from harness.report.render.text import as_markdown, as_rich
from harness.report.tables import TableRequest, published_grids
from harness.store.paper import PAPER_TABLES
from harness.store.published import read_published
from harness.store.quantities import QUANTITIES

MVTEC = DATASETS["mvtec3d"].categories
UNPRINTED = ("depth-gan", "aupro_30_official")
"""The one mean that the file lacks."""

TRUNCATED = {("ast", "aupro_30_official"), ("ast", "aupro_1_official")}
"""Means that are cut off after three decimals instead of rounded."""


def read_lines():
    with (published_dir() / "costanzino2024.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


LINES = read_lines()


def expected():
    """Return every table as the paper prints it: for each block, method to the texts of its columns."""
    blocks = []
    for table in PAPER_TABLES:
        lines = [line for line in LINES if line["table"] == str(table.number)]
        by_metric = table.across == "metric"
        metrics = [None] if by_metric else list(dict.fromkeys(line["metric"] for line in lines))
        for metric in metrics:
            of = [line for line in lines if metric in (None, line["metric"])]
            across = list(dict.fromkeys(line[table.across] for line in of))
            found = {(line["method"], line[table.across]): line["value"] for line in of}
            methods = dict.fromkeys(method for method, _ in found)
            blocks.append({method: [found.get((method, key), "-") for key in across] for method in methods})
    return blocks


def of_markdown(grid):
    lines = [line for line in as_markdown([grid]).splitlines() if line.startswith("| ")][2:]
    return {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("|").split(" | ")])}


def of_latex(grid):
    body = as_latex([grid]).partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    rows = [line.removesuffix(r" \\").split(" & ") for line in body.strip().splitlines()]
    return {row[0].replace("{[}", "[").replace("{]}", "]"): row[1:] for row in rows}


def of_rich(grid):
    console = Console(file=io.StringIO(), width=400)
    console.print(as_rich(grid))
    lines = console.file.getvalue().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("─"))
    return {cells[0]: cells[1:] for line in lines[start + 1 :] if len(cells := line.split()) == 1 + len(grid.columns)}


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        self.inside = tag in ("th", "td", "b", "u")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("th", "td")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def of_html(grid):
    parser = Cells()
    parser.feed(as_html([grid]))
    return {row[0]: row[1:] for row in parser.rows[1:]}


def of_entries(grid, found):
    rows = {}
    for entry in found:
        rows.setdefault(entry["method"], []).append(entry["value"])
    return rows


def of_csv(grid):
    return of_entries(grid, csv.DictReader(io.StringIO(as_csv([grid]))))


def of_json(grid):
    (table,) = json.loads(as_json([grid]))
    return of_entries(grid, table["values"])


def whole(grid, name):
    """Return the whole label where a format shows a short one."""
    short = [row.labels[0].text for row in with_short_labels(grid).rows]
    return grid.rows[short.index(name)].labels[0].text if name in short else name


def bare(text):
    """Return a number without its marks."""
    text = re.sub(r"\\textsuperscript\{\d+\}|[¹²³⁴⁵⁶⁷⁸⁹]", "", text)
    text = re.sub(r"\\(?:textbf|underline)\{([^}]*)\}", r"\1", text)
    return {"--": "-", "": "-"}.get(text, text).replace("**", "").replace("<u>", "").replace("</u>", "")


@pytest.fixture(scope="module")
def grids():
    return published_grids(read_published(), TableRequest())


@pytest.mark.parametrize("read", [of_markdown, of_latex, of_rich, of_html, of_csv])
def test_each_published_table_in_every_format_of_text(grids, read):
    shown = [
        {whole(grid, bare(name)): [bare(text) for text in texts] for name, texts in read(grid).items()}
        for grid in grids
    ]
    assert shown == expected()
    assert [list(block) for block in shown] == [list(block) for block in expected()], "rows in order"


def test_each_published_table_as_json(grids):
    wanted = [
        {method: [None if text == "-" else float(text) for text in texts] for method, texts in block.items()}
        for block in expected()
    ]
    assert [of_json(grid) for grid in grids] == wanted


def test_layouts_name_what_the_file_holds():
    for table in PAPER_TABLES:
        lines = [line for line in LINES if line["table"] == str(table.number)]
        assert table.methods == tuple(dict.fromkeys(line["method"] for line in lines))
        assert set(table.metrics) == {line["metric"] for line in lines} <= set(QUANTITIES)
        assert {line["dataset"] for line in lines} == {table.dataset}


def test_published_means_are_those_of_the_categories():
    values = {
        (line["table"], line["method"], line["metric"], line["category"]): line["value"]
        for line in LINES
        if line["table"] in "12"
    }
    truncated, unprinted = set(), set()
    for table, method, metric in dict.fromkeys(key[:3] for key in values):
        recomputed = mean(float(values[table, method, metric, category]) for category in MVTEC)
        printed = values.get((table, method, metric, "mean"))
        if printed is None:
            unprinted.add((method, metric))
            continue
        assert abs(recomputed - float(printed)) < 0.001
        if abs(recomputed - float(printed)) > 0.0005 + 1e-9:
            truncated.add((method, metric))
    assert truncated == TRUNCATED
    assert unprinted == {UNPRINTED}
