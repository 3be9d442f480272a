"""Parts of tables that set measured numbers beside published ones: values, differences, rows, footnotes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import fmean

from harness import registry
from harness.cell import Cell
from harness.contract import ParameterValue
from harness.errors import UsageError
from harness.report.grid import Column, Grid, Row, Value, missing, rank_columns
from harness.report.measured import Mean, MeasuredGroup, MeasuredMethod, why_not_comparable
from harness.report.names import MetricName
from harness.store.published import MEAN, Published, PublishedRow, canonical_label

__all__ = [
    "Reference",
    "difference",
    "group_grid",
    "measured_value",
    "method_rows",
    "note",
    "published_labels",
    "remarks",
    "same_parameters",
]

_NAMED = 2
"""Categories that are named instead of counted."""

_EXACT = ("aupro_30", "aupro_1")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a group's numbers may be compared with.

    Parameters
    ----------
    published
        None where nothing is set beside them.
    warning
        Why not, in one sentence; empty where it goes without saying.
    """

    published: Published | None
    warning: str = ""

    @classmethod
    def of(cls, group: MeasuredGroup, published: Published | None) -> Reference:
        """Return published numbers for a group, or the reason why none are comparable."""
        if published is None:
            return cls(None)
        warning = why_not_comparable(group, published)
        return cls(None, warning) if warning else cls(published)

    def values(
        self, group: MeasuredGroup, method: MeasuredMethod, metrics: Sequence[MetricName]
    ) -> tuple[Value, ...] | None:
        """Return published means over the same categories as the measured ones; None where nothing is published.

        Parameters
        ----------
        group, method
            What was measured.
        metrics
            Looked for under the same id: exact and official AUPRO never meet.
        """
        covered = tuple(category for category in group.categories if category in method.ok)
        if self.published is None or not covered:
            return None
        labels = published_labels(method, self.published)
        find = partial(self.published.find, group.dataset, labels, group.shots)
        return (
            tuple(_published_value(find, metric.id, covered, group.categories) for metric in metrics)
            if labels
            else None
        )

    def remark(self, method: MeasuredMethod) -> str:
        """Return a footnote for a method that stands alone although its group is comparable."""
        if self.published is None or published_labels(method, self.published):
            return ""
        return "nothing is published for these parameters"


def _published_value(
    find: Callable[[str, str], PublishedRow | None], metric: str, covered: Sequence[str], everything: Sequence[str]
) -> Value:
    if metric in _EXACT:
        return missing("papers print the official AUPRO only")
    whole = find(MEAN, metric)
    if tuple(covered) == tuple(everything):
        return Value(whole.text, whole.value) if whole else missing("not published")
    parts = [row.value for category in covered if (row := find(category, metric)) is not None]
    if parts and len(parts) == len(covered):
        number = fmean(parts)
        return Value(f"{number:.3f}", number, note=f"mean of the published values of {', '.join(covered)}")
    return missing("published as a mean over all categories only" if whole else "not published")


def published_labels(method: MeasuredMethod, published: Published) -> tuple[str, ...]:
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
    if registry.base_name(name) != cell.method:
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


def measured_value(mean: Mean, metric: MetricName) -> Value:
    """Return a measured mean as printed, or a dash with the reason."""
    if mean.value is None:
        return missing(mean.reason)
    return Value(f"{mean.value:.{metric.digits}f}", mean.value)


def difference(measured: Value, published: Value, metric: MetricName) -> Value:
    """Return measured minus published with its sign; an empty value where one is missing or of another machine."""
    if measured.number is None or published.number is None or metric.of_machine:
        return Value("")
    number = measured.number - published.number
    text = f"{number:+.{metric.digits}f}"
    return Value(text if float(text) else text[1:], number)


def note(group: MeasuredGroup, method: MeasuredMethod) -> str:
    """Return what a reader must know of a row: categories it lacks, older records, weights that aren't the published.

    Parameters
    ----------
    group, method
        What was measured.
    """
    lacking = [method.why_missing(category) for category in group.categories if category not in method.ok]
    parts = [f"without {', '.join(lacking)}"] if lacking else []
    return "; ".join(filter(None, (*parts, remarks(group, method))))


def remarks(group: MeasuredGroup, method: MeasuredMethod) -> str:
    """Return what a reader must know of the records that a row has: older ones, weights that aren't the published.

    Parameters
    ----------
    group, method
        What was measured.
    """
    parts = []
    if method.replaced:
        parts.append(f"older records of other data or splits are left out: {', '.join(method.replaced)}")
    told = dict.fromkeys(sentence for record in method.ok.values() for sentence in record.notes)
    if group.protocol.weights == "random":
        told = {sentence: None for sentence in told if not sentence.startswith("random weights")}
    return "; ".join((*parts, *told))


def method_rows(
    group: MeasuredGroup,
    method: MeasuredMethod,
    metrics: Sequence[MetricName],
    measured: Sequence[Value],
    published: Sequence[Value] | None,
    *,
    remark: str = "",
) -> list[Row]:
    """Return the rows of a method: measured, and where there are published numbers those and the differences.

    Parameters
    ----------
    group, method
        What was measured.
    metrics
        One for each column.
    measured, published
        One value for each column; None where nothing is set beside.
    remark
        A further footnote of the method.
    """
    covered = tuple(category for category in group.categories if category in method.ok)
    keys = {"method": method.label, "category": MEAN if covered == group.categories else "+".join(covered)}
    name = (
        method.label if covered == group.categories else f"{method.label} ({len(covered)} of {len(group.categories)})"
    )
    label = Value(name, note="; ".join(filter(None, (note(group, method), remark))))

    def row(source: str, values: Sequence[Value], first: bool) -> Row:
        labels = (label if first else Value(""), Value(source))
        compete = "+".join(covered) if first else ""
        return Row(labels, tuple(values), {**keys, "source": source}, starts=first, rank_group=compete)

    rows = [row("measured", measured, True)]
    if published is not None:
        gaps = [difference(*three) for three in zip(measured, published, metrics, strict=True)]
        rows.append(row("published", published, False))
        if any(gap.text for gap in gaps):
            rows.append(row("difference", gaps, False))
    return rows


def group_grid(
    group: MeasuredGroup,
    kind: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str = "",
    warning: str = "",
    second: str = "",
) -> Grid:
    """Return a table of a group; the column of sources is left out where all numbers are measured.

    Parameters
    ----------
    group
        What it shows.
    kind
        Name of the table, for data formats.
    title
        What its numbers are; the group's title follows.
    columns, rows
        Rows as of :func:`method_rows`.
    caption, warning
        Sentences below the title.
    second
        Heading of the second label; sources where empty.
    """
    with_source = bool(second) or any(row.keys["source"] != "measured" for row in rows)
    headings: tuple[str, ...] = ("method", second)
    shown = slice(None) if with_source else slice(1)
    kept = [replace(row, labels=row.labels[shown], starts=row.starts and with_source) for row in rows]
    return Grid(
        title=f"{title}: {group.title}",
        label_headings=headings[shown],
        columns=tuple(columns),
        rows=rank_columns(kept, columns),
        caption="; ".join(filter(None, (_over(group), caption))),
        warning=warning,
        keys={"kind": kind, **group.keys},
    )


def _over(group: MeasuredGroup) -> str:
    names = group.categories
    if len(names) == 1:
        return f"category {names[0]}"
    if all(len(method.ok) == len(names) for method in group.methods):
        return f"means over {f'all {len(names)} categories' if len(names) > _NAMED else ' and '.join(names)}"
    return f"means over all {len(names)} categories, or over as many as the brackets say"
