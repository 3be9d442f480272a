"""The tables that the paper does not have: accuracy, by category and defect, speed, latency windows and memory."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from harness.data.conditions import parse_condition
from harness.report.grid import Column, Grid, Row, Value, missing, range_text
from harness.report.groups import Group, MethodRecords
from harness.report.pivot import (
    Cut,
    group_grid,
    measured_on,
    measured_value,
    method_rows,
    pivot,
)
from harness.store.published import MEAN, Published
from harness.store.quantities import ACCURACY, WINDOWS, Quantity, in_each_math, known_energy, quantities_of, quantity

__all__ = [
    "accuracy_grid",
    "category_grid",
    "chosen_metrics",
    "cost_grid",
    "defect_grid",
    "memory_grid",
    "summary_grid",
    "timing_grid",
]

_REPORTED = "bytes of tensors and arrays, as the method reports them"
_COSTS = ("device_median_ms", "end_to_end_median_ms", "fps", "energy_j", "memory_mb", "peak_inference_mb")
_SUMMARY = (*(metric.id for metric in ACCURACY), "device_median_ms", "end_to_end_median_ms", "memory_mb")
_STATISTICS = ("median", "low", "high", "p95", "p99")
_OF_COSTS = "median latency at batch 1; infer: infer only, end to end: prepare and infer; memory: parameters and bank"
_OF_MATH = (
    "strict math: deterministic algorithms, no TF32; default math: as torch computes on a GPU unless told otherwise"
)
_OF_ENERGY = "J/image: whole board or packages during the timed calls, idle power and other processes included"
_OF_TIMING = (
    "batch 1; decode: reading the files, clean: removing the background, device: infer only, end to end: prepare and "
    "infer; interval: order statistics of one category's calls, over several the means of its ends, which is wider "
    "than an interval of the mean"
)


def chosen_metrics(metrics: Sequence[str]) -> tuple[Quantity, ...]:
    """Return the accuracy metrics of some ids in the order of tables; all where none is named."""
    return tuple(metric for metric in ACCURACY if not metrics or metric.id in metrics)


def accuracy_grid(group: Group, published: Published | None, metrics: Sequence[str] = ()) -> Grid:
    """Return accuracy metrics of a group: each method measured, published, and the difference.

    Parameters
    ----------
    group
        Measured under one protocol.
    published
        None to show measured numbers only.
    metrics
        These only; all where empty.
    """
    return pivot(
        group, "accuracy", "Accuracy", [Cut(metric) for metric in chosen_metrics(metrics)], published=published
    )


def category_grid(group: Group, metric: Quantity) -> Grid:
    """Return an accuracy metric by category, and its mean: for metrics that the paper does not print so."""
    names = (*group.categories, MEAN)
    cuts = [Cut(metric, name.replace("_", "\n"), {"category": name}, category=name) for name in names]
    return replace(pivot(group, "categories", f"{metric.title} by category", cuts), caption="")


def defect_grid(group: Group, metric: Quantity) -> Grid | None:
    """Return an accuracy metric by type of defect, each against all good samples; None where no defect is recorded.

    Values are means over the categories that have the defect. An image with several defects counts under each of them:
    as a whole for metrics of images, with the pixels of that defect alone for those of pixels.
    """
    images: dict[str, dict[str, set[int]]] = {}
    several = False
    for category in group.categories:
        for record in (method.ok[category] for method in group.methods if category in method.ok):
            several |= sum(record.test_images.defects.values()) > (record.samples.test or math.inf)
            for defect in record.by_defect:
                counts = images.setdefault(defect, {}).setdefault(category, set())
                counts.add(record.test_images.defects.get(defect, 0))
    if not images:
        return None
    cuts = [
        Cut(metric, f"{defect}\nn={_images_text(images[defect].values())}", {"defect": defect}, defect=defect)
        for defect in sorted(images)
    ]
    caption = "each defect (n images) against all good ones, in the categories that have it"
    if several:
        caption += "; an image with several defects counts under each, with the pixels of that one alone"
    cuts.append(Cut(metric, "all", {"defect": "all"}))
    return pivot(group, "defects", f"{metric.title} by defect", cuts, caption=caption)


def _images_text(counts: Collection[set[int]]) -> str:
    """Return the sum of numbers of images, from the least to the most where methods were tested on different ones."""
    return range_text(sum(map(min, counts)), sum(map(max, counts)))


def cost_grid(group: Group, published: Published | None) -> Grid:
    """Return latency, frames a second, memory and its peak of a group, means over categories, beside published ones.

    Frames a second are those of the device window, which the authors of CFM say they timed; no difference is given,
    because the machine is another one. Memory is the paper's column: bytes of parameters and bank; the peak is what was
    measured, and no paper has it. Energy has a column where some machine told it. Times and energy of a busy machine
    are left out.
    """
    sources = {id: ", or ".join(_sources(group, quantity(id))) for id in ("peak_inference_mb", "energy_j")}
    texts = {"peak_inference_mb": "peak: the most that was held in inference", "energy_j": _OF_ENERGY}
    how = [f"{texts[id]} ({source})" for id, source in sources.items() if source]
    caption = "; ".join((_OF_COSTS, _OF_MATH, *how))
    cuts = [Cut(quantity(id)) for id in _in_each_math(known_energy(_COSTS, group.ok), group)]
    return pivot(group, "costs", "Speed and memory", cuts, published=published, note=measured_on, caption=caption)


def _in_each_math(ids: Sequence[str], group: Group) -> tuple[str, ...]:
    """Return ids of quantities with those of speeds in default math, where a record of a group has one."""
    records = group.ok
    return in_each_math(ids, lambda id: any(quantity(id).number(record) is not None for record in records))


def memory_grid(group: Group) -> Grid:
    """Return the memory of a group's methods in MB (1e6 bytes), means over categories.

    Parts of the state are what the method reports; the others are what a counter says, named in the caption and, in
    data formats, with every number. Numbers of several machines or counters have no mean and don't compete.
    """
    parts = [part for part in quantities_of("memory") if part.id != "memory_mb"]
    sources = {part: " or ".join(_sources(group, part)) for part in parts}
    described: dict[str, list[str]] = {}
    for part, source in sources.items():
        if source:
            described.setdefault(source, []).append(part.short.replace("\n", " "))
    caption = "; ".join(f"{', '.join(headings)}: {source}" for source, headings in described.items())
    cuts = [Cut(part, part.short, {"how": sources[part]}) for part in parts]
    return pivot(group, "memory", "Memory in MB", cuts, note=measured_on, caption=caption)


def _sources(group: Group, part: Quantity) -> tuple[str, ...]:
    """Return the counters behind a column's numbers."""
    if not part.of_machine:
        return (_REPORTED,)
    return tuple(dict.fromkeys(filter(None, map(part.source, group.ok))))


