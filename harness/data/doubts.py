"""What is doubtful about samples: collected while they are read, with a sentence for each kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harness.dataset_contract import SampleRef

__all__ = ["Doubts"]

_NAMED = 3


class Doubts:
    """Doubts about samples by kind. Reading a sample again adds nothing; threads may share it."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[tuple[str, str], None]] = {}
        self._found: dict[tuple[str, str], dict[tuple[str, str], str]] = {}

    def add(self, what: str, category: str, sample: str, doubts: Mapping[str, str]) -> None:
        """Add what a part of a sample is found to be.

        Parameters
        ----------
        what
            The part, in the plural: ``masks``.
        category, sample
            Whose.
        found
            What is doubtful, in words that follow "3 of 6 masks", to a detail of this sample; empty where nothing is.
        """
        self._seen.setdefault(what, {})[category, sample] = None
        for doubt, detail in doubts.items():
            self._found.setdefault((what, doubt), {})[category, sample] = detail

    def sentences(self, category: str, refs: Collection[SampleRef] | None = None) -> tuple[str, ...]:
        """Return a sentence for each kind of doubt about a category, without full stop; about some samples only."""
        chosen = None if refs is None else {(ref.category, ref.id) for ref in refs}

        def of(samples: Mapping[tuple[str, str], str | None]) -> list[tuple[str, str]]:
            return sorted(key for key in samples if key[0] == category and (chosen is None or key in chosen))

        said = []
        for (what, doubt), samples in tuple(self._found.items()):
            if keys := of(samples):
                named = [f"{key[1]}{samples[key] and f': {samples[key]}'}" for key in keys[:_NAMED]]
                more = ", ..." if len(keys) > _NAMED else ""
                said.append(f"{len(keys)} of {len(of(self._seen[what]))} {what} {doubt} ({', '.join(named)}{more})")
        return tuple(said)
