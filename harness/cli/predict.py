"""``harness predict``: apply a fitted method to new samples, and decide about each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import FILE, UserPath, device_option, unverified_option, weights_dir_option
from harness.cli.output import counted, echo_notes, warn
from harness.errors import ExitCode, UsageError
from harness.running.verdicts import FALSE_ALARMS

if TYPE_CHECKING:
    from harness.data.pairs import NewFiles
    from harness.running.predict import FittedMethod

__all__ = ["command"]

_STANDARD_INPUT = "-"
_PLURALS = {"anomaly": "anomalies", "error": "errors"}


@click.command("predict")
@click.argument("fitted", type=FILE)
@click.option("--rgb", type=FILE, help="8-bit colour image of one sample.")
@click.option(
    "--xyz",
    type=FILE,
    help="Organised cloud: TIFF, H x W x 3, float, metres, zeros where there is no point; for a method fitted on own "
    "data, a file in that data's format.",
)
@click.option("--camera", type=FILE, help="JSON file of a depth image's camera, where each image has its own.")
@click.option(
    "--in",
    "source",
    metavar="DIR|GLOB|-",
    help="Many samples: all below a folder, those of a glob of images, or those listed on standard input, a line each: "
    "RGB<TAB>XYZ, or a JSON object with the keys rgb and xyz.",
)
@click.option(
    "--out", type=UserPath(), help="Folder of maps (.npy, float32, 224 x 224) and pictures, or map.npy for one sample."
)
@click.option("--no-pictures", is_flag=True, help="Write maps alone; a picture takes longer than most predictions.")
@click.option("--json", "form", type=click.Choice(["lines"]), help="Print a JSON object a line for each sample.")
@click.option(
    "--false-alarms",
    type=float,
    default=FALSE_ALARMS,
    show_default=True,
    help="Share of good parts that may be called anomalies: thresholds are set for it on nominal samples that the "
    "method was not fitted on.",
)
@click.option("--threshold", type=float, help="Score threshold; replaces the one set by --false-alarms.")
@click.option("--fail-on-anomaly", is_flag=True, help="Exit with 7 where a sample is an anomaly.")
@click.option("--method", metavar="FILE.py:CLASS", default="", help="Class of a method that is not installed.")
@click.option("--no-clean", is_flag=True, help="The clouds' background is removed already.")
@weights_dir_option
@unverified_option
@device_option
def command(
    fitted: Path,
    rgb: Path | None,
    xyz: Path | None,
    camera: Path | None,
    source: str | None,
    out: Path | None,
    no_pictures: bool,
    form: str | None,
    fail_on_anomaly: bool,
    no_clean: bool,
    **options: Any,
) -> ExitCode:
    """Print verdict and score of new samples: 'anomaly', 'good', or 'undecided' where no threshold is known.

    FITTED is a file written by 'harness run --save-fitted'. It is loaded once; the next samples are read while one is
    predicted. A sample that can't be predicted is one line with the reason, and the others go on.

    Exits with 3 where a sample could not be predicted, else with 7 where one is an anomaly and --fail-on-anomaly is
    given.

    \b
    harness run --methods cfm --save-fitted
    harness predict results/fitted/FILE.safetensors --rgb a.png --xyz a.tiff --out map.npy
    harness predict results/fitted/FILE.safetensors --in parts --json lines --fail-on-anomaly
    """
    from harness.cli.predicted import Output
    from harness.running.predict import load_fitted
    from harness.running.stream import predict_each

    _require_one_source(rgb, xyz, source)
    output = Output(out, one=source is None, pictures=not no_pictures, as_json=form is not None)
    method = load_fitted(fitted, clean=not no_clean, **options)
    _say_what_it_decides_by(method, fail_on_anomaly=fail_on_anomaly)
    files, total = _samples(method, rgb, xyz, source)
    given = (one if camera is None else replace(one, camera=camera) for one in files)
    counts: Counter[str] = Counter()
    with output.progress(total) as step:
        for answer in predict_each(method, given):
            counts[output.show(method.cell, answer)] += 1
            step()
    if source is not None:
        each = ", ".join(counted(count, kind, _PLURALS.get(kind, kind)) for kind, count in counts.items())
        echo_notes([f"{counted(counts.total(), 'sample')}: {each}."])
    if counts["error"]:
        return ExitCode.CELL_NOT_OK
    return ExitCode.ANOMALY_FOUND if fail_on_anomaly and counts["anomaly"] else ExitCode.OK


def _require_one_source(rgb: Path | None, xyz: Path | None, source: str | None) -> None:
    if (rgb is None) != (xyz is None):
        raise UsageError("A sample is an image and a cloud: give both --rgb and --xyz, or --in.")
    if (rgb is None) == (source is None):
        raise UsageError("Name one sample with --rgb and --xyz, or many with --in DIR, --in 'GLOB' or --in -.")


def _say_what_it_decides_by(method: FittedMethod, *, fail_on_anomaly: bool) -> None:
    if fail_on_anomaly and method.rule.threshold is None:
        raise UsageError(f"--fail-on-anomaly needs a threshold. {method.rule.meaning}")
    if method.warning:
        warn(method.warning)
    echo_notes([method.rule.meaning])


def _samples(
    method: FittedMethod, rgb: Path | None, xyz: Path | None, source: str | None
) -> tuple[Iterator[NewFiles], int | None]:
    """Return the samples, and how many they are where that is known."""
    from harness.data.pairs import NewFiles, matching_pairs, pairs_below
    from harness.files.paths import user_path

    if source is None:
        assert rgb is not None
        return iter([NewFiles(rgb.stem, rgb, xyz)]), 1
    if source == _STANDARD_INPUT:
        return _listed(), None
    files, cloud = method.reader.files, method.reader.cloud
    folder = user_path(source)
    found = pairs_below(folder, files, cloud) if folder.is_dir() else matching_pairs(str(folder), files, cloud)
    return iter(found), len(found)


def _listed() -> Iterator[NewFiles]:
    """Yield the samples of the lines of standard input as they come; ids that came before get a number.

    Raises
    ------
    UsageError
        At the end, where no line named a sample.
    """
    from harness.data.pairs import parse_line

    buffered = sys.stdin.buffer
    given: set[str] = set()
    highest: Counter[str] = Counter()
    # Without a buffer: one that a thread waits at keeps Python from ending on Ctrl-C.
    for line in getattr(buffered, "raw", buffered):
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if not text.strip():
            continue
        one = parse_line(text)
        id, highest[one.id] = one.id, highest[one.id] or 1
        while id in given:
            highest[one.id] += 1
            id = f"{one.id}-{highest[one.id]}"
        given.add(id)
        yield replace(one, id=id)
    if not given:
        raise UsageError(
            "Standard input names no sample: check the command before the pipe, or name the samples with --in DIR."
        )