def timing_grid(group: Group) -> Grid:
    """Return the latency of every window of a group's methods, means over categories.

    Medians and percentiles of one window compete where all were measured on one machine, but for decoding and
    cleaning, which are the same work for every method. Times of a busy machine are left out, and those of several
    machines have no mean.
    """
    windows = {window: [quantity(f"{window}_{name}_ms") for name in _STATISTICS] for window in WINDOWS}
    records = group.ok
    timed = [
        name for name, (median, *_) in windows.items() if any(median.number(record) is not None for record in records)
    ]
    rows: list[Row] = []
    for method in group.methods:
        for position, window in enumerate(timed):
            values = [measured_value(group, method, Cut(part)) for part in windows[window]]
            block = method_rows(
                group,
                method,
                [*values, _calls(method, window)],
                notes=[measured_on(method)],
                keys={"window": window},
                second=WINDOWS[window],
            )
            rows += (
                block
                if not position
                else [replace(row, labels=(Value(""), row.labels[1]), starts=False) for row in block]
            )
    columns = [Column(part.short, {}, True) for part in windows["device"]]
    columns.append(Column("calls", {}))
    absent = {
        name: " or ".join(dict.fromkeys(median.why_missing(record) for record in records))
        for name, (median, *_) in windows.items()
        if name not in timed
    }
    caption = "; ".join((_OF_TIMING, _OF_MATH, *(f"{WINDOWS[name]}: {reason}" for name, reason in absent.items())))
    return group_grid(group, "timing", "Timing", columns, rows, caption=caption, second="window")


def _calls(method: MethodRecords, window: str) -> Value:
    """Return the number of calls over all categories, whatever else ran; an empty value where it is unknown."""
    counts = [quantity(f"{window}_calls").number(record) for record in method.ok.values()]
    known = [count for count in counts if count is not None]
    total = sum(known)
    return Value(f"{total:.0f}", total, ranked=False, quantity=f"{window}_calls") if known else Value("")


def summary_grid(group: Group) -> Grid:
    """Return the table that ends a run: a row for each cell, and a mean for each method.

    A cell that is not ok is a row of dashes with its reason, and its method has no mean. Under a condition of test
    samples there are no columns of costs, which are those of samples as they are.
    """
    rows: list[Row] = []
    shown = [quantity(id) for id in _in_each_math(_SUMMARY, group)]
    if parse_condition(group.protocol.condition).of_test:
        shown = list(ACCURACY)
    for method in group.methods:
        recorded = [category for category in group.categories if category in method.records]
        for position, category in enumerate(recorded):
            record = method.records[category]
            values = [measured_value(group, method, Cut(part, category=category)) for part in shown]
            if record.status != "ok":
                values = [missing(f"{record.status}: {record.reason}")] * len(shown)
            rows.append(_summary_row(method, category, values, first=not position))
        if len(recorded) > 1:
            failed = [category for category in recorded if category not in method.ok]
            values = [measured_value(group, method, Cut(part), recorded) for part in shown]
            if failed:
                values = [missing(f"no mean without {', '.join(failed)}")] * len(shown)
            rows.append(_summary_row(method, f"mean of {len(recorded)}", values, group="mean"))
    columns = [Cut(part).column for part in shown]
    return replace(group_grid(group, "results", "Results", columns, rows, second="category"), caption="")


def _summary_row(
    method: MethodRecords, category: str, values: Sequence[Value], *, first: bool = False, group: str = ""
) -> Row:
    labels = (Value(method.label if first else ""), Value(category))
    keys = {"method": method.label, "category": category, "source": "measured"}
    return Row(labels, tuple(values), keys, starts=first, rank_group=group)
