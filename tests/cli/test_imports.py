"""What plans, schedules and reports stays free of torch: it starts fast, and holds no device while others measure."""

import subprocess
import sys

from report_records import make_record

from harness.store.store import Store

MODULES = (
    "harness.cli.main",
    "harness.cli.leaderboard",
    "harness.cli.cancel",
    "harness.cli.check",
    "harness.cli.plot",
    "harness.cli.report",
    "harness.cli.run",
    "harness.report.progress",
    "harness.cli.show",
    "harness.cli.status",
    "harness.cli.merge",
    "harness.store.merging",
    "harness.cli.tables",
    "harness.cli.compare",
    "harness.report.answer.make",
    "harness.cli.verify",
    "harness.files.array_cache",
    "harness.running.cache_during_fit",
    "harness.cli.cache",
    "harness.cli.pulling",
    "harness.plan.plan_file",
    "harness.running.puller",
    "harness.plan.job",
    "harness.store.claims",
    "harness.store.pending",
    "harness.running.scheduler",
    "harness.slurm.launch",
    "harness.store.maps",
    "harness.plan.planning",
    "harness.report.pictures.gallery",
    "harness.report.html.writing",
    "harness.report.status",
    "harness.report.console",
    "harness.report.tables",
    "harness.report.overview",
    "harness.store.query",
    "harness.store.quantities",
    "harness.store.store",
)


LOADED = """
import sys
from harness.cli.main import main
try:
    main()
finally:
    print(sorted({"torch", "timm"} & set(sys.modules)))
"""


def run(code, *arguments, cwd):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_scheduler_and_the_reports_import_no_torch(tmp_path):
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "print(sorted({'torch', 'timm', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    assert run(code, *MODULES, cwd=tmp_path).stdout == "[]\n"


def test_planning_imports_no_torch(tiny_mvtec, tmp_path):
    where = ["--dataset", "mvtec3d", "--data", tiny_mvtec, "--shots", "5", "--weights", "random"]
    outcome = run(LOADED, "run", "--methods", "cfm,cfm-t", *where, "--dry-run", cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("4 of 4 cells to run")
    assert outcome.stdout.endswith("\n[]\n")


def test_status_imports_no_torch(tmp_path):
    Store(tmp_path / "results").write(make_record())
    outcome = run(LOADED, "status", cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    assert "1 of 1 ok" in outcome.stdout
    assert outcome.stdout.endswith("\n[]\n")
