"""Read ``dataset.toml``, and say what is wrong with it in one sentence."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import get_args

import msgspec

from harness.data.own.description import (
    AXES,
    CAMERA_AXES,
    DESCRIPTION,
    LENGTH,
    UNITS,
    CloudDescription,
    CloudKind,
    Description,
)
from harness.data.registry import DATASETS
from harness.dataset_contract import Split
from harness.errors import DataError
from harness.files.reading import read_regular
from harness.plugins import is_plugin_name

__all__ = ["DescriptionError", "faults_in", "read_description"]

_LARGEST = 10**6
"""Bytes of a description."""

_SMALLEST_SIDE = 64
_OPEN = 3
"""Parts of a name that a pattern may leave open: the time of matching grows with their power."""

_CHOICES = {
    "cloud.kind": get_args(CloudKind),
    "background.rule": ("plane", "none", "depth", "mask"),
    "background.keep": ("largest", "all"),
    "files.splits": get_args(Split),
}


class DescriptionError(DataError):
    """A description can't be used; the message names the file, the key and what it may be."""


def read_description(folder: Path) -> Description:
    """Read the description of a folder; that of MVTec 3D-AD's layout in metres where it has none.

    Raises
    ------
    DescriptionError
        Where the file can't be read, or a key is unknown, missing or has a wrong value.
    """
    path = folder / DESCRIPTION
    if not path.exists():
        return Description(CloudDescription(unit="m"))
    try:
        content = tomllib.loads(read_regular(path, _LARGEST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DescriptionError(f"{path} can't be read as TOML ({error}): mend it, or write it anew.") from error
    try:
        description = msgspec.convert(content, Description)
    except msgspec.ValidationError as error:
        raise DescriptionError(_in_words(path, str(error))) from error
    for key, fault in faults_in(description):
        raise DescriptionError(f"{path}: '{key}' {fault}.")
    return description


def _in_words(path: Path, error: str) -> str:
    """Return msgspec's message with the key in front: ``Object missing required field `unit` - at `$.cloud```."""
    message, _, place = error.partition(" - at `$")
    key = place.strip("`.")
    field = re.search(r"`(\w+)`", message)
    if "missing required field" in message and field:
        full = ".".join(filter(None, (key, field[1])))
        if full in ("cloud", "cloud.unit"):
            return f"{path} lacks the key 'cloud.unit': write m, cm, mm, um, or metres per unit."
        return f"{path} lacks the key '{full}': compare it with what 'harness data describe' writes."
    if "unknown field" in message and field:
        table = f"[{key}]" if key else "the file"
        return f"{path}: {table} has no key '{field[1]}': compare it with what 'harness data describe' writes."
    for place, choices in _CHOICES.items():
        if "invalid enum value" in message.lower() and place in error:
            wrong = message.partition("value ")[2]
            return f"{path}: '{place}' holds {wrong}: write one of {', '.join(choices)}."
    return f"{path}: '{key}' is wrong: {message[:1].lower()}{message[1:]}."


def faults_in(description: Description) -> list[tuple[str, str]]:
    """Return the keys whose values are of the right type and can't be used, with the reason."""
    cloud, background, files = description.cloud, description.background, description.files
    faults = _name_faults(description.dataset.name)
    if isinstance(cloud.unit, str) and cloud.unit not in UNITS:
        faults.append(("cloud.unit", f"is '{cloud.unit}': write one of {', '.join(UNITS)}, or metres per unit"))
    elif not isinstance(cloud.unit, str) and not (math.isfinite(cloud.unit) and cloud.unit > 0):
        faults.append(("cloud.unit", f"is {cloud.unit}: write the metres of one unit, a number above 0"))
    axes = cloud.axes.split()
    if not all(word in AXES for word in axes) or sorted(AXES[word][0] for word in axes) != [0, 1, 2]:
        faults.append(("cloud.axes", f"is '{cloud.axes}': name three directions, as in 'right down forward'"))
    if words := [value for value in cloud.missing if isinstance(value, str) and value not in ("nan", "inf")]:
        faults.append(("cloud.missing", f"holds '{words[0]}': write numbers, 'nan' and 'inf'"))
    if cloud.kind in ("depth", "height") and cloud.axes.split() != CAMERA_AXES.split():
        faults.append(("cloud.axes", f"can't be chosen for the kind '{cloud.kind}': leave it out"))
    if cloud.kind == "depth" and cloud.camera is None:
        faults.append(("cloud.camera", "is needed for a depth image: fx, fy, cx, cy or file"))
    if cloud.camera is not None and not cloud.camera.file:
        numbers = (cloud.camera.fx, cloud.camera.fy, cloud.camera.cx, cloud.camera.cy)
        given = [number for number in numbers if number is not None and math.isfinite(number)]
        if len(given) < len(numbers) or min(given[:2]) <= 0:
            faults.append(("cloud.camera", "needs fx and fy above 0, cx and cy in pixels, or file = '...json'"))
    if cloud.kind == "height" and cloud.grid is None:
        faults.append(("cloud.grid", "is needed for a height map: { dx = .., dy = .. } in the unit"))
    if cloud.rows is not None and not 0 <= cloud.rows[0] < cloud.rows[1]:
        faults.append(("cloud.rows", f"is {list(cloud.rows)}: write the first row and one past the last"))
    if not description.rgb.registered:
        faults.append(
            ("rgb.registered", "is false: put the images on the grid of the clouds with the camera's tool first")
        )
    if description.dataset.max_side < 0 or 0 < description.dataset.max_side < _SMALLEST_SIDE:
        faults.append(
            ("dataset.max_side", f"is {description.dataset.max_side}: write at least {_SMALLEST_SIDE} pixels, or 0")
        )
    if background.border < 1:
        faults.append(("background.border", f"is {background.border}: write at least 1 pixel"))
    if background.rule == "mask" and not background.mask:
        faults.append(("background.mask", "is needed for the rule 'mask': the pattern of the images of the object"))
    for name in ("thickness", "cluster", "nearest", "farthest"):
        faults += _length_faults(f"background.{name}", getattr(background, name), zero=name == "nearest")
    if not faults and description.length(background.nearest) >= description.length(background.farthest):
        faults.append(("background.nearest", "lies beyond 'farthest'"))
    words = list(files.splits.values())
    if twice := [word for word in words if words.count(word) > 1]:
        faults.append(("files.splits", f"has '{twice[0]}' for two splits: give each a word of its own"))
    if not files.list:
        faults += _pattern_faults(description)
    elif not files.list.lower().endswith(".csv") or _leads_out(files.list):
        faults.append(("files.list", f"is '{files.list}': name a CSV file below the folder"))
    if cloud.camera is not None and _leads_out(cloud.camera.file):
        faults.append(("cloud.camera", f"leads out of the folder with '{cloud.camera.file}'"))
    return faults


def _name_faults(name: str) -> list[tuple[str, str]]:
    if name and not is_plugin_name(name):
        return [("dataset.name", f"is '{name}': write letters, digits, '_', '.' and '-'")]
    return [("dataset.name", f"is '{name}', a dataset that is known: write another")] if name in DATASETS else []


def _length_faults(key: str, value: str | float, *, zero: bool) -> list[tuple[str, str]]:
    wanted = "write a length such as '5 mm', or a number in the unit"
    if isinstance(value, str):
        match = LENGTH.fullmatch(value)
        try:
            number = float(match[1]) if match else math.nan
        except ValueError:
            number = math.nan
    else:
        number = value
    return (
        [] if math.isfinite(number) and (number > 0 or (zero and number == 0)) else [(key, f"is '{value}': {wanted}")]
    )


def _pattern_faults(description: Description) -> list[tuple[str, str]]:
    files, background = description.files, description.background
    shown = (background.mask,) if isinstance(background.mask, str) else background.mask
    patterns = {
        **{f"files.{kind}": files.patterns(kind) for kind in ("rgb", "cloud", "mask")},
        "background.mask": shown if background.rule == "mask" else (),
    }
    faults = [(key, fault) for key, texts in patterns.items() for text in texts if (fault := _pattern_fault(key, text))]
    missing = [key for key in ("files.rgb", "files.cloud") if not patterns[key]]
    return faults + [(key, "names no file") for key in missing]


def _pattern_fault(key: str, pattern: str) -> str:
    """Return what is wrong with a pattern, empty where nothing is."""
    fields = re.findall(r"{(\w*)}", pattern)
    unknown = sorted(set(fields) - {"category", "split", "defect", "id"})
    if unknown:
        return f"has {{{unknown[0]}}}: only category, split, defect and id are known"
    if any(len(re.findall(r"{\w+}|\*", name.replace("**", ""))) > _OPEN for name in pattern.split("/")):
        return f"has more than {_OPEN} fields and '*' in one name, '{pattern}': name the samples in a CSV with 'list'"
    names = pattern.split("/")
    if names.count("**") > 1 or any("**" in name for name in names if name != "**") or names[-1] == "**":
        return f"has '**' twice or next to letters in '{pattern}': it matches folders, once"
    if key == "files.rgb" and "split" not in fields:
        return f"has no {{split}} in '{pattern}': add it, or name a CSV with 'list'"
    if key in ("files.rgb", "files.cloud") and "id" not in fields:
        return f"has no {{id}} in '{pattern}': files are paired by it"
    return f"leads out of the folder with '{pattern}'" if _leads_out(pattern) else ""


def _leads_out(path: str) -> bool:
    return path.startswith("/") or ".." in Path(path).parts
