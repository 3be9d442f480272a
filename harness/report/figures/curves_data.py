"""PRO and ROC curves of pixels, means over categories, as data: from the counts that lie beside the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.curves import Curve, CurveKind, mean_curve
from harness.report.groups import Group, MethodRecords
from harness.store.store import Store

__all__ = ["CurvesData", "MeanCurve", "measured_curves"]


@dataclass(frozen=True, eq=False)
class MeanCurve:
    """A method's curve.

    Parameters
    ----------
    label
        The method, with the number of its categories where some lack.
    curve
        Mean over its categories that have counts.
    """

    label: str
    curve: Curve


@dataclass(frozen=True, eq=False)
class CurvesData:
    """The figure as data.

    Parameters
    ----------
    title
        What holds for all curves.
    kind
        ``pro`` or ``roc``.
    curves
        By label.
    notes
        What was left out and why.
    """

    title: str
    kind: CurveKind
    curves: tuple[MeanCurve, ...]
    notes: tuple[str, ...] = ()


def measured_curves(group: Group, store: Store, kind: CurveKind) -> CurvesData:
    """Return the mean curves of a group's methods; records without counts are left out, with a note.

    Parameters
    ----------
    group
        Measured under one protocol.
    store
        Where the counts lie.
    kind
        ``pro`` or ``roc``.
    """
    curves: list[MeanCurve] = []
    without: dict[str, list[str]] = {}
    for method in group.methods:
        curve, lacking = _mean_curve(group, method, store, kind)
        if curve is not None:
            curves.append(curve)
        if lacking:
            without[method.label] = lacking
    what = "" if group.categories == group.all_categories else f"categories {', '.join(group.categories)}"
    title = f"{group.title}{f'; {what}' if what else ''}"
    return CurvesData(title, kind, tuple(curves), _without_counts(without))


def _without_counts(without: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the sentence about methods that have records without counts."""
    if not without:
        return ()
    named = ", ".join(f"{label} ({', '.join(categories)})" for label, categories in without.items())
    return (f"No counts to draw a curve from: {named}; the same 'harness run' with --rerun METHOD makes them.",)


def _mean_curve(
    group: Group, method: MethodRecords, store: Store, kind: CurveKind
) -> tuple[MeanCurve | None, list[str]]:
    """Return the mean curve of a method, and the categories that have records but no counts."""
    wanted = group.categories
    measured = {category: method.ok[category] for category in wanted if category in method.ok}
    lacking = [category for category, record in measured.items() if mean_curve(store, {category: record}, kind) is None]
    curve = mean_curve(store, {name: record for name, record in measured.items() if name not in lacking}, kind)
    if curve is None:
        return None, lacking
    found = len(curve.categories)
    label = method.label if found == len(wanted) else f"{method.label} ({found} of {len(wanted)})"
    return MeanCurve(label, curve), lacking
