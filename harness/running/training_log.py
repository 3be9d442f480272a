"""Training logs: what a method reports while it is fitted, written as it comes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from harness.contract import Progress
from harness.logger_contract import StartLogger, TrainingLogger
from harness.plan.job import Job
from harness.plugins import LOGGERS_GROUP, PluginGroup

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["CSV_NAME", "TrainingLog", "has_tensorboard"]

CSV_NAME = "training.csv"
_COLUMNS = ("seconds", "stage", "step", "name", "value")
_plugins = PluginGroup(LOGGERS_GROUP, "logger")


class TrainingLog:
    """The log of a cell: a CSV file, TensorBoard where it is installed, and every logger that packages register.

    What goes wrong in one of them ends that one alone.

    Parameters
    ----------
    job
        Its ``log`` is the folder of all logs; nothing is logged where that is None.
    uses_torch
        Whether the method uses torch: TensorBoard would load it.

    Attributes
    ----------
    failures
        Why a logger was ended, a sentence each.
    """

    def __init__(self, job: Job, *, uses_torch: bool = True) -> None:
        self.failures: list[str] = []
        self._loggers: dict[str, TrainingLogger] = {}
        if job.log is None:
            return
        folder, settings = job.log / job.cell.stem, {**job.cell.to_json(), "device": job.device}
        self._start("csv", lambda: _CsvLogger(folder))
        if uses_torch and has_tensorboard():
            self._start("tensorboard", lambda: _TensorBoardLogger(folder, settings))
        for name in _plugins.names():
            self._start(name, partial(_start_plugin, name, folder, job.cell.stem, settings))

    def beside(self, progress: Progress) -> Progress:
        """Return a callback for a method that passes all on to another one, and writes the numbers in it."""

        def both(stage: str, done: int, total: int, **values: float) -> None:
            progress(stage, done, total, **values)
            self.write(stage, done, {name: float(value) for name, value in values.items()})

        return both

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a step; as :meth:`harness.logger_contract.TrainingLogger.write`."""
        for name in tuple(self._loggers) if values else ():
            self._guarded(name, lambda logger: logger.write(stage, step, values))

    def close(self) -> None:
        """End all logs; further steps are not written."""
        for name in tuple(self._loggers):
            self._guarded(name, lambda logger: logger.close())
        self._loggers.clear()

    def _start(self, name: str, start: Callable[[], TrainingLogger]) -> None:
        try:
            self._loggers[name] = start()
        except Exception as error:
            self._failed(name, error)

    def _guarded(self, name: str, call: Callable[[TrainingLogger], object]) -> None:
        try:
            call(self._loggers[name])
        except Exception as error:
            del self._loggers[name]
            self._failed(name, error)

    def _failed(self, name: str, error: Exception) -> None:
        self.failures.append(f"the training log '{name}' was not written: {type(error).__name__}: {error}")


class _CsvLogger:
    """One line for each number, flushed as it is written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stream = (folder / CSV_NAME).open("w", encoding="utf-8", newline="", buffering=1)
        self._lines = csv.writer(self._stream, lineterminator="\n")
        self._lines.writerow(_COLUMNS)
        self._began = monotonic()

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        seconds = f"{monotonic() - self._began:.3f}"
        self._lines.writerows((seconds, stage, step, name, f"{value:.9g}") for name, value in values.items())

    def close(self) -> None:
        self._stream.close()


def has_tensorboard() -> bool:
    """Return whether the package ``tensorboard`` is installed."""
    return find_spec("tensorboard") is not None


def _start_plugin(name: str, folder: Path, cell: str, settings: Mapping[str, object]) -> TrainingLogger:
    start: StartLogger = _plugins.usable_entry(name).load()
    return start(folder, cell, settings)


class _TensorBoardLogger:
    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: SummaryWriter = SummaryWriter(str(folder))
        self._writer.add_text("cell", "\n".join(f"{key}: {value}" for key, value in settings.items()))

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if isfinite(value):
                self._writer.add_scalar(f"{stage}/{name}", value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
