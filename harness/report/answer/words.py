"""The answer in plain sentences: who is best, whether it is a tie, what it costs, what would decide it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, floor, log10

from harness.gate.tolerances import DEFAULTS
from harness.report.answer.answer import Answer, Costs, MoreImages, OtherMetric, Standing
from harness.report.intervals import POWER, Difference
from harness.report.uncertainty import FEW_IMAGES
from harness.store.quantities import Quantity, quantity

__all__ = ["paragraphs"]

_WIDE = 0.1
"""An interval this wide leaves room for a good and a bad method."""

_MOST_TIMES = 100
"""Nobody takes more images than this many times those that there are."""

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
        _cost(answer, answer.best),
        _other_metrics(answer),
        _left_out(answer),
        answer.cautions,
    )
    return tuple(text for part in parts if (text := " ".join(part)))


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _nothing(answer: Answer) -> str:
    reasons = "; ".join(f"{one.method}: {one.why}" for one in answer.left_out)
    return f"{quantity(answer.metric).title} is undefined for every method: {reasons}."


def _lead(answer: Answer) -> Iterator[str]:
    """Yield who is best, or that none is."""
    metric, best = quantity(answer.metric), answer.methods[0]
    value = _with_interval(best, metric)
    if len(answer.methods) == 1:
        yield f"Only {best.method} can be judged by {metric.title}: {value}. There is nothing to compare it with."
        return
    tied, untested, behind = (answer.placed(place) for place in ("tied", "untested", "behind"))
    equal = [one for one in tied if not one.behind]
    if len(equal) == len(answer.methods) - 1:
        names = _listed(one.method for one in answer.methods)
        yield f"No single best method by {metric.title}: {names} are equal, with {value}."
    elif tied:
        yield (
            f"No single best method by {metric.title}: {best.method} leads with {value}, and "
            f"{_listed(one.method for one in tied)} {'is' if len(tied) == 1 else 'are'} tied with it."
        )
        yield from (_gap(one, metric, "which has 0 in it") for one in tied[:1] if one.behind)
    elif untested:
        first = untested[0]
        yield (
            f"Highest by {metric.title}: {best.method} with {value}, {_amount(-first.behind, metric)} above "
            f"{first.method}; whether that is more than chance is not known: {first.undecided}."
        )
    else:
        yield f"Best by {metric.title}: {best.method} with {value}."
        yield _gap(behind[0], metric, "so it is no tie")
    if tied and behind:
        yield f"Worse than these: {_listed(one.method for one in behind)}."
    yield from _not_equal(tied, metric)


def _with_interval(standing: Standing, metric: Quantity) -> str:
    text = metric.text(standing.value)
    if standing.low is None or standing.high is None:
        return text
    return f"{text} (95% interval {metric.text(standing.low)} to {metric.text(standing.high)})"


def _gap(rival: Standing, metric: Quantity, meaning: str) -> str:
    """Return how far the runner-up is behind, with its interval and what that means."""
    difference = rival.difference
    if difference is None or difference.detectable is None:
        return f"It is {_amount(-rival.behind, metric)} above {rival.method}, the runner-up, on all test sets drawn."
    ends = f"{metric.text(-difference.high)} to {metric.text(-difference.low)}"
    return (
        f"Its lead over {rival.method}, the runner-up, is {_amount(-rival.behind, metric)} "
        f"(paired 95% interval {ends}), {meaning}."
    )


def _amount(number: float, metric: Quantity) -> str:
    """Return a difference; one that would be printed as 0 is said to be less than the last digit."""
    text = metric.text(number)
    return text if not number or float(text) else f"less than {metric.text(10**-metric.digits)}"


def _not_equal(tied: Sequence[Standing], metric: Quantity) -> Iterator[str]:
    detectable = [one.difference.detectable for one in tied if one.difference and one.difference.detectable]
    if detectable:
        yield (
            f"Tied is not equal: these test images show a true difference {POWER:.0%} of the time from "
            f"{metric.text(max(detectable))}."
        )


def _basis(answer: Answer) -> Iterator[str]:
    """Yield over what means are taken, and how far that carries."""
    images, names = answer.images, answer.categories
    over = f"Category {names[0]}" if len(names) == 1 else f"Means over {_categories(answer)}"
    if images.good or images.anomalous:
        over += f": {images.good} good and {images.anomalous} anomalous test images"
    chosen = f"; by whole images, since {answer.why_metric}" if answer.why_metric else ""
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
    here = "" if len(answer.categories) == 1 else " in a category"
    if 0 < fewest < FEW_IMAGES:
        kind = "good" if images.fewest_good == fewest else "anomalous"
        yield f"With down to {fewest} {kind} images{here}, intervals and ties are rough."
    if width >= _WIDE:
        yield f"The intervals are wide: that of {best.method} alone spans {width:.2f}. More test images narrow them."


def _more(answer: Answer) -> Iterator[str]:
    """Yield how many images would decide a tie."""
    more = answer.more_images
    if more is None:
        return
    if more.times > _MOST_TIMES:
        yield (
            f"If the true difference to {more.rival} is no larger than measured, more than {_MOST_TIMES} times as many "
            "test images would be needed to show it: choose by cost."
        )
        return
    times = _rounded(more.times, 1 if more.times > 3 else 2)
    yield (
        f"If the true difference to {more.rival} is as measured, roughly {times:g} times as many test "
        f"images{_counts(answer, more)} show it {POWER:.0%} of the time."
    )


def _counts(answer: Answer, more: MoreImages) -> str:
    if len(answer.categories) != 1:
        return " of each kind in each category"
    images = answer.images
    good, anomalous = (_rounded(number * more.times, 2) for number in (images.good, images.anomalous))
    return f" (about {good:g} good and {anomalous:g} anomalous ones)"


def _rounded(number: float, digits: int) -> float:
    """Return a number rounded up to some digits."""
    step = 10.0 ** (floor(log10(number)) - digits + 1)
    return round(ceil(round(number / step, 6)) * step, 6)


def _cost(answer: Answer, best: Standing) -> Iterator[str]:
    """Yield what the best one costs on each machine, and what others save."""
    for machine in answer.machines:
        costs = best.on(machine)
        if costs is None:
            names = _listed(one.method for one in answer.methods if one.on(machine))
            yield f"Costs on {machine} are known of {names} alone, so they can't be set against those of {best.method}."
            continue
        known = [text for id in costs.numbers if (text := _cost_text(costs, id))]
        if known:
            yield f"{best.method} costs, on {machine}: {', '.join(known)}."
        yield from _uncompared(answer, machine)
        yield from _faster(answer, best, costs)
        yield from _smaller(answer, best, costs)


def _cost_text(costs: Costs, id: str) -> str:
    number = costs.numbers[id].value
    if number is None:
        return ""
    text = quantity(id).text(number)
    return {"fps": f"{text} images a second", "peak_inference_mb": f"{text} MB at the peak of inference"}.get(
        id, f"{text} s of training for each category"
    )


def _uncompared(answer: Answer, machine: str) -> Iterator[str]:
    """Yield that times are not set against each other, where no two of them may be."""
    there = [costs for one in answer.methods if (costs := one.on(machine))]
    named = {"fps": "frame rates", "fit_s": "times of training"}
    lost = [name for id, name in named.items() if sum(costs.compared(id) is not None for costs in there) < 2]
    if lost and len(there) > 1:
        yield f"No word on {' and '.join(lost)}: the footnotes of the table say why they can't be compared."


def _faster(answer: Answer, best: Standing, costs: Costs) -> Iterator[str]:
    """Yield the most accurate methods of each higher speed."""
    own = fastest = costs.compared("fps")
    rivals = [(one, at) for one in answer.methods[1:] if (at := _compared(one, costs.machine, "fps"))]
    if not own or not fastest or not rivals:
        return
    found = []
    for rival, speed in rivals:
        if speed >= fastest * DEFAULTS["speed_ratio"] and 1000 / fastest - 1000 / speed > DEFAULTS["speed_floor_ms"]:
            found.append(f"{rival.method} is {_times(speed / own)} as fast {_price(rival, answer)}")
            fastest = speed
    if found:
        yield f"{_listed(found[:_FASTER])}."
    elif all(own >= speed * DEFAULTS["speed_ratio"] for _, speed in rivals):
        next_fastest = max(speed for _, speed in rivals)
        yield f"No other is as fast: {best.method} is {_times(own / next_fastest)} as fast as the next."
    else:
        yield f"No other is faster by more than a ratio of {DEFAULTS['speed_ratio']:g}, which two runs may differ by."


def _price(rival: Standing, answer: Answer) -> str:
    """Return how much less accurate a method is, in words."""
    metric = quantity(answer.metric)
    if not rival.behind:
        return "for the same accuracy"
    tied = {"tied": ", a tie", "untested": ", untested"}.get(rival.place, "")
    return f"for {_amount(-rival.behind, metric)} less{tied}"


def _smaller(answer: Answer, best: Standing, costs: Costs) -> Iterator[str]:
    """Yield which method needs the least memory, where that is another one."""
    own = costs.compared("peak_inference_mb")
    rivals = [(at, one) for one in answer.methods[1:] if (at := _compared(one, costs.machine, "peak_inference_mb"))]
    if not own or not rivals:
        return
    least, rival = min(rivals, key=lambda pair: pair[0])
    if own >= least * DEFAULTS["peak_ratio"] and own - least >= DEFAULTS["peak_floor_mb"]:
        share = f"{least:.0f} MB, {least / own:.0%} as much"
        yield f"The least memory: {rival.method} with {share}, {_price(rival, answer)}."


def _compared(standing: Standing, machine: str, id: str) -> float | None:
    costs = standing.on(machine)
    return costs.compared(id) if costs is not None else None


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:.0f} times"


def _other_metrics(answer: Answer) -> Iterator[str]:
    """Yield in which metrics another method is best, and which tell a tie apart."""
    if not answer.others:
        return
    ours = answer.methods[0].method
    leaders = {ours, *(one.method for one in answer.methods if one.place in ("tied", "untested"))}
    against = [other for other in answer.others if ours not in other.leaders]
    for other in against:
        yield f"Metrics disagree: {_disagreement(other, ours)}"
    deciding = [other for other in answer.others if len(leaders) > 1 and set(other.leaders) < leaders]
    for other in deciding:
        if other not in against and len(other.leaders) == 1:
            yield f"{quantity(other.metric).title} tells them apart: {other.best} is best there."
    agree = [quantity(other.metric).title for other in answer.others if other not in against]
    if agree and len(agree) == len(answer.others):
        yield f"No other metric disagrees: {ours} is best or tied by {_listed(agree)}, too."
    elif agree:
        yield f"{ours} is best or tied by {_listed(agree)}."


def _disagreement(other: OtherMetric, ours: str) -> str:
    metric = quantity(other.metric)
    difference: Difference | None = other.difference
    ends = ""
    if difference is not None and difference.detectable is not None:
        ends = f" (paired 95% interval {metric.text(-difference.high)} to {metric.text(-difference.low)})"
    lead = f"{_amount(-other.behind, metric)}{ends} above {ours}"
    return f"by {metric.title} {other.best} is best with {metric.text(other.value)}, {lead}."


def _left_out(answer: Answer) -> Iterator[str]:
    if answer.left_out:
        yield f"Not compared: {'; '.join(f'{one.method} ({one.why})' for one in answer.left_out)}."
