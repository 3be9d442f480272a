"""What a record says about the files that its numbers rest on."""

from __future__ import annotations

from pathlib import Path

from report_records import make_cell

from harness.data.weights import ResolvedWeight
from harness.plan.job import Job
from harness.running.notes import record_notes
from harness.store.measurements import Memory


def notes_of(job: Job) -> tuple[str, ...]:
    return record_notes(job, Memory(), {})


def test_weight_files_that_are_not_the_published_ones_are_named() -> None:
    files = {name: ResolvedWeight(name, Path(name), "0" * 64, name == "vit.pth") for name in ("vit.pth", "points.pth")}
    cell = make_cell("cfm", weights="pretrained")
    assert notes_of(Job(cell, None, (), files)) == ("points.pth is not the published file",)


def test_random_weights_and_a_checkpoint_are_named() -> None:
    random = Job(make_cell("cfm", weights="random"), None, (), {})
    assert notes_of(random) == ("random weights: not comparable with published numbers",)
    released = Job(make_cell("cfm", weights="pretrained"), None, (), {}, Path("released"))
    assert notes_of(released) == ("evaluated with the checkpoint in released",)
