"""A job: a cell with all that a worker process needs to run it on this machine, carried in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.cell import UNREADABLE, Cell
from harness.data.weights import ResolvedWeight
from harness.dataset_contract import GOOD, SampleRef
from harness.errors import PrerequisiteError, UsageError
from harness.files.atomic import write_atomically
from harness.files.reading import read_regular

__all__ = ["Job", "job_from_json", "job_to_json", "one_class", "read_job", "write_job"]

_LARGEST = 64_000_000
"""Bytes of a file of a job."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know.

    Parameters
    ----------
    cell
        What to measure.
    data
        Folder of the dataset, None for the embedded one.
    train_ids
        Samples to fit on.
    weights
        Resolved weight files by name; empty for random weights.
    checkpoint
        Folder of released trained weights, None to train.
    results
        Results folder that the record goes to.
    device
        Torch device name.
    save_fitted
        File that the fitted method is written to, None to drop it.
    cache
        Whether fit may take features from the cache and put them there.
    save_maps
        File that the maps of the test images are written to, None to drop them.
    reference
        Where a method that is not installed is imported from (:func:`harness.registry.load_reference`); empty for an
        installed one.
    unsupported
        Why the cell can't be measured, known before it runs; its record says so. Empty where it can.
    claimed_in
        Results folder in which the cell is claimed, None where it is not (:class:`harness.store.claims.Claim`).
    token
        Of the claim: nothing is written of a cell that another process has claimed meanwhile.
    log
        Folder of training logs, in which that of the cell has a folder of its own; None for none.
    also
        Further cells of the same fit, which differ in the condition of test samples: they are measured after the cell,
        with the method that was fitted for it.
    fitted
        File of the method that was fitted for the cell without a condition of test samples; None to fit it.
    """

    cell: Cell
    data: Path | None
    train_ids: tuple[str, ...]
    weights: Mapping[str, ResolvedWeight]
    checkpoint: Path | None = None
    results: Path = Path("results")
    device: str = "cpu"
    save_fitted: Path | None = None
    cache: bool = True
    save_maps: Path | None = None
    reference: str = ""
    unsupported: str = ""
    claimed_in: Path | None = None
    token: str = ""
    log: Path | None = None
    also: tuple[Cell, ...] = ()
    fitted: Path | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells that it measures, in this order."""
        return (self.cell, *self.also)

    def of(self, cells: Sequence[Cell]) -> Job:
        """Return the job with some cells of its fit, at least one, in the place of its own."""
        return replace(self, cell=cells[0], also=tuple(cells[1:]))

    def placed(self, results: Path, save_fitted: Path | None, save_maps: Path | None = None) -> Job:
        """Return the job with places to write to; under a condition of test samples no fitted method is kept."""
        own = save_fitted if self.cell.fit_id == self.cell.id else None
        return replace(self, results=results, save_fitted=own, save_maps=save_maps)

    def on(self, device: str) -> Job:
        """Return the job with a device to run on."""
        return replace(self, device=device)

    def claimed(self, folder: Path, token: str) -> Job:
        """Return the job with the claim on its cell."""
        return replace(self, claimed_in=folder, token=token)


def job_to_json(job: Job) -> dict[str, Any]:
    """Return a job as plain JSON values; its paths are absolute."""
    value: dict[str, Any] = msgspec.to_builtins(job, enc_hook=_absolute)
    return {**value, "cell": job.cell.to_json(), "also": [cell.to_json() for cell in job.also]}


def job_from_json(value: Mapping[str, Any]) -> Job:
    """Undo :func:`job_to_json`; what is missing has its default.

    Raises
    ------
    UNREADABLE
        Where it is not a job.
    """
    cell, *also = (Cell.from_json(each) for each in (value["cell"], *value.get("also", ())))
    if {each.fit_id for each in also} - {cell.fit_id}:
        raise ValueError("its cells are not of one fit")
    return msgspec.convert({**value, "cell": cell, "also": tuple(also)}, Job, dec_hook=_path)


def write_job(path: Path, job: Job) -> None:
    """Write the file by which a worker process is told what to do.

    Raises
    ------
    PrerequisiteError
        Where it can't be written.
    """
    content = msgspec.json.encode(job_to_json(job))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise PrerequisiteError(f"The file {path} can't be written ({error.strerror}): name another folder.") from error


def one_class(tested: Sequence[SampleRef]) -> str:
    """Return why a category with these test samples can't be scored, a sentence; empty where it can."""
    nominal = sum(ref.defect == GOOD for ref in tested)
    if 0 < nominal < len(tested):
        return ""
    lacking, all_are = ("anomalous", "nominal") if nominal else ("nominal", "anomalous")
    return (
        f"Category '{tested[0].category}' has no {lacking} test sample, all {len(tested)} are {all_are}: a method is "
        "scored by how well it tells both apart."
    )


def read_job(path: Path) -> Job:
    """Read a job's file; raise UsageError where it is none."""
    try:
        return job_from_json(msgspec.json.decode(read_regular(path, _LARGEST)))
    except (*UNREADABLE, OSError) as error:
        raise UsageError(
            f"{path} is not a job of this version of harness ({type(error).__name__}: {error}): "
            "'harness run' writes such a file for each worker that it starts."
        ) from error


def _absolute(path: Path) -> str:
    return str(path.absolute())


def _path(kind: type, text: str) -> Path:
    if "\0" in text:
        raise ValueError(f"no path has a zero byte: {text!r}")
    return Path(text)
