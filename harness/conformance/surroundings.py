"""What a method does beside its work: printing, opening files, starting processes, leaving settings changed."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

__all__ = ["Touch", "captured_output", "changed_settings", "watched"]

_Setting = tuple[Callable[[], Any], Callable[[Any], Any]]

_WATCHED = ("open", "os.system", "socket.connect", "subprocess.Popen")
_watching: list[list[Touch]] = []


@dataclass(frozen=True, slots=True)
class Touch:
    """Something outside the process that was reached for.

    Parameters
    ----------
    event
        Name of the audit event: ``open``, ``os.system``, ``socket.connect`` or ``subprocess.Popen``.
    target
        The path, address or program, as text.
    """

    event: str
    target: str


@contextmanager
def watched(into: list[Touch]) -> Iterator[None]:
    """Note files that Python code opens, programs it starts and hosts it connects to; compiled code is not seen.

    Parameters
    ----------
    into
        Grows while the context is open.
    """
    _install_hook()
    _watching.append(into)
    try:
        yield
    finally:
        _watching.pop()


@cache
def _install_hook() -> None:
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in _WATCHED:
        named = [one for one in arguments if isinstance(one, str | bytes | os.PathLike | tuple)]
        if named:
            target = named[0]
            _watching[-1].append(Touch(event, str(target) if isinstance(target, tuple) else os.fsdecode(target)))


@contextmanager
def captured_output(into: list[str]) -> Iterator[None]:
    """Catch what is printed on standard output, by Python or by compiled code.

    Parameters
    ----------
    into
        The text is appended where there is any.
    """
    sys.stdout.flush()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            with os.fdopen(os.dup(file.fileno()), "w", encoding="utf-8") as text, redirect_stdout(text):
                yield
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            said = file.read().decode("utf-8", errors="replace").strip()
            into.extend([said] if said else [])


@contextmanager
def changed_settings(into: list[str]) -> Iterator[None]:
    """Note which settings of the process are other ones at the end, and set them back.

    Parameters
    ----------
    into
        A sentence part is appended for each.
    """
    before = {name: get() for name, (get, _) in _settings().items()}
    try:
        yield
    finally:
        for name, (get, put) in _settings().items():
            now = get()
            if name in before and now != before[name]:
                into.append(f"{name} from {before[name]} to {now}")
                put(before[name])


def _settings() -> Mapping[str, _Setting]:
    own: dict[str, _Setting] = {
        "numpy's error handling": (np.geterr, lambda value: np.seterr(**value)),
        "the working folder": (os.getcwd, os.chdir),
    }
    return own | _torch_settings()


def _torch_settings() -> dict[str, _Setting]:
    """Return torch's settings where the process has loaded it; nothing here loads it."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's default device": (torch.get_default_device, lambda value: torch.set_default_device(None)),
        "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's deterministic mode": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        "cuDNN's benchmark flag": _flag(torch.backends.cudnn, "benchmark"),
        "cuDNN's deterministic flag": _flag(torch.backends.cudnn, "deterministic"),
        "cuDNN's TF32 flag": _flag(torch.backends.cudnn, "allow_tf32"),
        "torch's TF32 flag": _flag(torch.backends.cuda.matmul, "allow_tf32"),
    }


def _flag(owner: Any, name: str) -> _Setting:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)
