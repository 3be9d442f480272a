"""What methods cost on each machine that they were measured on; numbers of two machines never meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.report.answer.answer import Cost, Costs
from harness.report.answer.field import Field
from harness.report.groups import Group, MethodRecords, split_by_machine
from harness.report.pivot import CONTENDED, Cut, measured_value
from harness.store.means import busy_reason, machines_of
from harness.store.quantities import quantity
from harness.store.record import Record

__all__ = ["COSTS", "costs_of_members"]

COSTS = ("fps", "peak_inference_mb", "fit_s")
"""Frame rate, memory and training time."""

_FROM_CACHE = "features of training samples were read from the cache: run with --no-cache to compare times of fit"


def costs_of_members(field: Field, elsewhere: Sequence[Record] = ()) -> list[tuple[Costs, ...]]:
    """Return the costs of each compared method, one for each machine that it was measured on in all categories.

    Parameters
    ----------
    field
        What is compared.
    elsewhere
        Records of the same cells on other machines.
    """
    parts = split_by_machine(field.group, elsewhere)
    return [
        tuple(costs for part in parts if (costs := _costs(part, method, field.categories))) for method in field.members
    ]


def _costs(part: Group, method: MethodRecords, categories: Sequence[str]) -> Costs | None:
    """Return the costs of a method on the machine of a part of a group; None where it was not measured there."""
    own = {record.cell.id for record in method.records.values()}
    twin = next((m for m in part.methods if any(r.cell.id in own for r in m.records.values())), None)
    records = twin.among(categories) if twin is not None else {}
    if twin is None or not records:
        return None
    lacking = [name for name in categories if name not in records]
    numbers = {id: _cost(part, twin, id, categories) for id in COSTS}
    if lacking:
        numbers = dict.fromkeys(COSTS, Cost(None, f"not measured on this machine in {', '.join(lacking)}"))
    return Costs(part.machine or ", ".join(machines_of(records.values())), numbers)


def _cost(part: Group, method: MethodRecords, id: str, categories: Sequence[str]) -> Cost:
    value = measured_value(part, method, Cut(quantity(id)), categories)
    cost = Cost(value.number, value.note, value.number is not None and value.ranked)
    return _of_fit(cost, method.among(categories)) if id == "fit_s" and cost.compared else cost


def _of_fit(cost: Cost, records: Mapping[str, Record]) -> Cost:
    """Return the time of fit, which tells nothing where other runs had done a part of it or disturbed it."""
    environments = [record.environment for record in records.values()]
    if any(environment.cache is not None and environment.cache.read for environment in environments):
        return replace(cost, note=_FROM_CACHE, compared=False)
    busy = busy_reason(records)
    return replace(cost, note=f"{CONTENDED}, {busy}", compared=False) if busy else cost
