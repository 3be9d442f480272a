"""``harness show``: figures from kept maps, and a sentence where there are none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from map_records import FEATURES, keep_maps
from PIL import Image

from harness.data.open import open_dataset
from harness.store.store import Store

WHERE = ("--dataset", "mvtec3d", "--data")

LOADED = """
import sys
from harness.cli.main import main
try:
    main()
finally:
    print(sorted({"torch", "timm"} & set(sys.modules)))
"""


@pytest.fixture
def kept(tiny_mvtec: Path) -> None:
    """Maps of two methods, in the results folder of the current one."""
    store, dataset = Store(Path("results")), open_dataset("mvtec3d", tiny_mvtec)
    for method in ("cfm", "cfm-t"):
        keep_maps(store, dataset, method, names=FEATURES)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("number", ["5", "6"])
@pytest.mark.parametrize(("name", "begins"), [("f.png", b"\x89PNG"), ("new/f.svg", b"<?xml"), ("f.pdf", b"%PDF")])
def test_a_figure_is_written_in_the_format_of_its_name(call, tiny_mvtec, number: str, name: str, begins: bytes) -> None:
    outcome = call("show", "--methods", "cfm,cfm-t", *WHERE, tiny_mvtec, "--figure", number, "--to", name)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"figure {name}: 1 sample, cfm, cfm-t\n"
    assert Path(name).read_bytes().startswith(begins)


@pytest.mark.usefixtures("kept")
def test_the_default_file_has_a_row_for_each_sample(call, tiny_mvtec) -> None:
    heights = []
    for count in ("1", "3"):
        assert call("show", *WHERE, tiny_mvtec, "--worst", count, "--scale", "image").code == 0
        with Image.open("figure5.png") as drawn:
            heights.append(drawn.height)
    assert heights[1] - heights[0] == pytest.approx(2 * 1.25 * 250, abs=2)


def test_without_maps_it_exits_6_with_a_command_that_would_make_them(call, tiny_mvtec) -> None:
    nothing = call("show", "--methods", "cfm", *WHERE, tiny_mvtec)
    assert nothing.code == 6
    assert nothing.err.count("\n") == 1
    assert "'harness run --methods cfm --dataset mvtec3d --save-maps'" in nothing.err
    store, dataset = Store(Path("elsewhere")), open_dataset("mvtec3d", tiny_mvtec)
    keep_maps(store, dataset, "cfm", shots=5, preset="quick", weights="random", maps=False)
    measured = call("show", "--methods", "cfm", *WHERE, tiny_mvtec, "--results", "elsewhere")
    assert measured.code == 6
    command = measured.err.split("'")[1].split()[1:]
    planned = call(*command, "--data", tiny_mvtec, "--categories", "bagel", "--dry-run", "--json")
    assert planned.code == 0, planned.err
    (cell,) = json.loads(planned.out)["cells"]
    wanted = {"method": "cfm", "shots": 5, "preset": "quick", "weights": "random", "split": "first"}
    assert {name: cell[name] for name in wanted} == wanted


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "f.bmp"], "PNG, SVG or PDF"),
        (["--methods", "m3dn"], "did you mean 'm3dm'"),
        (["--shots", "0"], "give 1 or more, or full"),
        (["--samples", "test/hole/9"], "no test sample 'test/hole/9'"),
        (["--worst", "0"], "--worst"),
    ],
)
def test_a_wrong_request_is_one_sentence(call, tiny_mvtec, arguments: list[str], said: str) -> None:
    outcome = call("show", *WHERE, tiny_mvtec, *arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert not list(Path().glob("*.png"))


@pytest.mark.usefixtures("kept")
def test_a_file_that_cannot_be_written(call, tiny_mvtec) -> None:
    Path("file").write_text("in the way")
    outcome = call("show", *WHERE, tiny_mvtec, "--to", "file/f.png")
    assert outcome.code == 5
    assert "--to" in outcome.err


@pytest.mark.usefixtures("kept")
def test_another_run_that_fits_is_named(call, tiny_mvtec) -> None:
    dataset = open_dataset("mvtec3d", tiny_mvtec)
    keep_maps(Store(Path("results")), dataset, "cfm", shots=10, created="2026-02-01T00:00:00+00:00")
    outcome = call("show", "--methods", "cfm", *WHERE, tiny_mvtec)
    assert outcome.code == 0
    said = " ".join(outcome.err.split())
    assert "Shown: MVTec 3D-AD, 10 training samples" in said
    assert "MVTec 3D-AD, all training samples" in said


@pytest.mark.usefixtures("kept")
def test_showing_imports_no_torch(tiny_mvtec) -> None:
    command = [sys.executable, "-c", LOADED, "show", *WHERE, str(tiny_mvtec)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.endswith("\n[]\n")
