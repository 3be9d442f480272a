"""A cell: a method on a category under a protocol, identified by the digest of all that can change its result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import msgspec

from harness.contract import ParameterValue
from harness.data.conditions import NONE, Condition, parse_condition
from harness.data.splits import Shots
from harness.errors import HarnessError, UsageError
from harness.files.digest import digest, seed_from
from harness.protocol import Protocol

__all__ = ["UNREADABLE", "Cell"]

UNREADABLE = (HarnessError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What reading JSON from anyone, and a cell from it, may raise."""

_LONGEST = 200
"""Characters of a file name's readable parts; file systems take names of up to 255 with all that is added."""


@dataclass(frozen=True)
class Cell:
    """The unit of measurement: it has at most one record.

    Parameters
    ----------
    method
        Name of the method.
    parameters
        All parameters, resolved.
    given
        The parameters that a user named, for the label in tables.
    dataset, category
        Where samples come from.
    data_digest
        Digest of the category's files.
    shots
        Training samples: a number, or ``full``.
    split
        Name of the few-shot list: ``first`` or a seed from 0 to 4.
    split_digest
        Digest of its sample ids.
    protocol
        The settings that are the same for all methods.
    checkpoint
        Digest of released trained weights that replace training; empty where the method is trained.
    weights
        SHA-256 of each pretrained file by name; empty for random weights and for methods that need none.
    """

    method: str
    parameters: Mapping[str, ParameterValue]
    given: Mapping[str, ParameterValue]
    dataset: str
    category: str
    data_digest: str
    shots: Shots
    split: str
    split_digest: str
    protocol: Protocol
    checkpoint: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the cell as plain JSON values."""
        return {**msgspec.to_builtins(self), "protocol": self.protocol.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Cell:
        """Undo :meth:`to_json`.

        Raises
        ------
        UsageError
            Where a field is unknown or missing.
        UNREADABLE
            Where a value is of another type.
        """
        unknown = set(value) ^ {f.name for f in fields(cls)}
        if unknown:
            raise UsageError(f"This cell was written by another version of harness (differs in: {sorted(unknown)}).")
        protocol = Protocol.from_json(msgspec.convert(value["protocol"], dict[str, object]))
        if parse_condition(protocol.condition).text != protocol.condition:
            raise ValueError(f"its condition '{protocol.condition}' is not written as it should be")
        return msgspec.convert({**value, "protocol": protocol}, cls)

    @cached_property
    def id(self) -> str:
        """Digest of everything except ``given``."""
        identity = self.to_json()
        del identity["given"]
        return digest(identity)

    @cached_property
    def condition(self) -> Condition:
        """What is done to its samples."""
        return parse_condition(self.protocol.condition)

    @cached_property
    def fit_id(self) -> str:
        """Id of the cell with the same fit and test samples as they are: its own where these are not changed."""
        return self.without_condition.id if self.condition.of_test else self.id

    @property
    def without_condition(self) -> Cell:
        """The cell of samples as they are."""
        return replace(self, protocol=replace(self.protocol, condition=NONE))

    @cached_property
    def stem(self) -> str:
        """File name of the record, without suffix: readable parts, made unique by the id."""
        condition = () if self.condition.kind is None else (self.condition.text,)
        parts = (self.method, self.dataset, self.category, f"{self.shots}shot", self.split, *condition)
        readable = re.sub(r"[^A-Za-z0-9_.-]", "_", "--".join(parts))
        return f"{readable[:_LONGEST]}--{self.id}"

    @property
    def label(self) -> str:
        """Method and the parameters a user named, as typed: ``cfm[epochs=50]``."""
        from harness.registry import label

        return label(self.method, self.given)

    @property
    def keys(self) -> dict[str, str | int]:
        """What distinguishes it from other cells of a table, by name, for data formats."""
        own = {"method": self.label, "dataset": self.dataset, "category": self.category}
        protocol = {"preset": self.protocol.preset, "weights": self.protocol.weights}
        keys = {**own, "shots": self.shots, "split": self.split, **protocol}
        return keys if self.condition.kind is None else {**keys, "condition": self.condition.text}

    @property
    def seed(self) -> int:
        """Seed of every random choice: the same for all methods on the same samples."""
        return seed_from(self.dataset, self.category, self.shots, self.split)
