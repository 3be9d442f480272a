"""Whether locks hold on a folder between two processes, also of two machines: some network file systems have none.

``python -m harness.files.lock_test FILE`` is the second process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from harness.files.locks import FileLock

__all__ = ["lock_problem"]

_SECONDS = 120
_REFUSED, _TAKEN, _ERROR = 10, 11, 12
"""Exit codes of the second process."""


def lock_problem(folder: Path, launch: Sequence[str] = ()) -> str:
    """Return why locks don't hold on a folder, a sentence; empty where they do.

    A second process must be refused a lock that this one holds, and must have it once it is released.

    Parameters
    ----------
    folder
        Where the lock is tried; it is created where it is missing.
    launch
        Command that starts the second process on another machine, such as ``("srun", "-n1")``; empty for this one.
    """
    path = folder / f".lock-test-{uuid4().hex}"
    try:
        with FileLock(path) as lock:
            if not lock.take():
                return f"{folder} can't be used by several machines: a new lock in it is taken already."
            while_held = _try(path, launch)
        after = _try(path, launch)
    except OSError as error:
        return _sentence(folder, error.strerror or str(error))
    except subprocess.TimeoutExpired:
        return _sentence(folder, f"a second process that tried one did not end within {_SECONDS} s")
    finally:
        path.unlink(missing_ok=True)
    if while_held == (_TAKEN, "") or after == (_REFUSED, ""):
        here = "of another machine" if launch else "of this machine"
        how = "got a lock that was held" if while_held == (_TAKEN, "") else "was refused a lock that was free"
        return _sentence(folder, f"a process {here} {how}")
    failed = next((said for code, said in (while_held, after) if code not in (_REFUSED, _TAKEN)), "")
    return _sentence(folder, failed) if failed else ""


def _sentence(folder: Path, why: str) -> str:
    return (
        f"Locks don't hold on {folder} ({why}), so two machines could measure one cell: use a folder of NFS 4, or of "
        "Lustre mounted with 'flock'."
    )


def _try(path: Path, launch: Sequence[str]) -> tuple[int, str]:
    """Try the lock in another process; return its exit code, and what went wrong where it could not try."""
    command = [*launch, sys.executable, "-P", "-m", "harness.files.lock_test", str(path.absolute())]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=_SECONDS, check=False
    )
    if done.returncode in (_REFUSED, _TAKEN):
        return done.returncode, ""
    lines = done.stderr.strip().splitlines()
    return done.returncode, lines[-1] if lines else f"a second process ended with exit code {done.returncode}"


def _main(path: Path) -> int:
    try:
        with FileLock(path) as lock:
            return _TAKEN if lock.take() else _REFUSED
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return _ERROR


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
