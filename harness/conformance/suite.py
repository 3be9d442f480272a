"""All checks in order, and the toy samples they use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from harness.conformance import conduct, construction, fitting, predicting, reading
from harness.conformance.check import Check
from harness.conformance.outcome import CheckFailedError, CheckSkippedError, Outcome
from harness.conformance.subject import Subject
from harness.contract import MethodError, UnsupportedError
from harness.data.open import open_dataset
from harness.data.registry import DEFAULT_DATASET
from harness.files.names import capped
from harness.measure.host import frozen_gc
from harness.registry import MethodSpec

__all__ = ["CHECKS", "READER_CHECKS", "run_checks", "run_suite", "toy_subject"]

CHECKS: tuple[Check[Subject], ...] = (
    construction.meta,
    construction.parameters,
    construction.construct,
    construction.light,
    fitting.fit,
    fitting.validation,
    fitting.progress,
    fitting.state_keys,
    fitting.state_bytes,
    predicting.predict,
    predicting.repeatable,
    predicting.own_arrays,
    predicting.empty_cloud,
    predicting.black_image,
    predicting.not_square,
    predicting.bigger,
    fitting.seed,
    fitting.state,
    fitting.aliases,
    conduct.blind,
    conduct.inputs,
    conduct.silent,
    conduct.settings,
)

READER_CHECKS: tuple[Check[reading.ReaderSubject], ...] = (
    reading.info,
    reading.find,
    reading.categories,
    reading.refs,
    reading.modalities,
    reading.decode,
    reading.masks,
    reading.units,
    reading.clean,
    reading.fields,
    reading.repeatable,
    reading.digests,
    reading.errors,
)

_TRAIN = 5
_Subject = TypeVar("_Subject")
_CATEGORY = "bump"
_DEFECTS = ("good", "both-plain", "mismatch-plain")


def toy_subject(spec: MethodSpec, device: str, progress: Callable[[str, int, int], None]) -> Subject:
    """Return a method with samples of the toy dataset: five to train on, the validation split, three to test.

    Of the latter one is nominal and two are defective.

    Parameters
    ----------
    spec
        Method and the parameters that the user named; the others are those of the preset ``quick``.
    device
        Torch device name.
    progress
        Called with (stage, done, total) while the method is fitted.
    """
    dataset = open_dataset(DEFAULT_DATASET, None)
    by_defect = {ref.defect: ref for ref in reversed(dataset.refs(_CATEGORY, "test"))}
    train = [dataset.load(ref) for ref in dataset.refs(_CATEGORY, "train")[:_TRAIN]]
    test = [dataset.load(by_defect[defect]) for defect in _DEFECTS]
    validation = [dataset.load(ref) for ref in dataset.refs(_CATEGORY, "validation")]
    return Subject(spec, train, test, validation=validation, device=device, root=dataset.root, progress=progress)


def run_suite(
    subject: Subject,
    on_check: Callable[[Check[Subject]], None] = lambda check: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> tuple[Outcome, ...]:
    """Make all checks of a method, in this process.

    Parameters
    ----------
    subject
        A method with samples, not used before.
    on_check
        Called with every check as it begins.
    on_outcome
        Called with its outcome.
    """
    with frozen_gc():
        return run_checks(CHECKS, subject, on_check, on_outcome)


def run_checks(
    checks: Sequence[Check[_Subject]],
    subject: _Subject,
    on_check: Callable[[Check[_Subject]], None] = lambda check: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> tuple[Outcome, ...]:
    """Make checks in their order, as :func:`run_suite` does."""
    outcomes: dict[str, Outcome] = {}
    for check in checks:
        on_check(check)
        outcomes[check.name] = _outcome(check, subject, outcomes)
        on_outcome(outcomes[check.name])
    return tuple(outcomes.values())


def _outcome(check: Check[_Subject], subject: _Subject, before: Mapping[str, Outcome]) -> Outcome:
    missing = [name for name in check.after if before[name].status != "pass"]
    if missing:
        return Outcome(check.name, "skip", f"Not checked: it needs '{missing[0]}'.")
    try:
        check.function(subject)
    except (UnsupportedError, CheckSkippedError) as error:
        return Outcome(check.name, "skip", capped(str(error)))
    except MethodError as error:
        return Outcome(check.name, "fail", capped(f"It refuses what it must be able to do: {error}"))
    except CheckFailedError as error:
        return Outcome(check.name, "fail", capped(str(error)))
    return Outcome(check.name, "pass", check.demand)
