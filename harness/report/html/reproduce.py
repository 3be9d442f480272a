"""The command that measures a cell again."""

from __future__ import annotations

import shlex
from functools import cache
from json import loads

from harness import registry
from harness.contract import ParameterValue, UsesCache
from harness.data.registry import is_embedded
from harness.errors import HarnessError
from harness.files.digest import canonical_json
from harness.store.record import Record

__all__ = ["reproduce"]


def reproduce(record: Record) -> tuple[str, str]:
    """Return the command that measures a record's cell, and what a reader must add to it or know of it.

    The parameters are those that the user named. Where the installed version resolves these to others, all are named.
    Seeds come from the cell, so none is given. The kind of device and ``--no-cache`` are named where the record knows
    them: both matter for speed and for the memory of fit.

    Parameters
    ----------
    record
        Of any status.
    """
    cell = record.cell
    remarks = []
    named = cell.given
    resolved = _resolved(cell.method, canonical_json(dict(cell.given)), cell.protocol.preset)
    if resolved is None:
        remarks.append(f"The method '{cell.method}' is not installed here.")
    elif resolved != dict(cell.parameters):
        named = cell.parameters
        remarks.append("All parameters are named, since this version of the method resolves the given ones to others.")
    provider = record.environment.provider
    method = (provider.reference if provider else "") or cell.method
    words = ["harness", "run", "--methods", registry.label(method, named), "--dataset", cell.dataset]
    if not is_embedded(cell.dataset):
        words += ["--data", "DIR"]
        remarks.append("DIR is the folder of the dataset.")
    words += ["--categories", cell.category, "--shots", str(cell.shots), "--split", cell.split]
    words += ["--preset", cell.protocol.preset, "--weights", cell.protocol.weights]
    if cell.condition.kind is not None:
        words += ["--condition", cell.condition.text]
    if cell.checkpoint:
        words += ["--checkpoint", "CHECKPOINTS"]
        remarks.append("CHECKPOINTS is the folder of the released trained weights.")
    if any(not weight.verified for weight in record.weights.values()):
        words.append("--unverified")
        remarks.append("The weight files must be those whose SHA-256 is given below.")
    kind = record.environment.kind
    if kind:
        words += ["--devices", kind]
    if _went_without_cache(record):
        words.append("--no-cache")
    words += ["--results", "again"]
    return shlex.join(words), " ".join(remarks)


def _went_without_cache(record: Record) -> bool:
    """Return whether a record is of a method that can use the cache and was trained without it."""
    if record.status != "ok" or record.cell.checkpoint or record.environment.cache is not None:
        return False
    try:
        return issubclass(registry.load(record.cell.method), UsesCache)
    except HarnessError:
        return False


@cache
def _resolved(method: str, given: str, preset: str) -> dict[str, ParameterValue] | None:
    """Return all parameters as this installation fills them in; None where it can't."""
    try:
        return registry.resolve(registry.MethodSpec(method, loads(given)), preset)
    except HarnessError:
        return None
