"""The tables of Costanzino et al. (CVPR 2024): which numbers they show, in the paper's order of rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.data.splits import Shots
from harness.store.published import Published, PublishedRow
from harness.store.quantities import ACCURACY, quantity

__all__ = [
    "CITATION",
    "PAPER_DATASET",
    "PAPER_SHOTS",
    "PAPER_TABLES",
    "PaperTable",
    "printed_rows",
    "reason_for_no_difference",
]

SOURCE = "costanzino2024"
CITATION = "Costanzino et al., CVPR 2024"

PAPER_DATASET = "mvtec3d"
"""The dataset of most of its tables and of its figures."""

PAPER_SHOTS: tuple[Shots, ...] = (5, 10, 50, "full")
"""The numbers of training samples that the paper has."""

_FOUR = ("i_auroc", "p_auroc", "aupro_30_official", "aupro_1_official")
_VARIANTS = ("2d", "3d", "product")
_IDS = tuple(metric.id for metric in ACCURACY)


@dataclass(frozen=True, slots=True)
class PaperTable:
    """What a table of the paper shows.

    Parameters
    ----------
    number
        As in the paper.
    caption
        In our words.
    across
        What its columns are: ``category``, ``shots`` or ``metric``. Where they aren't metrics, each metric makes a
        block of its own.
    metrics
        Ids, in order.
    methods
        Labels of its rows, in order.
    dataset
        Which it is about.
    variants
        True where its rows are variants of one method, so that no other method belongs in it.
    unlike
        Label to the reason why its published row can't be set against a measured one: a footnote instead of
        differences.
    doubts
        Label and metric to what a reader must know of that published number: a footnote.
    """

    number: int
    caption: str
    across: str
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    dataset: str = PAPER_DATASET
    variants: bool = False
    unlike: Mapping[str, str] = field(default_factory=dict)
    doubts: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def blocks(self, metrics: Sequence[str] = ()) -> tuple[tuple[str, ...], ...]:
        """Return the metrics of each of its blocks.

        Parameters
        ----------
        metrics
            Keeps these accuracy metrics only, and no block without any of them; all where empty.
        """
        kept = tuple(metric for metric in self.metrics if not metrics or metric in metrics or metric not in _IDS)
        if not any(metric in _IDS for metric in kept):
            return ()
        return (kept,) if self.across == "metric" else tuple((metric,) for metric in kept)

    def title(self, block: Sequence[str]) -> str:
        """Return what a block shows, in words."""
        if self.across == "metric":
            return self.caption
        by = {"category": "category", "shots": "training samples"}[self.across]
        return f"{quantity(block[0]).title} by {by}"


_CFM = ("cfm", "cfm-m")
_OTHERS = ("btf", "ast", "m3dm")
_LEGACY = tuple(f"{kind}-{model}" for kind in ("depth", "voxel") for model in ("gan", "ae", "vm"))
_CROSS = "mapping inside a modality or across, 50 epochs"
_DEEPER = (
    "the published numbers are of deeper mappings, 50 epochs and batches of 2 (docs/published.md): "
    "no difference is given"
)
_ANOTHER = "the published numbers are of another implementation, at the images' own resolution: no difference is given"
_UNEXPLAINED = "the published memory is unexplained: see docs/published.md"

PAPER_TABLES: tuple[PaperTable, ...] = (
    PaperTable(
        1,
        "I-AUROC and AUPRO@30% by category",
        "category",
        ("i_auroc", "aupro_30_official"),
        (*_LEGACY, *_OTHERS, *_CFM),
        unlike=dict.fromkeys(_LEGACY, _ANOTHER),
    ),
    PaperTable(2, "AUPRO@1% by category", "category", ("aupro_1_official",), (*_OTHERS, *_CFM)),
    PaperTable(
        3,
        "means over its categories",
        "metric",
        _FOUR,
        ("ast", "m3dm", *_CFM),
        dataset="eyecandies",
        unlike=dict.fromkeys(_CFM, _DEEPER),
    ),
    PaperTable(4, "few-shot: 5, 10, 50 or all training samples", "shots", _FOUR, (*_OTHERS, "cfm")),
    PaperTable(
        5,
        "speed, memory and accuracy",
        "metric",
        ("fps", "memory_mb", *_FOUR),
        (*_OTHERS, *_CFM, "cfm-s", "cfm-t"),
        doubts={(label, "memory_mb"): _UNEXPLAINED for label in ("cfm-s", "m3dm")},
    ),
    PaperTable(
        6,
        "how the two distances are combined",
        "metric",
        _FOUR,
        tuple(f"cfm[aggregate={name}]" for name in ("2d", "3d", "sum", "max", "product")),
        variants=True,
    ),
    PaperTable(
        7,
        _CROSS,
        "metric",
        _FOUR,
        (
            *(f"cfm[mapping=intra,epochs=50,aggregate={name}]" for name in _VARIANTS),
            *(f"cfm[epochs=50,aggregate={name}]" for name in _VARIANTS),
        ),
        variants=True,
    ),
)
"""All tables with numbers, in the paper's order."""


def printed_rows(published: Published, table: PaperTable) -> tuple[PublishedRow, ...]:
    """Return the numbers that a table prints, in the paper's order."""
    return tuple(row for row in published.rows if row.source == SOURCE and row.table == str(table.number))


def reason_for_no_difference(dataset: str, labels: Sequence[str]) -> str:
    """Return why published rows of a dataset can't be set against measured ones; empty where they can.

    Parameters
    ----------
    dataset
        Which they are about.
    labels
        Under which a method is published.
    """
    reasons = (table.unlike.get(label, "") for table in PAPER_TABLES if table.dataset == dataset for label in labels)
    return next(filter(None, reasons), "")
