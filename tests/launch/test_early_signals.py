"""A signal ends a command with the documented exit code and sentence while its modules are still being imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(folder: Path, *verb: str, before: signal.Handlers) -> subprocess.CompletedProcess[str]:
    """Run the command with modules of a folder before all others, and with what a shell has made of the signals."""
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "harness", *verb],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        preexec_fn=lambda: [signal.signal(each, before) for each in SIGNALS],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("inside", ["{}", "exec({!r})"], ids=["a module", "an exec of a text"])
@pytest.mark.parametrize("module", ["click", "msgspec", "numpy", "rich"])
@pytest.mark.parametrize("sign", SIGNALS, ids=lambda sign: sign.name)
def test_a_signal_during_imports(tmp_path: Path, sign: signal.Signals, module: str, inside: str) -> None:
    """Each module in turn sends the signal to the process that imports it, and sleeps."""
    code = f"import os, time\nos.kill(os.getpid(), {int(sign)})\ntime.sleep(60)\n"
    (tmp_path / f"{module}.py").write_text(inside.format(code))
    done = run(tmp_path, "tables", before=signal.SIG_DFL)
    assert done.returncode == 130, done.stderr
    assert "harness: interrupted" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """As nohup and shells without job control demand."""
    (tmp_path / "click.py").write_text("import os\nfor each in (1, 2, 15):\n    os.kill(os.getpid(), each)\nhere")
    done = run(tmp_path, before=signal.SIG_IGN)
    assert "NameError: name 'here'" in done.stderr
