"""``harness methods``: what can be run, and with which parameters."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, names_argument
from harness.cli.output import console, fact_table, listing, print_json
from harness.cli.parameter_texts import parameter_texts
from harness.distribution import DISTRIBUTION

if TYPE_CHECKING:
    from rich.text import Text

    from harness.contract import Meta, ParameterValue

__all__ = ["command"]

_FILE_FACTS = ("name", "size", "sha256", "licence", "url")


@click.command("methods")
@names_argument()
@json_option
def command(names: tuple[str, ...], as_json: bool) -> None:
    """List all methods; with NAMES (globs allowed) their parameters and what each preset fills in.

    A plugin that can't be imported or made is named in a warning; the others are listed.

    \b
    harness methods
    harness methods cfm
    """
    from harness import registry

    chosen = dict.fromkeys(spec.name for spec in registry.parse(names)) if names else registry.usable_names()
    if as_json:
        print_json([_plain(name) for name in chosen])
    elif names:
        _print_details(chosen)
    else:
        _print_list(chosen)


def _plain(name: str) -> dict[str, object]:
    """Return what JSON says of a method."""
    from harness import registry

    meta, presets, texts = registry.load(name).meta, _presets(name), parameter_texts(registry.load(name))
    return {
        "name": name,
        "title": meta.title,
        "family": meta.family,
        "paper": meta.paper,
        "summary": _summary(name),
        "modalities": meta.modalities,
        "weights": [{fact: getattr(file, fact) for fact in _FILE_FACTS} for file in meta.weights],
        "extras": meta.extras,
        "needs": meta.needs,
        "uses_gpu": meta.uses_gpu,
        "cores": meta.cores,
        "note": meta.note,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.kind.__name__,
                "help": texts.get(parameter.name, ""),
                "default": parameter.default,
                "choices": parameter.choices,
                "presets": {preset: values[parameter.name] for preset, values in presets.items()},
            }
            for parameter in registry.parameters_of(name).values()
        ],
    }


def _presets(name: str) -> dict[str, dict[str, ParameterValue]]:
    """Return all parameters of a method in each preset."""
    from harness import registry
    from harness.protocol import PRESETS

    return {preset: registry.resolve(registry.MethodSpec(name, {}), preset) for preset in PRESETS}


def _summary(name: str) -> str:
    import inspect

    from harness import registry

    return (inspect.getdoc(registry.load(name)) or "").partition("\n")[0]


def _needs(meta: Meta) -> str:
    """Return the weight files, extras and further fields of samples that a method needs, in words."""
    fields = (f"samples with {name}" for name in meta.needs)
    files = (file.name for file in meta.weights)
    return ", ".join([*files, *(f"{DISTRIBUTION}[{name}]" for name in meta.extras), *fields]) or "-"


def _print_list(names: Collection[str]) -> None:
    from harness import registry

    table = listing(("name", "title", "family", "paper", "needs"))
    for name in names:
        meta = registry.load(name).meta
        table.add_row(name, meta.title, meta.family, meta.paper, _needs(meta))
    console().print(table)
    console().print("\nParameters: harness methods NAME. Weights: harness weights.", style="dim")


def _print_details(names: Collection[str]) -> None:
    from rich.text import Text

    from harness import registry

    for name in names:
        meta, presets = registry.load(name).meta, _presets(name)
        console().print(Text.assemble((name, "bold"), f"  {meta.title}. {_summary(name)}"))
        facts = (meta.paper, " + ".join(meta.modalities), f"needs {_needs(meta)}", meta.note)
        console().print(f"{'; '.join(filter(None, facts))}\n", style="dim")
        parameters = registry.parameters_of(name).values()
        table = listing(("parameter", "type or choices", "default", *presets))
        for parameter in parameters:
            table.add_row(
                parameter.name,
                " | ".join(map(registry.value_text, parameter.choices)) or parameter.kind.__name__,
                registry.value_text(parameter.default),
                *(_preset_text(values[parameter.name], parameter.default) for values in presets.values()),
            )
        console().print(table if parameters else "no parameters")
        _print_texts(name)
        console().print()


def _print_texts(name: str) -> None:
    """Print what each parameter means, and a command that sets the first one."""
    from harness import registry

    parameters, texts = registry.parameters_of(name), parameter_texts(registry.load(name))
    facts = [(parameter, texts[parameter]) for parameter in parameters if parameter in texts]
    if facts:
        console().print()
        console().print(fact_table("bold", facts))
    if parameters:
        key, first = next(iter(parameters.items()))
        setting = f"{name}[{key}={registry.value_text(first.default)}]"
        console().print(f"\nSet one: harness run --methods '{setting}' --shots 10", style="dim", soft_wrap=True)


def _preset_text(value: ParameterValue, default: ParameterValue) -> Text:
    from rich.text import Text

    from harness import registry

    return Text(registry.value_text(value), "" if value == default else "bold")
