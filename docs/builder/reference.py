"""Parts of pages that are made from the code: commands, configuration, quantities, records, methods, leaderboard."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import UnionType

import click
import msgspec

from harness import registry
from harness.cli.main import cli
from harness.cli.parameter_texts import parameter_texts
from harness.cli.settings import SETTINGS
from harness.store.quantities import Kind, quantities_of
from harness.store.record import Record

__all__ = ["PARTS", "record_schema"]


_JSON_NAMES: Mapping[object, str] = {
    bool: "boolean",
    float: "number",
    int: "integer",
    str: "text",
    type(None): "null",
}


def commands(group: click.Group = cli, context: click.Context | None = None) -> Iterator[tuple[click.Context, int]]:
    """Yield the context of every command below a group, and its depth from 1 on."""
    parent = context or click.Context(group, info_name="harness")
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=parent)
        depth = inner.command_path.count(" ")
        yield inner, depth
        if isinstance(command, click.Group):
            yield from commands(command, inner)


def command_reference() -> str:
    """Return a section for each verb: what it does, how it is called, and its options."""
    parts = [*_help(cli.help or "")]
    for context, depth in commands():
        command = context.command
        parts.append(f"{'#' * (depth + 1)} {context.command_path}")
        parts.append(f"```text\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```")
        parts += _help(command.help or "")
        records = [param.get_help_record(context) for param in command.params]
        if rows := [record for record in records if record]:
            parts.append(_table(("option", "meaning"), ((_code(names), _text(text)) for names, text in rows)))
    return "\n\n".join(parts)


def configuration() -> str:
    """Return the settings of a project and the environment variables that options read."""
    options = [(context, param) for context, _ in commands() for param in context.command.params]
    settings = []
    for key in SETTINGS:
        named = [param for _, param in options if isinstance(param, click.Option) and param.name == key]
        verbs = dict.fromkeys(_verb(context) for context, param in options if param.name == key)
        settings.append((_code(key), _text(named[0].help or ""), ", ".join(map(_code, verbs))))
    variables: dict[str, tuple[str, dict[str, None]]] = {}
    for context, param in options:
        if isinstance(param, click.Option) and isinstance(param.envvar, str):
            entry = variables.setdefault(param.envvar, (_code(param.opts[0]), {}))
            entry[1][_verb(context)] = None
    rows = ((_code(name), option, ", ".join(map(_code, verbs))) for name, (option, verbs) in sorted(variables.items()))
    return "\n\n".join(
        (
            "## Settings of a project",
            _table(("key", "meaning", "for"), settings),
            "## Environment variables",
            _table(("variable", "sets", "for"), rows),
        )
    )


def quantities() -> str:
    """Return a table of every number that a record may hold, by kind."""
    parts = []
    for kind in typing.get_args(Kind):
        rows = (
            (
                _code(quantity.id),
                quantity.title,
                quantity.unit,
                ("lowest" if quantity.lowest else "highest") if quantity.ranked else "",
                _code(".".join(quantity.place)),
                quantity.help,
            )
            for quantity in quantities_of(kind)
        )
        parts += [f"## {kind.capitalize()}", _table(("id", "heading", "unit", "best", "in a record", "meaning"), rows)]
    return "\n\n".join(parts)


def records() -> str:
    """Return a table of fields for the record and for every type in it."""
    parts = ["[JSON Schema](record.schema.json)"]
    for kind in _types_in(Record):
        texts = parameter_texts(kind)
        hints = typing.get_type_hints(kind)
        rows = (
            (_code(field.name), _type_text(hints[field.name]), _default(field), _text(texts.get(field.name, "")))
            for field in dataclasses.fields(kind)
        )
        summary = inspect.cleandoc(kind.__doc__ or "").partition("\n\nParameters\n")[0]
        parts += [f"## {kind.__name__}", _plain(summary), _table(("field", "type", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def record_schema() -> str:
    """Return the JSON Schema of a record."""
    return json.dumps(msgspec.json.schema(Record), indent=1)


def methods() -> str:
    """Return a table of the methods of this distribution, each with its page."""
    own = sorted(entry.name for entry in entry_points(group="harness.methods") if entry.value.startswith("methods."))
    rows = []
    for name in own:
        meta = registry.load(name).meta
        extras = ", ".join(map(_code, meta.extras))
        rows.append((f"[`{name}`]({name}.md)", meta.title, " + ".join(meta.modalities), meta.paper, extras))
    return _table(("name", "title", "uses", "paper", "extras"), rows)


def leaderboard() -> str:
    """Return the tables of the committed lines and the accepted submissions."""
    results = Path(__file__).parents[2] / "results"
    where = ("--leaderboard", str(results / "leaderboard"), "--submissions", str(results / "submissions"))
    command = [sys.executable, "-P", "-m", "harness", "leaderboard", *where, "--format", "markdown"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": command_reference,
    "configuration": configuration,
    "leaderboard": leaderboard,
    "methods": methods,
    "quantities": quantities,
    "records": records,
}
"""What stands in the place of ``<!-- built: NAME -->`` to ``<!-- end -->``."""


def _verb(context: click.Context) -> str:
    return context.command_path.removeprefix("harness ")


def _help(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; those that keep their lines become blocks of code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```"
        else:
            yield _text(paragraph)


def _types_in(kind: type, seen: dict[type, None] | None = None) -> list[type]:
    """Return a dataclass and those that its fields hold, each once, in the order in which they are met."""
    found = {} if seen is None else seen
    found[kind] = None
    for hint in typing.get_type_hints(kind).values():
        for inner in _parts_of(hint):
            if dataclasses.is_dataclass(inner) and inner not in found:
                _types_in(inner, found)
    return list(found)


def _parts_of(hint: object) -> Iterator[type]:
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    for inner in typing.get_args(hint):
        yield from _parts_of(inner)


def _type_text(hint: object) -> str:
    """Return the text of a type; a type that has a table links to it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type_text(arguments[0])
    if origin is typing.Literal:
        return " \\| ".join(_code(json.dumps(value)) for value in arguments)
    if origin in (typing.Union, UnionType):
        return " or ".join(map(_type_text, arguments))
    if arguments:
        outer = "list of" if origin is tuple else "object of"
        return f"{outer} {_type_text(arguments[-2] if arguments[-1] is Ellipsis else arguments[-1])}"
    if dataclasses.is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return _JSON_NAMES.get(hint, str(hint))


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return "" if field.default in ("", None, ()) else _code(json.dumps(field.default, default=str))
    return "" if field.default_factory is not dataclasses.MISSING else "needed"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (header, ("---",) * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _text(text: str) -> str:
    """Return one line in which no character is taken for Markdown."""
    return re.sub(r"([*_<>|\[\]`])", r"\\\1", " ".join(text.split()))


def _plain(text: str) -> str:
    return _text(re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", ""))
