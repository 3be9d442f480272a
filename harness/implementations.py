"""What computes a part of a method where a device and installed packages decide it: a part of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Implementation", "NamesImplementations", "fallbacks", "implementation_texts", "implementations_of"]


@dataclass(frozen=True, slots=True)
class Implementation:
    """What computes a part of a method on this machine.

    Parameters
    ----------
    name
        A noun phrase, with a version where a package does it, for example ``faiss 1.15``.
    fallback
        Why it is not a faster one, part of a sentence, for example ``Triton is not installed``; empty where it is the
        first choice.
    """

    name: str
    fallback: str = ""


@runtime_checkable
class NamesImplementations(Protocol):
    """A method some of whose parts are computed by one implementation or another, as the machine allows.

    Records name them, and tables of speed show them; a fallback is a note of the record.
    """

    def implementations(self) -> Mapping[str, Implementation]:
        """Return, after fit, the implementation of each such part by the part's name, for example ``bank search``."""


def implementations_of(method: object) -> dict[str, Implementation]:
    """Return the implementations of a fitted method; empty where it names none."""
    return dict(method.implementations()) if isinstance(method, NamesImplementations) else {}


def implementation_texts(chosen: Mapping[str, Implementation]) -> dict[str, str]:
    """Return implementations as a record names them, by part, with the reason of a fallback in brackets."""
    return {part: one.name + (f" ({one.fallback})" if one.fallback else "") for part, one in chosen.items()}


def fallbacks(chosen: Mapping[str, Implementation]) -> list[str]:
    """Return a sentence for each part that is not computed by the first choice."""
    return [
        f"{part} by {one.name}, which may be slower: {one.fallback}" for part, one in chosen.items() if one.fallback
    ]
