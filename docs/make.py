"""Measure every method, and write the tables and pictures of README and docs: ``python docs/make.py RESULTS [DATA]``.

``python docs/make.py`` alone writes the page of the leaderboard from the committed files, and measures nothing.

A block of a page between ``<!-- made: NAME -->`` and ``<!-- end -->`` is what a command prints; the commands and the
pages stand in :data:`BLOCKS`. Cells that RESULTS holds are not measured again. DATA is a folder of Eyecandies; without
it what comes from there stays as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import numpy as np

from harness.data.conditions import parse_condition
from harness.data.open import open_dataset
from harness.data.stressing import stressed
from harness.data.toy import Toy
from harness.report.groups import group_records
from harness.store.record import Record
from harness.store.store import Store

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
BOARD = HERE / "leaderboard.md"
FIRST_RUN = HERE / "first-run.md"
TOY_PAGE = HERE / "explanations" / "toy.md"
CANDYCANE_PAGE = HERE / "explanations" / "candycane.md"

TOY = ("--dataset", "toy")
CANDY = ("--dataset", "eyecandies")
CFM = "cfm,cfm-t"
QUICK = ("--methods", "cfm-t,depth-vm", "--categories", "bump", "--shots", "5")
RANDOM = ("--preset", "quick", "--weights", "random", "--shots", "10")
CANDYCANE = ("--categories", "CandyCane")
SHIPPED = ("--methods", "patchcore-rgb[backbone=efficientnet-lite0]")
PRETRAINED = ("--preset", "quick", "--weights", "pretrained", "--shots", "10")
PARTS = "cfm[aggregate=2d],cfm[aggregate=3d]"
BASELINES = "patchcore-*,*-vm,*-ae,*-gan"
LATER = "mafr,trd,shape-guided,g2sf,inp-former,cfr,cif"
RUNS = (
    ("--methods", "cfm", *TOY, "--categories", "ridge", *RANDOM, "--save-maps", "--save-fitted"),
    ("--methods", "btf,m3dm,ast", *TOY, "--categories", "ridge", *RANDOM, "--save-maps"),
    ("--methods", "all", *TOY, *RANDOM),
    (*SHIPPED, *TOY, *PRETRAINED),
    ("--methods", "cfm-t,btf,m3dm,ast", *CANDY, *CANDYCANE, *RANDOM, "--save-maps"),
    ("--methods", f"{BASELINES},{LATER}", *CANDY, *CANDYCANE, *RANDOM),
    (*SHIPPED, *CANDY, *CANDYCANE, *PRETRAINED),
)
"""What is measured; maps are kept for the pictures. What Python packages ship needs no download to be pretrained."""

BESIDE = {"parts": ("--methods", PARTS, *TOY, *RANDOM), "quick": QUICK}
"""Measured into RESULTS-parts and RESULTS-quick: the tables of all methods are without these rows."""

LEGENDS = ("Best in bold", "≈ ", "Exact AUPRO is")
"""How paragraphs begin that a page needs once: below the last of the tables on one dataset."""


class Block(NamedTuple):
    """What a command prints, and the page that shows it."""

    page: Path
    form: Literal["code", "markdown"]
    arguments: tuple[str, ...]


UNTRAINED = ("--weights", "random")
BY_DEFECT = ("--table", "defects", "--metric", "i_auroc,aupro_1")
BLOCKS = {
    "quick": Block(README, "code", ("run", *QUICK)),
    "run": Block(FIRST_RUN, "code", ("run", "--methods", CFM, *TOY, *RANDOM)),
    "toy": Block(TOY_PAGE, "markdown", ("tables", *TOY, "--table", "accuracy", "--source", "measured")),
    "toy-speed": Block(TOY_PAGE, "markdown", ("tables", *TOY, *UNTRAINED, "--table", "5", "--source", "measured")),
    "parts": Block(TOY_PAGE, "markdown", ("tables", *TOY, "--methods", f"cfm,{PARTS}", *BY_DEFECT)),
    "defects": Block(TOY_PAGE, "markdown", ("tables", *TOY, *UNTRAINED, *BY_DEFECT)),
    "candycane": Block(CANDYCANE_PAGE, "markdown", ("tables", *CANDY, "--table", "accuracy", "--source", "measured")),
}
FIRST = ("parts", "defects", "toy")
"""Blocks that others on the same cells follow."""

SHOWN_CONDITIONS = (
    *("none", "rgb-shift:4", "rgb-rotate:5", "xyz-noise:5mm", "xyz-dropout:0.3"),
    *("light:0.7", "blur:2", "missing:rgb", "missing:xyz"),
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHOWN = "cfm,m3dm,btf,ast"
MEDIUM = "colour-medium,shape-medium,mismatch-medium,both-medium"
PICTURES = {
    "speed_published.png": ("plot", "speed", "--source", "published"),
    "speed_toy.png": ("plot", "speed", *TOY, "--source", "measured"),
    "show_toy.png": ("show", *TOY, "--methods", SHOWN, "--categories", "ridge", "--defects", MEDIUM),
    "show_candycane.png": ("show", *CANDY, "--methods", "cfm-t,m3dm,btf,ast", "--categories", "CandyCane"),
}


def main(results: Path, data: Path | None) -> None:
    """Measure what is missing, fill all blocks and draw all pictures."""
    for arguments in RUNS:
        if "eyecandies" not in arguments:
            harness("run", *arguments, results=results)
        elif data is not None:
            harness("run", *arguments, "--data", str(data), results=results)
    for name, arguments in BESIDE.items():
        harness("run", *arguments, results=folder_beside(results, name))
    for name, block in BLOCKS.items():
        if data is not None or "eyecandies" not in block.arguments:
            fill(name, block, results)
    for name, arguments in PICTURES.items():
        if "eyecandies" not in arguments:
            harness(*arguments, "--to", str(HERE / name), results=results)
        elif data is not None and arguments[0] == "show":
            harness(*arguments, "--data", str(data), "--to", str(HERE / name), results=results)
    draw_mismatch(results)
    draw_conditions()
    draw_report(results)


def write_board() -> None:
    """Fill the page of the leaderboard with the committed lines; the site has the accepted submissions, too."""
    folders = HERE.parent / "results"
    where = ("--leaderboard", str(folders / "leaderboard"), "--submissions", str(folders / "none"))
    printed = run("leaderboard", *where, "--format", "markdown")
    BOARD.write_text(replaced(BOARD, "leaderboard", printed.strip()), encoding="utf-8")


def folder_beside(results: Path, name: str) -> Path:
    """Return the results folder of what :data:`BESIDE` names."""
    return results.with_name(f"{results.name}-{name}")


def fill(name: str, block: Block, results: Path) -> None:
    """Write what the command of a block prints into its page."""
    folder = folder_beside(results, name) if name == "quick" else results
    also = ("--results", str(folder_beside(results, name))) if name == "parts" else ()
    printed = harness(*block.arguments, *also, results=folder, form=block.form)
    if name in FIRST:
        content = without_legends(printed)
    else:
        content = f"{printed}\n\n{measured_on(Store(folder).all(), block.arguments)}"
    block.page.write_text(replaced(block.page, name, content), encoding="utf-8")


def draw_mismatch(results: Path) -> None:
    """Draw a part that the picture shows and the cloud does not, with the map of CFM."""
    records = Store(results).all()
    cell = next(r.cell for r in records if (r.cell.dataset, r.cell.category, r.cell.label) == ("toy", "ridge", "cfm"))
    sample = Toy.folder() / "ridge" / "test" / "mismatch-plain"
    with TemporaryDirectory() as folder:
        files = ("--rgb", str(sample / "rgb" / "000.png"), "--xyz", str(sample / "xyz" / "000.tiff"))
        run("predict", str(Store(results).fitted_path(cell)), *files, "--out", f"{folder}/map.npy")
        shutil.copyfile(f"{folder}/map.png", HERE / "toy_mismatch.png")


def draw_conditions() -> None:
    """Draw the image and the depth of a part of the toy dataset under conditions, with less and more of each."""
    from matplotlib.figure import Figure

    dataset = open_dataset("toy", None)
    ref = next(ref for ref in dataset.refs("ridge", "test") if ref.defect == "colour-medium")
    sample = dataset.load(ref)
    rows, columns = (np.flatnonzero((sample.xyz != 0).any(axis=(2, axis))) for axis in (1, 0))
    part = (slice(rows[0] - 8, rows[-1] + 9), slice(columns[0] - 8, columns[-1] + 9))
    shown = [stressed(sample, parse_condition(text), "toy") for text in SHOWN_CONDITIONS]
    depths = [np.where(each.xyz[..., 2] == 0, np.nan, each.xyz[..., 2])[part] for each in shown]
    limits = {"vmin": np.nanmin(depths[0]), "vmax": np.nanmax(depths[0]), "cmap": "viridis"}
    figure = Figure(figsize=(9.0, 2.1), dpi=80, layout="constrained")
    for axes in figure.subplots(2, len(shown)).flat:
        axes.set_axis_off()
    pairs = zip(figure.axes, [*(each.rgb[part] for each in shown), *depths], strict=True)
    for axes, picture in pairs:
        axes.imshow(picture, **(limits if picture.ndim == 2 else {}))
    for axes, text in zip(figure.axes, SHOWN_CONDITIONS, strict=False):
        axes.set_title(text, fontsize=8)
    figure.savefig(HERE / "conditions.png", metadata={"Software": None})


def draw_report(results: Path) -> None:
    """Draw the first screen of the report of the toy dataset; without Chromium the picture stays as it is."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        return
    alone = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    with TemporaryDirectory() as folder:
        run("report", "--results", str(results), "--single-file", "--to", folder)
        (page,) = Path(folder).glob("*.html")
        picture = ("--hide-scrollbars", "--window-size=1280,900", f"--screenshot={HERE / 'report.png'}")
        subprocess.run([program, "--headless", *alone, *picture, f"{page.as_uri()}?dataset=toy"], check=True)


