"""What computes a part of a method, as records and notes name it."""

from __future__ import annotations

from harness.contract import Implementation
from harness.implementations import fallbacks, implementation_texts, implementations_of


class Named:
    def implementations(self) -> dict[str, Implementation]:
        return {
            "bank search": Implementation("torch"),
            "farthest points": Implementation("a loop over the steps", "Triton is not installed"),
        }


def test_a_record_names_each_and_a_note_says_what_is_not_the_first_choice() -> None:
    chosen = implementations_of(Named())
    assert implementation_texts(chosen) == {
        "bank search": "torch",
        "farthest points": "a loop over the steps (Triton is not installed)",
    }
    (note,) = fallbacks(chosen)
    assert note == "farthest points by a loop over the steps, which may be slower: Triton is not installed"


def test_a_method_that_names_none_has_none() -> None:
    assert implementations_of(object()) == {}
