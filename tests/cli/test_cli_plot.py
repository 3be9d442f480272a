import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from count_records import keep_details
from report_records import full_record, make_record

from harness.data.base import DATASETS
from harness.store.store import Store

LOADED = """
import sys
from harness.cli.main import main
try:
    main()
finally:
    print(sorted({"torch", "timm", "pandas", "matplotlib.pyplot"} & set(sys.modules)))
"""


@pytest.fixture
def measured(tmp_path):
    """Two methods on all of MVTec 3D-AD, and one on the toy dataset with random weights."""
    store = Store(tmp_path / "results")
    for method in ("cfm", "btf"):
        for number, category in enumerate(DATASETS["mvtec3d"].categories):
            raw = {"device": [40.0, 41.0], "end_to_end": [50.0, 51.0]}
            store.write(keep_details(store, full_record(number, method, category), raw_ms=raw))
    for category in DATASETS["toy"].categories:
        store.write(make_record("cfm-t", category, dataset="toy", shots=10, preset="quick", weights="random"))
    return store


def test_with_nothing_measured_the_published_figure_is_drawn(call):
    outcome = call("plot")
    assert (outcome.code, outcome.out) == (0, "speed.png\n")
    assert Path("speed.png").read_bytes().startswith(b"\x89PNG")
    assert "Nothing is measured in results/cells: start with 'harness run" in outcome.err
    assert "This is the published figure." in outcome.err


def test_the_published_figure_alone_says_nothing(call, measured):
    outcome = call("plot", "--source", "published", "--to", "figures/one.pdf")
    assert (outcome.code, outcome.out, outcome.err) == (0, "figures/one.pdf\n", "")
    assert Path("figures/one.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("kind", ["speed", "shots", "latency"])
def test_measured_figures_of_the_largest_group(call, measured, kind):
    outcome = call("plot", kind, "--to", f"{kind}.svg", "--no-title", "--source", "measured")
    assert outcome.code == 0
    assert "--dataset toy" in outcome.err
    words = Path(f"{kind}.svg").read_text("utf-8")
    assert '/cfm"' in words
    assert '/cfm-t"' not in words


def test_a_group_is_chosen_by_its_keys(call, measured):
    chosen = ["--dataset", "toy", "--shots", "10", "--split", "first", "--preset", "quick", "--weights", "random"]
    outcome = call("plot", "--to", "toy.svg", *chosen)
    assert outcome.code == 0
    assert "can't share" not in outcome.err
    assert "Not comparable with published numbers" in outcome.err
    words = Path("toy.svg").read_text("utf-8")
    assert 'id="measured_on_Test_CPU,_2_threads/cfm-t"' in words
    assert "as_published/" not in words


def test_methods_are_chosen(call, measured):
    assert call("plot", "--methods", "btf", "--source", "measured", "--to", "btf.svg").code == 0
    words = Path("btf.svg").read_text("utf-8")
    assert "/btf" in words
    assert "/cfm" not in words


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["speeed"], 2, "did you mean 'speed'"),
        (["--to", "figure.jpg"], 2, "has the suffix '.jpg': figures are PNG, SVG or PDF"),
        (["--to", "figure"], 2, "has no suffix"),
        (["--metric", "aupro_30_oficial"], 2, "did you mean 'aupro_30_official'"),
        (["--metric", "aupro_30", "--source", "published"], 2, "is published for mvtec3d"),
        (["--dataset", "mvtec"], 2, "did you mean 'mvtec3d'"),
        (["--methods", "cfn"], 2, "did you mean 'cfm'"),
        (["--categories", "bagle"], 2, "did you mean 'bagel'"),
        (["--shots", "7"], 2, "There is no split of 7 shots"),
        (["--split", "9"], 2, "There is no split '9'"),
        (["shots", "--shots", "10"], 2, "leave out --shots"),
        (["pro", "--source", "published"], 2, "Nothing is published for a figure of kind 'pro'"),
        (["latency", "--source", "published"], 2, "leave out --source published"),
        (["--source", "measured"], 6, "Nothing is measured in results/cells: start with"),
        (["shots", "--source", "measured"], 6, "Nothing is measured"),
        (["latency"], 6, "Nothing is measured"),
        (["pro"], 6, "Nothing is measured"),
        (["roc"], 6, "Nothing is measured"),
        (["--dataset", "toy"], 6, "Nothing is measured"),
    ],
)
def test_errors_are_one_sentence_and_write_nothing(call, tmp_path, arguments, code, sentence):
    outcome = call("plot", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


def test_options_that_no_record_fits_are_told_what_there_is(call, measured):
    outcome = call("plot", "--dataset", "toy", "--preset", "paper")
    assert outcome.code == 6
    assert "--dataset toy --shots 10 --split first --preset quick --weights random" in outcome.err


def test_cells_without_counts_are_told_how_to_get_them(call, measured):
    outcome = call("plot", "pro", "--dataset", "mvtec3d")
    assert outcome.code == 6
    assert "--rerun METHOD makes them" in outcome.err


def test_failed_cells_measure_nothing(call, tmp_path):
    Store(tmp_path / "results").write(make_record(status="oom", reason="out of memory"))
    outcome = call("plot", "--source", "measured")
    assert outcome.code == 6
    assert "harness status --failed" in outcome.err


def test_plotting_imports_neither_torch_nor_pyplot(tmp_path):
    command = [sys.executable, "-c", LOADED, "plot"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.stdout == "speed.png\n[]\n", outcome.stderr


def test_every_kind_is_drawn_from_what_a_run_leaves_behind(harness, call, tiny_mvtec, tmp_path):
    where = ["--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5", "--preset", "quick"]
    ran = harness("run", "--methods", "colour-distance", *where)
    assert ran.returncode == 0, ran.stderr
    call_it_idle(Store(tmp_path / "results"))
    for kind in ("speed", "shots", "pro", "roc", "latency"):
        drawn = call("plot", kind, "--to", f"{kind}.svg", "--source", "measured")
        assert drawn.code == 0, drawn.err
        assert "colour-distance" in (tmp_path / f"{kind}.svg").read_text("utf-8")


def call_it_idle(store: Store) -> None:
    """Make speeds drawable that were taken while other tests ran."""
    for record in store.all():
        store.write(replace(record, environment=replace(record.environment, contended=False)))
