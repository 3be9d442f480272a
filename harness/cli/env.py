"""``harness env``: hardware, versions and caches of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option
from harness.cli.output import bytes_text, console, fact_table, print_json

if TYPE_CHECKING:
    from harness.store.environment import Environment

__all__ = ["command"]

_FACTS = ("harness", "git", "python", "system", "cpu", "cores", "gpus", "gpus_reason", "driver", "packages")
_OPTIONAL = ("faiss", "open3d", "pointnet2_ops")


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path
    exists: bool
    bytes: int


@click.command("env")
@json_option
def command(as_json: bool) -> None:
    """Print versions, hardware, caches and optional packages."""
    from msgspec import to_builtins

    from harness.data.weights import default_weights_dir
    from harness.files.cache_dir import cache_dir
    from harness.files.caches import folder_size
    from harness.measure import environment

    described, memory = environment.describe(), _memory()
    paths = {"all": cache_dir(), "weights": default_weights_dir()}
    caches = {name: _Folder(path, path.is_dir(), folder_size(path)) for name, path in paths.items()}
    optional = {name: find_spec(name) is not None for name in _OPTIONAL}
    if as_json:
        facts = to_builtins(described)
        rest = {"memory_bytes": memory, "caches": caches, "optional": optional}
        print_json({name: facts[name] for name in _FACTS} | rest)
    else:
        console().print(fact_table("bold", _facts(described, memory, caches, optional)))


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _facts(
    environment: Environment, memory: int | None, caches: Mapping[str, _Folder], optional: Mapping[str, bool]
) -> list[tuple[str, str]]:
    git = environment.git
    commit = f" ({git.commit[:12]}{', changed' if git.dirty else ''})" if git else ""
    gpus = [f"{gpu.name}, {gpu.memory}, driver {gpu.driver}" for gpu in environment.gpus]
    sizes = {name: bytes_text(cache.bytes) if cache.exists else "not made yet" for name, cache in caches.items()}
    return [
        ("harness", f"{environment.harness}{commit}"),
        ("python", environment.python or "-"),
        ("system", environment.system or "-"),
        ("cpu", f"{environment.cpu}, {environment.cores} cores"),
        ("memory", bytes_text(memory)),
        *(("gpu", gpu) for gpu in gpus or [f"none ({environment.gpus_reason or 'nvidia-smi lists none'})"]),
        *environment.packages.items(),
        ("optional", ", ".join(f"{name} {'present' if there else 'absent'}" for name, there in optional.items())),
        *((f"cache {name}", f"{cache.path}, {sizes[name]}") for name, cache in caches.items()),
    ]
