"""Pages from the templates of this package: every value is escaped, and an unknown name is an error."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["asset", "environment", "render", "source_hash"]

_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no HTML page may hold."""


@cache
def environment() -> Environment:
    """Return what reads the templates; its filter ``tojson`` writes JSON that may stand in a ``script`` element."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from harness.report.power import images_text
    from harness.report.render.text import TIE_MARK

    settings = Environment(
        loader=PackageLoader("harness.report.html"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    settings.globals["tie_mark"] = TIE_MARK
    settings.globals["images_text"] = images_text
    settings.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    return settings


def render(template: str, **values: object) -> str:
    """Return a page; characters that HTML forbids are replaced by U+FFFD.

    Parameters
    ----------
    template
        Name of a file in ``templates``.
    values
        What it shows, by the names that it uses.
    """
    return _UNPRINTABLE.sub("\ufffd", environment().get_template(template).render(values))


def asset(name: str) -> str:
    """Return a style or script of this package."""
    return files("harness.report.html").joinpath(name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """Return the name of an inline script or style in a content security policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
