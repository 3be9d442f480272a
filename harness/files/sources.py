"""A digest of what a class is computed by: the source of its module and of all that it imports from its own package."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

__all__ = ["module_file", "source_digest"]

_COMPILED = (".so", ".pyd")
_INSTALLED = ("site-packages", "dist-packages")
"""Folders whose modules belong to many distributions: a single module in them has no neighbours of its own."""
_OWN = __name__.partition(".")[0]
"""What this package computes is named by the protocol's version instead."""


def module_file(module: str) -> Path | None:
    """Return the file of a module, without importing it where it has not been imported; None where it is not a file."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, AttributeError, ValueError):
            return None
        origin = spec.origin if spec is not None else None
    path = Path(origin) if origin else None
    return path if path is not None and path.is_file() else None


def source_digest(module: str, file: Path) -> str:
    """Return the SHA-256 of the code of a module and of what it imports from its own package, directly or not.

    Full-line comments, docstrings and blank lines don't count, so that a better sentence changes no digest; every other
    change does. Imports are found wherever they stand in the source. Nothing is imported.

    Parameters
    ----------
    module
        Dotted name. One without dots that is not a package has its neighbours for a package, unless it lies among
        installed modules; its name plays no part.
    file
        Where its source lies.

    Returns
    -------
    str
        64 hexadecimal digits; empty where the source can't be read.
    """
    is_package = file.name == "__init__.py"
    package = module.partition(".")[0] if "." in module or is_package else ""
    root = file.parents[module.count(".") + is_package] if package else file.parent
    alone = not package and root.name in _INSTALLED
    seen: dict[str, str] = {}
    waiting = [(module if package else file.stem, file)]
    names_in = cache(_names_in)
    while waiting:
        name, path = waiting.pop()
        if name in seen:
            continue
        try:
            seen[name], imported = _read(path, _signature(path))
        except (OSError, SyntaxError, ValueError, RecursionError):
            return ""
        for other in () if alone else imported:
            parts = _absolute(other, name, is_package=path.name == "__init__.py").split(".")
            if parts[0] != _OWN and package in ("", parts[0]):
                waiting += _found(parts, root, names_in)
    text = "".join(f"{name}\0{digest}\0" for name, digest in sorted(seen.items()))
    return sha256(text.encode()).hexdigest()


def _signature(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1024)
def _read(path: Path, signature: tuple[int, int]) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a file's code and the modules that it may import; relative ones begin with dots."""
    del signature  # part of the key: a file that was changed is read again
    content = path.read_bytes()
    if path.suffix != ".py":
        return sha256(content).hexdigest(), ()
    nodes = list(ast.walk(ast.parse(content)))
    return sha256(_code(content, nodes)).hexdigest(), tuple(dict.fromkeys(_imports(nodes)))


def _code(content: bytes, nodes: Iterable[ast.AST]) -> bytes:
    """Return a source without docstrings, blank lines and lines that hold a comment alone."""
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    inside: set[int] = set()
    dropped: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno is not None:
            inside.update(range(node.lineno + 1, node.end_lineno + 1))
        docstring = _docstring(node)
        if docstring is not None and docstring.end_lineno is not None:
            dropped.update(range(docstring.lineno, docstring.end_lineno + 1))
    kept = []
    for number, line in enumerate(lines, start=1):
        idle = not line.strip() or line.lstrip().startswith(b"#")
        if number not in dropped and (number in inside or not idle):
            kept.append(line.rstrip() if number not in inside else line)
    return b"\n".join(kept)


def _docstring(node: ast.AST) -> ast.Expr | None:
    """Return the statement that is the docstring of a module, class or function and stands on lines of its own."""
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or len(node.body) < 2:
        return None
    first, second = node.body[0], node.body[1]
    if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
        return None
    alone = isinstance(first.value.value, str) and second.lineno > (first.end_lineno or first.lineno)
    opened = isinstance(node, ast.Module) or node.lineno < first.lineno
    return first if alone and opened else None


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            joint = "" if base.endswith(".") else "."
            yield from (f"{base}{joint}{alias.name}" for alias in node.names)


def _absolute(name: str, importer: str, *, is_package: bool) -> str:
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    parts = importer.split(".")
    kept = parts[: len(parts) - level + is_package]
    return ".".join([*kept, *filter(None, name.lstrip(".").split("."))])


def _found(parts: Sequence[str], root: Path, names_in: Callable[[Path], frozenset[str]]) -> Iterator[tuple[str, Path]]:
    """Yield a module and the packages around it, where they are files below the root."""
    folder = root
    for length, part in enumerate(parts, start=1):
        name, names = ".".join(parts[:length]), names_in(folder)
        yield from ((name, folder / file) for file in names if file.startswith(f"{part}.") and _is_module(file))
        folder /= part
        if part not in names:
            return
        if "__init__.py" in names_in(folder):
            yield name, folder / "__init__.py"


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def _is_module(file: str) -> bool:
    stem, _, suffix = file.partition(".")
    return suffix == "py" or (bool(stem) and file.endswith(_COMPILED))
