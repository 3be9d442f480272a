"""The mapping checkpoints released by CFM's authors: two files per category."""

from __future__ import annotations

from pathlib import Path

from harness.contract import MethodError
from methods.parts.cfm.mapping import MappingPair
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["find_pair", "load_pair"]


def find_pair(folder: Path, category: str, epochs: int, batch: int) -> tuple[Path, Path]:
    """Return the 2D-to-3D and 3D-to-2D files of a category.

    Parameters
    ----------
    folder
        Has ``<category>/CFM_2Dto3D_<category>_<epochs>ep_<batch>bs.pth`` and the same for ``3Dto2D``.
    epochs, batch
        Settings of the training, as in the files' names.

    Raises
    ------
    MethodError
        If a file is missing; the message names the checkpoints that are there.
    """
    return _find(folder, category, "2Dto3D", epochs, batch), _find(folder, category, "3Dto2D", epochs, batch)


def _find(folder: Path, category: str, direction: str, epochs: int, batch: int) -> Path:
    exact = folder / category / f"CFM_{direction}_{category}_{epochs}ep_{batch}bs.pth"
    if exact.is_file():
        return exact
    others = sorted((folder / category).glob(f"CFM_{direction}_{category}_*ep_*bs.pth"))
    available = ", ".join(path.name for path in others) or "none"
    raise MethodError(
        f"The checkpoint folder {folder} has no {category}/{exact.name} (others of this kind: {available}): "
        "--checkpoint takes the folder with one folder per category; name the training, for example 'cfm[epochs=50]'."
    )


def load_pair(pair: MappingPair, paths: tuple[Path, ...]) -> None:
    """Fill both mappings from the authors' files (tensors ``input``, ``projection``, ``output``)."""
    for mapping, path in zip((pair.to_3d, pair.to_2d), paths, strict=True):
        fill_from(mapping, read_tensors(path), path)
