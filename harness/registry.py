"""Names of methods and their parameters: ``cfm``, ``cfm[epochs=50,aggregate=sum]``, ``cfm*``, ``all``.

Methods announce themselves under the entry-point group ``harness.methods``; a method is imported on first use. A method
that is not installed is named by a reference, ``./file.py:Class`` or ``module:Class``.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import math
import re
import typing
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, Literal, get_args, get_origin

from harness.contract import ChoosesWeights, Meta, Method, ParameterValue, UnsupportedError, WeightFile
from harness.errors import UsageError
from harness.files.imports import ImportedClass, import_class, named_errors
from harness.plugins import METHODS_GROUP, PluginGroup, is_plugin_name
from harness.protocol import PRESETS

__all__ = [
    "MethodSpec",
    "Parameter",
    "base_name",
    "entry_of",
    "imported_class",
    "label",
    "load",
    "load_reference",
    "method_names",
    "nearest_names",
    "needs_weights",
    "note_of",
    "parameters_of",
    "parse",
    "parse_label",
    "reference_of",
    "resolve",
    "split_list",
    "usable_names",
    "value_text",
    "weights_of",
]

_log = logging.getLogger(__name__)
_SPEC = re.compile(r"^(?P<name>[A-Za-z0-9_.*?-]+|[^\[\]]+:[^\[\]]+)(?:\[(?P<parameters>[^\[\]]*)\])?$")
_plugins = PluginGroup(METHODS_GROUP, "method")
_references: dict[str, ImportedClass] = {}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method: the keyword argument of its constructor."""

    name: str
    kind: type
    default: ParameterValue
    choices: tuple[ParameterValue, ...] = ()


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method with the parameters a user named, checked but without defaults and presets.

    Parameters
    ----------
    name
        As registered, or that of the class a reference leads to.
    parameters
        Only those named, in the order of the constructor.
    """

    name: str
    parameters: Mapping[str, ParameterValue]

    def __str__(self) -> str:
        return label(self.name, self.parameters)


def label(name: str, parameters: Mapping[str, ParameterValue]) -> str:
    """Return the canonical text of a method with parameters, ``cfm[aggregate=sum,epochs=50]``."""
    if not parameters:
        return name
    inner = ",".join(f"{key}={value_text(parameters[key])}" for key in sorted(parameters))
    return f"{name}[{inner}]"


def value_text(value: ParameterValue) -> str:
    """Return the value of a parameter as it is typed: ``true``, ``0.5``, ``sum``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_label(text: str) -> tuple[str, str]:
    """Return the method of a label and the text of its parameters.

    ``cfm[epochs=50,aggregate=sum] (released weights)`` gives ``cfm`` and ``epochs=50,aggregate=sum``, ``cfm`` gives
    ``cfm`` and an empty text. Neither is checked.
    """
    name, _, rest = text.partition("[")
    return name.partition(" ")[0], rest.partition("]")[0]


def base_name(text: str) -> str:
    """Return the method of a label, without parameters: ``cfm`` for ``cfm[epochs=50]``."""
    return parse_label(text)[0]


