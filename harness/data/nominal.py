"""Training samples that thresholds are set on: left out of a few-shot list, or held out of all samples.

No sample shows an instance of a part that the method is fitted on. The order is that of a hash
(:func:`harness.data.split_files.seeded_order`), so nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil

from harness.data.split_files import seeded_order

__all__ = ["FEWEST_FITTED", "held_out", "left_out"]

FEWEST_FITTED = 10
"""Training samples that must remain where some are held out."""

_FEWEST_HELD_OUT = 2
_MOST_LEFT_OUT = 20
_SHARE = 10
_SEED = "thresholds"


def held_out(dataset: str, category: str, instances: Mapping[str, str]) -> frozenset[str]:
    """Return a tenth of all training samples, at least two; none where too few would remain to be fitted.

    Parameters
    ----------
    dataset, category
        Of the samples.
    instances
        The instance of a part that each shows, by the sample's id.
    """
    count = max(_FEWEST_HELD_OUT, ceil(len(instances) / _SHARE))
    drawn = frozenset(_drawn(dataset, category, instances, count))
    return drawn if len(instances) - len(drawn) >= FEWEST_FITTED else frozenset()


def left_out(dataset: str, category: str, instances: Mapping[str, str], fitted: Collection[str]) -> tuple[str, ...]:
    """Return training samples that a list does not hold: up to 20, or a tenth of all where that is more.

    Parameters
    ----------
    dataset, category, instances
        As of :func:`held_out`.
    fitted
        Ids that the list holds.

    Returns
    -------
    tuple of str
        Ids, ascending.
    """
    shown = {instances[id_] for id_ in fitted}
    others = {id_: instance for id_, instance in instances.items() if instance not in shown}
    most = max(_MOST_LEFT_OUT, ceil(len(instances) / _SHARE))
    return tuple(sorted(_drawn(dataset, category, others, most)[:most]))


def _drawn(dataset: str, category: str, instances: Mapping[str, str], count: int) -> list[str]:
    """Return samples of whole instances, in an order fixed by a hash, until there are ``count`` of them."""
    samples: dict[str, list[str]] = {}
    for id_, instance in sorted(instances.items()):
        samples.setdefault(instance, []).append(id_)
    drawn: list[str] = []
    for instance in seeded_order(dataset, category, _SEED, samples):
        if len(drawn) >= count:
            break
        drawn += samples[instance]
    return drawn
