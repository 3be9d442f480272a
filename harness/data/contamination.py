"""Anomalies of the test set in the training list: the protocol of noisy training of M3DM-NR (TPAMI 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.data.conditions import Condition
from harness.data.splits import TrainingSplit
from harness.dataset_contract import GOOD, SampleRef
from harness.files.digest import digest, seed_from

__all__ = ["contaminated", "left_to_test"]


def contaminated(split: TrainingSplit, tested: Sequence[SampleRef], condition: Condition) -> tuple[TrainingSplit, str]:
    """Return a training list with anomalies of the test set in drawn places, and why that can't be, a sentence.

    The level is the share of anomalies in the new list, at least one; all nominal samples stay. The draw depends on the
    split's digest alone, so that a list with more anomalies holds those of one with fewer.

    Parameters
    ----------
    split
        The nominal samples.
    tested
        The test set.
    condition
        One of training; for any other the split is returned as it is.

    Returns
    -------
    The list, and an empty text; the split as it was, and the reason, where the test set has too few anomalies.
    """
    if not condition.of_training:
        return split, ""
    anomalies = [ref.id for ref in sorted(tested) if ref.defect != GOOD]
    wanted = max(1, round(condition.level * len(split.ids) / (1 - condition.level)))
    spare = 1 if _leave_test_set(condition) else 0
    if wanted + spare > len(anomalies):
        kept = " and one that is tested" if spare else ""
        return split, (
            f"Condition '{condition.text}' takes {wanted} anomalies{kept}, and {split.category} has {len(anomalies)}: "
            "choose a smaller share, or fewer shots."
        )
    rng = np.random.default_rng(seed_from("contaminate", split.digest))
    drawn = [anomalies[place] for place in rng.permutation(len(anomalies))[:wanted]]
    ids = list(split.ids)
    for name in drawn:
        ids.insert(int(rng.integers(len(ids) + 1)), name)
    key = {"dataset": split.dataset, "category": split.category, "ids": ids}
    return replace(split, ids=tuple(ids), digest=digest(key)), ""


def left_to_test(condition: Condition, train_ids: Sequence[str], tested: Sequence[SampleRef]) -> tuple[SampleRef, ...]:
    """Return the test samples that are measured: without those in the training list, where these are to be left out."""
    if not _leave_test_set(condition):
        return tuple(tested)
    listed = set(train_ids)
    return tuple(ref for ref in tested if ref.id not in listed)


def _leave_test_set(condition: Condition) -> bool:
    return condition.kind is not None and condition.of_training and bool(condition.kind.tail)
