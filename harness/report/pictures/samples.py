"""Which samples a figure shows: by name, one of each defect, or the best and worst told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.data.base import Dataset, SampleRef
from harness.errors import UsageError
from harness.registry import nearest_names
from harness.report.pictures.request import ShownMethod, ShowRequest

__all__ = ["choose_samples"]

_MOST_ROWS = 40


def choose_samples(
    dataset: Dataset, categories: Sequence[str], method: ShownMethod, request: ShowRequest
) -> tuple[SampleRef, ...]:
    """Return the rows of a figure.

    Parameters
    ----------
    dataset
        Where the samples lie.
    categories
        Whose test samples are looked at.
    method
        Its scores tell the best and the worst.
    request
        What was asked for.

    Raises
    ------
    UsageError
        For a sample or defect that is not there, and for more than 40 rows.
    """
    refs = [ref for category in categories for ref in dataset.refs(category, "test")]
    if request.samples:
        chosen = _named(refs, request.samples)
    else:
        chosen = _of_defects(refs, request)
        if request.worst is not None or request.best is not None:
            ranked = _ranked(chosen, refs, method)
            chosen = ranked[: request.worst] if request.worst is not None else ranked[::-1][: request.best]
        else:
            chosen = _one_each(chosen, by_category=bool(request.categories))
    if len(chosen) > _MOST_ROWS:
        raise UsageError(
            f"The figure would have {len(chosen)} rows, and {_MOST_ROWS} are the most: narrow it with --categories, "
            "--defects or --samples."
        )
    return tuple(chosen)


def _named(refs: Sequence[SampleRef], names: Sequence[str]) -> list[SampleRef]:
    chosen: dict[SampleRef, None] = {}
    for name in names:
        matching = [ref for ref in refs if name in (ref.id, f"{ref.category}/{ref.id}")]
        if not matching:
            raise UsageError(f"There is no test sample '{name}': {nearest_names(name, (ref.id for ref in refs))}")
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _of_defects(refs: Sequence[SampleRef], request: ShowRequest) -> list[SampleRef]:
    known = dict.fromkeys(ref.defect for ref in refs)
    for name in request.defects:
        if name not in known:
            raise UsageError(f"There is no defect '{name}' in these categories: {nearest_names(name, known)}")
    if request.defects:
        return [ref for name in request.defects for ref in refs if ref.defect == name]
    ranking = request.worst is not None or request.best is not None
    return [ref for ref in refs if ranking or ref.defect != "good"]


def _one_each(refs: Sequence[SampleRef], *, by_category: bool) -> list[SampleRef]:
    """Return the first sample of each defect: of every category, or from the category that is shown least so far."""
    if by_category:
        return list({(ref.category, ref.defect): ref for ref in reversed(refs)}.values())[::-1]
    shown = dict.fromkeys((ref.category for ref in refs), 0)
    chosen = []
    for defect in dict.fromkeys(ref.defect for ref in refs):
        ref = min((ref for ref in refs if ref.defect == defect), key=lambda one: shown[one.category])
        shown[ref.category] += 1
        chosen.append(ref)
    return chosen


def _ranked(chosen: Iterable[SampleRef], refs: Sequence[SampleRef], method: ShownMethod) -> list[SampleRef]:
    """Sort samples by how well the method's score tells them from the other kind of their category, worst first.

    That is the share of the other kind on the right side of the score; ties are broken by the share of their own kind
    that is told worse.
    """
    scores = {(ref.category, ref.id): method.maps[ref.category].score(ref.id) for ref in refs}
    return sorted(chosen, key=lambda ref: (*_told(ref, refs, scores), ref.category, ref.id))


def _told(ref: SampleRef, refs: Sequence[SampleRef], scores: Mapping[tuple[str, str], float]) -> tuple[float, float]:
    sign = -1 if ref.defect == "good" else 1
    own = sign * scores[ref.category, ref.id]
    values: dict[bool, list[float]] = {True: [], False: []}
    for other in refs:
        if other.category == ref.category:
            values[(other.defect == "good") == (ref.defect == "good")].append(sign * scores[other.category, other.id])
    return _below(own, values[False]), _below(own, values[True])


def _below(value: float, others: Sequence[float]) -> float:
    return sum((other < value) + 0.5 * (other == value) for other in others) / len(others) if others else 0.5
