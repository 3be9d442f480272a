"""Names that installed packages register under an entry-point group, the built-in ones first."""

from __future__ import annotations

import logging
import re
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from harness.distribution import is_own_distribution
from harness.errors import UsageError

__all__ = ["DATASETS_GROUP", "LOGGERS_GROUP", "METHODS_GROUP", "PluginGroup", "is_plugin_name"]

METHODS_GROUP = "harness.methods"
DATASETS_GROUP = "harness.datasets"
LOGGERS_GROUP = "harness.loggers"

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_RESERVED = "all"
"""What stands for every name on the command line."""


def is_plugin_name(name: str) -> bool:
    """Return whether a text can be a method's or dataset's name: letters, digits, ``_``, ``-``, ``.`` but as first."""
    return name != _RESERVED and _NAME.fullmatch(name) is not None


class PluginGroup:
    """What is registered under one group. Nothing is imported, and the installed packages are looked at once.

    A built-in name can't be taken by a plugin; one that two plugins register can't be used.

    Parameters
    ----------
    group
        Name of the entry-point group.
    noun
        What it holds, in the singular: ``method``.
    """

    def __init__(self, group: str, noun: str) -> None:
        self.group = group
        self.noun = noun
        self._ambiguous: dict[str, str] = {}

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        entries: dict[str, EntryPoint] = {}
        self._ambiguous.clear()
        for entry in sorted(entry_points(group=self.group), key=_is_built_in, reverse=True):
            if not is_plugin_name(entry.name):
                what = f"no name for a {self.noun}"
                _log.warning("%s registers '%s', which is %s: it is left out.", _who(entry), entry.name, what)
                continue
            used = entries.setdefault(entry.name, entry)
            if used.value == entry.value:
                continue
            if _is_built_in(used):
                _log.warning("%s registers '%s' (%s): the built-in one is used.", _who(entry), entry.name, entry.value)
            else:
                self._ambiguous[entry.name] = f"{_who(used)} ({used.value}) and {_who(entry)} ({entry.value})"
        return entries

    def names(self) -> tuple[str, ...]:
        """Return all names, the built-in ones and those of plugins, ascending."""
        return tuple(sorted(self._entries))

    def entry(self, name: str) -> EntryPoint | None:
        """Return who registers a name; None where nobody does."""
        return self._entries.get(name)

    def usable_entry(self, name: str) -> EntryPoint:
        """Return who registers a name that is there; raise UsageError where two packages do."""
        if name in self._ambiguous:
            both = self._ambiguous[name]
            raise UsageError(f"Two packages register a {self.noun} '{name}', {both}: uninstall one of them.")
        return self._entries[name]

    def forget(self) -> None:
        """Look at the installed packages again on the next use."""
        self.__dict__.pop("_entries", None)


def _is_built_in(entry: EntryPoint) -> bool:
    return entry.dist is not None and is_own_distribution(entry.dist.name)


def _who(entry: EntryPoint) -> str:
    return f"The package {entry.dist.name}" if entry.dist is not None else "A package"
