import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_records import make_record

from harness.data.registry import DATASETS
from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.intervals import Difference
from harness.report.legend import legend
from harness.report.render.latex import as_latex, escape_latex
from harness.report.tables import TABLES, TableRequest, measured_grids, published_grids
from harness.report.uncertainty import Uncertainty
from harness.store.published import read_published
from harness.store.store import Store

NASTY = r"a_b%c&d#e$f{g}h~i^j\k<l>m|n\"o[p]q±r≈s×t–u µ é 漢 ¹" + "\n\t'`--?`!`"
LONG = "cfm[aggregate=2d,centres=512,epochs=50,smoothing=none]"
GRID = Grid(
    title=f"Title {NASTY}",
    label_headings=("method", ""),
    columns=(Column("AUPRO@1%\nexact", {"metric": "aupro_1"}), Column("[x]\n_y_", {})),
    rows=(
        Row((Value("cfm[a=1]", note=NASTY), Value(NASTY)), (Value("0.6", 0.6, place=1), missing(NASTY)), {}),
        Row((Value("[b]"), Value("")), (Value("-0.60", -0.6, place=2), Value("0.1", 0.1, tied=True)), {}, starts=True),
    ),
    caption=NASTY,
    warning=NASTY,
)


def compile_latex(folder, body, options=""):
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs}\usepackage{graphicx}"
    document = rf"\documentclass[{options}]{{article}}{packages}\begin{{document}}{body}"
    (folder / "tables.tex").write_text(document + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)


needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


class AllTied(Uncertainty):
    """Separates no two methods, so that every table has marks of ties."""

    def against_best(self, best, others):
        return [Difference(-0.1, -0.2, 0.0, 0.05) for _ in others]


@needs_latex
def test_whatever_stands_in_a_table_compiles(tmp_path):
    outcome = compile_latex(tmp_path, "\n" + as_latex([GRID], [NASTY]))
    assert outcome.returncode == 0, outcome.stdout[-2000:]


@needs_latex
@pytest.mark.parametrize("options", ["", "twocolumn"])
def test_the_papers_tables_and_ours_compile_and_fit(tmp_path, options):
    records = [
        make_record(method, name, shots=shots, split=split, notes=("a & b",))
        for name in DATASETS["mvtec3d"].categories
        for method in ("cfm", "btf", "cfm[aggregate=2d]", LONG)
        for shots, split in ((5, "0"), (5, "1"), ("full", "first"))
    ]
    request = TableRequest(tables=tuple(TABLES))
    grids = measured_grids(records, read_published(), request, AllTied(Store(tmp_path / "results")))
    assert len(grids) > 20
    assert any(label.text == LONG for grid in grids for row in grid.rows for label in row.labels)
    text = re.sub(r"(\\end\{table\*?\})", "\\1\n\\\\clearpage", as_latex(grids, legend(grids)))
    outcome = compile_latex(tmp_path, text, options)
    assert outcome.returncode == 0, outcome.stdout[-2000:]
    assert "Overfull" not in outcome.stdout
    assert "multiply defined" not in outcome.stdout


def test_marks():
    text = as_latex([GRID], ["A legend."])
    assert r"\textbf{0.6} & --\textsuperscript{1} \\" in text
    assert r"\underline{$-0.60$} & 0.1$^{\approx}$ \\" in text
    assert r" &  & AUPRO@1\% & {[}x{]} \\" in text
    assert r"method &  & exact & \_y\_ \\" in text
    assert text.count(r"\addlinespace") == 1
    assert text.endswith(r"\noindent A legend.\par}")


def test_every_table_has_a_label_of_its_own_and_many_columns_take_the_page():
    grids = published_grids(read_published(), TableRequest())
    text = as_latex(grids)
    labels = re.findall(r"\\label\{tab:([a-z0-9:-]+)\}", text)
    assert len(set(labels)) == len(labels) == len(grids)
    for grid in grids:
        environment = "table*" if len(grid.columns) + len(grid.label_headings) > 7 else "table"
        assert as_latex([grid]).count(rf"{{{environment}}}") == 2


def test_a_row_never_begins_with_a_bracket():
    lines = as_latex([GRID]).splitlines()
    assert not any(line.startswith("[") for line in lines), "it would be an argument of the line break before it"


def test_every_row_has_as_many_cells_as_columns():
    for grid in published_grids(read_published(), TableRequest()):
        body = as_latex([grid]).partition(r"\toprule")[2].partition(r"\bottomrule")[0]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") for line in rows} == {len(grid.columns)}


@given(st.text(max_size=30))
def test_no_special_character_is_left(text):
    escaped = escape_latex(text)
    plain = re.sub(r"\\(?:text[a-z]+\{\}|[&%$#_{}])|\$\\(?:pm|approx|times)\$|\{\[\}|\{\]\}|\{\}", "", escaped)
    assert not set(plain) & set('\\&%$#_{}~^<>|"[]')
    assert "\n" not in escaped
    assert "--" not in escaped
