"""A folder of methods/parts belongs to one family, as its methods declare it; shared parts are outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from harness import registry

METHODS = Path(__file__).parents[2] / "methods"
FOLDERS = {path.name for path in (METHODS / "parts").iterdir() if (path / "__init__.py").exists()}
MODULES = {
    name: entry.module
    for name in registry.method_names()
    if (entry := registry.entry_of(name)) is not None and entry.module.startswith("methods.")
}


def imported_folders(path: Path) -> set[str]:
    """Return the folders of methods/parts that a file imports from."""
    return {
        name.split(".")[2]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if name.startswith("methods.parts.") and name.split(".")[2] in FOLDERS
    }


def reached(path: Path) -> Iterator[str]:
    """Yield the folders that a method's file uses, itself or by another folder."""
    seen: set[str] = set()
    waiting = imported_folders(path)
    while waiting:
        seen.add(folder := waiting.pop())
        yield folder
        files = (METHODS / "parts" / folder).glob("*.py")
        waiting |= {name for file in files for name in imported_folders(file)} - seen


def test_each_folder_is_used_by_one_family() -> None:
    families: dict[str, set[str]] = {folder: set() for folder in FOLDERS}
    for method, module in MODULES.items():
        for folder in reached(METHODS.parent / f"{module.replace('.', '/')}.py"):
            families[folder].add(registry.load(method).meta.family)
    assert {folder: names for folder, names in families.items() if len(names) != 1} == {}


def test_what_all_may_use_imports_no_folder() -> None:
    shared = [*(METHODS / "parts").glob("*.py"), METHODS / "parameters.py", METHODS / "weights.py"]
    assert {path.name: folders for path in shared if (folders := imported_folders(path))} == {}
