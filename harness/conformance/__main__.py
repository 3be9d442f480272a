"""``python -m harness.conformance REQUEST.json``: the suite for one method; what ``harness verify`` starts for each.

Standard output carries one JSON object a line (:mod:`harness.running.events`), outcomes go to the request's file.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from harness import registry
from harness.conformance.outcome import Outcome
from harness.conformance.process import read_request
from harness.conformance.suite import run_suite, toy_subject
from harness.running.events import EventWriter
from harness.running.lifeline import die_with_parent

__all__ = ["main"]


def main(path: Path) -> None:
    """Run all checks of the requested method."""
    die_with_parent()
    request = read_request(path)
    if request.reference:
        registry.load_reference(request.reference)
    (spec,) = registry.parse([request.method])
    with (
        os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8") as channel,
        request.outcomes.open("w", buffering=1, encoding="utf-8") as outcomes,
    ):
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        events = EventWriter(channel)

        def write(outcome: Outcome) -> None:
            outcomes.write(json.dumps(asdict(outcome)) + "\n")

        run_suite(toy_subject(spec, request.device, events.progress), lambda check: events.stage(check.name), write)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
