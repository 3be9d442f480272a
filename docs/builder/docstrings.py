"""Docstrings of the code, written for readers of the source, as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["MarkdownDocstrings"]

_ROLE = re.compile(r":(?:\w+:)?\w+:`~?\.?([^`]+)`")
_SESSION = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?)*)+", re.MULTILINE)


class MarkdownDocstrings(griffe.Extension):
    """Turns roles (``:func:`name```) into code, and sessions (``>>>``) into blocks of code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that has one."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = _SESSION.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text)
