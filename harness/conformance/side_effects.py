"""Side effects of a method: printing, opening files, starting processes, changing settings."""

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
    """An access to something outside the process.

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
    """Record files that Python code opens, programs it starts and hosts it connects to, not those of compiled code.

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
        targets = [value for value in arguments if isinstance(value, str | bytes | os.PathLike | tuple)]
        if targets:
            target = targets[0]
            _watching[-1].append(Touch(event, str(target) if isinstance(target, tuple) else os.fsdecode(target)))


@contextmanager
def captured_output(into: list[str]) -> Iterator[None]:
    """Capture what Python or compiled code prints on standard output.

    Parameters
    ----------
    into
        The text is appended where there is any.
    """
    sys.stdout.flush()
    with tempfile.TemporaryFile() as file:
        original = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            with os.fdopen(os.dup(file.fileno()), "w", encoding="utf-8") as stream, redirect_stdout(stream):
                yield
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(original, 1)
            os.close(original)
            file.seek(0)
            text = file.read().decode("utf-8", errors="replace").strip()
            into.extend([text] if text else [])


@contextmanager
def changed_settings(into: list[str]) -> Iterator[None]:
    """Record which settings of the process have changed at the end, and restore them.

    Parameters
    ----------
    into
        A phrase is appended for each.
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
    """Return torch's settings where the process has imported it; this function does not import it."""
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
