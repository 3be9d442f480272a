"""The report without a browser: well-formed, escaped, and with the numbers of the tables."""

import json
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from count_records import keep_details
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from report_records import full_record, make_record, typed

from harness.errors import UsageError
from harness.report.groups import group_records
from harness.report.html.columns import COLUMNS
from harness.report.html.recordpage import record_page
from harness.report.html.reproduce import reproduce
from harness.report.html.sections import make_sections
from harness.report.html.templating import environment, render
from harness.report.html.writing import write_report
from harness.report.literature import literature_grids
from harness.report.own_tables import accuracy_grid, cost_grid
from harness.store.environment import Environment
from harness.store.literature import read_literature
from harness.store.published import read_published
from harness.store.query import RecordQuery
from harness.store.store import Store

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "link", "br", "input", "img"}


class Reader(HTMLParser):
    """Reads a page as a browser would: elements that must close do, and ids are unique."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def data(self):
        start = next(text for where, text in self.texts if where == "script" and text.startswith('{"columns"'))
        return json.loads(start)


def read(path):
    page = Reader(path.read_text(encoding="utf-8"))
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    return page


def report(folder, records, dataset="", store=None):
    return write_report(folder, make_sections(records, read_published(), RecordQuery(dataset)), store=store)


@given(st.text(min_size=1))
def test_any_text_stays_text(text):
    def page_of(words):
        failed = make_record(category="bagel", status="failed", reason=words, notes=(words,), log=(words,))
        return Reader(record_page(failed, words, {words: words}))

    page = page_of(text)
    assert [tag for tag, _ in page.found] == [tag for tag, _ in page_of("words").found]
    texts = {tag: [part for where, part in page.texts if where == tag] for tag in ("h1", "li", "pre", "p")}
    if text.isprintable():
        assert "".join(texts["h1"]) == f"{text} on bagel"
        assert [[text], [text], True] == [texts["li"], texts["pre"][:1], text in texts["p"]]
        assert text in [link["href"] for link in page.all("a")]


@given(st.recursive(st.text() | st.none() | st.integers(), st.lists))
def test_embedded_json_ends_no_script(value):
    text = environment().from_string("{{ value | tojson }}").render(value={"a": value, EVIL: EVIL})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": value, EVIL: EVIL}


def test_an_unknown_name_in_a_template_is_an_error():
    with pytest.raises(UndefinedError, match="legend"):
        render("tables.html", grids=[])


def test_what_users_and_methods_say_is_escaped(tmp_path):
    record = make_record(given={"aggregate": EVIL}, notes=(EVIL,))
    wrong = make_record(category="carrot", given={"aggregate": EVIL}, status="failed", reason=EVIL, log=(EVIL,))
    store = Store(tmp_path / "results")
    busy = typed({"packages": {EVIL: EVIL}, "device": "cpu", "cpu": EVIL}, Environment)
    images = [{"id": EVIL, "defect": EVIL, "label": 1, "score": 0.5}]
    index = report(tmp_path, [keep_details(store, replace(record, environment=busy), images), wrong], store=store)
    pages = [index, *(tmp_path / "cells").glob("*.html")]
    assert len(pages) == 3
    for path in pages:
        page = read(path)
        assert not [one for one in page.all("img") if one.get("src") == "x"]
        assert not [text for where, text in page.texts if where == "script" and text.startswith("alert")]
        assert any("alert('x')" in text for _, text in page.texts)


def test_the_numbers_are_those_of_the_tables(tmp_path):
    records = [
        full_record(seed, method, category)
        for seed, (method, category) in enumerate(
            (method, category) for method in ("cfm", "cfm-t") for category in ("bagel", "carrot")
        )
    ]
    page = read(report(tmp_path, records))
    (group,) = group_records(records)
    shown = {line["label"]: line["values"] for line in page.data["sections"][0]["lines"] if not line["published"]}
    compared = 0
    for grid in (accuracy_grid(group, None), cost_grid(group, None)):
        for row in grid.rows:
            for column, value in zip(grid.columns, row.values, strict=True):
                metric = column.keys["metric"]
                if value.number is not None:
                    assert shown[row.keys["method"]][metric] == value.text
                    compared += 1
    assert compared >= 2 * 10
    cells = [attributes for attributes in page.all("td") if attributes.get("data-col") == "aupro_1"]
    assert len(cells) == sum(len(section["lines"]) for section in page.data["sections"])


def test_published_rows_are_those_of_the_file_and_marked(tmp_path):
    page = read(report(tmp_path, []))
    published = read_published()
    assert all(line["published"] for section in page.data["sections"] for line in section["lines"])
    for section in page.data["sections"]:
        shots = section["shots"] if section["shots"] == "full" else int(section["shots"])
        for line in section["lines"]:
            for metric, text in line["values"].items():
                assert published.find(section["dataset"], (line["label"],), shots, "mean", metric).text == text
    others = sum(len(grid.rows) + 1 for grid in literature_grids(read_literature(), RecordQuery()))
    rows = len(page.all("tr")) - others
    assert sum(text == "published" for _, text in page.texts) == rows - 2 - len(page.data["sections"])


def test_published_sections_are_those_of_the_dataset_the_methods_and_the_samples_that_are_asked_for():
    def shown(**query):
        sections = make_sections([], read_published(), RecordQuery(**query))
        return {(section.dataset, section.shots) for section in sections}, {
            line.label for section in sections for line in section.lines
        }

    assert shown()[0] == {("mvtec3d", shots) for shots in (5, 10, 50, "full")} | {("eyecandies", "full")}
    assert shown(dataset="eyecandies")[0] == {("eyecandies", "full")}
    assert shown(methods=("btf",), shots=(5, 10)) == ({("mvtec3d", 5), ("mvtec3d", 10)}, {"btf"})


def test_published_stand_beside_comparable_records_only(tmp_path):
    toy = make_record(category="bump", dataset="toy", shots=10, preset="quick", weights="random")
    data = read(report(tmp_path, [make_record(), toy])).data
    measured = [section for section in data["sections"] if any(not line["published"] for line in section["lines"])]
    assert [(one["dataset"], any(line["published"] for line in one["lines"])) for one in measured] == [
        ("toy", False),
        ("mvtec3d", True),
    ]
    assert "random weights" in measured[0]["warning"]
    assert measured[1]["warning"] == ""


def test_the_fullest_setting_stands_first_and_published_ones_last():
    few = make_record(category="bump", dataset="toy", shots=10, preset="quick", weights="random")
    sections = make_sections([few, make_record(), make_record(category="carrot")], read_published())
    assert [section.dataset for section in sections if section.measured] == ["mvtec3d", "toy"]
    assert [section.measured for section in sections] == sorted((one.measured for one in sections), reverse=True)


def test_speeds_of_several_devices_do_not_compete():
    gpu = {"device": "cuda:0", "device_name": "Test GPU", "cpu": "Test CPU"}
    fast = make_record("cfm-t", environment=gpu, latency={"device": {"median_ms": 4.0}})
    middle, slow = make_record("cfm-m", latency={"device": {"median_ms": 30.0}}), make_record("cfm")
    section = make_sections([fast, middle, slow], read_published(), RecordQuery("mvtec3d"))[0]
    fps = [column.id for column in COLUMNS].index("fps")
    places = {line.label: line.values[fps].place for line in section.lines if not line.published}
    assert places == {"cfm-t": 0, "cfm-m": 1, "cfm": 2}


def test_energy_is_a_column_of_the_page_only_where_a_record_has_it(tmp_path):
    energy = {"strict": {"joules": 2.5, "watts": 60.0, "calls": 100, "seconds": 4.2, "source": "RAPL, 1 CPU package"}}
    silent = {"strict": {"reason": "no counter here"}}
    for folder, told, there in (("told", energy, True), ("silent", silent, False)):
        page = read(report(tmp_path / folder, [make_record(energy=told)], "mvtec3d"))
        columns = [attributes["data-col"] for tag, attributes in page.found if tag == "th" and "data-col" in attributes]
        assert ("energy_j" in columns) is there
        assert "energy_default_j" not in columns
        numbers = [attributes["data-col"] for tag, attributes in page.found if tag == "td" and "data-col" in attributes]
        assert numbers[: len(columns)] == columns, "each number stands below its heading"
        line = page.data["sections"][0]["lines"][0]
        assert line["values"].get("energy_j") == ("2.500" if there else None)
        assert not any("no counter here" in reason for _, reason in line["reasons"])


def test_a_records_page_has_its_energy_or_the_reason():
    told = {"strict": {"joules": 2.5, "watts": 60.0, "source": "RAPL, 1 CPU package"}}
    page, silent, older = (
        record_page(make_record(energy=energy), "cfm", {})
        for energy in (told, {"strict": {"reason": "no counter here"}}, {})
    )
    assert all(f">{text}</td>" in page for text in ("2.500", "60.0", "RAPL, 1 CPU package"))
    assert "no counter here" in silent
    assert '<th scope="col" class="number">J/image' in page
    assert "J/image" not in older


def test_means_that_lack_categories_say_so_and_wrong_cells_are_listed(tmp_path):
    wrong = make_record(category="foam", status="oom", reason="CUDA out of memory")
    page = read(report(tmp_path, [make_record(), wrong], "mvtec3d"))
    texts = [text for _, text in page.texts]
    assert "1 of 10 categories" in texts
    assert "CUDA out of memory" in texts
    assert any(text.startswith("cable_gland, carrot") for text in texts)
    note = page.data["sections"][0]["lines"][0]["note"]
    assert "foam (oom: CUDA out of memory)" in note


def test_every_record_has_a_page_with_all_that_is_known(tmp_path):
    store, raw = Store(tmp_path / "results"), {"device": [40.0, 41.25, 39.5]}
    images = [{"id": "test/crack/007", "defect": "crack", "label": 1, "score": 0.5}]
    record = keep_details(store, full_record(1, "cfm-t", "bagel"), images, raw)
    index = report(tmp_path, [record], store=store)
    links = {one["href"] for one in read(index).all("a")}
    assert f"cells/{record.cell.stem}.html" in links
    texts = " ".join(text for _, text in read(tmp_path / "cells" / f"{record.cell.stem}.html").texts)
    for wanted in (record.cell.id, record.cell.split_digest, "Test CPU", "VmHWM", "the device is a CPU"):
        assert wanted in texts
    assert "40.0000, 41.2500, 39.5000" in texts
    assert "test/crack/007" in texts


def test_the_command_names_the_cell():
    environment = {"device": "cuda:1", "cache": {"read": 0, "made": 10}}
    record = make_record("cfm[aggregate=sum]", "bagel", shots=10, split="3", environment=environment)
    words = shlex.split(reproduce(record)[0])
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options == {
        "--methods": "cfm[aggregate=sum]",
        "--dataset": "mvtec3d",
        "--data": "DIR",
        "--categories": "bagel",
        "--shots": "10",
        "--split": "3",
        "--preset": "paper",
        "--weights": "pretrained",
        "--devices": "cuda",
        "--results": "again",
    }


@pytest.mark.parametrize(
    ("record", "without"),
    [
        (make_record(), True),
        (make_record(environment={"device": "cpu", "cache": {"read": 3, "made": 0}}), False),
        (make_record("btf"), False),
        (make_record(checkpoint="0123"), False),
        (make_record(status="timeout", reason="too slow"), False),
    ],
    ids=["not used", "used", "no use for it", "not trained", "not told"],
)
def test_the_command_leaves_the_cache_out_where_the_record_tells_so(record, without):
    words = shlex.split(reproduce(record)[0])
    assert ("--no-cache" in words) == without
    assert ("--devices" in words) == (record.status == "ok")


def test_a_changed_default_makes_the_command_name_all_parameters():
    record = make_record("cfm")
    older = replace(record, cell=replace(record.cell, parameters={**record.cell.parameters, "epochs": 7}))
    command, remark = reproduce(older)
    assert "epochs=7" in command
    assert "All parameters are named" in remark


def test_a_foreign_front_page_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="name another folder"):
        report(tmp_path, [make_record()])
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "mine"


def test_two_thousand_records_stay_a_small_front_page(tmp_path):
    records = [
        make_record("cfm", f"c{category}", given={"epochs": number}, parameters={"epochs": number})
        for number in range(200)
        for category in range(10)
    ]
    index = report(tmp_path, records[:200], "mvtec3d")
    page = index.read_text(encoding="utf-8")
    assert "raw_ms" not in page.partition('id="data"')[2]
    assert len(page) < 1_000_000
