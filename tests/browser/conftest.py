"""A headless Chromium; its tests are skipped where it or its driver is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from report_records import full_record, make_record

from harness.report.html.sections import make_sections
from harness.report.html.writing import write_report
from harness.store.published import read_published
from harness.store.record import Record

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Watched:
    """A page with what it complained about and what it asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[browser]'")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with driver.sync_playwright() as running:
        # a container's root can't make the sandbox; the pages are our own
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        started = running.chromium.launch(executable_path=program, args=sandbox)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Open a file in a fresh profile of some width and colour scheme; address: what follows its question mark."""
    contexts = []

    def go(path: Path, *, width: int = 1366, scheme: str = "light", address: str = "", touch: bool = False) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=touch)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.on("console", lambda one: watched.complaints.append(one.text) if one.type == "error" else None)
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.goto(path.resolve().as_uri() + (f"?{address}" if address else ""))
        return watched

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """Toy runs with two training-set sizes, MVTec 3D-AD beside published numbers, a second device, a failure."""
    toy = {"dataset": "toy", "preset": "quick", "weights": "random"}
    gpu = {"device": "cuda:0", "device_name": "Test GPU", "cpu": "Test CPU"}
    found = [
        full_record(seed, method, category, shots=shots, **toy)
        for seed, (method, category, shots) in enumerate(
            (method, category, shots)
            for method in ("cfm", "cfm-t", "btf")
            for category in ("bump", "ridge")
            for shots in (5, 10)
        )
    ]
    found += [make_record("cfm", category) for category in ("bagel", "carrot")]
    found.append(make_record("cfm", "foam", status="failed", reason="<script>alert(1)</script>", log=("</script>",)))
    found.append(make_record("cfm-t", "bagel", environment=gpu, latency={"device": {"median_ms": 4.0}}))
    found.append(
        make_record("cfm-m", "bagel", given={"aggregate": "<b>x</b>"}, latency={"device": {"median_ms": 20.0}})
    )
    return found


@pytest.fixture(scope="session")
def report(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The front page of a report."""
    return write_report(tmp_path_factory.mktemp("report"), make_sections(records, read_published()))


@pytest.fixture
def axe_violations() -> Callable[[Any], list[Any]]:
    """What axe says against a page: rules with the elements that break them."""
    driver = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install '.[browser]'")
    axe = driver.Axe()

    def find(page: Any) -> list[Any]:
        found = axe.run(page).response["violations"]
        return [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]

    return find
