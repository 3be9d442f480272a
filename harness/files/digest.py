"""Digests of canonical JSON, the only keys in the project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.files.reading import open_regular

__all__ = ["canonical_json", "digest", "file_sha256", "is_published_sha256", "seed_from"]

_FEWEST_DIGITS = 8


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces; equal values give equal text, unequal values never do."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any, length: int = 16) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of a JSON value; paths of any bytes are texts."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogateescape")).hexdigest()[:length]


def seed_from(*parts: Any) -> int:
    """Return a seed in [0, 2**31) that depends on every part and on nothing else."""
    return int(digest(list(parts), 8), 16) & 0x7FFFFFFF


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal; raise OSError where it can't be read."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_published_sha256(sha256: str, published: str) -> bool:
    """Return whether a SHA-256 is the published one, of which eight or more leading digits are enough."""
    return len(published) >= _FEWEST_DIGITS and sha256.startswith(published.lower())
