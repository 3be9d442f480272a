import csv
from collections import defaultdict
from statistics import fmean

import pytest

from harness.data.registry import DATASETS
from harness.errors import DataError
from harness.files.bundled import published_dir
from harness.store.published import MEAN, canonical_label, read_published
from harness.store.quantities import QUANTITIES

HEADER = "source,table,dataset,method,shots,category,metric,value"
GOOD = "someone2030,1,mvtec3d,cfm,full,bagel,i_auroc,0.990"


@pytest.fixture(scope="module")
def published():
    return read_published()


def write(folder, *lines, header=HEADER):
    (folder / "someone2030.csv").write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return folder


def test_every_line_of_the_files_is_read_as_it_is_printed(published):
    lines = []
    for path in sorted(published_dir().glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            lines += [tuple(line.values()) for line in csv.DictReader(stream)]
    rows = [
        (r.source, r.table, r.dataset, r.method, str(r.shots), r.category, r.metric, r.text) for r in published.rows
    ]
    assert len(lines) >= 462
    assert rows == lines


def test_values_are_numbers_and_shots_are_those_of_the_harness(published):
    assert {row.shots for row in published.rows} == {5, 10, 50, "full"}
    assert all(row.value >= 0 for row in published.rows)
    assert {row.metric for row in published.rows} <= set(QUANTITIES)


def test_published_aupro_is_official_only(published):
    assert not {row.metric for row in published.rows} & {"aupro_30", "aupro_1"}


TRUNCATED = {("ast", "aupro_30_official"), ("ast", "aupro_1_official")}


def test_printed_means_are_the_means_of_the_printed_categories(published):
    values = defaultdict(dict)
    for row in published.rows:
        if row.table in ("1", "2"):
            values[row.method, row.metric][row.category] = row.value
    checked = 0
    for (method, metric), by_category in values.items():
        printed = by_category.pop(MEAN, None)
        assert tuple(by_category) == DATASETS["mvtec3d"].categories
        if printed is not None:
            allowed = 0.001 if (method, metric) in TRUNCATED else 0.0005
            assert abs(fmean(by_category.values()) - printed) <= allowed + 1e-9, (method, metric)
            checked += 1
    assert checked == 26
    for method, metric in TRUNCATED:
        of_row = [row.value for row in published.rows if (row.method, row.metric) == (method, metric)]
        assert of_row, "the two rows that the source truncates are there"


def test_tables_agree_where_they_print_the_same_number(published):
    same = defaultdict(set)
    for row in published.rows:
        same[row.dataset, row.method, row.shots, row.category, row.metric].add(row.text)
    assert [key for key, texts in same.items() if len(texts) > 1] == []


def test_a_number_is_found_under_any_label_of_its_method(published):
    found = published.find("mvtec3d", ("nothing", "cfm"), "full", MEAN, "i_auroc")
    assert (found.text, found.table) == ("0.954", "1")
    assert published.find("mvtec3d", ("cfm",), 10, MEAN, "aupro_1_official").text == "0.398"
    assert published.find("mvtec3d", ("cfm",), "full", MEAN, "aupro_1") is None
    assert published.find("mvtec3d", (), "full", MEAN, "i_auroc") is None


def test_what_is_published_of_a_dataset(published):
    assert published.has("eyecandies")
    assert published.has("mvtec3d", 5)
    assert not published.has("eyecandies", 5)
    assert not published.has("toy")


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("cfm", "cfm"),
        ("cfm[b=1,a=2]", "cfm[a=2,b=1]"),
        ("cfm[mapping=intra,epochs=50,aggregate=2d]", "cfm[aggregate=2d,epochs=50,mapping=intra]"),
    ],
)
def test_labels_are_compared_with_sorted_parameters(typed, canonical):
    assert canonical_label(typed) == canonical


def test_any_number_of_training_samples_may_be_published(tmp_path):
    write(tmp_path, GOOD, "someone2030,1,mvtec3d,cfm,3,bagel,i_auroc,0.9")
    assert read_published(tmp_path).has("mvtec3d", 3)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("someone2030,1,mvtec3d,cfm,full,bagel,i_auroc", "has 7 fields"),
        ("someone2030,one two,mvtec3d,cfm,full,bagel,i_auroc,0.9", "the table 'one two'"),
        ("someone2030,1,mvtec3d,cfm,-1,bagel,i_auroc,0.9", "'-1' shots"),
        ("someone2030,1,mvtec3d,cfm,full,bagle,i_auroc,0.9", "the category 'bagle'"),
        ("someone2030,1,mvtec3d,cfm,full,bagel,auroc,0.9", "the unknown metric 'auroc'"),
        ("someone2030,1,mvtec3d,cfm,full,bagel,i_auroc,high", "the value 'high'"),
        ("someone2030,1,mvtec3d,cfm,full,bagel,i_auroc,95.4", "the value '95.4'"),
        ("someone2030,1,mvtec3d,cfm,full,bagel,fps,nan", "the value 'nan'"),
        ("someone2030,1,mvtec3d,,full,bagel,i_auroc,0.9", "an empty or padded method"),
        ("someone2030,1,mvtec3d,cfm,full,bagel,i_auroc, 0.9", "an empty or padded value"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, complaint):
    write(tmp_path, GOOD, line)
    with pytest.raises(DataError) as caught:
        read_published(tmp_path)
    assert f"{tmp_path / 'someone2030.csv'}, line 3," in str(caught.value)
    assert complaint in str(caught.value)


def test_a_repeated_number_names_both_lines(tmp_path):
    write(tmp_path, GOOD, GOOD.replace("0.990", "0.991"))
    with pytest.raises(DataError, match=r"line 3, repeats what .*line 2, says"):
        read_published(tmp_path)


def test_another_header_is_refused(tmp_path):
    write(tmp_path, GOOD, header=HEADER.replace("metric", "measure"))
    with pytest.raises(DataError, match="line 1, must name the columns"):
        read_published(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"bad\.csv can't be read"):
        read_published(tmp_path)


def test_line_numbers_count_lines_of_the_file_and_empty_lines_are_skipped(tmp_path):
    write(tmp_path, GOOD, "", 'someone2030,1,mvtec3d,"cfm[a=1,b=2]",full,bagel,i_auroc,1.2')
    with pytest.raises(DataError, match="line 4,"):
        read_published(tmp_path)


def test_several_sources_stand_side_by_side(tmp_path):
    write(tmp_path, GOOD)
    (tmp_path / "another2031.csv").write_text(f"{HEADER}\n{GOOD.replace('someone2030', 'another2031')}\n")
    assert [row.source for row in read_published(tmp_path).rows] == ["another2031", "someone2030"]
