"""``harness env``: hardware, versions and caches of this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from harness.cli.options import json_option

__all__ = ["command"]

_FACTS = ("harness", "git", "python", "system", "cpu", "cores", "gpus", "gpus_reason", "driver", "packages")
_THERE = {True: "present", False: "absent"}
_OPTIONAL = ("faiss", "open3d", "pointnet2_ops")


@click.command("env", short_help="Print versions and hardware.")
@json_option
def command(as_json: bool) -> None:
    """Print versions, hardware, caches and optional packages."""
    from harness.cli.output import print_json

    found = _describe()
    if as_json:
        print_json(found)
    else:
        _print(found)


def _describe() -> dict[str, Any]:
    from msgspec import to_builtins

    from harness.data.weights import default_weights_dir
    from harness.files.cache_dir import cache_dir
    from harness.measure import environment

    described = to_builtins(environment.describe())
    return {
        **{name: described[name] for name in _FACTS},
        "memory_bytes": _memory(),
        "caches": {name: _folder(path) for name, path in (("all", cache_dir()), ("weights", default_weights_dir()))},
        "optional": {name: find_spec(name) is not None for name in _OPTIONAL},
    }


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _folder(path: Path) -> dict[str, Any]:
    """Return a folder and the bytes of all files in it."""
    from harness.files.caches import folder_size

    return {"path": str(path), "exists": path.is_dir(), "bytes": folder_size(path)}


def _print(found: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from harness.report.console import stdout

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _lines(found):
        table.add_row(name, escape(value))
    stdout.print(table)


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    from harness.cli.output import bytes_text

    git = found["git"]
    commit = f" ({git['commit'][:12]}{', changed' if git['dirty'] else ''})" if git else ""
    lines = [
        ("harness", f"{found['harness']}{commit}"),
        ("python", found["python"]),
        ("system", found["system"]),
        ("cpu", f"{found['cpu']}, {found['cores']} cores"),
        ("memory", bytes_text(found["memory_bytes"])),
    ]
    lines += [("gpu", f"{gpu['name']}, {gpu['memory']}, driver {gpu['driver']}") for gpu in found["gpus"]]
    if not found["gpus"]:
        lines.append(("gpu", f"none ({found['gpus_reason'] or 'nvidia-smi lists none'})"))
    lines += [(name, version) for name, version in found["packages"].items()]
    lines.append(("optional", ", ".join(f"{name} {_THERE[there]}" for name, there in found["optional"].items())))
    for name, cache in found["caches"].items():
        size = bytes_text(cache["bytes"]) if cache["exists"] else "not made yet"
        lines.append((f"cache {name}", f"{cache['path']}, {size}"))
    return lines
