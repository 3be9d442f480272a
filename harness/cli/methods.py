"""``harness methods``: what can be run, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, names_argument
from harness.cli.output import listing, print_json, warn
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.contract import ParameterValue

__all__ = ["command"]


@dataclass(frozen=True, slots=True)
class _Broken:
    """A registered method that can't be imported."""

    name: str
    error: str


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    type: str
    default: ParameterValue
    choices: Sequence[ParameterValue]
    presets: Mapping[str, ParameterValue]


@dataclass(frozen=True, slots=True)
class _Method:
    name: str
    title: str
    family: str
    paper: str
    summary: str
    modalities: Sequence[str]
    weights: Sequence[Mapping[str, str | int | None]]
    extras: Sequence[str]
    parameters: Sequence[_Parameter]

    @property
    def needs(self) -> str:
        """Its weight files and extras, as markup."""
        files = [str(file["name"]) for file in self.weights]
        return ", ".join(files + [f"harness\\[{extra}]" for extra in self.extras]) or "-"


@click.command("methods")
@names_argument()
@json_option
def command(names: tuple[str, ...], as_json: bool) -> None:
    """List all methods; with NAMES (globs allowed) their parameters and what each preset fills in.

    A plugin that can't be imported is named in a warning; the others are listed.

    \b
    harness methods
    harness methods cfm
    """
    methods = _chosen(names) if names else _all()
    for method in methods:
        if isinstance(method, _Broken):
            warn(method.error)
    if as_json:
        print_json(methods)
    elif names:
        _print_details([method for method in methods if isinstance(method, _Method)])
    else:
        _print_list(methods)


def _chosen(names: Sequence[str]) -> Sequence[_Method | _Broken]:
    from harness import registry

    return [_describe(name) for name in dict.fromkeys(spec.name for spec in registry.parse(names))]


def _all() -> Sequence[_Method | _Broken]:
    from harness import registry

    methods: list[_Method | _Broken] = []
    for name in registry.method_names():
        try:
            methods.append(_describe(name))
        except UsageError as error:
            methods.append(_Broken(name, str(error)))
    return methods


def _describe(name: str) -> _Method:
    import inspect

    from harness import registry
    from harness.protocol import PRESETS

    method = registry.load(name)
    meta = method.meta
    presets = {preset: registry.resolve(registry.MethodSpec(name, {}), preset) for preset in PRESETS}
    file_facts = ("name", "size", "sha256", "licence", "url")
    return _Method(
        name=name,
        **{fact: getattr(meta, fact) for fact in ("title", "family", "paper", "modalities", "extras")},
        summary=(inspect.getdoc(method) or "").partition("\n")[0],
        weights=[{fact: getattr(file, fact) for fact in file_facts} for file in meta.weights],
        parameters=[
            _Parameter(
                parameter.name,
                parameter.kind.__name__,
                parameter.default,
                parameter.choices,
                {preset: values[parameter.name] for preset, values in presets.items()},
            )
            for parameter in registry.parameters_of(name).values()
        ],
    )


def _print_list(methods: Sequence[_Method | _Broken]) -> None:
    from harness.report.console import stdout

    table = listing(("name", "title", "family", "paper", "needs"))
    for method in methods:
        if isinstance(method, _Broken):
            table.add_row(method.name, "[yellow]broken[/]")
        else:
            table.add_row(method.name, method.title, method.family, method.paper, method.needs)
    stdout.print(table)
    stdout.print("\nParameters: harness methods NAME. Weights: harness weights.", style="dim")


def _print_details(methods: Sequence[_Method]) -> None:
    from harness.report.console import stdout

    for method in methods:
        stdout.print(f"[bold]{method.name}[/]  {method.title}. {method.summary}")
        stdout.print(f"{method.paper}; {' + '.join(method.modalities)}; needs {method.needs}\n", style="dim")
        presets = method.parameters[0].presets if method.parameters else ()
        table = listing(("parameter", "type or choices", "default", *presets))
        for parameter in method.parameters:
            table.add_row(
                parameter.name,
                " | ".join(map(_text, parameter.choices)) or parameter.type,
                _text(parameter.default),
                *(_preset_text(value, parameter.default) for value in parameter.presets.values()),
            )
        stdout.print(table if method.parameters else "no parameters")
        stdout.print()


def _preset_text(value: ParameterValue, default: ParameterValue) -> str:
    return _text(value) if value == default else f"[bold]{_text(value)}[/]"


def _text(value: ParameterValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
