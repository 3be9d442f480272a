"""Measure docs/performance.md anew: ``python docs/performance.py [DATA] [--only growth|stages]``.

It fills the block ``<!-- made: growth -->`` of the page, those of the stages of each method, and draws the picture
beside it, ``growth.png``. DATA is a folder of Eyecandies, for stages on a CandyCane beside those on the toy dataset.
``--small`` is a trial with few and small sizes, ``--to`` names another page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / "tests" / "bench"
sys.path[:0] = map(str, (HERE, BENCH, BENCH.parent))

from growth import GROWTHS, Growth  # noqa: E402
from make import replaced  # noqa: E402

from harness.files.atomic import write_atomically  # noqa: E402
from harness.measure.environment import describe, describe_torch  # noqa: E402
from harness.measure.load import LoadWatch  # noqa: E402
from harness.report.figures.colours import MUTED, colour_of  # noqa: E402
from harness.report.figures.files import write_figure  # noqa: E402
from harness.report.figures.style import house_style, log_axis, new_frame  # noqa: E402

BLOCKS = ("growth", "stages")
PICTURE = "growth.png"
LOOKS = ((colour_of("cfm"), "o"), (colour_of("m3dm"), "s"))
"""Colours and markers of the steps that grow with the same thing."""
STAGES = ("test_bench_stages.py", "test_bench_methods.py")

QUICK_SECONDS, REPETITIONS = 1.0, 3
"""What takes less is repeated, and the shortest time counts."""
MOST_SECONDS = 150.0
"""A size that is expected to take longer is left out."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds at the sizes that were measured; the others are left out."""

    growth: Growth
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """Slope of the line through all points, both axes logarithmic."""
        return exponent(self.sizes, self.seconds)

    @property
    def last_exponent(self) -> float:
        """Slope between the two largest sizes."""
        return exponent(self.sizes[-2:], self.seconds[-2:])


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the k of seconds = c * size ** k by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure(growth: Growth, sizes: Sequence[int], folder: Path) -> Measured:
    """Time a step at each size, after a trial at the first, up to one that is expected to take too long."""
    seconds: list[float] = []
    with TemporaryDirectory(dir=folder) as empty:
        growth.seconds(sizes[0], Path(empty))
    for index, size in enumerate(sizes):
        if len(seconds) > 1:
            steepest = max(1.0, exponent(sizes[index - 2 : index], seconds[-2:]))
            if seconds[-1] * (size / sizes[index - 1]) ** steepest > MOST_SECONDS:
                break
        times: list[float] = []
        while not times or (min(times) < QUICK_SECONDS and len(times) < REPETITIONS):
            with TemporaryDirectory(dir=folder) as empty:
                times.append(growth.seconds(size, Path(empty)))
        seconds.append(min(times))
        print(f"{growth.step}: {size} {growth.of}, {seconds[-1]:.3f} s", file=sys.stderr, flush=True)
    return Measured(growth, tuple(sizes[: len(seconds)]), tuple(seconds))


def table(found: Sequence[Measured]) -> str:
    """Return the times and exponents as a table in Markdown."""
    rows = ["| grows | step | seconds | exponent | of the last two |", "|---|---|---|---:|---:|"]
    for each in found:
        times = ", ".join(f"{size:,}: {time:.3g}" for size, time in zip(each.sizes, each.seconds, strict=True))
        left_out = [f"{size:,}" for size in each.growth.sizes if size > each.sizes[-1]]
        missing = f"; not measured: {', '.join(left_out)}" if left_out else ""
        slopes = f"{each.exponent:.2f} | {each.last_exponent:.2f}"
        rows.append(f"| {each.growth.of} | {each.growth.step} | {times}{missing} | {slopes} |")
    return "\n".join(rows)


@house_style()
def draw(found: Sequence[Measured], path: Path) -> None:
    """Draw all points and the fitted lines, a panel for each thing that grows, all with the same seconds."""
    of = list(dict.fromkeys(each.growth.of for each in found))
    frame = new_frame("page", 130, 4, "", panels=len(of), right=14)
    times = [time for each in found for time in each.seconds]
    for place, (name, axes) in enumerate(zip(of, frame.axes, strict=True)):
        shown = [each for each in found if each.growth.of == name]
        draw_panel(axes, shown)
        axes.set_yscale("log")
        axes.set_ylim(min(times) / 2, max(times) * 8)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(labelleft=place == 0)
        axes.set_xlabel(name)
    frame.axes[0].set_ylabel("seconds of the processor")
    write_figure(frame.figure, path)


def draw_panel(axes: Axes, shown: Sequence[Measured]) -> None:
    """Draw the steps that grow with one thing; the steps are named above, in the colours of their lines."""
    sizes = [size for each in shown for size in each.sizes]
    log_axis(axes, min(sizes) / 1.5, max(sizes) * 1.5)
    for row, (each, (colour, marker)) in enumerate(zip(shown, LOOKS, strict=False)):
        line = np.polyfit(np.log(each.sizes), np.log(each.seconds), 1)
        axes.plot(each.sizes, np.exp(np.polyval(line, np.log(each.sizes))), color=MUTED, linewidth=0.7)
        axes.plot(each.sizes, each.seconds, color=colour, marker=marker, markersize=3, linestyle="")
        text = f"{each.growth.step}: {each.exponent:.2f}"
        axes.text(0.02, 0.98 - 0.07 * row, text, transform=axes.transAxes, va="top", fontsize=5, color=colour)


def make_growth(page: Path, *, small: bool) -> None:
    """Measure how every step grows, fill the block of the page, and draw the picture beside it."""
    watch = LoadWatch("cpu")
    with TemporaryDirectory() as folder:
        found = [measure(growth, growth.small if small else growth.sizes, Path(folder)) for growth in GROWTHS]
    draw(found, page.with_name(PICTURE))
    load, machine = watch.finish().sentence, describe_torch(describe(device="cpu"), "cpu").hardware
    told = f"Measured on {date.today()}, {machine}, no GPU, by `python docs/performance.py --only growth`"
    told += f"; {load}." if load else "."
    content = f"{table(found)}\n\n![Seconds over sizes, both logarithmic]({PICTURE})\n\n{told}"
    write_atomically(page, replaced(page, "growth", content).encode())


def make_stages(page: Path, data: Path | None) -> None:
    """Run the benchmarks of the stages of each method, which fill their blocks of the page."""
    environment = os.environ | {"HARNESS_BENCH_TABLE": str(page)} | ({"HARNESS_TEST_DATA": str(data)} if data else {})
    command = [sys.executable, "-m", "pytest", *(str(BENCH / name) for name in STAGES), "--benchmark-enable"]
    subprocess.run([*command, "-o", "addopts=", "-q"], check=True, env=environment)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the blocks that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, help="a folder of Eyecandies")
    parser.add_argument("--only", choices=BLOCKS, action="append", help="a block; all by default")
    parser.add_argument("--small", action="store_true", help="few and small sizes of what grows")
    parser.add_argument("--to", type=Path, default=HERE / "performance.md", help="the page")
    chosen = parser.parse_args(arguments)
    for block in chosen.only or BLOCKS:
        if block == "growth":
            make_growth(chosen.to, small=chosen.small)
        else:
            make_stages(chosen.to, chosen.data)


if __name__ == "__main__":
    main()
