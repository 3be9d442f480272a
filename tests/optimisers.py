"""Optimisers that tell a test how they were set."""

from __future__ import annotations

from typing import Any

import torch


def adam_noting(groups: list[dict[str, Any]]) -> type[torch.optim.Adam]:
    """Return a class in the place of ``torch.optim.Adam`` that notes the settings of its groups of parameters."""

    class Noting(torch.optim.Adam):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            groups.extend(dict(group) for group in self.param_groups)

    return Noting
