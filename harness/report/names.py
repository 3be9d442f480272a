"""Names and headings of metrics in tables."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACCURACY", "METRICS", "MetricName", "metric_name"]


@dataclass(frozen=True, slots=True)
class MetricName:
    """How a metric is printed.

    Parameters
    ----------
    id
        Key in records and published files. AUPRO with the suffix ``_official`` comes from the code with 99 thresholds
        that papers use, AUPRO without it is the exact integral: they never share a column.
    heading
        Column heading, lines between newlines.
    digits
        Decimals of a measured value.
    lowest
        True where the lowest value is the best one.
    of_machine
        True where the value depends on the machine, so that no difference to a published one is given.
    """

    id: str
    heading: str
    digits: int = 3
    lowest: bool = False
    of_machine: bool = False

    @property
    def title(self) -> str:
        """The heading on one line."""
        return self.heading.replace("\n", " ")


ACCURACY: tuple[MetricName, ...] = (
    MetricName("i_auroc", "I-AUROC"),
    MetricName("p_auroc", "P-AUROC"),
    MetricName("aupro_30", "AUPRO@30%\nexact"),
    MetricName("aupro_1", "AUPRO@1%\nexact"),
    MetricName("aupro_30_official", "AUPRO@30%\nofficial"),
    MetricName("aupro_1_official", "AUPRO@1%\nofficial"),
)
"""The accuracy metrics of a record, in the order of tables; all lie in [0, 1]."""

_COSTS = (
    MetricName("infer_ms", "infer ms\n(device)", 1, lowest=True, of_machine=True),
    MetricName("end_to_end_ms", "end to end\nms", 1, lowest=True, of_machine=True),
    MetricName("fps", "fps\n(device)", 1, of_machine=True),
    MetricName("memory_mb", "memory MB\n(state)", 1, lowest=True),
)

METRICS: dict[str, MetricName] = {metric.id: metric for metric in (*ACCURACY, *_COSTS)}
"""Every metric that a table may have a column of."""


def metric_name(metric: str) -> MetricName:
    """Return the names of a metric id; raises KeyError for an unknown one."""
    return METRICS[metric]
