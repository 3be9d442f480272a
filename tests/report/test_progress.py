"""Bars of a run: what they show of stages, losses and the time left."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from report_records import make_record

from harness.plan.job import Job
from harness.report import console, progress
from harness.report.console import SafeConsole
from harness.running.events import Event
from harness.running.scheduler import OnEvent
from harness.store.record import Record

EVENTS = (
    Event("stage", "fit"),
    Event("progress", "extract", 5, 5),
    Event("progress", "train", 1, 50, {"loss": 0.123456}),
    Event("progress", "train", 2, 50, {"loss": 0.05}),
    Event("stage", "score"),
    Event("progress", "score", 3, 12),
)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    shown = SafeConsole(file=stream, force_terminal=True, width=100, legacy_windows=False)
    monkeypatch.setattr(progress, "stderr", shown)
    monkeypatch.setattr(console, "stderr", shown)
    return stream


def run(screen: io.StringIO, verbosity: int, *records: Record) -> list[str]:
    """Run made-up cells; return what the terminal showed after each event of the first, then the lines that stay."""
    shown: list[str] = []

    def start(on_event: OnEvent) -> Iterator[tuple[Job, Record]]:
        for record in records:
            job = Job(record.cell, None, (), {})
            for event in EVENTS:
                on_event(job, event)
                shown.append(refreshed())
            yield job, record

    bars: list[progress.Progress] = []
    made = progress._View.__init__

    def remember(view: progress._View, *arguments: object) -> None:
        bars.append(arguments[0])  # type: ignore[arg-type]
        made(view, *arguments)  # type: ignore[arg-type]

    def refreshed() -> str:
        screen.seek(0)
        screen.truncate()
        bars[0].refresh()
        return screen.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress._View, "__init__", remember)
        expected = {record.cell.id: 600.0 for record in records}
        progress.run_with_progress(start, len(records), ["cpu"], expected=expected, verbosity=verbosity)
    return [*shown, screen.getvalue()]


def test_a_stage_has_a_bar_of_its_own_with_its_losses(screen: io.StringIO) -> None:
    extract, train, begun, score = (run(screen, 0, make_record("cfm", "bagel"))[place] for place in (1, 3, 4, 5))
    assert "/50" not in begun
    assert "cfm bagel: extract" in extract
    assert "5/5" in extract
    assert "cfm bagel: train" in train
    assert "2/50" in train
    assert "loss 0.05" in train
    assert "cfm bagel: score" in score
    assert "3/12" in score
    assert "loss" not in score
    assert "10 min left" in train


def test_on_a_narrow_terminal_names_are_shortened_and_numbers_stay(screen: io.StringIO) -> None:
    progress.stderr.width = 80
    train = run(screen, 0, make_record("cfm[aggregate=2d,epochs=50]", "cable_gland"))[3]
    assert " ... " in train
    for part in ("nd: train", "2/50", "loss 0.05", "0/1", "10 min left"):
        assert part in train, train


def test_the_part_of_a_cell_that_is_done_never_falls() -> None:
    bar = progress._DeviceBar(progress.TaskID(0))
    parts = [bar.part]
    for stage in ("load", "fit", "latency", "score", "metrics"):
        bar.begin(stage, 0.0)
        for step in ("first", "second", "third") if stage == "fit" else ("only",):
            for done in range(4):
                assert bar.advance(step, done / 3) == (done == 0)
                parts.append(bar.part)
    assert parts == sorted(parts)
    assert parts[-1] < 1
    bar.begin("", 0.0)
    assert bar.part == 0


def test_verbosity_adds_stages_and_quiet_leaves_what_went_wrong(screen: io.StringIO) -> None:
    fine, wrong = make_record("cfm", "bagel"), make_record("cfm", "rope", status="oom", reason="too large")
    usual = run(screen, 0, fine)[-1]
    assert "I-AUROC 0.950" in usual
    assert "cfm bagel: score," in run(screen, 1, fine)[-1]
    assert "cfm bagel: score," not in usual
    screen.seek(0)
    screen.truncate()
    quiet = run(screen, -1, fine, replace(wrong))[-1]
    assert "I-AUROC" not in quiet
    assert "too large" in quiet
