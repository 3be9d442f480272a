"""Downloads hold what the report shows, in the form of the command line."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from PIL import Image

from harness.report.html.columns import COLUMNS, present_columns
from harness.report.html.downloads import section_grid
from harness.report.html.sections import make_sections
from harness.report.legend import legend
from harness.report.render.latex import as_latex
from harness.store.published import read_published


def download(page, selector):
    with page.expect_download() as started:
        page.locator(selector).click()
    return started.value.path().read_bytes()


def with_columns(grid, columns):
    places = [COLUMNS.index(column) for column in columns]
    rows = [replace(row, values=tuple(row.values[place] for place in places)) for row in grid.rows]
    return replace(grid, columns=tuple(grid.columns[place] for place in places), rows=tuple(rows))


@pytest.fixture
def sections(records):
    return [section for section in make_sections(records, read_published()) if section.measured]


def test_latex_of_everything_is_that_of_python(visit, report, sections):
    present = present_columns(line.values for section in sections for line in section.lines)
    page = visit(report, address=f"columns={','.join(column.id for column in present)}").page
    grids = [with_columns(section_grid(section), present) for section in sections]
    assert download(page, "[data-download=latex]").decode() == as_latex(grids, legend(grids)) + "\n"


def test_latex_and_csv_have_the_rows_and_columns_that_are_shown_in_their_order(visit, report, sections):
    page = visit(
        report, address="dataset=mvtec3d&shots=full&sort=method&order=descending&columns=p_auroc,i_auroc&source=all"
    ).page
    labels = page.eval_on_selector_all(
        "#board tr[data-label]:not([hidden])", "rows => rows.map(row => row.dataset.label)"
    )
    latex = download(page, "[data-download=latex]").decode()
    assert latex.count(r"\begin{tabular}{@{}llrr@{}}") == 1
    assert "method &  & I-AUROC & P-AUROC" in latex
    rows = list(csv.DictReader(io.StringIO(download(page, "[data-download=csv]").decode())))
    assert [row["method"] for row in rows] == labels == sorted(labels, reverse=True)
    assert list(rows[0])[-2:] == ["i_auroc", "p_auroc"]
    assert {row["dataset"] for row in rows} == {"mvtec3d"}
    assert {row["i_auroc"] for row in rows if (row["method"], row["source"]) == ("cfm", "measured")} == {"0.95"}


def test_plots_are_pictures_that_need_no_style(visit, report):
    seen = visit(report, scheme="dark")
    svg = ElementTree.fromstring(download(seen.page, "#speed [data-download=svg]"))
    texts = "".join(svg.itertext())
    assert "frames a second" in texts
    assert "measured: inference alone on Test CPU" in texts
    assert not [node for node in svg.iter() if "class" in node.attrib or "var(" in str(node.attrib)]
    picture = Image.open(io.BytesIO(download(seen.page, "#speed [data-download=png]"))).convert("RGB")
    width, height = (float(svg.attrib[name]) for name in ("width", "height"))
    assert picture.size == (3 * width, 3 * height)
    assert picture.getpixel((5, 5)) == (255, 255, 255)
    assert len(picture.getcolors(1 << 20)) > 20
    assert seen.complaints == []
