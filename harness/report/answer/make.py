"""From records to answers: one for each setting, with what the project's intervals and ties say of its methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.registry import needs_weights
from harness.report.answer.answer import Answer, Decided, MoreImages, OtherMetric, Place, Standing, TestSet
from harness.report.answer.costs import costs_of_members
from harness.report.answer.field import Field, choose_field
from harness.report.decision_table import attainable_text, counted, points_at, threshold_sources
from harness.report.differences import why_undecided
from harness.report.grid import NumberId
from harness.report.groups import MethodRecords, group_records
from harness.report.intervals import Difference
from harness.report.pivot import remarks
from harness.report.power import ROUNDING
from harness.report.uncertainty import Uncertainty
from harness.store.means import mean_over
from harness.store.quantities import ACCURACY, Quantity, quantity, require_accuracy
from harness.store.query import RecordQuery
from harness.store.record import Record

__all__ = ["answer_of", "answers"]

_OF_IMAGES = "i_auroc"
_RATE = 0.01
"""Of the thresholds whose decisions are told."""


def answers(
    records: Iterable[Record],
    query: RecordQuery,
    intervals: Uncertainty,
    metric: str = "",
    elsewhere: Sequence[Record] = (),
) -> list[Answer]:
    """Return an answer for each setting that a query leaves: nothing of two settings is ever compared.

    Parameters
    ----------
    records
        From which the query chooses.
    query
        What was asked for.
    intervals
        Of the results folder that the records were read from.
    metric
        Id of an accuracy metric; where empty, each setting's own (:func:`harness.report.answer.field.choose_field`).
    elsewhere
        Records of the same cells on other machines.

    Raises
    ------
    UsageError
        For an id that is not an accuracy metric's.
    """
    require_accuracy(filter(None, [metric]))
    groups = [group for group in group_records(records, query) if group.cells]
    fields = [choose_field(group, metric) for group in groups]
    intervals.prepare(field.number(method) for field in fields for method in field.members)
    others = query.select(elsewhere)
    return [answer_of(field, intervals, others, asked=bool(metric)) for field in fields]


def answer_of(field: Field, intervals: Uncertainty, elsewhere: Sequence[Record] = (), *, asked: bool = False) -> Answer:
    """Return the answer on what is compared of one group.

    Parameters
    ----------
    field
        What is compared.
    intervals, elsewhere
        As in :func:`answers`.
    asked
        Whether its metric was asked for.
    """
    group = field.group
    methods = _standings(field, intervals, elsewhere)
    return Answer(
        title=group.title,
        setting=group.keys,
        options=group.options,
        metric=field.metric.id,
        why_metric="" if asked else _why_metric(field),
        categories=field.categories,
        missing=_missing(field),
        methods=methods,
        left_out=field.left_out,
        images=_images(field),
        others=_others(field, intervals, methods),
        more_images=_more_images(methods),
        cautions=(*_cautions(field), *_undecided(field)),
    )


def _ordered(field: Field, metric: str) -> list[tuple[float, MethodRecords]]:
    """Return the compared methods that have a metric with their means, the best first, equal ones by label."""
    means = [(mean_over(quantity(metric), method.among(field.categories))[0], method) for method in field.members]
    known = [(mean, method) for mean, method in means if mean is not None]
    return sorted(known, key=lambda pair: (-pair[0], pair[1].label))


def _standings(field: Field, intervals: Uncertainty, elsewhere: Sequence[Record]) -> tuple[Standing, ...]:
    ordered = _ordered(field, field.metric.id)
    if not ordered:
        return ()
    costs = {id(method): cost for method, cost in zip(field.members, costs_of_members(field, elsewhere), strict=True)}
    highest, best = ordered[0]
    others = [method for _, method in ordered[1:]]
    differences = intervals.against_best(field.number(best), [field.number(method) for method in others])
    standings = []
    for (value, method), difference in zip(ordered, [None, *differences], strict=True):
        first, own, behind = method is best, intervals.of(field.number(method)), _behind(value, highest)
        standings.append(
            Standing(
                method=method.label,
                value=value,
                low=own.low if own else None,
                high=own.high if own else None,
                place="best" if first else _place(behind, difference),
                behind=behind,
                difference=difference,
                undecided=""
                if first or difference is not None
                else why_undecided(method, best, field.categories, intervals),
                costs=costs[id(method)],
                note=remarks(field.group, method),
                decided=_decided(method, field.categories),
            )
        )
    return tuple(standings)


def _decided(method: MethodRecords, categories: Sequence[str]) -> Decided | None:
    """Return what thresholds decide for a method; None where one of its records has none."""
    records = tuple(method.among(categories).values())
    points = points_at(records, _RATE)
    false_alarms, missed = (counted(getattr(point, name) for point in points) for name in ("false_alarms", "missed"))
    if len(points) < len(records) or false_alarms is None or missed is None:
        return None
    source = threshold_sources(record.decisions for record in records)
    return Decided(_RATE, source, len(points), false_alarms, missed, attainable_text(points))


def _undecided(field: Field) -> Iterator[str]:
    """Yield why it is not said what thresholds decide for the best method, where that is known of some category."""
    for _, best in _ordered(field, field.metric.id)[:1]:
        records = best.among(field.categories)
        reasons: dict[str, list[str]] = {}
        for name, record in records.items():
            if not points_at([record], _RATE):
                reasons.setdefault(record.decisions.reason.removesuffix(".") or "its record has none", []).append(name)
        if reasons and any(record.decisions.points or record.decisions.reason for record in records.values()):
            listed = {reason: ", ".join(names) for reason, names in reasons.items()}
            if len(records) > 1 and list(map(len, reasons.values())) == [len(records)]:
                listed = dict.fromkeys(reasons, "any category")
            where = "; ".join(f"{names} ({reason})" for reason, names in listed.items())
            yield f"Missed and stopped parts of {best.label} are not counted, since there is no threshold for {where}."


def _behind(value: float, highest: float) -> float:
    """Return how far a mean is behind the highest; a difference in the last bits of two sums counts as none."""
    return value - highest if highest - value > ROUNDING else 0.0


def _place(behind: float, difference: Difference | None) -> Place:
    """Return the place of a method that is not the best: equal numbers are tied, whatever else is known of them."""
    if difference is None:
        return "untested" if behind else "tied"
    return "tied" if difference.tied else "behind"


def _others(field: Field, intervals: Uncertainty, methods: Sequence[Standing]) -> tuple[OtherMetric, ...]:
    """Return who is best in each other metric that all compared methods have."""
    if len(methods) < 2:
        return ()
    others = []
    for metric in ACCURACY:
        ordered = _ordered(field, metric.id)
        if metric.id == field.metric.id or len(ordered) < len(methods):
            continue
        highest, best = ordered[0]
        first, *rest = (NumberId(method, field.categories, metric.id) for _, method in ordered)
        tested = dict(
            zip([method.label for _, method in ordered[1:]], intervals.against_best(first, rest), strict=True)
        )
        behind = {method.label: _behind(value, highest) for value, method in ordered}
        tied = [label for label, test in tested.items() if _place(behind[label], test) != "behind"]
        ours = methods[0].method
        others.append(OtherMetric(metric.id, best.label, highest, (best.label, *tied), behind[ours], tested.get(ours)))
    return tuple(others)


def _more_images(methods: Sequence[Standing]) -> MoreImages | None:
    """Return how many images would decide between the best and the nearest that is tied with it and not equal."""
    rival = next((method for method in methods if method.place == "tied" and method.behind and method.difference), None)
    if rival is None or rival.difference is None:
        return None
    return MoreImages(rival.method, -rival.behind, rival.difference.images_needed, rival.difference.why_unsaid)


def _images(field: Field) -> TestSet:
    defects = [field.members[0].ok[name].test_images.defects for name in field.categories]
    good = [kinds.get("good", 0) for kinds in defects]
    anomalous = [sum(kinds.values()) - kinds.get("good", 0) for kinds in defects]
    return TestSet(sum(good), sum(anomalous), min(good, default=0), min(anomalous, default=0))


def _missing(field: Field) -> dict[str, str]:
    """Return why categories are left out of which some method has numbers."""
    missing = {}
    for name in field.group.categories:
        if name not in field.categories and any(name in method.ok for method in field.group.methods):
            reasons: dict[str, list[str]] = {}
            for method in field.members:
                if reason := _lack(method, name, field.metric):
                    reasons.setdefault(reason, []).append(method.label)
            texts = [f"{', '.join(labels)}: {reason}" for reason, labels in reasons.items()]
            missing[name] = "; ".join(texts) or "tested on different images"
    return missing


def _lack(method: MethodRecords, category: str, metric: Quantity) -> str:
    """Return what a method lacks of a category; empty for nothing."""
    record = method.ok.get(category)
    if record is None:
        return method.why_missing(category).removeprefix(f"{category} ").removeprefix("(").removesuffix(")")
    return (metric.why_missing(record) or "undefined") if metric.number(record) is None else ""


def _why_metric(field: Field) -> str:
    """Return why whole images decide, not pixels."""
    if field.metric.id != _OF_IMAGES:
        return ""
    records = [method.ok[name] for method in field.members for name in field.categories]
    reasons = dict.fromkeys(filter(None, (quantity("aupro_1").why_missing(record) for record in records)))
    return "; ".join(reasons) or "the records have no metric of pixels for all of these cells"


def _cautions(field: Field) -> tuple[str, ...]:
    group = field.group
    sentences = []
    if stale := dict.fromkeys(filter(None, (method.shown_stale for method in field.members))):
        sentences.append(f"All of these numbers are stale: {'; '.join(stale)}. 'harness run' measures them again.")
    if group.protocol.weights == "random" and any(needs_weights(method.cell.method) for method in field.members):
        sentences.append("The networks have random weights: measure with pretrained ones before you decide.")
    return tuple(sentences)
