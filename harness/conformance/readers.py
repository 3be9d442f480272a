"""The suite for a dataset's reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from harness.conformance.check import Check
from harness.conformance.outcome import Verdict
from harness.conformance.reading import ReaderSubject
from harness.conformance.suite import READER_CHECKS, run_checks
from harness.data.open import open_dataset
from harness.data.registry import DATASETS, OWN_DATA, load_reader

__all__ = ["verify_reader"]


def verify_reader(
    name: str, data: Path | None, *, on_check: Callable[[Check[ReaderSubject]], None] = lambda check: None
) -> Verdict:
    """Run all checks of a dataset's reader on the files of a folder.

    Parameters
    ----------
    name
        Name of the dataset; of own data, ``folder`` or that of the folder.
    data
        The dataset's folder, or the folder above it; not used for an embedded dataset.
    on_check
        Called with each check as it begins.

    Raises
    ------
    UsageError, PrerequisiteError
        As :func:`harness.data.open.open_dataset`.
    """
    started = monotonic()
    root = open_dataset(name, data).root
    registered = name if name in DATASETS else OWN_DATA
    subject = ReaderSubject(registered, load_reader(registered), root)
    outcomes = run_checks(READER_CHECKS, subject, on_check)
    return Verdict(name, str(root), outcomes, monotonic() - started, "dataset")
