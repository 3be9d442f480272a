"""Whether a number still stands for what would be measured now: the code and the data that it came from."""

from __future__ import annotations

from harness.store.environment import Provider
from harness.store.record import DataContent

__all__ = ["OWN_DISTRIBUTION", "code_change", "data_change"]

OWN_DISTRIBUTION = "harness"
"""Its version is no part of a number's identity: the source of its methods and the protocol's version are."""


def code_change(then: Provider | None, now: Provider | None) -> str:
    """Return how the code of a method differs from that which measured a number, as part of a sentence.

    Parameters
    ----------
    then
        Of the record; None where it does not say.
    now
        Of the installed method; None where it is not installed.

    Returns
    -------
    str
        Empty where nothing has changed or nothing can be known.
    """
    if then is None or now is None:
        return ""
    if then.source and now.source:
        if then.source != now.source:
            return f"its code has changed since ({then.source[:8]} then, {now.source[:8]} now)"
    elif then.reference and now.reference and then.version != now.version:
        return "its file has changed since"
    if then.reference or now.reference:
        return ""
    if then.distribution != now.distribution:
        return f"it came from {then.distribution} {then.version}, and comes from {now.distribution} {now.version} now"
    if then.version != now.version and now.distribution != OWN_DISTRIBUTION:
        return f"{now.distribution} was {then.version} then and is {now.version} now"
    return ""


def data_change(then: DataContent, now: DataContent) -> str:
    """Return which samples have another content than when a number was measured; empty where none has."""
    named = {"training": (then.train, now.train), "test": (then.test, now.test)}
    changed = [name for name, (before, after) in named.items() if before and after and before != after]
    return f"files of {' and '.join(changed)} samples have changed since" if changed else ""
