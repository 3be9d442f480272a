"""The accuracy of a cell: metrics of its score pass, with the reasons of those that have no value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.metrics import Evaluation, RankedTestSet, evaluate_test_set
from harness.metrics.ranks import NO_ANOMALOUS_PIXEL
from harness.metrics.scoring import Scored
from harness.store.record import ImageScore

__all__ = ["Accuracy", "nullable"]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The results of a score pass, without its maps.

    Parameters
    ----------
    whole
        Metrics over all test images.
    by_defect
        Metrics over the good images and those of a defect, by its name.
    images
        The score of each image.
    lost_masks
        Which masks vanish at the size of evaluation, in words; empty where none does.
    """

    whole: Evaluation
    by_defect: Mapping[str, Evaluation]
    images: tuple[ImageScore, ...]
    lost_masks: str

    @classmethod
    def of(cls, scored: Scored, test_set: RankedTestSet) -> Accuracy:
        """Compute the metrics of what was scored; ``test_set`` holds its ranks."""

        def explained(part: Evaluation, defect: str = "") -> Evaluation:
            """Say that no pixel is anomalous because masks vanished, where that is why."""
            why = scored.lost_masks(defect)
            changed = {name: why if why and text == NO_ANOMALOUS_PIXEL else text for name, text in part.reasons.items()}
            return replace(part, reasons=changed)

        whole, by_defect = evaluate_test_set(test_set)
        also = [names[1:] for names in test_set.kinds]
        return cls(
            whole=explained(whole),
            by_defect={defect: explained(part, defect) for defect, part in by_defect.items()},
            images=tuple(map(ImageScore, scored.ids, scored.defects, scored.labels, scored.scores, also)),
            lost_masks=scored.lost_masks(),
        )


def nullable(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics as a record holds them: None for one without a value."""
    return {name: None if math.isnan(value) else float(value) for name, value in values.items()}
