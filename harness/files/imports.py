"""Importing a class from a file or a module that is not an installed plugin."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import HarnessError, UsageError
from harness.files.paths import user_path

__all__ = ["ImportedClass", "import_class", "named_errors"]


@dataclass(frozen=True, slots=True)
class ImportedClass:
    """A class and where it was imported from.

    Parameters
    ----------
    reference
        ``/absolute/file.py:Class`` or ``module:Class``: another process imports the same class by it.
    sha256
        Of the file's content; empty where the module is not a file.
    type
        The class.
    """

    reference: str
    sha256: str
    type: type


def import_class(reference: str) -> ImportedClass:
    """Import a class by ``FILE.py:CLASS`` or ``MODULE:CLASS``.

    The folder of the file, or the working folder for a module, is appended to Python's search path, so that the file
    can import its neighbours.

    Raises
    ------
    UsageError
        Where there is no such file, module or class, or where importing it fails.
    """
    place, _, name = reference.rpartition(":")
    if place.endswith(".py"):
        path = user_path(place).absolute()
        place, module = str(path), _import_file(path)
    elif re.fullmatch(r"\w+(\.\w+)*", place):
        _search_in(Path.cwd())
        remedy = "give it as FILE.py:CLASS, or add its folder to PYTHONPATH"
        with named_errors(f"The module '{place}' can't be imported", remedy):
            module = import_module(place)
    else:
        raise UsageError(f"'{place}' in '{reference}' is neither a file that ends in .py nor the name of a module.")
    target: Any = module
    try:
        for attribute in name.split("."):
            target = getattr(target, attribute)
    except AttributeError:
        raise UsageError(f"{place} has no class '{name}'; it has {_classes(module)}.") from None
    if not isinstance(target, type):
        raise UsageError(f"'{name}' in {place} is a {type(target).__name__}, not a class.")
    file = getattr(module, "__file__", None)
    return ImportedClass(f"{place}:{name}", _sha256(Path(file).read_bytes()) if file else "", target)


def _import_file(path: Path) -> ModuleType:
    """Run a file as a module, once for each content; nothing is written beside it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The file {path} can't be read ({error.strerror}).") from error
    stem = re.sub(r"\W", "_", path.stem)
    name = f"{stem}_{_sha256(str(path).encode() + content)[:16]}"
    if name not in sys.modules:
        _search_in(path.parent)
        sys.modules[name] = module = ModuleType(name)
        module.__file__ = str(path)
        with named_errors(f"The file {path} can't be imported", "correct it"):
            try:
                exec(compile(content, path, "exec", dont_inherit=True), vars(module))
            except BaseException:
                del sys.modules[name]
                raise
    return sys.modules[name]


def _classes(module: ModuleType) -> str:
    own = [
        name for name, value in vars(module).items() if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return ", ".join(own) or "none"


def _search_in(folder: Path) -> None:
    """Let imports look into a folder, after all others, so that no file in it hides an installed module."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@contextmanager
def named_errors(what: str, remedy: str) -> Iterator[None]:
    """Turn whatever the code of others raises inside the block, also to end the interpreter, into a UsageError.

    Parameters
    ----------
    what
        What can't be done, the beginning of the sentence.
    remedy
        Its end.
    """
    try:
        yield
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise UsageError(f"{what} ({type(error).__name__}: {error}): {remedy}.") from error


def _sha256(content: bytes) -> str:
    return sha256(content).hexdigest()
