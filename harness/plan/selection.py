"""What a user chooses, and the methods that this means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness import registry
from harness.contract import ParameterValue, Portable
from harness.data.conditions import NONE, parse_condition
from harness.data.registry import DEFAULT_DATASET, default_preset
from harness.data.splits import Shots, require_split_name
from harness.errors import UsageError

__all__ = ["ChosenMethod", "Selection", "chosen_methods"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a user chooses on the command line.

    Parameters
    ----------
    methods
        Texts of methods (:func:`harness.registry.parse`).
    dataset
        Name of the dataset.
    data
        Its folder, None for the embedded one.
    categories
        Names or globs; empty for all on disk.
    shots, splits
        Training-set sizes and names of few-shot lists.
    preset
        None: ``quick`` on the toy dataset, ``paper`` on any other.
    weights
        ``auto``: ``pretrained``, but on the toy dataset ``random`` where a file is missing.
    weights_dir
        Folder of weight files.
    unverified
        Whether weight files with another SHA-256 than the published one are accepted.
    checkpoint
        Folder of released trained weights that take the place of training.
    save_fitted
        Whether fitted methods are kept: a measured cell without its file runs again.
    save_maps
        Whether the maps of the test images are kept: a measured cell without its file runs again.
    rerun
        ``failed``: only cells whose record is not ok, or that were to be measured again and went wrong; ``all``: also
        measured ones; a method: its measured ones too.
    cache
        Whether cells may share extracted features.
    log
        Folder of training logs; None for none.
    machines
        Where cells may run, as records name it: a cell that only another machine has measured runs again. Empty where
        that is unknown: then any machine's record counts.
    pairs
        Methods, as :class:`harness.registry.MethodSpec` prints them, and shots that go together; None: each method
        with all shots.
    conditions
        Under which each is measured (:mod:`harness.data.conditions`), as they are written.
    """

    methods: tuple[str, ...]
    dataset: str = DEFAULT_DATASET
    data: Path | None = None
    categories: tuple[str, ...] = ()
    shots: tuple[Shots, ...] = (10,)
    splits: tuple[str, ...] = ("first",)
    preset: str | None = None
    weights: Literal["auto", "pretrained", "random"] = "auto"
    weights_dir: Path | None = None
    unverified: bool = False
    checkpoint: Path | None = None
    save_fitted: bool = False
    save_maps: bool = False
    rerun: tuple[str, ...] = ()
    cache: bool = True
    log: Path | None = None
    machines: tuple[str, ...] = ()
    pairs: frozenset[tuple[str, Shots]] | None = None
    conditions: tuple[str, ...] = (NONE,)

    def wants(self, spec: registry.MethodSpec, shots: Shots) -> bool:
        """Return whether a method is planned with so many shots."""
        return self.pairs is None or (str(spec), shots) in self.pairs

    @property
    def used_preset(self) -> str:
        """The preset of its cells: the chosen one, or that of its dataset."""
        return self.preset or default_preset(self.dataset)

    def splits_of(self, shots: Shots) -> tuple[str, ...]:
        """Return the names of the lists that are planned with so many shots: all samples are one list."""
        return self.splits if shots != "full" else ("first",)


@dataclass(frozen=True, slots=True)
class ChosenMethod:
    """A method of a selection.

    Parameters
    ----------
    spec
        As parsed.
    parameters
        All of them, resolved.
    given
        Those that the user named and that differ from the default: a cell has one label however it was typed.
    """

    spec: registry.MethodSpec
    parameters: Mapping[str, ParameterValue]
    given: Mapping[str, ParameterValue]


def chosen_methods(selection: Selection) -> tuple[ChosenMethod, ...]:
    """Check all of a selection that needs no data, and return its methods in the order of their cells.

    Raises
    ------
    UsageError
        For an unknown method, parameter, split or method to run again, and for options that don't go together.
    """
    specs = _cache_producers_first(registry.parse(selection.methods))
    _check(selection, specs)
    preset = selection.used_preset
    return tuple(
        ChosenMethod(spec, registry.resolve(spec, preset), _non_default_parameters(spec, preset)) for spec in specs
    )


def _cache_producers_first(specs: Sequence[registry.MethodSpec]) -> list[registry.MethodSpec]:
    """Order methods so that in each family those whose cached features serve the others come first."""
    metas = {spec.name: registry.load(spec.name).meta for spec in specs}
    families = list(dict.fromkeys(metas[spec.name].family for spec in specs))
    return sorted(specs, key=lambda spec: (families.index(metas[spec.name].family), -metas[spec.name].cache_order))


def _check(selection: Selection, specs: Sequence[registry.MethodSpec]) -> None:
    """Raise UsageError for choices that no cell can meet."""
    for name in selection.splits:
        require_split_name(name)
    for text in selection.conditions:
        parse_condition(text)
    known = ("failed", "all", *dict.fromkeys(name for spec in specs for name in (spec.name, str(spec))))
    for name in selection.rerun:
        if name not in known:
            nearest = registry.nearest_names(name, known)
            raise UsageError(f"--rerun takes failed, all or a method of this run, not '{name}': {nearest}")
    if selection.checkpoint is not None and selection.shots != ("full",):
        raise UsageError(
            "Released checkpoints were trained on all samples, so --checkpoint goes with '--shots full' alone."
        )
    for spec in specs if selection.save_fitted else ():
        if not issubclass(registry.load(spec.name), Portable):
            raise UsageError(f"Method '{spec.name}' can't be saved (it has no state()): leave out --save-fitted.")


def _non_default_parameters(spec: registry.MethodSpec, preset: str) -> dict[str, ParameterValue]:
    """Return the parameters that a user named and that differ from the default."""
    default = registry.resolve(registry.MethodSpec(spec.name, {}), preset)
    return {name: value for name, value in spec.parameters.items() if default[name] != value}
