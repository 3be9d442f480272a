"""What a package offers that sends the training of cells to a tool of its own, such as W&B or MLflow.

It registers a function under the entry-point group ``harness.loggers``::

    [project.entry-points."harness.loggers"]
    wandb = "my_package:start"

``harness run --log DIR`` calls each such function once for every cell, in the cell's own process, before the method is
built, and closes what it returns after fit: nothing that is measured later shares the process with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

__all__ = ["StartLogger", "TrainingLogger"]


@runtime_checkable
class TrainingLogger(Protocol):
    """Gets what a method reports of its training, as it comes."""

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step.

        Parameters
        ----------
        stage
            As the method names it: ``train``.
        step
            How many steps of the stage are finished, usually epochs.
        values
            By name, such as ``loss``; at least one.
        """

    def close(self) -> None:
        """End the log; called once, also where the training failed."""


class StartLogger(Protocol):
    """The registered function."""

    def __call__(self, folder: Path, name: str, settings: Mapping[str, object]) -> TrainingLogger:
        """Return the logger of a cell.

        Parameters
        ----------
        folder
            Of this cell's log; it exists.
        name
            Of the cell: method, dataset, category, samples and digest, as its record's file is called.
        settings
            Method, parameters, dataset, category, samples, split, protocol and device, as plain JSON values.
        """
