"""What most methods have in common: the paths of pretrained files, and the error of one that is not fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.contract import MethodError

__all__ = ["WithWeights", "not_fitted"]


@dataclass(kw_only=True, eq=False)
class WithWeights:
    """A method with pretrained files."""

    _files: Mapping[str, Path] = field(default_factory=dict, init=False, repr=False)

    def load_weights(self, files: Mapping[str, Path]) -> None:
        """Remember the paths of the pretrained files."""
        self._files = dict(files)


def not_fitted(method: str, calls: str = "fit or restore") -> MethodError:
    """Return the error of a method that is used before one of some calls."""
    return MethodError(f"{method} is not fitted: call {calls} first.")
