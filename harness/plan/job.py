"""A job: a cell with all that a worker process needs to run it on this machine, carried in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.data.weights import ResolvedWeight
from harness.errors import HarnessError, UsageError
from harness.files.atomic import write_atomically

__all__ = ["Job", "read_job", "write_job"]


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is told.

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

    def placed(self, results: Path, save_fitted: Path | None, save_maps: Path | None = None) -> Job:
        """Return the job with places to write to."""
        return replace(self, results=results, save_fitted=save_fitted, save_maps=save_maps)

    def on(self, device: str) -> Job:
        """Return the job with a device to run on."""
        return replace(self, device=device)

    def to_json(self) -> dict[str, Any]:
        """Return the job as plain JSON values."""
        return {
            "cell": self.cell.to_json(),
            "data": _text(self.data),
            "train_ids": list(self.train_ids),
            "weights": {name: {**asdict(one), "path": str(one.path)} for name, one in self.weights.items()},
            "checkpoint": _text(self.checkpoint),
            "results": _text(self.results),
            "device": self.device,
            "save_fitted": _text(self.save_fitted),
            "cache": self.cache,
            "save_maps": _text(self.save_maps),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Job:
        """Undo :meth:`to_json`."""
        weights = {name: ResolvedWeight(**{**one, "path": Path(one["path"])}) for name, one in value["weights"].items()}
        return cls(
            cell=Cell.from_json(value["cell"]),
            data=_path(value["data"]),
            train_ids=tuple(value["train_ids"]),
            weights=weights,
            checkpoint=_path(value["checkpoint"]),
            results=Path(value["results"]),
            device=value["device"],
            save_fitted=_path(value["save_fitted"]),
            cache=value.get("cache", True),
            save_maps=_path(value.get("save_maps")),
        )


def write_job(path: Path, job: Job) -> None:
    """Write a job's file, from which ``harness worker`` runs it on any machine that sees the same folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(job.to_json(), indent=1).encode())


def read_job(path: Path) -> Job:
    """Read a job's file; raise UsageError where it is none."""
    try:
        return Job.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, HarnessError) as error:
        raise UsageError(
            f"{path} is no job of this version of harness ({type(error).__name__}: {error}): "
            "write it with 'harness run ... --write-jobs DIR'."
        ) from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