def harness(*arguments: str, results: Path, form: str = "") -> str:
    """Return what a command prints, as it stands in a page."""
    printed = run(*arguments, "--results", str(results), *(("--format", "markdown") if form == "markdown" else ()))
    lines = [re.sub("^### (.*)", r"**\1**", line.rstrip()) for line in printed.strip("\n").splitlines()]
    return "\n".join("    " + line if line else "" for line in lines) if form == "code" else "\n".join(lines)


def run(*arguments: str) -> str:
    """Run a command of harness and return what it prints."""
    command = [sys.executable, "-P", "-m", "harness", *arguments]
    environment = os.environ | {"COLUMNS": "80"}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def without_legends(page: str) -> str:
    """Return the paragraphs that belong to tables."""
    return "\n\n".join(part for part in page.split("\n\n") if not part.startswith(LEGENDS))


def replaced(page: Path, name: str, content: str) -> str:
    """Return the text of a page with the block NAME filled anew."""
    text = page.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- made: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if len(block.findall(text)) != 1:
        raise SystemExit(f"{page} has no block '<!-- made: {name} -->': add one, or drop it from docs/make.py")
    return block.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)


def measured_on(records: list[Record], arguments: tuple[str, ...]) -> str:
    """Say when, on what and in how much time the records behind a block were measured."""
    dataset = arguments[arguments.index("--dataset") + 1] if "--dataset" in arguments else "toy"
    methods = arguments[arguments.index("--methods") + 1].split(",") if "--methods" in arguments else None
    chosen = {  # by cell: a method without weights is in the groups of both kinds of weights
        record.cell.id: record
        for group in group_records(records)
        if group.dataset == dataset
        for method in group.methods
        if methods is None or method.label in methods
        for record in method.ok.values()
    }.values()
    days = sorted({record.created[:10] for record in chosen})
    machines = sorted({f"{record.environment.cpu}, {record.environment.cores} cores" for record in chosen})
    minutes = sum(record.wall_seconds - record.seconds.get("maps", 0) for record in chosen) / 60
    busy = sum(record.environment.contended for record in chosen)
    text = f"Measured on {' to '.join(dict.fromkeys((days[0], days[-1])))}, {' and '.join(machines)}, no GPU: "
    text += f"{len(chosen)} cells, {minutes:.1f} minutes"
    return f"{text}, {busy} of them while something else kept the machine busy." if busy else f"{text}."


if __name__ == "__main__":
    write_board()
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else None)
