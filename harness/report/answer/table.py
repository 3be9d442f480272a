"""The table below an answer: accuracy with interval, difference to the best, and costs."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace

from harness.report.answer.answer import Answer, Costs, Standing
from harness.report.differences import BEST, difference_value
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.ties import needed_text
from harness.store.quantities import Quantity, quantity

__all__ = ["answer_grid", "answer_html"]

_HEADINGS = {"fps": "fps\n(strict)", "peak_inference_mb": "peak\nMB", "fit_s": "fit\ns"}

_CAPTION = "95% intervals over test images; differences are paired, and corrected for selecting the best"


def answer_grid(answer: Answer) -> Grid:
    """Return the methods of an answer, the best first: a row for each machine that one was measured on.

    Numbers of a machine compete among those of the same machine.
    """
    metric = quantity(answer.metric)
    costs = [quantity(id) for id in _HEADINGS]
    columns = [
        Column(metric.heading, {"metric": metric.id}),
        Column("to the\nbest", {"metric": f"difference_{metric.id}"}),
        *(Column(_HEADINGS[cost.id], {"metric": cost.id}, cost.lowest) for cost in costs),
    ]
    rows = [
        _row(answer, standing, at, metric, costs, first=not place)
        for standing in answer.methods
        for place, at in enumerate(standing.costs or (None,))
    ]
    rows += [_left_out_row(method.method, method.why, len(columns)) for method in answer.left_out]
    headings: tuple[str, ...] = ("method", "machine")
    shown = slice(None) if len(answer.machines) > 1 else slice(1)
    kept = [Row(row.labels[shown], row.values, row.keys, rank_group=row.rank_group) for row in rows]
    on = f", on {answer.machines[0]}" if len(answer.machines) == 1 else ""
    return Grid(
        title=f"Methods, the best first{on}",
        label_headings=headings[shown],
        columns=tuple(columns),
        rows=rank_columns(kept, columns),
        caption=_CAPTION,
        keys={"kind": "comparison", **answer.setting},
    )


def _row(
    answer: Answer, standing: Standing, costs: Costs | None, metric: Quantity, shown: Sequence[Quantity], *, first: bool
) -> Row:
    machine = costs.machine if costs else ""
    values = [_value(standing, metric, tie=bool(answer.tied)), _difference(standing, metric)]
    numbers = values if first else [Value("")] * 2
    labels = (Value(standing.method if first else "", note=standing.note if first else ""), Value(machine))
    keys = {"method": standing.method, "machine": machine, "category": "+".join(answer.categories)}
    return Row(labels, (*numbers, *(_cost(costs, cost) for cost in shown)), keys, rank_group="compared")


def _value(standing: Standing, metric: Quantity, *, tie: bool) -> Value:
    text = metric.text(standing.value)
    if standing.low is not None and standing.high is not None:
        text += f" [{metric.text(standing.low)}, {metric.text(standing.high)}]"
    value = Value(text, standing.value, ranked=not tie, low=standing.low, high=standing.high)
    if not tie or standing.place not in ("best", "tied"):
        return value
    difference = standing.difference
    if difference is None:
        return replace(value, tied=True)
    note = needed_text({metric.heading: difference})
    return replace(
        value, tied=True, note=note, detectable=difference.detectable, images_needed=difference.images_needed
    )


def _difference(standing: Standing, metric: Quantity) -> Value:
    if standing.place == "best":
        return Value(BEST, 0.0, ranked=False)
    if standing.difference is not None:
        return difference_value(standing.difference, metric)
    return Value(f"{standing.behind:.{metric.digits}f}", standing.behind, note=standing.undecided, ranked=False)


def _cost(costs: Costs | None, shown: Quantity) -> Value:
    cost = costs.numbers[shown.id] if costs else None
    if costs is None or cost is None or cost.value is None:
        return missing(cost.note if cost else "not measured")
    text = shown.text(cost.value)
    return Value(text, cost.value, note=cost.note, ranked=cost.compared, over=costs.machine, quantity=shown.id)


def _left_out_row(method: str, why: str, columns: int) -> Row:
    keys = {"method": method, "machine": "", "category": ""}
    return Row((Value(method, note=f"not compared: {why}"), Value("")), (Value("-"),) * columns, keys)


def answer_html(answer: Answer) -> str:
    """Return sentences and table as HTML."""
    from harness.report.render.page import table_html

    text = "".join(f"<p>{html.escape(part)}</p>" for part in (answer.title, *answer.paragraphs))
    return text + table_html(answer_grid(answer))
