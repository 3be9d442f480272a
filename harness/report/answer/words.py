"""The answer in plain sentences: who is best, whether it is a tie, what it costs, what would decide it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.gate.tolerances import DEFAULTS
from harness.report.answer.answer import Answer, Costs, OtherMetric, Standing
from harness.report.intervals import Difference
from harness.report.power import FEW_IMAGES, MOST_IMAGES, POWER, images_text, rounded_up
from harness.store.quantities import Quantity, quantity

__all__ = ["paragraphs"]

_WIDE = 0.1
"""An interval this wide leaves room for a good and a bad method."""

_MOST_NAMES = 8
_FASTER = 3
"""Faster methods that are named, each the most accurate of its speed."""


def paragraphs(answer: Answer) -> tuple[str, ...]:
    """Return an answer in words, what matters most first.

    Parameters
    ----------
    answer
        Of one setting.
    """
    if answer.best is None:
        return (_nothing(answer), *answer.cautions)
    parts = (
        _lead(answer),
        (*_basis(answer), *_more(answer)),
        _decisions(answer.best),
        _cost(answer, answer.best),
        _other_metrics(answer),
        _left_out(answer),
        answer.cautions,
    )
    return tuple(text for part in parts if (text := " ".join(part)))


def _listed(names: Iterable[str]) -> str:
    """Return names as a sentence lists them: ``a, b and c``; many are counted."""
    shown = list(names)
    if len(shown) > _MOST_NAMES:
        shown = [*shown[: _MOST_NAMES - 1], f"{len(shown) - _MOST_NAMES + 1} more"]
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last


def _nothing(answer: Answer) -> str:
    reasons = "; ".join(f"{method.method}: {method.why}" for method in answer.left_out)
    return f"{quantity(answer.metric).title} is undefined for every method: {reasons}."


def _lead(answer: Answer) -> Iterator[str]:
    """Yield who is best, or that none is."""
    metric, best = quantity(answer.metric), answer.methods[0]
    value = _with_interval(best, metric)
    if len(answer.methods) == 1:
        yield f"Only {best.method} can be judged by {metric.title}: {value}. There is nothing to compare it with."
        return
    tied, untested, behind = (answer.placed(place) for place in ("tied", "untested", "behind"))
    equal = [method for method in tied if not method.behind]
    if len(equal) == len(answer.methods) - 1:
        names = _listed(method.method for method in answer.methods)
        yield f"No single best method by {metric.title}: {names} are equal, with {value}."
    elif tied:
        yield (
            f"No single best method by {metric.title}: {best.method} leads with {value}, and "
            f"{_listed(method.method for method in tied)} {'is' if len(tied) == 1 else 'are'} tied with it."
        )
        yield from (f"{_gap(answer, method, 'with 0 in it')}." for method in tied[:1] if method.behind)
    elif untested:
        first = untested[0]
        yield (
            f"Highest by {metric.title}: {best.method} with {value}, {_amount(-first.behind, metric)} above "
            f"{first.method}; whether that is more than chance is not known: {first.undecided}."
        )
    else:
        yield f"Best by {metric.title}: {best.method} with {value}."
        yield f"{_gap(answer, behind[0], 'without 0')}: no tie."
    if tied and untested:
        names = _listed(method.method for method in untested)
        yield f"Whether {names} {'is' if len(untested) == 1 else 'are'} worse is not known: {untested[0].undecided}."
    if (tied or untested) and behind:
        yield f"Worse: {_listed(method.method for method in behind)}."
    yield from _not_equal(tied, metric)


def _with_interval(standing: Standing, metric: Quantity) -> str:
    text = metric.text(standing.value)
    if standing.low is None or standing.high is None:
        return text
    return f"{text} (95% interval {metric.text(standing.low)} to {metric.text(standing.high)})"


def _gap(answer: Answer, rival: Standing, zero: str) -> str:
    """Return how far a method is behind the best, with the interval and where 0 lies."""
    metric = quantity(answer.metric)
    name = f"{rival.method}, the runner-up," if rival is answer.methods[1] else rival.method
    lead = f"Its lead over {name} is {_amount(-rival.behind, metric)}"
    ends = _ends(rival.difference, metric)
    return f"{lead} ({ends}, {zero})" if ends else f"{lead} on all test sets that were drawn"


def _ends(difference: Difference | None, metric: Quantity) -> str:
    """Return the interval of a lead; empty where it is unknown, or the same on all draws."""
    if difference is None or difference.detectable is None:
        return ""
    return f"paired 95% interval {metric.text(-difference.high)} to {metric.text(-difference.low)}"


def _amount(number: float, metric: Quantity) -> str:
    """Return a difference; one that would be printed as 0 is said to be less than the last digit."""
    text = metric.text(number)
    return text if not number or float(text) else f"less than {metric.text(10**-metric.digits)}"


def _not_equal(tied: Sequence[Standing], metric: Quantity) -> Iterator[str]:
    detectable = [method.difference.detectable for method in tied if method.difference and method.difference.detectable]
    if detectable and max(detectable) >= 1:
        yield f"Tied is not equal: on so few test images no true difference would show {POWER:.0%} of the time."
    elif detectable:
        yield (
            f"Tied is not equal: a true difference of {metric.text(max(detectable))} or more would show on such test "
            f"images {POWER:.0%} of the time."
        )


def _basis(answer: Answer) -> Iterator[str]:
    """Yield over what means are taken, and how far that carries."""
    images, names = answer.images, answer.categories
    over = f"Category {names[0]}" if len(names) == 1 else f"Means over {_categories(answer)}"
    if images.good or images.anomalous:
        over += f": {images.good} good and {images.anomalous} anomalous test images"
    chosen = f"; whole images decide, since {answer.why_metric}" if answer.why_metric else ""
    yield f"{over}{chosen}."
    if answer.missing:
        yield f"Left out: {'; '.join(f'{name} ({why})' for name, why in answer.missing.items())}."
    yield from _few(answer)


def _categories(answer: Answer) -> str:
    names = answer.categories
    return _listed(names) if len(names) <= 3 else f"{len(names)} categories"


def _few(answer: Answer) -> Iterator[str]:
    """Yield that there are few images, where that shows."""
    images, best = answer.images, answer.methods[0]
    fewest = min(images.fewest_good, images.fewest_anomalous)
    width = best.high - best.low if best.low is not None and best.high is not None else 0.0
    if 0 < fewest < FEW_IMAGES:
        kind = "good" if images.fewest_good == fewest else "anomalous"
        of = (
            f"only {fewest} {kind} images"
            if len(answer.categories) == 1
            else f"down to {fewest} {kind} images a category"
        )
        yield f"With {of}, intervals and ties are rough."
    if width >= _WIDE:
        yield f"The intervals are wide: that of {best.method} alone spans {width:.2f}. More test images narrow them."


def _more(answer: Answer) -> Iterator[str]:
    """Yield how many images would decide a tie."""
    more = answer.more_images
    if more is None:
        return
    if more.images is None:
        yield f"How many test images would tell {more.rival} from {answer.methods[0].method} can't be said: {more.why}."
        return
    number = f"{images_text(more.images)} test images{_of_kinds(answer, more.images)}"
    now = answer.images.good + answer.images.anomalous
    yield (
        f"If the true difference to {more.rival} is as measured, {number} instead of {now:,} would show it {POWER:.0%} "
        f"of the time{': choose by cost' if more.images > MOST_IMAGES else ''}."
    )


def _of_kinds(answer: Answer, needed: int) -> str:
    """Return how many of some test images are good, and how many anomalous; empty where nobody would take as many."""
    images = answer.images
    now = images.good + images.anomalous
    if not now or needed > MOST_IMAGES:
        return ""
    good, anomalous = (int(rounded_up(kind * needed / now)) for kind in (images.good, images.anomalous))
    return f" ({good:,} good and {anomalous:,} anomalous ones)"


def _decisions(best: Standing) -> Iterator[str]:
    """Yield what thresholds let through and stop for the best one."""
    decided = best.decided
    if decided is None:
        return
    thresholds = "a threshold" if decided.thresholds == 1 else "a threshold for each category,"
    missed, stopped = decided.missed, decided.false_alarms
    yield (
        f"With {thresholds} set on {decided.source} at {decided.rate:.0%} false alarms, {best.method} misses "
        f"{missed.count} of {missed.of} defective parts ({missed.interval}) and stops {stopped.count} of {stopped.of} "
        f"good parts ({stopped.interval})."
    )
    if decided.remark:
        yield f"{decided.remark[0].upper()}{decided.remark[1:]}."


def _cost(answer: Answer, best: Standing) -> Iterator[str]:
    """Yield what the best one costs on each machine, and what others save."""
    for machine in answer.machines:
        costs = best.on(machine)
        if costs is None:
            names = _listed(method.method for method in answer.methods if method.on(machine))
            yield f"On {machine} costs are known of {names} alone: they can't be set against those of {best.method}."
            continue
        known = [text for id in costs.numbers if (text := _cost_text(costs, id))]
        if known:
            each = " (means over the categories)" if len(answer.categories) > 1 else ""
            yield f"On {machine}, {best.method} {_listed(known)}{each}."
        yield from _uncompared(answer, machine)
        faster = _faster(answer, costs)
        yield from _faster_text(answer, best, costs, faster)
        yield from _smaller(answer, best, costs, faster)


def _cost_text(costs: Costs, id: str) -> str:
    number = costs.numbers[id].value
    if number is None:
        return ""
    text = quantity(id).text(number)
    return {
        "fps": f"makes {text} images a second",
        "peak_inference_mb": f"holds {text} MB at the peak of inference",
        "fit_s": f"is trained in {text} s",
    }[id]


def _uncompared(answer: Answer, machine: str) -> Iterator[str]:
    """Yield that times are not set against each other, where no two of them may be."""
    there = [costs for method in answer.methods if (costs := method.on(machine))]
    named = {"fps": "Frame rates", "fit_s": "Times of training"}
    lost = [name for id, name in named.items() if sum(costs.compared(id) is not None for costs in there) < 2]
    if lost and len(there) > 1:
        yield f"{' and '.join(lost).capitalize()} can't be compared here: the table says why."


def _faster(answer: Answer, costs: Costs) -> list[tuple[Standing, float]]:
    """Return the most accurate methods of each higher speed, with how many times as fast they are."""
    own = fastest = costs.compared("fps")
    rivals: list[tuple[Standing, float]] = []
    for rival in answer.methods[1:]:
        speed = _compared(rival, costs.machine, "fps")
        if own and fastest and speed and _is_faster(speed, fastest):
            rivals.append((rival, speed / own))
            fastest = speed
    return rivals


def _is_faster(speed: float, than: float) -> bool:
    """Return whether one of two frame rates is higher by more than two runs of one method may differ by."""
    return speed >= than * DEFAULTS["speed_ratio"] and 1000 / than - 1000 / speed > DEFAULTS["speed_floor_ms"]


def _faster_text(
    answer: Answer, best: Standing, costs: Costs, faster: Sequence[tuple[Standing, float]]
) -> Iterator[str]:
    own = costs.compared("fps")
    speeds = [speed for method in answer.methods[1:] if (speed := _compared(method, costs.machine, "fps"))]
    if not own or not speeds:
        return
    if faster:
        texts = [
            f"{method.method} is {_times(ratio)} as fast {_price(method, answer)}" for method, ratio in faster[:_FASTER]
        ]
        yield f"{'; '.join(texts)}."
    elif _is_faster(own, max(speeds)):
        yield f"No other is as fast: {best.method} is {_times(own / max(speeds))} as fast as the next."
    else:
        yield f"No other is faster by more than a ratio of {DEFAULTS['speed_ratio']:g}, which two runs may differ by."


def _price(rival: Standing, answer: Answer) -> str:
    """Return how much less accurate a method is, in words."""
    metric = quantity(answer.metric)
    if not rival.behind:
        return "for the same accuracy"
    tied = {"tied": " (a tie)", "untested": " (untested)"}.get(rival.place, "")
    return f"for {_amount(-rival.behind, metric)} less{tied}"


def _smaller(answer: Answer, best: Standing, costs: Costs, faster: Sequence[tuple[Standing, float]]) -> Iterator[str]:
    """Yield which method needs the least memory, where that is another one."""
    id = "peak_inference_mb"
    own = costs.compared(id)
    rivals = [(at, method) for method in answer.methods[1:] if (at := _compared(method, costs.machine, id)) is not None]
    if not own or not rivals:
        return
    least, rival = min(rivals, key=lambda pair: pair[0])
    if own >= least * DEFAULTS["peak_ratio"] and own - least >= DEFAULTS["peak_floor_mb"]:
        price = "" if any(rival is method for method, _ in faster[:_FASTER]) else f", {_price(rival, answer)}"
        yield f"{rival.method} holds the least memory: {least:.0f} MB, {least / own:.0%} of {best.method}'s{price}."


def _compared(standing: Standing, machine: str, id: str) -> float | None:
    costs = standing.on(machine)
    return costs.compared(id) if costs is not None else None


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times"


def _other_metrics(answer: Answer) -> Iterator[str]:
    """Yield in which metrics another method is best, and which tell a tie apart."""
    ours = answer.methods[0].method
    against = [other for other in answer.others if ours not in other.leaders]
    agreeing = [other for other in answer.others if ours in other.leaders]
    alone = [other for other in agreeing if other.leaders == (ours,)]
    for other in against:
        yield f"Metrics disagree: {_disagreement(other, ours)}"
    if alone and answer.tied:
        yield f"By {_titles(alone)} it is not a tie: {ours} is best."
        agreeing = [other for other in agreeing if other not in alone]
    if agreeing:
        yield f"{ours} is best or tied by {_titles(agreeing)}{'' if against else ', too'}."


def _titles(others: Sequence[OtherMetric]) -> str:
    return _listed(quantity(other.metric).title for other in others)


def _disagreement(other: OtherMetric, ours: str) -> str:
    metric = quantity(other.metric)
    ends = _ends(other.difference, metric)
    lead = f"{_amount(-other.behind, metric)}{f' ({ends})' if ends else ''} above {ours}"
    return f"by {metric.title} {other.best} is best with {metric.text(other.value)}, {lead}."


def _left_out(answer: Answer) -> Iterator[str]:
    if answer.left_out:
        yield f"Not compared: {'; '.join(f'{method.method} ({method.why})' for method in answer.left_out)}."
