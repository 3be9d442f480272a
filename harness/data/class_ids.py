"""Masks whose values name the defect of each pixel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.images import MaskImage, read_text, reading
from harness.dataset_contract import GOOD
from harness.errors import DataError
from harness.files.names import bad_name_reason

__all__ = ["ClassIds", "class_regions", "read_class_ids"]

ClassIds = Mapping[int, str]
"""Values of masks to the names of the defects that they mark."""


def read_class_ids(path: Path, hint: str) -> ClassIds:
    """Read which defect each value of a category's masks marks, without that of nominal pixels; none without a file.

    Raises
    ------
    DataError
        Where the file is not an object of whole numbers and names.
    """
    if not path.exists():
        return {}
    with reading(path, "JSON", hint):
        content = json.loads(read_text(path, hint))
    try:
        named = {int(value): str(name) for value, name in content.items()}
    except (AttributeError, ValueError) as error:
        raise DataError(f"{path} does not name a defect for each value of a mask: {hint}.") from error
    for name in named.values():
        if reason := bad_name_reason(name):
            raise DataError(f"{path} has a name of a defect that can't be used ({reason}): {hint}.")
    return {value: name for value, name in named.items() if value and name != GOOD}


def class_regions(mask: MaskImage, defect: str, classes: ClassIds) -> dict[str, NDArray[np.bool_]] | None:
    """Return the region (H, W) of each defect that a mask names by its values.

    Returns
    -------
    dict or None
        None where the sample's own defect is one of the classes: then all that is marked is of that one, for many
        copies have masks of 0 and 255. None, too, with fewer than two values, or one that is not a class id.
    """
    if not classes or defect in classes.values():
        return None
    values = [int(value) for value in np.unique(mask.values) if value]
    if len(values) < 2 or not classes.keys() >= set(values):
        return None
    names = {classes[value] for value in values}
    return {name: np.isin(mask.values, [value for value in values if classes[value] == name]) for name in sorted(names)}
