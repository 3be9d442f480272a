"""Metrics computed again from what a cell keeps: counts, scores, raw times and maps; a record can claim anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isclose, isnan
from pathlib import Path

from harness.contract import Prediction
from harness.data.open import open_dataset
from harness.errors import HarnessError
from harness.measure.latency import summarise
from harness.metrics import evaluate_test_set
from harness.metrics.scoring import Scored
from harness.metrics.testset import NOMINAL
from harness.store.counts import ImageCounts
from harness.store.decisions import Decisions
from harness.store.details import Details, read_counts, read_details
from harness.store.maps import ANOMALY_MAP, MapFile, kept_maps
from harness.store.quantities import DECISIONS
from harness.store.record import Record, TestImages
from harness.store.store import Store

__all__ = ["Recomputed", "recompute"]

_EXACT = 1e-6
"""Of I-AUROC, which the kept scores give exactly."""
_COUNTED = 0.001
"""Of metrics of pixels from counts at thresholds (:meth:`harness.store.counts.ImageCounts.evaluate`)."""
_COUNTED_BY_DEFECT = 0.005
"""The same for a part of the images, for which the thresholds were not chosen; 0.0024 was seen."""
_FROM_MAPS = 0.005
"""Of metrics from maps, which are kept as float16."""
_MS = 0.001
"""Of times, which are kept with fewer digits than they were summarised with."""
_STATISTICS = ("median_ms", "low_ms", "high_ms", "mean_ms", "min_ms", "max_ms", "p95_ms", "p99_ms", "calls")

_Metrics = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What came out for a record.

    Parameters
    ----------
    record
        An ok one.
    differs
        Where its numbers are not those of what is kept beside it, one clause each.
    missing
        What could not be computed again, and why, one clause each.
    maps
        Whether its kept maps were compared with the ground truth, too.
    """

    record: Record
    differs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    maps: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether every metric was computed again and is equal."""
        return not self.differs and not self.missing

    def to_json(self) -> dict[str, object]:
        """Return the result as plain JSON values."""
        keys = {"id": self.record.cell.id, **self.record.cell.keys}
        return {**keys, "differs": list(self.differs), "missing": list(self.missing), "maps": self.maps}


def recompute(store: Store, record: Record, data: Path | None) -> Recomputed:
    """Compute the numbers of an ok record again from what is stored with it.

    Parameters
    ----------
    store
        Where that lies.
    record
        Whose numbers are compared.
    data
        Folder of datasets, which maps need for the ground truth; the toy dataset needs none.
    """
    counts = read_counts(store, record)
    if counts is None:
        return Recomputed(record, missing=(_why_no_counts(store, record),))
    details = read_details(store, record)
    differs = [*_of_counts(record, counts), *_of_images(record, details), *_of_times(record, details)]
    differs += _of_decisions(record, details)
    file = kept_maps(store, record)
    if file is None:
        return Recomputed(record, tuple(differs))
    try:
        differs += _of_maps(record, counts, file, data)
    except HarnessError as error:
        return Recomputed(record, tuple(differs), (f"its maps are not compared: {error}",))
    return Recomputed(record, tuple(differs), maps=True)


def _why_no_counts(store: Store, record: Record) -> str:
    path = store.counts_path(record.cell)
    damaged = [file.why for file in store.left_out if file.path == path]
    if damaged:
        return f"its counts are damaged: {damaged[0]}"
    return "its counts are those of another run" if path.exists() else "no counts are stored with it"


def _of_counts(record: Record, counts: ImageCounts) -> Iterator[str]:
    yield from _unequal(record.metrics, _evaluated(counts), _COUNTED, "")
    defects = {name for names in counts.kinds for name in names if name != NOMINAL}
    for defect in sorted(defects | set(record.by_defect)):
        if defect not in record.by_defect or defect not in defects:
            yield f"the defect {defect} is {'not in the record' if defect in defects else 'in the record alone'}"
            continue
        computed = _evaluated(counts.of_defect(defect))
        yield from _unequal(record.by_defect[defect], computed, _COUNTED_BY_DEFECT, f" of {defect}")


def _evaluated(counts: ImageCounts) -> dict[str, float]:
    return {name: float(values[0]) for name, values in counts.evaluate().items()}


def _unequal(recorded: _Metrics, computed: Mapping[str, float], tolerance: float, of: str) -> Iterator[str]:
    for name, number in computed.items():
        claimed, limit = recorded.get(name), _EXACT if name == "i_auroc" else tolerance
        if claimed is None or isnan(number):
            equal = claimed is None and isnan(number)
        else:
            equal = abs(claimed - number) <= limit
        if not equal:
            yield f"{name}{of} is {_text(claimed)}, and {_text(number)} when computed again"


def _text(number: float | None) -> str:
    return "undefined" if number is None or isnan(number) else f"{number:.6f}"


def _of_images(record: Record, details: Details) -> Iterator[str]:
    """Compare the test images that the record names with those that were scored."""
    if TestImages.of(details.images) != record.test_images:
        yield "its test images are not those that were scored"
    if record.samples.test not in (None, len(details.images)):
        yield f"it has {record.samples.test} test samples, and {len(details.images)} were scored"


def _of_times(record: Record, details: Details) -> Iterator[str]:
    """Compare every statistic of a window that the record claims with that of the kept times."""
    for window, times in details.raw_ms.items():
        claimed = getattr(record.latency, window, None)
        if claimed is None or not times.size:
            continue
        computed = summarise(times.tolist())
        for name in _STATISTICS:
            number, own = getattr(claimed, name), getattr(computed, name)
            if number is None and name != "median_ms":
                continue
            if number is None or own is None or abs(number - own) > _MS:
                yield f"{window}_{name} is {_text(number)}, and {_text(own)} by its raw times"


def _of_decisions(record: Record, details: Details) -> Iterator[str]:
    """Compare what thresholds decide with what the kept scores give; intervals of fitted tails have a seed."""
    points = record.decisions.points
    if not points:
        return
    if not details.nominal.scores or not details.images:
        yield "no nominal scores are stored with its thresholds"
        return
    computed = Decisions.of(details.nominal, details.images, record.cell.seed)
    claimed = replace(record, decisions=computed)
    for one in DECISIONS:
        if one.number(record) != one.number(claimed):
            yield f"{one.id} is {_text(one.number(record))}, and {_text(one.number(claimed))} by its scores"
    for key, point in computed.points.items():
        if key not in points or not isclose(point.threshold, points[key].threshold, rel_tol=_EXACT, abs_tol=_EXACT):
            yield f"its threshold at {key}% is not that of its nominal scores"


def _of_maps(record: Record, counts: ImageCounts, file: MapFile, data: Path | None) -> list[str]:
    """Compare kept maps with the ground truth; raise HarnessError where one of both can't be read."""
    cell = record.cell
    scores = dict(zip(counts.ids, counts.scores.tolist(), strict=True))
    if set(file.ids) != set(scores) or not all(
        isclose(file.score(name), scores[name], rel_tol=1e-3) for name in scores
    ):
        return ["the scores in its maps are not those that were counted"]
    dataset = open_dataset(cell.dataset, data)
    if dataset.digest(cell.category) != cell.data_digest:
        raise HarnessError(f"{dataset.root} holds other files than it was measured on")
    scored = Scored(cell.protocol.eval_size)
    for ref in dataset.refs(cell.category, "test"):
        anomaly_map = file.read(ref.id, (ANOMALY_MAP,))[ANOMALY_MAP]
        scored.add(dataset.decode(ref), Prediction(anomaly_map, file.score(ref.id)))
    computed = evaluate_test_set(scored.ranked())[0].values
    if not counts.shared:
        del computed["p_auroc"]  # that of other maps, which are not kept
    return list(_unequal(record.metrics, computed, _FROM_MAPS, " of its maps"))
