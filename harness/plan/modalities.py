"""What a method uses of a sample, and what a dataset offers."""

from __future__ import annotations

from collections.abc import Mapping

from harness import registry
from harness.contract import ChoosesModalities, ParameterValue
from harness.data.conditions import Condition
from harness.dataset_contract import Dataset

__all__ = ["condition_refused", "lacking_modalities", "used_modalities"]

_IN_WORDS = {"rgb": "an image", "depth": "a depth without unit", "xyz": "points in metres"}

_PARTS = {"rgb": ("rgb",), "xyz": ("depth", "xyz")}
"""What goes with a part of a sample that is missing."""


def used_modalities(name: str, parameters: Mapping[str, ParameterValue]) -> tuple[str, ...]:
    """Return the modalities that a method uses with these parameters.

    Parameters
    ----------
    name
        As registered.
    parameters
        All of them, resolved.
    """
    kind = registry.load(name)
    if not issubclass(kind, ChoosesModalities):
        return kind.meta.modalities
    return kind(**parameters).modalities()


def lacking_modalities(name: str, parameters: Mapping[str, ParameterValue], dataset: Dataset, category: str) -> str:
    """Return why a method can't run on a category, in one sentence; empty where the dataset offers what it uses.

    Raises
    ------
    DataError
        Where the sample that tells it can't be read.
    """
    offered = dataset.modalities(category)
    missing = [kind for kind in used_modalities(name, parameters) if kind not in offered]
    if not missing:
        return ""
    needs, has = (" and ".join(_IN_WORDS[kind] for kind in kinds) for kinds in (missing, offered))
    return f"'{name}' needs {needs}, but {dataset.info.title} has {has} alone for {category}."


def condition_refused(
    name: str, parameters: Mapping[str, ParameterValue], condition: Condition, dataset: Dataset, category: str
) -> str:
    """Return why a method can't be measured under a condition, in one sentence; empty where it can.

    A method that doesn't use what is missing is measured as it is: the condition changes nothing that it gets.
    """
    if lacking := condition.lacking(dataset.modalities(category), dataset.info.title):
        return lacking
    missing = condition.kind.changes if condition.kind is not None and condition.kind.takes_away else ""
    used = used_modalities(name, parameters)
    if not missing or not any(kind in used for kind in _PARTS[missing]):
        return ""
    if missing in registry.load(name).meta.tolerates_missing:
        return ""
    what = "an image" if missing == "rgb" else "a cloud"
    return f"'{name}' uses {what} of every sample, and its authors do not say that it does without."
