"""The cache as the method of one cell sees it: keyed by all that its arrays depend on, open while it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness import registry
from harness.contract import Method, ParameterValue, Sample, UsesCache
from harness.files.array_cache import ArrayCache
from harness.files.digest import digest
from harness.measure.environment import describe_torch, package_versions
from harness.plan.job import Job
from harness.store.environment import CacheUse, Environment, Provider
from harness.store.provenance import family_source_of, provider_of

__all__ = ["CellCache", "cache_during_fit"]

_IRRELEVANT_FACTS = ("device", "interop_threads", "load_average")
"""Facts of an environment that change no number; the kind of device is a part of the key of its own."""


class CellCache:
    """The cache of a cell's method (:class:`harness.contract.Cache`).

    Parameters
    ----------
    store
        Where arrays are kept.
    family
        Of the method; families share nothing.
    origin
        JSON values that the arrays depend on beside the sample and the method's settings: weights, versions, device.
    about
        Facts that ``harness cache`` lists.
    """

    def __init__(self, store: ArrayCache, family: str, origin: Mapping[str, object], about: Mapping[str, str]) -> None:
        self._store, self._about = store, {"family": family, **about}
        self._origin = {"family": family, **origin}
        self._open = True
        self.read, self.made = 0, 0

    def fetch(
        self,
        sample: Sample,
        names: Collection[str],
        make: Callable[[], Mapping[str, NDArray[Any]]],
        **settings: ParameterValue,
    ) -> Mapping[str, NDArray[Any]]:
        """Return the arrays ``names`` of a sample: read from the cache, else made and added to it.

        Raises
        ------
        RuntimeError
            After the end of fit.
        """
        if not self._open:
            raise RuntimeError("The cache serves fit alone: prepare and infer are measured, so they must not read it.")
        key = digest({**self._origin, "sample": _content(sample), "settings": settings}, 32)
        arrays = self._store.get(key, names)
        if arrays is None:
            with self._store.alone(key):
                arrays = self._store.get(key, names)  # another process may have made them meanwhile
                if arrays is None:
                    made = make()
                    self._store.put(key, made, self._about)
                    self.made += 1
                    return {name: made[name] for name in names}
        self.read += 1
        return arrays

    def close(self) -> None:
        """Refuse every further call."""
        self._open = False

    def counts(self) -> CacheUse:
        """Return how many times arrays were read and made."""
        return CacheUse(self.read, self.made)


@contextmanager
def cache_during_fit(method: Method, job: Job) -> Iterator[CellCache | None]:
    """Give a method a cache for the time of the block; None where it can't use a cache or the job forbids it.

    Parameters
    ----------
    method
        Not fitted yet.
    job
        Its cell, with device and weights.
    """
    if not (job.cache and isinstance(method, UsesCache)):
        yield None
        return
    cell, family = job.cell, registry.load(job.cell.method).meta.family
    store = ArrayCache()
    cache = CellCache(store, family, _origin(job), {"dataset": cell.dataset, "category": cell.category})
    with store.session():
        method.use_cache(cache)
        try:
            yield cache
        finally:
            cache.close()


def _origin(job: Job) -> dict[str, object]:
    """Return what numbers depend on, beside the sample: another thread count or version may round differently."""
    facts = msgspec.to_builtins(describe_torch(Environment(), job.device))
    return {
        "weights": {name: file.sha256 for name, file in job.weights.items()},
        "provider": msgspec.to_builtins(_shared_provider(job.cell.method)),
        "packages": package_versions(),
        "device": job.device.partition(":")[0],
        "torch": {name: fact for name, fact in facts.items() if name not in _IRRELEVANT_FACTS},
    }


def _shared_provider(method: str) -> Provider | None:
    """Return what provides a method, with the code of its whole family: the others read what it computes."""
    provider = provider_of(method)
    return None if provider is None else replace(provider, source=family_source_of(method))


def _content(sample: Sample) -> str:
    """Return a digest of all that a method may see of a sample."""
    hashed = sha256()
    for array in sample.arrays.values():
        hashed.update(f"{array.dtype.str}{array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()
