"""HTML as a tree of elements, so that every text is escaped where it is written out."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from xml.etree.ElementTree import Element, tostring

__all__ = ["Child", "Element", "element", "json_text", "source_hash", "write_document"]

Child = Element | str | int | None
"""What an element may hold: elements, text, or nothing."""

_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no HTML page may hold."""


def element(tag: str, *children: Child | Iterable[Child], **attributes: str | int | bool | None) -> Element:
    """Return an element.

    Parameters
    ----------
    tag
        Its name.
    children
        Elements and texts in order; None is left out.
    attributes
        An underscore stands for a hyphen, one at the end is dropped (``class_``). None and False leave an attribute
        out, True writes it without a value.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            made.set(name.rstrip("_").replace("_", "-"), "" if value is True else _printable(str(value)))
    for child in children:
        for part in [child] if child is None or isinstance(child, Element | str | int) else child:
            _append(made, part)
    return made


def write_document(head: Iterable[Child], body: Element) -> bytes:
    """Return a complete page in UTF-8.

    Parameters
    ----------
    head
        What follows the character set and the viewport.
    body
        The ``body`` element.
    """
    meta = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content="harness report"),
    )
    page = element("html", element("head", *meta, *head), body, lang="en")
    return ("<!doctype html>\n" + tostring(page, encoding="unicode", method="html") + "\n").encode()


def json_text(value: Any) -> str:
    """Return JSON that may stand in a ``script`` element, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _printable(text)


def source_hash(text: str) -> str:
    """Return what a content security policy names an inline script or style by."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _append(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
        return
    text = _printable(str(child))
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text)
