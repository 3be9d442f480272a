"""The conformance suite: checks on the toy dataset whether a method keeps the contract of :mod:`harness.contract`.

``harness verify NAME`` runs it in a separate process (:func:`verify_method`), :func:`run_suite` in this one.
"""

from __future__ import annotations

from harness.conformance.check import Check
from harness.conformance.outcome import Outcome, Verdict
from harness.conformance.process import verify_method
from harness.conformance.subject import Subject
from harness.conformance.suite import CHECKS, run_suite, toy_subject

__all__ = ["CHECKS", "Check", "Outcome", "Subject", "Verdict", "run_suite", "toy_subject", "verify_method"]
