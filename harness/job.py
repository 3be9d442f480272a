"""A job: a cell with all that a worker process needs to run it on this machine, carried in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.weights import ResolvedWeight

__all__ = ["Job"]


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
    """

    cell: Cell
    data: Path | None
    train_ids: tuple[str, ...]
    weights: Mapping[str, ResolvedWeight]
    checkpoint: Path | None = None
    results: Path = Path("results")
    device: str = "cpu"
    save_fitted: Path | None = None

    def placed(self, results: Path, device: str, save_fitted: Path | None) -> Job:
        """Return the job with a place to run and to write to."""
        return replace(self, results=results, device=device, save_fitted=save_fitted)

    def to_json(self) -> dict[str, Any]:
        """Return the job as plain JSON values."""
        return {
            "cell": self.cell.to_json(),
            "data": _text(self.data),
            "train_ids": list(self.train_ids),
            "weights": {name: {**asdict(one), "path": str(one.path)} for name, one in self.weights.items()},
            "checkpoint": _text(self.checkpoint),
            "results": str(self.results),
            "device": self.device,
            "save_fitted": _text(self.save_fitted),
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
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
