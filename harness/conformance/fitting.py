"""Checks of fitting: that it works, what it reports, and what the method holds afterwards."""

from __future__ import annotations

import gc
import pickle
import tempfile
from operator import index
from pathlib import Path
from typing import Any

from harness.conformance.check import check
from harness.conformance.comparing import difference, require_valid
from harness.conformance.outcome import CheckFailedError, CheckSkippedError
from harness.conformance.samples import overwrite
from harness.conformance.subject import Subject
from harness.contract import Method, Portable, UsesValidation
from harness.measure import torch_state
from harness.measure.state import allocator_level, check_state
from harness.store.fitted import load_fitted, save_fitted

__all__ = ["aliases", "fit", "progress", "seed", "state", "state_bytes", "state_keys", "validation"]

_KEYS = ("weights", "bank", "other")


@check("fit", "fit learns from blind nominal samples.", "construct")
def fit(subject: Subject) -> None:
    """Fit the method of all further checks."""
    torch_state.configure(subject.device, subject.cell.seed)
    gc.collect()
    subject.level = allocator_level(subject.device)
    method = subject.build()
    subject.fit(method)
    subject.fitted = method


@check("validation", "Where it wants validation samples, it says so by a bool, and fit reads them.", "fit")
def validation(subject: Subject) -> None:
    """Look at what it says, and at what the first fit read."""
    if not isinstance(subject.fitted, UsesValidation):
        return
    wants = subject.wants_validation(subject.fitted)
    if not isinstance(wants, bool):
        raise CheckFailedError(f"wants_validation() is {wants!r} and neither True nor False.")
    if subject.validation_reads == 0:
        raise CheckFailedError("wants_validation() is True, but no validation sample is read.")


@check("progress", "fit tells how far it is: a stage, and done between 0 and total.", "fit")
def progress(subject: Subject) -> None:
    """Look at all calls of the callback."""
    if not subject.steps.calls:
        raise CheckFailedError("fit never calls progress, so a long training looks like a hang.")
    for stage, done, total in subject.steps.calls:
        if not (isinstance(stage, str) and stage and _in_range(done, total)):
            raise CheckFailedError(f"fit calls progress({stage!r}, {done!r}, {total!r}).")
    for name, value in subject.steps.values.items():
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise CheckFailedError(f"fit calls progress with {name}={value!r}, which is not a number.")


def _in_range(done: Any, total: Any) -> bool:
    try:
        return 0 <= index(done) <= index(total)
    except TypeError:
        return False


@check("state-keys", "state_bytes has the keys weights, bank and other, each a whole number of bytes.", "fit")
def state_keys(subject: Subject) -> None:
    """Ask for the held bytes."""
    with subject.calling("state_bytes"):
        held = dict(subject.fitted.state_bytes())
    if set(held) != set(_KEYS):
        raise CheckFailedError(f"state_bytes has the keys {list(held)} and not {list(_KEYS)}.")
    for name, count in held.items():
        if type(count) is not int or count < 0:
            raise CheckFailedError(f"state_bytes['{name}'] is {count!r} and no int of at least 0.")


@check("state-bytes", "state_bytes is within 5%, or 1 MB, of what the allocators say.", "state-keys")
def state_bytes(subject: Subject) -> None:
    """Compare it with what the method keeps alive."""
    with subject.calling("state_bytes"):
        outcome = check_state(subject.fitted, subject.device, subject.level)
    if outcome.agrees is None:
        raise CheckSkippedError(f"{outcome.reason}.")
    if not outcome.agrees:
        raise CheckFailedError(f"{outcome.reason}.")


@check("seed", "Two fits with one seed give identical predictions.", "repeatable")
def seed(subject: Subject) -> None:
    """Fit a second method and compare."""
    second = subject.build()
    subject.fit(second)
    differs = _compare(subject, second)
    if differs:
        raise CheckFailedError(f"Two fits with one seed differ in {differs}.")


@check(
    "state", "What was fitted survives being written and read: state() and restore(), or else pickling.", "repeatable"
)
def state(subject: Subject) -> None:
    """Write the fitted method, read it, and compare."""
    portable = isinstance(subject.fitted, Portable)
    differs = _compare(subject, _restored(subject) if portable else _unpickled(subject))
    if differs:
        raise CheckFailedError(f"After {'restore(state())' if portable else 'pickling'} it differs in {differs}.")


def _restored(subject: Subject) -> Method:
    cell = subject.cell
    torch_state.configure(subject.device, cell.seed)
    with tempfile.TemporaryDirectory(prefix="harness-verify-") as folder, subject.calling("restore(state())"):
        path = Path(folder) / "fitted.safetensors"
        save_fitted(path, subject.fitted, cell)
        return load_fitted(path, weights_dir=None, unverified=False, device=subject.device)


def _unpickled(subject: Subject) -> Method:
    with subject.calling("pickling"):
        method: Method = pickle.loads(pickle.dumps(subject.fitted))
        return method


def _compare(subject: Subject, method: Method) -> str:
    """Return what differs between the predictions of a method and those of the first one."""
    for source, first in zip(subject.test, subject.first, strict=True):
        prediction = subject.predict(source, method)
        require_valid(prediction, f"sample {source.id}")
        differs = difference(first, prediction)
        if differs:
            return f"the {differs} of sample {source.id}"
    return ""


@check("aliases", "It keeps no array of a sample: changing one afterwards changes no prediction.", "repeatable")
def aliases(subject: Subject) -> None:
    """Change every sample array that is still referenced, and predict again; the first method is then used up."""
    names = set()
    for name, array in subject.tracker.held():
        overwrite(array)
        names.add(name)
    differs = _compare(subject, subject.fitted) if names else ""
    if differs:
        raise CheckFailedError(f"It keeps '{sorted(names)[0]}' of a sample: a change of it alters {differs}.")
