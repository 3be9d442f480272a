"""Text that any terminal can show: nothing in it steers the terminal, and characters that it lacks have a stand-in."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["printable"]

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but for tab and newline, other ends of lines, and what turns the direction of writing."""

_STAND_INS = {
    "≈": "~",
    "×": "x",
    "±": "+-",
    "µ": "u",
    "–": "-",
    "—": "-",
    "─": "-",
    "˒": ",",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
}
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def printable(text: str, encoding: str | None) -> str:
    """Return text as a terminal, or what reads its output, can take it.

    Parameters
    ----------
    text
        Parts of it may come from outside: names of files, records, messages of a server.
    encoding
        Of the output; UTF-8 where None.

    Returns
    -------
    str
        Control characters are U+FFFD; undecodable bytes of file names are ``\\xNN``; characters that the encoding lacks
        are what resembles them, else question marks. A raised digit is ``^4``, never a digit more behind a number.
    """
    if text.isascii() and text.isprintable():
        return text
    if _STEERING.search(text):
        text = _STEERING.sub("\ufffd", text)
    encoding = encoding or "utf-8"
    if _fits(text, encoding):
        return text
    return "".join(
        letter if _fits(letter, encoding) else _stand_in(letter, before, encoding)
        for before, letter in zip(" " + text, text, strict=False)
    )


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _stand_in(letter: str, before: str, encoding: str) -> str:
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    if letter in _SUPERSCRIPTS:
        return ("" if before in _SUPERSCRIPTS else "^") + str(_SUPERSCRIPTS.index(letter))
    resembling = _STAND_INS.get(letter) or "".join(
        part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)
    )
    return resembling if resembling and _fits(resembling, encoding) else "?"
