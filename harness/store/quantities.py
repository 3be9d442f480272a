"""Every number that a record may hold, described once: its id in every format, heading, unit, digits and direction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from harness.errors import UsageError
from harness.metrics.decisions import RATES
from harness.protocol import Math
from harness.registry import nearest_names
from harness.store.decisions import rate_key
from harness.store.quantity import Kind, Quantity
from harness.store.record import Record

__all__ = [
    "ACCURACY",
    "DECISIONS",
    "ENERGY",
    "IN_DEFAULT_MATH",
    "OLD_IDS",
    "PRINTED_ONLY",
    "QUANTITIES",
    "WINDOWS",
    "Kind",
    "Quantity",
    "in_each_math",
    "known_energy",
    "quantities_of",
    "quantity",
    "require_accuracy",
]


def _metric(id: str, heading: str, help: str) -> Quantity:
    return Quantity(id, "accuracy", heading, ("metrics", id), help, digits=3, highest=1.0, lowest=False)


_EXACT = "Exact area under the per-region overlap up to {}% false positives."
_OFFICIAL = "AUPRO@{}% by the code with 99 thresholds whose numbers papers print."

ACCURACY: tuple[Quantity, ...] = (
    _metric("i_auroc", "I-AUROC", "Area under the ROC curve of whole images."),
    _metric("p_auroc", "P-AUROC", "Area under the ROC curve of pixels."),
    _metric("aupro_30", "AUPRO@30%\nexact", _EXACT.format(30)),
    _metric("aupro_1", "AUPRO@1%\nexact", _EXACT.format(1)),
    _metric("aupro_30_official", "AUPRO@30%\nofficial", _OFFICIAL.format(30)),
    _metric("aupro_1_official", "AUPRO@1%\nofficial", _OFFICIAL.format(1)),
)
"""The accuracy metrics, in the order of tables; all lie in [0, 1]. Exact and official AUPRO never share a column."""

PRINTED_ONLY: tuple[Quantity, ...] = (
    _metric("aupro_30_value200", "AUPRO@30%\n200 values", "AUPRO from 200 equidistant values of the maps."),
    _metric("aupro_30_reported", "AUPRO@30%\nas reported", "AUPRO@30% by a formula that is not known."),
    _metric("pro_reported", "PRO\nas reported", "A PRO whose formula and limit are not known."),
)
"""Metrics that other publications print and nobody measures here; they share no column with any other."""


def _decisions(rate: float) -> tuple[Quantity, ...]:
    """Return what a threshold of one rate of false alarms decides."""
    key = rate_key(rate)
    of = f"with a threshold set on nominal samples at {key}% false alarms"
    place = ("decisions", "points", key)
    return (
        _decision(
            f"false_alarms_{key}",
            f"false alarms\nat {key}%",
            (*place, "false_alarms", "share"),
            f"Share of good test images that are called anomalies {of}.",
        ),
        _decision(
            f"missed_{key}",
            f"missed\nat {key}%",
            (*place, "missed", "share"),
            f"Share of anomalous test images that are called good {of}.",
        ),
        _decision(f"f1_{key}", f"F1\nat {key}%", (*place, "f1"), f"F1 of test images {of}.", lowest=False),
    )


def _decision(id: str, heading: str, place: tuple[str, ...], help: str, *, lowest: bool = True) -> Quantity:
    return Quantity(
        id, "decision", heading, place, help, digits=3, highest=1.0, lowest=lowest, ranked=id.startswith("f1_")
    )


DECISIONS: tuple[Quantity, ...] = (
    *(one for rate in RATES for one in _decisions(rate)),
    _decision(
        "best_f1",
        "best possible F1\n(not a result)",
        ("decisions", "best_f1"),
        "The highest F1 of all thresholds, chosen with the labels of the test images: a bound, not a result.",
        lowest=False,
    ),
)
"""What thresholds decide; the best possible F1 knows the labels of the test set and competes with nothing."""

WINDOWS = {
    "decode": "decode",
    "clean": "clean",
    "device": "device (strict)",
    "device_events": "device (strict, CUDA events)",
    "end_to_end": "end to end (strict)",
    "device_default": "device (default)",
    "end_to_end_default": "end to end (default)",
}
"""Windows of latency in the order of the work, and their names in tables."""

_MATH: dict[str, Math] = {
    "device": "strict",
    "device_events": "strict",
    "end_to_end": "strict",
    "device_default": "default",
    "end_to_end_default": "default",
}
"""Windows of inference, and how torch computes in them."""

_OF_WINDOW = {
    "decode": "reading and decoding one sample, outside the other windows",
    "clean": "removing the background of one cloud, outside the other windows",
    "device": "inference alone, batch 1, strict math",
    "device_events": "inference by the events of the CUDA device, strict math",
    "end_to_end": "padding, resizing, transfer and inference, batch 1, strict math",
    "device_default": "inference alone, batch 1, default math",
    "end_to_end_default": "padding, resizing, transfer and inference, batch 1, default math",
}
_MEDIAN_HEADINGS = {
    "decode": "decode\nms",
    "clean": "clean\nms",
    "device": "infer ms\n(strict)",
    "device_events": "CUDA events\nms, strict",
    "end_to_end": "end to end\nms, strict",
    "device_default": "infer ms\n(default)",
    "end_to_end_default": "end to end\nms, default",
}
_NO_INTERVAL = "too few calls for an interval of the median"
_STATISTICS = {
    "median": ("median\nms", "Median time of {}.", ""),
    "low": ("95% from\nms", "Lower end of the 95% interval of the median time of {}.", _NO_INTERVAL),
    "high": ("95% to\nms", "Upper end of the 95% interval of the median time of {}.", _NO_INTERVAL),
    "p95": ("p95\nms", "95th percentile of the time of {}.", "fewer than 59 calls"),
    "p99": ("p99\nms", "99th percentile of the time of {}.", "fewer than 299 calls"),
    "mean": ("mean\nms", "Mean time of {}.", ""),
    "min": ("min\nms", "Shortest time of {}.", ""),
    "max": ("max\nms", "Longest time of {}.", ""),
}


def _times(window: str) -> Iterable[Quantity]:
    math = _MATH.get(window)
    for name, (short, help, too_few) in _STATISTICS.items():
        yield Quantity(
            f"{window}_{name}_ms",
            "speed",
            _MEDIAN_HEADINGS[window] if name == "median" else f"{WINDOWS[window]}\n{short.replace(chr(10), ' ')}",
            ("latency", window, f"{name}_ms"),
            help.format(_OF_WINDOW[window]),
            short,
            "ms",
            of_machine=True,
            ranked=math is not None and name in ("median", "p95", "p99"),
            too_few=too_few,
            math=math,
        )
    yield Quantity(
        f"{window}_calls",
        "speed",
        f"{WINDOWS[window]}\ncalls",
        ("latency", window, "calls"),
        f"Number of calls: {_OF_WINDOW[window]}.",
        "calls",
        digits=0,
        lowest=False,
        ranked=False,
        math=math,
    )


def _fps(id: str, window: str) -> Quantity:
    """Return images a second in the math of a window of inference alone."""
    math = _MATH[window]
    return Quantity(
        id,
        "speed",
        f"fps\n({math})",
        ("latency", window, "median_ms"),
        f"Images a second: 1000 / median of the device window, {math} math.",
        "fps",
        "1/s",
        lowest=False,
        of_machine=True,
        reciprocal_of=1000.0,
        math=math,
    )


_FPS = (_fps("fps", "device"), _fps("fps_default", "device_default"))


def _energy(id: str, math: Math) -> Quantity:
    return Quantity(
        id,
        "energy",
        f"J/image\n({math})",
        ("energy", math, "joules"),
        f"Energy per image of the whole GPU board or all CPU packages during the timed calls, {math} math.",
        "J/image",
        "J",
        digits=3,
        of_machine=True,
        math=math,
    )


ENERGY = (_energy("energy_j", "strict"), _energy("energy_default_j", "default"))
"""Energy per image, which few machines tell: tables have a column of it only where some number is there."""


def _state(name: str, heading: str, help: str) -> Quantity:
    """Return a part of the state, which the method reports: it is the same on every machine."""
    place = ("memory", "state", f"{name}_mb")
    return Quantity(f"{name}_mb", "memory", f"{heading}\nMB", place, help, heading, "MB", ranked=name != "other")


def _size(name: str, heading: str, short: str, help: str) -> Quantity:
    return Quantity(f"{name}_mb", "memory", heading, ("memory", name, "mb"), help, short, "MB", of_machine=True)


_MEMORY: tuple[Quantity, ...] = (
    Quantity(
        "memory_mb",
        "memory",
        "memory MB\n(state)",
        ("memory", "paper_mb"),
        "Bytes of parameters and bank: the column of papers.",
        "memory MB",
        "MB",
    ),
    _state("weights", "weights", "Parameters, as the method reports them."),
    _state("bank", "bank", "Memory bank, as the method reports it."),
    _state("other", "other\nstate", "What else the method keeps, as it reports it."),
    _size("static", "static\nMB", "static\nafter fit", "Held after fit, above the level before the method was built."),
    _size("peak_fit", "peak fit\nMB", "peak\nfit", "The most that was held in fit."),
    _size("peak_inference", "peak MB\n(inference)", "peak\ninference", "The most that was held in inference."),
    _size("peak_fit_reserved", "reserved\nfit MB", "reserved\nfit", "The most that CUDA reserved in fit."),
    _size(
        "peak_inference_reserved",
        "reserved\ninfer MB",
        "reserved\ninference",
        "The most that CUDA reserved in inference.",
    ),
    _size("device_delta", "device delta\nMB", "device\ndelta", "Decrease of the CUDA device's free memory."),
)


def _work(id: str, heading: str, place: tuple[str, ...], help: str) -> Quantity:
    counted = id.endswith("_samples")
    unit, digits = ("", 0) if counted else ("s", 1)
    return Quantity(
        id, "work", heading, place, help, unit=unit, digits=digits, of_machine=not counted, ranked=not counted
    )


_WORK: tuple[Quantity, ...] = (
    _work("fit_s", "fit\ns", ("seconds", "fit"), "Wall time of fit, reading the samples included."),
    _work("wall_s", "all\ns", ("wall_seconds",), "Wall time of all stages of the cell."),
    _work("train_samples", "training\nsamples", ("samples", "train"), "Number of training samples."),
    _work("test_samples", "test\nsamples", ("samples", "test"), "Number of test samples."),
)

QUANTITIES: Mapping[str, Quantity] = {
    quantity.id: quantity
    for quantity in (
        *ACCURACY,
        *DECISIONS,
        *_FPS,
        *(q for window in WINDOWS for q in _times(window)),
        *ENERGY,
        *_MEMORY,
        *_WORK,
    )
}
"""Every quantity by id."""

IN_DEFAULT_MATH: Mapping[str, str] = {
    "fps": "fps_default",
    "energy_j": "energy_default_j",
    **{
        f"{window}_{name}_ms": f"{window}_default_{name}_ms"
        for window in ("device", "end_to_end")
        for name in _STATISTICS
    },
}
"""Ids of speeds in strict math, to those of the same in default math (:data:`harness.protocol.Math`)."""

OLD_IDS: Mapping[str, str] = {
    "infer_ms": "device_median_ms",
    "end_to_end_ms": "end_to_end_median_ms",
    "device_ms": "device_median_ms",
    "paper_mb": "memory_mb",
    "calls": "device_calls",
}
"""Ids of version 0.1, which are still read, to those of today."""


def known_energy(ids: Sequence[str], records: Collection[Record]) -> tuple[str, ...]:
    """Return ids of quantities without those of energy of which no record has a number."""
    unknown = {one.id for one in ENERGY if all(one.number(record) is None for record in records)}
    return tuple(id for id in ids if id not in unknown)


def in_each_math(ids: Sequence[str], is_measured: Callable[[str], bool]) -> tuple[str, ...]:
    """Return ids of quantities and, after the last speed in strict math, those of the same speeds in default math.

    Parameters
    ----------
    ids
        In the order of columns.
    is_measured
        Whether any number of an id in default math is there; others are left out, as only CUDA devices have them.
    """
    default = [id for id in map(IN_DEFAULT_MATH.get, ids) if id and is_measured(id)]
    after = max((place for place, id in enumerate(ids, 1) if id in IN_DEFAULT_MATH), default=0)
    return (*ids[:after], *default, *ids[after:])


def quantity(id: str) -> Quantity:
    """Return the quantity of an id; raises KeyError for an unknown one."""
    return QUANTITIES[id]


def require_accuracy(ids: Iterable[str]) -> None:
    """Raise UsageError for an id that is not of an accuracy metric."""
    known = [metric.id for metric in ACCURACY]
    for id in ids:
        if id not in known:
            raise UsageError(f"There is no accuracy metric '{id}': {nearest_names(id, known)}")


def quantities_of(*kinds: Kind) -> tuple[Quantity, ...]:
    """Return the quantities of some kinds, in order."""
    return tuple(quantity for quantity in QUANTITIES.values() if quantity.kind in kinds)
