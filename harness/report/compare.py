"""Measured numbers beside published ones: which may be compared, and by how much they differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from statistics import fmean

from harness import registry
from harness.cell import Cell
from harness.contract import ParameterValue
from harness.data.conditions import NONE
from harness.errors import UsageError
from harness.protocol import Protocol
from harness.registry import base_name
from harness.report.grid import Value, missing
from harness.report.groups import Group, MethodRecords, samples_title
from harness.store.literature import SOURCES
from harness.store.published import MEAN, Published, PublishedRow, canonical_label
from harness.store.quantities import Quantity

__all__ = [
    "difference",
    "on_other_machine",
    "published_labels",
    "published_values",
    "same_parameters",
    "why_not_comparable",
]

_EXACT = ("aupro_30", "aupro_1")


def why_not_comparable(group: Group, published: Published) -> str:
    """Return why no number of a group may be compared with published ones, in one sentence; empty where they may."""
    reasons = []
    if not published.has(group.dataset):
        reasons.append(f"there are none for the dataset '{group.dataset}'")
    elif not published.has(group.dataset, group.shots):
        reasons.append(f"there are none for '{group.dataset}' with {samples_title(group.shots)}")
    if group.unlike_published:
        reasons.append(f"it is about {' and '.join(group.unlike_published.values())}")
    if group.protocol.weights == "random":
        reasons.append("the pretrained networks have random weights")
    if group.protocol.preset != "paper":
        reasons.append(f"the preset '{group.protocol.preset}' is not the published setting")
    if group.protocol.condition != NONE:
        reasons.append(f"samples were changed (condition {group.protocol.condition})")
    if group.shots != "full" and group.split != "first":
        reasons.append(f"the published ones are trained on the first {group.shots} samples (split 'first')")
    if _scoring(group.protocol) != _scoring(Protocol()):
        reasons.append("size, ground truth or cleaning are not those of this version's protocol")
    return f"Not comparable with published numbers: {'; '.join(reasons)}." if reasons else ""


def _scoring(protocol: Protocol) -> tuple[object, ...]:
    return protocol.eval_size, protocol.ground_truth, protocol.cleaning


def published_values(
    group: Group, method: MethodRecords, published: Published, quantities: Sequence[Quantity]
) -> tuple[Value, ...] | None:
    """Return published means over the same categories as the measured ones; None where nothing is published.

    Parameters
    ----------
    group, method
        What was measured.
    published
        May be compared with the group (:func:`why_not_comparable`).
    quantities
        Looked for under the same id: exact and official AUPRO never meet.
    """
    labels = published_labels(method, published)
    covered = tuple(method.among(group.categories))
    if not labels or not covered:
        return None
    find = partial(published.find, group.dataset, labels, group.shots)

    def value(quantity: Quantity) -> Value:
        if quantity.id in _EXACT:
            return missing("papers print the official AUPRO only")
        whole = find(MEAN, quantity.id)
        if covered == group.all_categories:
            return _as_printed(whole) if whole else missing("not published")
        parts = [row.value for category in covered if (row := find(category, quantity.id)) is not None]
        if len(parts) == len(covered):
            number = fmean(parts)
            return Value(f"{number:.3f}", number, note=f"mean of the published values of {', '.join(covered)}")
        return missing("published as a mean over all categories only" if whole else "not published")

    return tuple(on_other_machine(value(quantity), quantity) for quantity in quantities)


def _as_printed(row: PublishedRow) -> Value:
    source = SOURCES.get(row.source)
    return Value(row.text, row.value, note=f"{source.citation}: {source.note}" if source else "")


def on_other_machine(printed: Value, quantity: Quantity) -> Value:
    """Add to a published number that depends on the machine that it was another one."""
    if printed.number is None or not quantity.of_machine:
        return printed
    math = ", in the math of their code" if quantity.math else ""
    return replace(printed, note=f"on the authors' machine{math}: no difference is given")


def published_labels(method: MethodRecords, published: Published) -> tuple[str, ...]:
    """Return the published names of a measured method: those with the same parameters once all are resolved.

    A method that is no longer installed is compared by its label.
    """
    return tuple(name for name in published.methods if same_parameters(name, method.cell))


def same_parameters(name: str, cell: Cell, preset: str = "paper", *, but: Collection[str] = ()) -> bool:
    """Return whether a label means what a cell was measured with, once all parameters are resolved.

    Parameters
    ----------
    name
        Label, for example ``cfm[epochs=50]``.
    cell
        What was measured; where its method is no longer installed its label is compared.
    preset
        What fills in the parameters that the label leaves out.
    but
        Parameters that may differ.
    """
    if base_name(name) != cell.method:
        return False
    try:
        wanted = _resolved(name, preset)
    except UsageError:
        return canonical_label(name) == cell.label
    if not but:
        return wanted == cell.parameters
    return all(cell.parameters.get(key) == value for key, value in wanted.items() if key not in but)


@cache
def _resolved(name: str, preset: str) -> Mapping[str, ParameterValue]:
    (spec,) = registry.parse([name])
    return dict(registry.resolve(spec, preset))


def difference(measured: Value, printed: Value, quantity: Quantity) -> Value:
    """Return measured minus published with its sign; an empty value where one is missing or of another machine."""
    if measured.number is None or printed.number is None or quantity.of_machine:
        return Value("")
    number = measured.number - printed.number
    text = f"{number:+.{quantity.digits}f}"
    return Value(text if float(text) else text[1:], number)
