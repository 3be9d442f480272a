"""How the answers to new samples are printed and kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from harness.cell import Cell
from harness.cli.output import counted, echo, echo_json
from harness.errors import DataError, HarnessError, PrerequisiteError, UsageError
from harness.files.arrays import npy_bytes
from harness.files.atomic import write_atomically
from harness.files.names import one_line

if TYPE_CHECKING:
    from harness.data.pairs import NewFiles
    from harness.metrics.regions import Region
    from harness.running.predict import PredictedSample
    from harness.running.stream import Answer

__all__ = ["Output"]

_MAP, _PICTURE = ".npy", ".png"
_QUIET_SECONDS = 2.0
_LONGEST_SENTENCE = 1000


class Output:
    """Where answers go: a line each on standard output, and maps and pictures in files.

    Parameters
    ----------
    out
        A folder, or the file of the map of one sample; None for no files.
    one
        Whether there is one sample alone.
    pictures
        Whether a picture is written beside each map.
    as_json
        Whether lines are JSON objects.

    Raises
    ------
    UsageError
        For a file that can't hold a map, or not those of several samples.
    """

    def __init__(self, out: Path | None, *, one: bool, pictures: bool, as_json: bool) -> None:
        self._out, self._pictures, self._as_json = out, pictures, as_json
        no_folder = out is not None and bool(out.suffix) and not out.is_dir()
        self._is_file = one and no_folder
        if out is not None and not one and (out.is_file() or (no_folder and out.suffix == _MAP)):
            raise UsageError(f"{out} is a file, and several samples have a map each: name a folder with --out.")
        if out is not None and self._is_file and out.suffix != _MAP:
            raise UsageError(f"The map's file must end in {_MAP}, not '{out.suffix}': write '--out map{_MAP}'.")

    @contextmanager
    def progress(self, total: int | None) -> Iterator[Callable[[], None]]:
        """Yield what to call after each sample: a bar where that takes long and the lines are not seen themselves."""
        from harness.report.console import counting

        began, done = monotonic(), 0
        shown = total is not None and not sys.stdout.isatty()
        bar: list[Callable[[int, int], None]] = []
        with ExitStack() as stack:

            def step() -> None:
                nonlocal done
                done += 1
                if shown and not bar and monotonic() - began > _QUIET_SECONDS:
                    bar.append(stack.enter_context(counting("Predicting")))
                for update in bar:
                    update(done, total or 0)

            yield step

    def show(self, cell: Cell, answer: Answer) -> str:
        """Write the files of an answer, print its line, and return its verdict or ``error``."""
        files, predicted, error = answer.files, answer.predicted, answer.error
        written: dict[str, Path] = {}
        if predicted is not None and self._out is not None:
            try:
                written = self._written(cell, files, predicted)
            except HarnessError as reason:
                predicted, error = None, str(reason)
        if self._as_json:
            echo_json(json.dumps(_as_json(files, predicted, written, error), ensure_ascii=False, allow_nan=False))
        else:
            echo(_as_text(files, predicted, error))
        return "error" if predicted is None else predicted.verdict

    def _written(self, cell: Cell, files: NewFiles, predicted: PredictedSample) -> dict[str, Path]:
        """Write the map and, if any, the picture of a sample; return their paths by their keys in a JSON line."""
        assert self._out is not None
        path = self._out if self._is_file else self._out / f"{predicted.id}{_MAP}"
        written = {"map": path}
        if self._pictures:
            written["picture"] = path.with_name(f"{path.name.removesuffix(_MAP)}{_PICTURE}")
        inputs = {given.resolve() for given in (files.rgb, files.xyz, files.camera) if given is not None}
        if taken := [place for place in written.values() if place.resolve() in inputs]:
            raise DataError(f"{taken[0]} is a file of the sample itself: name another folder with --out.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, npy_bytes(predicted.anomaly_map))
        except OSError as error:
            raise PrerequisiteError(
                f"{path} can't be written ({error.strerror}): name another place with --out."
            ) from error
        if "picture" in written:
            self._draw(cell, predicted, written["picture"])
        return written

    def _draw(self, cell: Cell, predicted: PredictedSample, path: Path) -> None:
        from harness.report.figures.files import write_figure
        from harness.report.pictures.show import draw_prediction

        write_figure(draw_prediction(cell, predicted.sample, predicted.anomaly_map, predicted.score), path)


def _as_json(
    files: NewFiles, predicted: PredictedSample | None, written: dict[str, Path], error: str
) -> dict[str, object]:
    """Return the line of a sample: the same keys whatever it holds."""
    return {
        "id": files.id,
        "rgb": _path(files.rgb),
        "xyz": _path(files.xyz),
        "verdict": predicted and predicted.verdict,
        "score": predicted and predicted.score,
        "threshold": predicted and predicted.threshold,
        "meaning": predicted and predicted.meaning,
        "pixel_threshold": predicted and predicted.pixel_threshold,
        "regions": predicted and predicted.regions and [_region(region) for region in predicted.regions],
        "map": _path(written.get("map")),
        "picture": _path(written.get("picture")),
        "error": error or None,
    }


def _region(region: Region) -> dict[str, object]:
    return {"box": list(region.box), "area": region.area, "peak": region.peak}


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _as_text(files: NewFiles, predicted: PredictedSample | None, error: str) -> str:
    """Return the line of a sample for a person."""
    if predicted is None:
        return f"{'error':<9}  {files.id}: {one_line(error, _LONGEST_SENTENCE)}"
    line = f"{predicted.verdict:<9}  {predicted.score:<11.6g}  {predicted.id}"
    if not predicted.regions:
        return line
    left, top, right, bottom = predicted.regions[0].box
    size = f"{right - left} x {bottom - top} pixels at {left}, {top}"
    return f"{line}  {counted(len(predicted.regions), 'region')}, the highest {size}"
