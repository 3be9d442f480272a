"""``harness methods``: what can be run, and with which parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from harness.cli.options import NameList, join, json_option
from harness.errors import UsageError

__all__ = ["command"]


@click.command("methods", short_help="List methods and their parameters.")
@click.argument("names", type=NameList(), nargs=-1)
@json_option
def command(names: tuple[tuple[str, ...], ...], as_json: bool) -> None:
    """List all methods; with NAMES (globs allowed) their parameters and what each preset fills in.

    A plugin that can't be imported is named in a warning; the others are listed.

    \b
    harness methods
    harness methods cfm
    """
    from harness.cli.output import print_json, warn

    found = _chosen(join(names)) if names else _all()
    for method in found:
        if "error" in method:
            warn(method["error"])
    if as_json:
        print_json(found)
    elif names:
        _print_details(found)
    else:
        _print_list(found)


def _chosen(names: Sequence[str]) -> list[dict[str, Any]]:
    from harness import registry

    return [_describe(name) for name in dict.fromkeys(spec.name for spec in registry.parse(names))]


def _all() -> list[dict[str, Any]]:
    """Return a description of every registered method, name and error of one that is broken."""
    from harness import registry

    found: list[dict[str, Any]] = []
    for name in registry.method_names():
        try:
            found.append(_describe(name))
        except UsageError as error:
            found.append({"name": name, "error": str(error)})
    return found


def _describe(name: str) -> dict[str, Any]:
    import inspect

    from harness import registry
    from harness.protocol import PRESETS

    method = registry.load(name)
    meta = method.meta
    presets = {preset: registry.resolve(registry.MethodSpec(name, {}), preset) for preset in PRESETS}
    return {
        "name": name,
        "title": meta.title,
        "family": meta.family,
        "paper": meta.paper,
        "summary": (inspect.getdoc(method) or "").partition("\n")[0],
        "modalities": list(meta.modalities),
        "weights": [
            {"name": file.name, "size": file.size, "sha256": file.sha256, "licence": file.licence, "url": file.url}
            for file in meta.weights
        ],
        "extras": list(meta.extras),
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.kind.__name__,
                "default": parameter.default,
                "choices": list(parameter.choices),
                "presets": {preset: values[parameter.name] for preset, values in presets.items()},
            }
            for parameter in registry.parameters_of(name).values()
        ],
    }


def _needs(method: dict[str, Any]) -> str:
    files = [file["name"] for file in method["weights"]]
    return ", ".join(files + [f"harness\\[{extra}]" for extra in method["extras"]]) or "-"


def _print_list(found: Sequence[dict[str, Any]]) -> None:
    from harness.cli.output import listing
    from harness.report.console import stdout

    table = listing(("name", "title", "family", "paper", "needs"))
    for method in found:
        if "error" in method:
            table.add_row(method["name"], "[yellow]broken[/]")
        else:
            table.add_row(*(method[key] for key in ("name", "title", "family", "paper")), _needs(method))
    stdout.print(table)
    stdout.print("\nParameters: harness methods NAME. Weights: harness weights.", style="dim")


def _print_details(found: Sequence[dict[str, Any]]) -> None:
    from harness.cli.output import listing
    from harness.report.console import stdout

    for method in found:
        stdout.print(f"[bold]{method['name']}[/]  {method['title']}. {method['summary']}")
        stdout.print(f"{method['paper']}; {' + '.join(method['modalities'])}; needs {_needs(method)}\n", style="dim")
        presets = list(method["parameters"][0]["presets"]) if method["parameters"] else []
        table = listing(("parameter", "type or choices", "default", *presets))
        for parameter in method["parameters"]:
            table.add_row(
                parameter["name"],
                " | ".join(map(_text, parameter["choices"])) or parameter["type"],
                _text(parameter["default"]),
                *(_preset_text(value, parameter["default"]) for value in parameter["presets"].values()),
            )
        stdout.print(table if method["parameters"] else "no parameters")
        stdout.print()


def _preset_text(value: Any, default: Any) -> str:
    return _text(value) if value == default else f"[bold]{_text(value)}[/]"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
