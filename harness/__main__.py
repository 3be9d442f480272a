"""The ``harness`` command, also ``python -m harness``: signals are watched before anything heavy is imported."""

from __future__ import annotations

import os
import sys


def _leave_current_folder() -> None:
    """Take the folder that ``python -m`` puts first off the search path, so that no file in it hides a module.

    Where this package itself lies there, a checkout that is not installed, workers get the folder instead.
    """
    if sys.flags.safe_path or __spec__ is None:
        return
    here = sys.path[0]
    if __file__ != f"{here}{os.sep}harness{os.sep}__main__.py":
        del sys.path[0]
    else:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))


if __name__ == "__main__":
    _leave_current_folder()

from harness.running.interrupts import SIGNALS, exit_interrupted, raise_if_interrupted, watch  # noqa: E402 - as above

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


if __name__ == "__main__":
    main()
