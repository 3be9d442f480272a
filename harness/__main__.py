"""The ``harness`` command, also ``python -m harness``: signals are watched before anything else is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.running.interrupts import SIGNALS, exit_interrupted, raise_if_interrupted, watch

__all__ = ["main"]


def main() -> None:
    """Run the command line; a signal ends it with one sentence and its exit code from the first moment on."""
    watch(SIGNALS)
    try:
        from harness.cli.main import main as run

        raise_if_interrupted()
        run()
    except KeyboardInterrupt:
        exit_interrupted()


def _leave_current_folder() -> None:
    """Take the folder that ``python -m`` puts first off the search path, so that no file in it hides a module.

    Where this package itself lies there, a checkout that is not installed, workers get the folder instead.
    """
    here = Path(sys.path[0]).absolute()
    if sys.flags.safe_path or not here.is_dir() or here != Path.cwd():
        return
    if here != Path(__file__).parents[1]:
        del sys.path[0]
    else:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(here), os.environ.get("PYTHONPATH"))))


if __name__ == "__main__":
    _leave_current_folder()
    main()
