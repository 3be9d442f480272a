import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from count_records import keep_details
from report_records import full_record, make_record

from harness.data.registry import DATASETS
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


@pytest.mark.parametrize("kind", ["speed", "shots"])
def test_with_nothing_measured_no_figure_is_drawn_into_the_file(call, kind):
    outcome = call("plot", kind, "--to", "mine.png")
    assert (outcome.code, outcome.out) == (6, "")
    assert not Path("mine.png").exists()
    assert "results/cells" in outcome.err
    assert "--source published" in outcome.err


def test_the_published_figure_alone_says_nothing(call, measured):
    outcome = call("plot", "--source", "published", "--to", "figures/published.pdf")
    assert (outcome.code, outcome.out, outcome.err) == (0, "figures/published.pdf\n", "")
    assert Path("figures/published.pdf").read_bytes().startswith(b"%PDF")


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
    assert "Drawn is the largest" not in outcome.err
    assert "Not comparable" in outcome.err
    words = Path("toy.svg").read_text("utf-8")
    assert 'id="measured_on_Test_CPU,_2_threads/cfm-t"' in words
    assert "as_published/" not in words


def test_methods_are_chosen(call, measured):
    assert call("plot", "--methods", "btf", "--source", "measured", "--to", "btf.svg").code == 0
    words = Path("btf.svg").read_text("utf-8")
    assert "/btf" in words
    assert "/cfm" not in words


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (["speeed"], 2, "did you mean 'speed'"),
        (["--to", "figure.jpg"], 2, ".jpg"),
        (["--to", "figure"], 2, "has no suffix"),
        (["--metric", "aupro_30_oficial"], 2, "did you mean 'aupro_30_official'"),
        (["--metric", "aupro_30", "--source", "published"], 2, "mvtec3d"),
        (["--dataset", "mvtec"], 2, "did you mean 'mvtec3d'"),
        (["--methods", "cfn"], 2, "did you mean 'cfm'"),
        (["--categories", "bagle"], 2, "did you mean 'bagel'"),
        (["--shots", "0"], 2, "'0'"),
        (["--split", "9"], 2, "'9'"),
        (["shots", "--shots", "10"], 2, "--shots"),
        (["pro", "--source", "published"], 2, "'pro'"),
        (["latency", "--source", "published"], 2, "--source published"),
        (["--source", "measured"], 6, "results/cells"),
        (["shots", "--source", "measured"], 6, "results/cells"),
        (["latency"], 6, "results/cells"),
        (["pro"], 6, "results/cells"),
        (["roc"], 6, "results/cells"),
        (["--dataset", "toy"], 6, "results/cells"),
    ],
)
def test_errors_are_one_sentence_and_write_nothing(call, tmp_path, arguments, code, fact):
    outcome = call("plot", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert fact in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


def test_options_that_no_record_fits_name_what_there_is(call, measured):
    outcome = call("plot", "--dataset", "toy", "--preset", "paper")
    assert outcome.code == 6
    assert "--dataset toy --shots 10 --split first --preset quick --weights random" in outcome.err


def test_cells_without_counts_name_the_option_that_makes_them(call, measured):
    outcome = call("plot", "pro", "--dataset", "mvtec3d")
    assert outcome.code == 6
    assert "--rerun METHOD makes them" in outcome.err


def test_failed_cells_measure_nothing(call, tmp_path):
    Store(tmp_path / "results").write(make_record(status="oom", reason="out of memory"))
    outcome = call("plot", "--source", "measured")
    assert outcome.code == 6
    assert "harness status --failed" in outcome.err


def test_plotting_imports_neither_torch_nor_pyplot(tmp_path):
    command = [sys.executable, "-c", LOADED, "plot", "--source", "published"]
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