def nearest_names(wrong: str, known: Iterable[str]) -> str:
    """Return a sentence part that offers the nearest known names, or all of them where none is near."""
    known = sorted(set(known))
    near = difflib.get_close_matches(wrong, known, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    return f"choose from {', '.join(known) or 'nothing (none is installed)'}."


def method_names() -> tuple[str, ...]:
    """Return all registered names without importing any method."""
    return _plugins.names()


def usable_names() -> tuple[str, ...]:
    """Return the names of the methods that can be imported and made; the others are named in warnings, once each."""
    return tuple(name for name in method_names() if _is_usable(name))


@cache
def _is_usable(name: str) -> bool:
    try:
        for preset in PRESETS:
            resolve(MethodSpec(name, {}), preset)
    except UsageError as error:
        _log.warning("%s It is left out.", error)
        return False
    return True


def entry_of(name: str) -> EntryPoint | None:
    """Return the entry point of an installed method."""
    return _plugins.entry(name)


@cache
def load(name: str) -> type[Method]:
    """Import a method.

    Raises
    ------
    UsageError
        For an unknown name, and for a plugin that can't be imported or breaks the contract.
    """
    if name in _references:
        return typing.cast("type[Method]", _references[name].type)
    if name not in method_names():
        raise UsageError(f"There is no method '{name}': {nearest_names(name, method_names())}")
    entry = _plugins.usable_entry(name)
    remedy = "mend or uninstall the package that registers it"
    with named_errors(f"Method '{name}' can't be imported from {entry.value}", remedy):
        return _require_contract(entry.load(), f"Method '{name}' from {entry.value}")


def needs_weights(name: str) -> bool:
    """Return whether a method uses pretrained files; True for one that can't be imported here."""
    try:
        return bool(load(name).meta.weights)
    except UsageError:
        return True


def note_of(name: str) -> str:
    """Return what a reader of a method's numbers must know; empty for one that can't be imported here."""
    try:
        return load(name).meta.note
    except UsageError:
        return ""


def weights_of(name: str, parameters: Mapping[str, ParameterValue]) -> tuple[WeightFile, ...]:
    """Return the pretrained files that a method needs with these parameters, all of them, resolved.

    Raises
    ------
    UnsupportedError
        Where the method can't be made on this machine.
    """
    kind = load(name)
    if not issubclass(kind, ChoosesWeights):
        return kind.meta.weights
    return kind(**parameters).weight_files()


def _require_contract(method: Any, subject: str) -> type[Method]:
    missing = [part for part in ("fit", "prepare", "infer", "state_bytes") if not callable(getattr(method, part, None))]
    if missing or not isinstance(getattr(method, "meta", None), Meta):
        raise UsageError(f"{subject} breaks the contract: it has no {', '.join(missing) or 'meta'}.")
    return typing.cast("type[Method]", method)


def load_reference(reference: str) -> str:
    """Import a method that is not installed, and return its name, which stands for it in this process from now on.

    Parameters
    ----------
    reference
        ``FILE.py:CLASS``, or ``MODULE:CLASS`` of a module that Python can import. A file that was edited since it was
        last imported is imported again.

    Raises
    ------
    UsageError
        Where there is no such file, module or class, where it can't be imported or breaks the contract, and where its
        name is that of another method.
    """
    imported = import_class(reference)
    name = _require_contract(imported.type, imported.reference).meta.name
    rename = f"change the name in its Meta ({imported.reference})"
    if not is_plugin_name(name):
        raise UsageError(f"'{name}' is not a valid name for a method: {rename} to letters, digits, '_', '.' and '-'.")
    entry = entry_of(name)
    if entry is not None:
        if entry.value == f"{imported.type.__module__}:{imported.type.__qualname__}":
            return name
        package = entry.dist.name if entry.dist else "An installed package"
        raise UsageError(f"{package} already registers a method '{name}' ({entry.value}): {rename}.")
    known = _references.get(name)
    if known is not None and known.reference != imported.reference:
        raise UsageError(f"{known.reference} is a method '{name}', too: {rename}.")
    _references[name] = imported
    load.cache_clear()
    return name


def imported_class(name: str) -> ImportedClass | None:
    """Return what :func:`load_reference` imported under a name; None for an installed method."""
    return _references.get(name)


def reference_of(name: str) -> str:
    """Return the reference by which another process imports a method; empty for an installed method."""
    return _references[name].reference if name in _references else ""


def parameters_of(name: str) -> dict[str, Parameter]:
    """Return the parameters of a method in the order of its constructor."""
    return dict(_parameters(name, load(name)))


@cache
def _parameters(name: str, method: type[Method]) -> Mapping[str, Parameter]:
    constructor = method.__init__
    if constructor is object.__init__:
        return {}
    with named_errors(f"Method '{name}' breaks the contract: its constructor's types can't be read", "mend it"):
        hints = typing.get_type_hints(constructor)
    parameters = {}
    for argument in list(inspect.signature(constructor).parameters.values())[1:]:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            continue
        parameters[argument.name] = _parameter(name, argument, hints.get(argument.name, str))
    return parameters


def _parameter(method: str, argument: inspect.Parameter, hint: Any) -> Parameter:
    if argument.default is argument.empty:
        raise UsageError(f"Method '{method}' breaks the contract: its parameter '{argument.name}' has no default.")
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind = type(choices[0]) if choices else hint
    if kind not in (bool, int, float, str):
        raise UsageError(
            f"Method '{method}' breaks the contract: parameter '{argument.name}' must be bool, int, float, str "
            f"or a Literal of these, not {hint}."
        )
    return Parameter(argument.name, kind, argument.default, choices)


def split_list(text: str) -> list[str]:
    """Split at commas that stand outside brackets: ``cfm[a=1,b=2],btf`` has two parts."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def parse(selection: Iterable[str]) -> tuple[MethodSpec, ...]:
    """Turn a selection into methods: names, globs, ``all``, references, parameters in brackets; each once.

    Parameters
    ----------
    selection
        Texts as typed, each of one or more methods between commas.

    Raises
    ------
    UsageError
        For an unknown name, parameter or value, with the nearest names, and as in :func:`load_reference`.
    """
    specs: dict[str, MethodSpec] = {}
    for text in selection:
        for part in split_list(text):
            for spec in _parse_one(part):
                specs.setdefault(str(spec), spec)
    if not specs:
        raise UsageError("No method is named: give --methods, for example '--methods cfm,cfm-t' or '--methods all'.")
    return tuple(specs.values())


def _parse_one(part: str) -> list[MethodSpec]:
    match = _SPEC.match(part)
    if match is None:
        raise UsageError(
            f"'{part}' is not a method: write a name, a name with parameters like 'cfm[epochs=50]', or FILE.py:CLASS "
            "for a method that is not installed."
        )
    names = _names(match["name"])
    return [MethodSpec(name, _parse_parameters(name, match["parameters"] or "")) for name in names]


def _names(pattern: str) -> list[str]:
    """Return the methods that a name, a glob, ``all`` or a reference stands for."""
    if ":" in pattern:
        return [load_reference(pattern)]
    if pattern in _references or pattern in method_names():
        return [pattern]
    names = [name for name in method_names() if fnmatchcase(name, "*" if pattern == "all" else pattern)]
    if not names:
        raise UsageError(f"There is no method '{pattern}': {nearest_names(pattern, method_names())}")
    usable = [name for name in names if _is_usable(name)]
    if not usable:
        raise UsageError(f"None of the methods that match '{pattern}' can be used: {', '.join(names)}.")
    return usable


def _parse_parameters(name: str, text: str) -> dict[str, ParameterValue]:
    known = parameters_of(name)
    given: dict[str, ParameterValue] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise UsageError(f"'{part}' in '{name}[{text}]' is not a valid parameter: write name=value.")
        if key not in known:
            raise UsageError(f"Method '{name}' has no parameter '{key}': {nearest_names(key, known)}")
        if key in given:
            raise UsageError(f"Parameter '{key}' is given twice in '{name}[{text}]': keep one.")
        given[key] = _convert(name, known[key], value)
    return {key: given[key] for key in known if key in given}


def _convert(method: str, parameter: Parameter, text: str) -> ParameterValue:
    try:
        value = _BOOLEANS[text.lower()] if parameter.kind is bool else parameter.kind(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(text)
    except (ValueError, KeyError):
        raise UsageError(
            f"Parameter '{parameter.name}' of '{method}' must be of type {parameter.kind.__name__}, not '{text}'."
        ) from None
    if parameter.choices and value not in parameter.choices:
        raise UsageError(
            f"Parameter '{parameter.name}' of '{method}' can't be '{text}': "
            f"{nearest_names(text, map(str, parameter.choices))}"
        )
    return typing.cast("ParameterValue", value)


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def resolve(spec: MethodSpec, preset: str) -> dict[str, ParameterValue]:
    """Return every parameter of a method: those named, else those of the preset, else the defaults.

    Raises
    ------
    UsageError
        Where the method's constructor refuses the combination.
    """
    method = load(spec.name)
    defaults = {name: parameter.default for name, parameter in parameters_of(spec.name).items()}
    values = defaults | dict(method.meta.presets.get(preset, {})) | dict(spec.parameters)
    with named_errors(f"Method '{spec}' can't be made", "mend its constructor"), suppress(UnsupportedError):
        try:  # what it lacks on this machine is not a fault of the combination: its cell will say so
            method(**values)
        except (TypeError, ValueError) as error:
            raise UsageError(f"Method '{spec}' can't be made: {error}.") from error
    return values
