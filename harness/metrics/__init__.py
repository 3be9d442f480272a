"""Accuracy of anomaly maps and scores: AUROC and AUPRO, exact and as papers print them.

:func:`evaluate` returns all six numbers. Exact and paper-compatible AUPRO have different names and are never comparable
with each other. Nothing here needs torch.
"""

from harness.metrics.auroc import auroc, pixel_auroc
from harness.metrics.evaluation import (
    METRICS,
    Evaluation,
    evaluate,
    evaluate_by_defect,
    evaluate_test_set,
    evaluate_with_reasons,
)
from harness.metrics.pro import aupro, aupro_official
from harness.metrics.testset import RankedTestSet

__all__ = [
    "METRICS",
    "Evaluation",
    "RankedTestSet",
    "aupro",
    "aupro_official",
    "auroc",
    "evaluate",
    "evaluate_by_defect",
    "evaluate_test_set",
    "evaluate_with_reasons",
    "pixel_auroc",
]
