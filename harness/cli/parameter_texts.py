"""What the parameters of a method mean, from the section "Parameters" of its class's docstring."""

from __future__ import annotations

import inspect
import re

__all__ = ["parameter_texts"]

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(?P<names>\w+(?:, *\w+)*)(?: *:[^\n]*)?\n(?P<text>(?:(?:[ \t][^\n]*)?(?:\n|\Z))*)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([^`]+)`")


def parameter_texts(kind: type) -> dict[str, str]:
    """Return what the docstring of a class says of each parameter, in plain text of one paragraph.

    Parameters
    ----------
    kind
        A class whose docstring is in numpydoc's form; a parameter that it leaves out is looked for in its bases.
    """
    texts: dict[str, str] = {}
    for base in kind.__mro__:
        section = _SECTION.search(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
        for entry in _ENTRY.finditer(section[1] if section else ""):
            for name in re.split(r", *", entry["names"]):
                texts.setdefault(name, _plain(entry["text"]))
    return texts


def _plain(text: str) -> str:
    return " ".join(_ROLE.sub(r"\1", text).replace("``", "").split())
