"""Checks of a method before it is fitted: its description and its constructor."""

from __future__ import annotations

import pickle
import random
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from harness import registry
from harness.conformance.check import check
from harness.conformance.outcome import CheckFailedError
from harness.conformance.subject import PRESET, Subject
from harness.contract import (
    MODALITIES,
    OPTIONAL_FIELDS,
    ChoosesModalities,
    ChoosesWeights,
    Method,
    ParameterValue,
    UsesWeights,
    WeightFile,
)
from harness.protocol import PRESETS

__all__ = ["construct", "light", "meta", "parameters"]

_CODE = (".py", ".pyc", ".so", ".pyd", ".dylib")
_LONGEST_SECONDS = 1.0
_EXTREMES: dict[type, tuple[Any, ...]] = {int: (0, -1, -(10**9)), float: (0.0, -1.0, -1e30), str: ("",)}


@check("meta", "meta names the entry point, title, family, modalities, fields, weight files and presets.")
def meta(subject: Subject) -> None:
    """Read the description."""
    with subject.calling("reading meta"):
        wrong = _wrong_in_meta(subject.spec.name, subject.kind)
    if wrong:
        raise CheckFailedError(wrong)


def _wrong_in_meta(name: str, kind: type[Method]) -> str:
    described = kind.meta
    unknown = [preset for preset in described.presets if preset not in PRESETS]
    if described.name != name:
        return f"meta.name is '{described.name}', but the entry point is '{name}'."
    if not (described.title and described.family):
        return f"meta.{'family' if described.title else 'title'} is empty."
    if not described.modalities or not set(described.modalities) <= set(MODALITIES):
        return f"meta.modalities is {described.modalities!r}, which is not a selection of {', '.join(MODALITIES)}."
    if wrong := set(described.needs) - set(OPTIONAL_FIELDS):
        return f"meta.needs names {min(wrong)!r}, which is none of {', '.join(OPTIONAL_FIELDS)}."
    if type(described.cores) is not int or described.cores < 1:
        return f"meta.cores is {described.cores!r}, which is not a number of 1 or more."
    if not all(isinstance(file, WeightFile) and file.name and file.url and file.licence for file in described.weights):
        return "meta.weights must hold WeightFile objects with name, url and licence."
    if described.weights and not issubclass(kind, UsesWeights):
        return "meta.weights names files, but there is no load_weights()."
    return f"meta.presets names '{unknown[0]}', which is none of {', '.join(PRESETS)}." if unknown else ""


@check("construct", "The constructor takes its defaults, every preset and the parameters that were named.")
def construct(subject: Subject) -> None:
    """Construct it in all ways that the command line may."""
    plain = registry.MethodSpec(subject.spec.name, {})
    for spec, preset in ((plain, ""), *((plain, preset) for preset in PRESETS), (subject.spec, PRESET)):
        with subject.calling(f"the constructor with {f'preset {preset}' if preset else 'its defaults'}"):
            registry.resolve(spec, preset)
    built = subject.build()
    if not isinstance(built, Method):
        raise CheckFailedError("An object of the class lacks fit, prepare, infer, state_bytes or meta.")
    if isinstance(built, ChoosesModalities):
        with subject.calling("modalities()"):
            used = built.modalities()
        if not used or not set(used) <= set(MODALITIES):
            raise CheckFailedError(f"modalities() is {used!r}, which is not a selection of {', '.join(MODALITIES)}.")
    if isinstance(built, ChoosesWeights):
        with subject.calling("weight_files()"):
            files = built.weight_files()
        if not set(files) <= set(subject.kind.meta.weights):
            raise CheckFailedError("weight_files() has a file that meta.weights lacks.")


@check(
    "parameters", "Every parameter has a fitting default; an unknown one is a TypeError, a wrong value a ValueError."
)
def parameters(subject: Subject) -> None:
    """Look at the signature, and try arguments that must be refused."""
    with subject.calling("reading the constructor's signature"):
        known = registry.parameters_of(subject.spec.name)
    for parameter in known.values():
        _require_fitting_default(parameter)
    _require_refusal_of_unknown(subject)
    for parameter in known.values():
        if not parameter.choices:
            _try_extremes(subject, parameter)


def _require_fitting_default(parameter: registry.Parameter) -> None:
    default, kind = parameter.default, parameter.kind
    fits = default in parameter.choices if parameter.choices else type(default) is kind
    if not (fits or (kind is float and type(default) is int)):
        wanted = f"one of {parameter.choices}" if parameter.choices else f"of type {kind.__name__}"
        raise CheckFailedError(f"The default of '{parameter.name}' is {default!r}, which is not {wanted}.")


def _require_refusal_of_unknown(subject: Subject) -> None:
    unknown: dict[str, ParameterValue] = {"no_such_parameter": 1}
    with subject.calling("the constructor, given an unknown parameter, where only TypeError is allowed,"):
        try:
            subject.kind(**unknown)
        except TypeError:
            return
    raise CheckFailedError("The constructor takes a parameter that it does not have, so a misspelt one goes unnoticed.")


def _try_extremes(subject: Subject, parameter: registry.Parameter) -> None:
    for value in _EXTREMES.get(parameter.kind, ()):
        with subject.calling(f"the constructor, given {parameter.name}={value!r}, where only ValueError is allowed,"):
            try:
                subject.kind(**{parameter.name: value})
            except ValueError:
                continue


@check("light", "Importing and constructing it do nothing else: no torch, no file, no draw, no delay.", "construct")
def light(subject: Subject) -> None:
    """Construct it once more, and look for side effects."""
    if "torch" in sys.modules and not subject.torch_was_loaded:
        raise CheckFailedError("Importing or constructing it imports torch, which slows all listings: do that in fit.")
    already, drawn, started = len(subject.side_effects.touched), _random_state(), perf_counter()
    subject.build()
    seconds = perf_counter() - started
    reached = [touch for touch in subject.side_effects.touched[already:] if Path(touch.target).suffix not in _CODE]
    if reached:
        raise CheckFailedError(
            f"The constructor reaches out of the process ({reached[0].event}: {reached[0].target}): do that in fit."
        )
    if _random_state() != drawn:
        raise CheckFailedError("The constructor draws random numbers, before any seed is set: do that in fit.")
    if seconds > _LONGEST_SECONDS:
        raise CheckFailedError(f"The constructor takes {seconds:.1f} s: do the work in fit.")


def _random_state() -> tuple[Any, bytes]:
    return random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002 - the global generator is meant
