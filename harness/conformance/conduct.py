"""Checks of the side effects of all calls that the earlier checks made."""

from __future__ import annotations

from pathlib import Path

from harness.conformance.check import check
from harness.conformance.outcome import CheckFailedError
from harness.conformance.subject import Subject

__all__ = ["blind", "inputs", "settings", "silent"]

_LONGEST = 60


@check("blind", "It reads no mask, label or defect name of a sample, and no file of the dataset.", "fit")
def blind(subject: Subject) -> None:
    """Look at the fields read and the files opened."""
    if subject.tracker.reads:
        raise CheckFailedError(f"It reads '{subject.tracker.reads[0]}' of a sample, which is withheld.")
    opened = (touch.target for touch in subject.side_effects.touched if touch.event == "open")
    inside = [path for path in opened if subject.root and Path(path).resolve().is_relative_to(subject.root.resolve())]
    if inside:
        raise CheckFailedError(f"It opens {inside[0]}: samples come from the harness alone.")


@check("inputs", "It leaves the arrays of samples as they are.", "fit")
def inputs(subject: Subject) -> None:
    """Look at the arrays that were changed."""
    if subject.tracker.changed:
        raise CheckFailedError(f"The call of {subject.tracker.changed[0]}")


@check("silent", "It prints nothing on standard output, which belongs to results.", "fit")
def silent(subject: Subject) -> None:
    """Look at what was printed."""
    if subject.side_effects.printed:
        line = subject.side_effects.printed[0].splitlines()[0][:_LONGEST]
        raise CheckFailedError(
            f"It prints on standard output, for example '{line}': print on standard error or nothing."
        )


@check("settings", "It leaves the settings of numpy, torch and the process as they were.", "fit")
def settings(subject: Subject) -> None:
    """Look at the settings that were not restored."""
    if subject.side_effects.settings:
        raise CheckFailedError(f"It changes {subject.side_effects.settings[0]} and does not set it back.")
