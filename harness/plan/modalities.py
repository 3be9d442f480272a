"""What a method uses of a sample, and what a dataset offers."""

from __future__ import annotations

from collections.abc import Mapping

from harness import registry
from harness.contract import ChoosesModalities, ParameterValue
from harness.dataset_contract import Dataset

__all__ = ["lacking_modalities", "used_modalities"]

_IN_WORDS = {"rgb": "an image", "depth": "a depth without unit", "xyz": "points in metres"}


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
