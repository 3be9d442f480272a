"""The protocol: everything that must be equal for two cells to be comparable, as one value object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import msgspec

from harness.errors import UsageError
from harness.files.digest import digest

__all__ = ["PRESETS", "PROTOCOL_VERSION", "LatencyBudget", "Math", "Protocol", "WeightsMode"]

WeightsMode = Literal["pretrained", "random"]

Math = Literal["strict", "default"]
"""How torch may compute on a CUDA device. ``strict``: deterministic algorithms, and float32 means float32. ``default``:
as torch does unless told otherwise, with the fastest algorithms and TF32 in convolutions.

Training, accuracy and memory are always strict. Times of inference are measured in both on a CUDA device, each with the
budget of the latency pass. A CPU computes the same in both, so it is measured in strict math alone.
"""

PROTOCOL_VERSION = 1
"""Raised by every change of harness after which a cell can give another number; a refactoring leaves it as it is."""


_LEFT_OUT = (("version", 1), ("condition", "none"))
"""Fields with these values are not written: records from before there were such fields keep their ids."""


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """How long the latency pass measures.

    Parameters
    ----------
    warmups
        Calls before the first measured one, while ``max_seconds`` last.
    min_calls, min_seconds
        Measuring continues until both are reached.
    max_seconds
        Time after which it ends before that, with at least one call.
    """

    warmups: int = 10
    min_calls: int = 100
    min_seconds: float = 5.0
    max_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Protocol:
    """The settings that are the same for every method (the defaults are the ``paper`` preset).

    Parameters
    ----------
    preset
        Name of the preset that set the parameters of methods. The cell holds the resolved parameters.
    weights
        ``pretrained``, or ``random`` (seeded; never comparable with a published number).
    eval_size
        Side of the square in which maps and ground truth are compared, pixels.
    ground_truth
        ``zero_pad_nearest``: centred zero padding to a square, then nearest resize.
    cleaning
        Name and version of the background removal.
    latency
        Budget of the latency pass.
    memory_seconds
        Time after which the memory pass predicts no further sample; the first is always predicted.
    version
        :data:`PROTOCOL_VERSION` of what measured. Version 1 is left out of digests: the first records don't name it.
    condition
        What is done to test samples or to the training list (:mod:`harness.data.conditions`), as it is written.
        ``none`` is left out of digests, like version 1.
    """

    preset: str = "paper"
    weights: WeightsMode = "pretrained"
    eval_size: int = 224
    ground_truth: str = "zero_pad_nearest"
    cleaning: str = "reference-1"
    latency: LatencyBudget = field(default_factory=LatencyBudget)
    memory_seconds: float = 200.0
    version: int = 1
    condition: str = "none"

    @staticmethod
    def for_preset(preset: str, weights: WeightsMode) -> Protocol:
        """Return the protocol of a preset name; raise UsageError for an unknown one."""
        if preset not in PRESETS:
            raise UsageError(f"There is no preset '{preset}': choose one of {', '.join(PRESETS)} with --preset.")
        return replace(PRESETS[preset], weights=weights)

    def to_json(self) -> dict[str, object]:
        """Return the protocol as plain JSON values."""
        plain = cast(dict[str, object], msgspec.to_builtins(self))
        return {name: value for name, value in plain.items() if (name, value) not in _LEFT_OUT}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Protocol:
        """Undo :meth:`to_json`.

        Raises
        ------
        UsageError
            Where a field is unknown, as of a later version.
        ValueError
            Where a value is of another type.
        """
        protocol = msgspec.convert(value, cls)
        latency = msgspec.convert(value.get("latency", {}), dict[str, object])
        unknown = {
            *(set(value) - set(cls.__dataclass_fields__)),
            *(set(latency) - set(LatencyBudget.__dataclass_fields__)),
        }
        if unknown:
            raise UsageError(f"This protocol was written by another version of harness (unknown: {sorted(unknown)}).")
        return protocol

    @property
    def digest(self) -> str:
        """Digest of all fields."""
        return digest(self.to_json())


PRESETS: dict[str, Protocol] = {
    "paper": Protocol(version=PROTOCOL_VERSION),
    "quick": Protocol(
        version=PROTOCOL_VERSION,
        preset="quick",
        latency=LatencyBudget(warmups=1, min_calls=6, min_seconds=1.0, max_seconds=15.0),
        memory_seconds=2.0,
    ),
}
"""The protocol of each preset, with pretrained weights."""
