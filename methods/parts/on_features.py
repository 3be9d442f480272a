"""What methods share that train a network on the features of both frozen networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.contract import Cache, Implementation, Sample
from methods.parts.base import WithWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from methods.parts.features import Extractors, Inputs

__all__ = ["OnFeatures"]


@dataclass(kw_only=True, eq=False)
class OnFeatures(WithWeights):
    """The functions of the contract that are about the frozen networks, and the state of a trained one."""

    losses_: list[float] = field(default_factory=list, init=False, repr=False)
    _cache: Cache | None = field(default=None, init=False, repr=False)

    def use_cache(self, cache: Cache) -> None:
        """Read features of training samples from a cache in the next fit; all methods of a family share its entries."""
        self._cache = cache

    def prepare(self, sample: Sample) -> Inputs:
        """Pad, resize, normalise and transfer one sample."""
        return self._fitted()[0].prepare(sample)

    def state_bytes(self) -> Mapping[str, int]:
        """Return the bytes of the frozen and of the trained networks; there is no bank."""
        from methods.parts.module_state import module_bytes

        extractors, trained = self._fitted()
        held = extractors.state_bytes()
        return {"weights": held["weights"] + module_bytes(trained), "bank": 0, "other": held["other"]}

    def implementations(self) -> Mapping[str, Implementation]:
        """Return what computes the parts of the extractors where a machine decides it."""
        return self._fitted()[0].implementations()

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return what was trained."""
        from methods.parts.module_state import to_arrays

        return to_arrays(self._fitted()[1])

    @abstractmethod
    def _fitted(self) -> tuple[Extractors, nn.Module]:
        """Return the frozen networks and the trained one; raise MethodError where there are none as yet."""
