"""``harness report`` as a user meets it."""

import subprocess
import sys

import pytest
from report_records import make_record

from harness.store.store import Store


@pytest.fixture
def measured(tmp_path):
    store = Store(tmp_path / "results")
    for category in ("bump", "ridge"):
        store.write(make_record(category=category, dataset="toy", shots=10, preset="quick", weights="random"))
    return store


def test_the_report_lies_in_the_results_folder(call, measured, tmp_path):
    outcome = call("report")
    assert (outcome.code, outcome.out, outcome.err) == (0, "results/report/index.html\n", "")
    page = (tmp_path / "results/report/index.html").read_text(encoding="utf-8")
    assert "--save-maps" in page
    assert len(list((tmp_path / "results/report/cells").glob("*.html"))) == 2


def test_the_same_records_make_the_same_bytes(call, measured, tmp_path):
    assert call("report", "--to", "one").code == call("report", "--to", "two").code == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert files
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


def test_a_single_file_is_all_there_is(call, measured, tmp_path):
    outcome = call("report", "--single-file", "--to", "one")
    assert (outcome.code, outcome.out, outcome.err) == (0, "one/report.html\n", "")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["report.html"]
    assert call("report", "--single-file", "--to", "one").code == 0
    (tmp_path / "one/report.html").write_text("mine", encoding="utf-8")
    assert call("report", "--single-file", "--to", "one").code == 2
    assert (tmp_path / "one/report.html").read_text(encoding="utf-8") == "mine"


def test_with_nothing_measured_the_published_numbers_are_shown(call, tmp_path):
    assert call("report", "--to", "page").code == 0
    assert "Nothing is measured yet" in (tmp_path / "page/index.html").read_text(encoding="utf-8")


def test_a_dataset_without_any_number_is_a_sentence(call):
    outcome = call("report", "--dataset", "toy")
    assert outcome.code == 6
    assert "harness run --methods cfm,cfm-t --dataset toy" in outcome.err


def test_an_unknown_dataset_names_near_ones(call):
    outcome = call("report", "--dataset", "mvtec")
    assert outcome.code == 2
    assert "mvtec3d" in outcome.err


def test_a_foreign_page_is_never_overwritten(call, measured, tmp_path):
    (tmp_path / "index.html").write_text("<h1>mine</h1>", encoding="utf-8")
    outcome = call("report", "--to", ".")
    assert outcome.code == 2
    assert "name another folder" in outcome.err
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "<h1>mine</h1>"


def test_a_folder_that_cannot_be_made_is_a_sentence(call, measured, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    outcome = call("report", "--to", "file/report")
    assert outcome.code in (2, 5)
    assert outcome.err.count("\n") == 1


def test_the_report_imports_no_torch(measured, tmp_path):
    code = "import sys\nfrom harness.cli.main import main\n"
    code += "try:\n    main()\nfinally:\n    print(sorted({'torch', 'timm', 'pandas'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "report", "--open", "no"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert outcome.stdout.endswith("index.html\n[]\n")
