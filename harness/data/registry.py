"""The datasets that are installed: those of this package and of plugins."""

from __future__ import annotations

import logging
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from harness.dataset_contract import DatasetInfo, DatasetReader, EmbeddedReader
from harness.errors import UsageError
from harness.files.imports import named_errors
from harness.plugins import DATASETS_GROUP, PluginGroup
from harness.registry import nearest_names

__all__ = [
    "DATASETS",
    "DEFAULT_DATASET",
    "OWN_DATA",
    "dataset_title",
    "default_preset",
    "is_embedded",
    "load_embedded",
    "load_reader",
    "reader_entry",
    "way_to_get",
]

DEFAULT_DATASET = "toy"
"""The dataset of a run that names none, and of a rehearsal: it needs no files."""

OWN_DATA = "folder"
"""The reader of data that no other knows: it takes categories and name from its folder."""

_log = logging.getLogger(__name__)
_plugins = PluginGroup(DATASETS_GROUP, "dataset")
_PARTS = ("categories", "refs", "decode", "clean", "load", "modalities", "digest", "content_digest", "notes", "find")


def reader_entry(name: str) -> EntryPoint | None:
    """Return the entry point of a registered dataset."""
    return _plugins.entry(name)


@cache
def load_reader(name: str) -> DatasetReader:
    """Import the reader of a dataset.

    Raises
    ------
    UsageError
        For an unknown name, and for a plugin that can't be imported or breaks the contract.
    """
    if name not in _plugins.names():
        raise UsageError(f"There is no dataset '{name}': {nearest_names(name, _plugins.names())}")
    entry = _plugins.usable_entry(name)
    subject = f"Dataset '{name}' from {entry.value}"
    with named_errors(f"Dataset '{name}' can't be imported from {entry.value}", "mend or uninstall its package"):
        reader = entry.load()
    missing = [part for part in _PARTS if not hasattr(reader, part)]
    if missing or not isinstance(getattr(reader, "info", None), DatasetInfo):
        raise UsageError(f"{subject} breaks the contract: it has no {', '.join(missing) or 'info'}.")
    if reader.info.name != name:
        raise UsageError(f"{subject} breaks the contract: its info names it '{reader.info.name}'.")
    return typing.cast("DatasetReader", reader)


def load_embedded(name: str) -> EmbeddedReader:
    """Import the reader of an embedded dataset; raise UsageError as :func:`load_reader` does."""
    return typing.cast("EmbeddedReader", load_reader(name))


class _Installed(Mapping[str, DatasetInfo]):
    """Facts of the datasets by name, in their positions. A plugin that can't be used is named in a warning, once."""

    def __getitem__(self, name: str) -> DatasetInfo:
        if name not in _usable():
            raise KeyError(name)
        return load_reader(name).info

    def __iter__(self) -> Iterator[str]:
        return iter(_usable())

    def __len__(self) -> int:
        return len(_usable())


@cache
def _usable() -> tuple[str, ...]:
    positions = {}
    for name in _plugins.names():
        try:
            positions[name] = load_reader(name).info.position
        except UsageError as error:
            _log.warning("%s It is left out.", error)
    return tuple(sorted(positions, key=lambda name: (positions[name], name)))


DATASETS: Mapping[str, DatasetInfo] = _Installed()


def dataset_title(name: str) -> str:
    """Return the title of a dataset; the name itself where it is unknown here."""
    return DATASETS[name].title if name in DATASETS else name


def is_embedded(name: str) -> bool:
    """Return whether the harness makes a dataset's files itself."""
    return name in DATASETS and DATASETS[name].embedded


def default_preset(name: str) -> str:
    """Return the preset of a dataset where none is chosen; that of own data for a name that is not registered."""
    return DATASETS[name if name in DATASETS else OWN_DATA].default_preset


def way_to_get(info: DatasetInfo, to: str | Path = "DIR", *options: str) -> str:
    """Return how a user gets a dataset's files, as part of a sentence; empty where nobody publishes them.

    Parameters
    ----------
    info
        Facts of the dataset.
    to
        Folder to download to.
    options
        Further words of the command.
    """
    if info.archives:
        return f"download it with '{' '.join(['harness data fetch', info.name, '--to', str(to), *options])}'"
    return f"get it from {info.homepage}" if info.homepage else ""
