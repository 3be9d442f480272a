"""Which methods of a group are compared, over which categories, and by which metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.answer.answer import LeftOutMethod
from harness.report.grid import NumberId
from harness.report.groups import Group, MethodRecords
from harness.store.quantities import Quantity, quantity
from harness.store.query import label_matches

__all__ = ["PREFERRED", "Field", "choose_field"]

PREFERRED = ("aupro_1", "aupro_30", "aupro_1_official", "aupro_30_official", "p_auroc", "i_auroc")
"""Metrics in the order in which they are taken where none is asked for: AUPRO@1% separates methods best."""

_MOST = 2000
"""Sets of categories that are looked at."""

_Covered = frozenset[tuple[str, str]]
"""Categories, each with the digest of its test images."""


@dataclass(frozen=True, slots=True)
class Field:
    """Methods that have a metric on the same test images of the same categories.

    Parameters
    ----------
    group
        That they are of.
    metric
        By which they are compared.
    categories
        In the published order.
    members
        By label.
    left_out
        The other methods, with the reason.
    """

    group: Group
    metric: Quantity
    categories: tuple[str, ...]
    members: tuple[MethodRecords, ...]
    left_out: tuple[LeftOutMethod, ...]

    @property
    def cells(self) -> int:
        """How many cells are compared."""
        return len(self.categories) * len(self.members)

    def number(self, method: MethodRecords, metric: str = "") -> NumberId:
        """Return the mean of a method over the categories, of another metric where one is named."""
        return NumberId(method, self.categories, metric or self.metric.id)


def choose_field(group: Group, metric: str = "") -> Field:
    """Return what is compared of a group.

    Parameters
    ----------
    group
        Measured under one protocol.
    metric
        Id of an accuracy metric; where empty, the first of :data:`PREFERRED` that the most cells have.
    """
    fields = [_field(group, quantity(id)) for id in ((metric,) if metric else PREFERRED)]
    return max(fields, key=lambda field: field.cells)


def _field(group: Group, metric: Quantity) -> Field:
    """Return the widest comparison by a metric: of all sets of categories that methods share, that with most cells."""
    measured = [method for method in group.methods if method.among(group.categories)]
    fresh = [method for method in measured if not method.shown_stale] or measured
    covered = {id(method): _covered(group, method, metric) for method in fresh}
    shared = _shared(list(covered.values()))
    members = tuple(method for method in fresh if shared and covered[id(method)] >= shared)
    names = tuple(name for name in group.categories if name in dict(shared))
    others = [method for method in group.methods if method not in members]
    absent = [LeftOutMethod(method.label, _why(method, fresh, metric, shared, group)) for method in others]
    absent += [
        LeftOutMethod(pattern, "not measured in this setting")
        for pattern in group.query.methods
        if not any(label_matches(pattern, method.label) for method in group.methods) and not _is_glob(pattern)
    ]
    return Field(group, metric, names, members, tuple(absent))


def _is_glob(pattern: str) -> bool:
    return pattern == "all" or ("[" not in pattern and any(letter in pattern for letter in "*?"))


def _covered(group: Group, method: MethodRecords, metric: Quantity) -> _Covered:
    records = method.among(group.categories)
    return frozenset(
        (name, record.test_images.digest) for name, record in records.items() if metric.number(record) is not None
    )


def _shared(covered: Sequence[_Covered]) -> _Covered:
    """Return the set of categories that makes the most cells comparable, two methods at least where that is possible.

    Of sets with as many cells the one with more methods is taken, of these the first by name.
    """
    sets: set[_Covered] = set()
    for own in sorted(set(covered), key=sorted):
        if len(sets) < _MOST:
            sets |= {own, *(own & other for other in sets)}

    def worth(candidate: _Covered) -> tuple[bool, int, int]:
        members = sum(own >= candidate for own in covered)
        return members > 1, members * len(candidate), members

    return max(sorted(filter(None, sets), key=sorted), key=worth, default=frozenset())


def _why(
    method: MethodRecords, fresh: Sequence[MethodRecords], metric: Quantity, shared: _Covered, group: Group
) -> str:
    """Return why a method is not compared."""
    if method.ok and method not in fresh and method.shown_stale:
        return f"stale: {method.shown_stale}; 'harness run' measures it again"
    wanted = dict(shared) or dict.fromkeys(method.among(group.categories), "")
    lacking = [_lack(method, name, digest, metric) for name, digest in sorted(wanted.items())]
    return ", ".join(filter(None, lacking)) or "none of its cells is ok"


def _lack(method: MethodRecords, category: str, digest: str, metric: Quantity) -> str:
    """Return what a method lacks of a category; empty for nothing."""
    record = method.ok.get(category)
    if record is None:
        return f"lacks {method.why_missing(category)}"
    if metric.number(record) is None:
        return f"no {metric.title} of {category} ({metric.why_missing(record) or 'undefined'})"
    return f"tested on other images of {category}" if digest and record.test_images.digest != digest else ""
