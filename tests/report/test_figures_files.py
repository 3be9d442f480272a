import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from harness.errors import PrerequisiteError, UsageError
from harness.report.figures.files import FORMATS, figure_bytes, figure_format, write_figure
from harness.report.figures.speed import draw_speed
from harness.report.figures.speed_data import published_speeds
from harness.store.published import read_published
from harness.store.query import RecordQuery

METRIC = "aupro_30_official"


def figure(width="column", **changes):
    return draw_speed(replace(published_speeds(read_published(), RecordQuery(), METRIC), **changes), width)


@pytest.mark.parametrize(("width", "inches"), [("column", 3.3), ("page", 6.9)])
def test_png_is_a_picture_of_the_papers_width(tmp_path, width, inches):
    write_figure(figure(width), tmp_path / "new" / "figure.png")
    with Image.open(tmp_path / "new" / "figure.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width == round(inches * 300)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_svg_is_svg_and_holds_its_artists(tmp_path):
    write_figure(figure(), tmp_path / "figure.SVG")
    root = ElementTree.parse(tmp_path / "figure.SVG").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("width") == f"{3.3 * 72:g}pt"
    ids = {element.get("id") for element in root.iter()}
    assert {"as_published/cfm-t", "label/as_published/m3dm"} <= ids


def test_pdf_is_pdf_with_truetype_fonts(tmp_path):
    write_figure(figure(), tmp_path / "figure.pdf")
    content = (tmp_path / "figure.pdf").read_bytes()
    assert content.startswith(b"%PDF-1.")
    assert content.rstrip().endswith(b"%%EOF")
    assert b"/CIDFontType2" in content
    assert b"/Type3" not in content


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_figure_has_the_same_bytes(form):
    assert figure_bytes(figure(), form) == figure_bytes(figure(), form)


def test_the_same_bytes_in_another_process_at_another_time_with_other_settings(tmp_path):
    code = "import sys\nfrom test_figures_files import figure, figure_bytes, FORMATS\n"
    code += "[sys.stdout.buffer.write(figure_bytes(figure(), form)) for form in FORMATS]\n"
    code += "assert 'matplotlib.pyplot' not in sys.modules"
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.facecolor: red\n", encoding="utf-8")
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {**os.environ, "MATPLOTLIBRC": str(tmp_path), "PYTHONHASHSEED": "7", "PYTHONPATH": paths}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert ended.stdout == b"".join(figure_bytes(figure(), form) for form in FORMATS)


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure_bytes(figure(), "svg")
    assert dict(matplotlib.rcParams) == before


def test_without_a_title_a_figure_is_lower():
    contents = [figure_bytes(figure(title=title), "png") for title in ("", "Some title")]
    bare, titled = (Image.open(io.BytesIO(content)).height for content in contents)
    assert bare < titled


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "figure.png.txt"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="PNG, SVG or PDF"):
        figure_format(tmp_path / name)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(PrerequisiteError, match="--to"):
        write_figure(figure(), tmp_path / "file" / "figure.png")
