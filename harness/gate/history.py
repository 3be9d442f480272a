"""Which versions of harness are known: the commits and the release tags of a checkout's history."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import PrerequisiteError
from harness.files.names import one_line
from harness.store.environment import Environment

__all__ = ["History"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_VERSION = re.compile(r"\d+(\.\d+)*")
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class History:
    """The history of a checkout.

    Parameters
    ----------
    top
        Folder of the checkout, which has its whole history.
    """

    top: Path

    @classmethod
    def of_this_package(cls) -> History:
        """Return the history of the checkout that harness runs from.

        Raises
        ------
        PrerequisiteError
            Where it runs from none, or from one without its whole history.
        """
        top = Path(__file__).resolve().parents[2]
        if not (top / ".git").exists() or _git(top, "rev-parse", "--is-shallow-repository") != "false":
            raise PrerequisiteError(
                "Which versions of harness are known is read from its history: run the command of a checkout with all "
                "commits, 'git clone' and 'pip install -e .', or 'git fetch --unshallow --tags' in this one."
            )
        return cls(top)

    def why_unknown(self, environment: Environment) -> str:
        """Return why the version of harness that measured a number is not known here, a clause; empty if it is."""
        if environment.git is None:
            version = environment.harness or ""
            if _VERSION.fullmatch(version) and _git(self.top, "tag", "--list", f"v{version}"):
                return ""
            return f"it was measured with harness '{one_line(version)}', which is neither a commit nor a release"
        commit = environment.git.commit
        if environment.git.dirty:
            return f"it was measured with changes to harness that commit {commit[:12]} does not have"
        if not _COMMIT.fullmatch(commit) or _git(self.top, "merge-base", "--is-ancestor", commit, "HEAD") is None:
            return f"it was measured with harness at '{one_line(commit)[:12]}', a commit that its history does not have"
        return ""


@cache
def _git(top: Path, *arguments: str) -> str | None:
    """Return what git prints; None where it fails."""
    command = ["git", "-C", str(top), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
