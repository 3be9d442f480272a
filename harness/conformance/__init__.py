"""The conformance suites of the two contracts.

``harness verify NAME`` checks a method (:mod:`harness.contract`) on the toy dataset in a separate process
(:func:`verify_method`), :func:`run_suite` in this one. ``harness verify --dataset NAME`` checks a reader
(:mod:`harness.dataset_contract`) on its own files (:func:`verify_reader`).
"""

from __future__ import annotations

from harness.conformance.check import Check
from harness.conformance.outcome import Outcome, Verdict
from harness.conformance.process import verify_method
from harness.conformance.readers import verify_reader
from harness.conformance.subject import Subject
from harness.conformance.suite import CHECKS, READER_CHECKS, run_suite, toy_subject

__all__ = [
    "CHECKS",
    "READER_CHECKS",
    "Check",
    "Outcome",
    "Subject",
    "Verdict",
    "run_suite",
    "toy_subject",
    "verify_method",
    "verify_reader",
]
