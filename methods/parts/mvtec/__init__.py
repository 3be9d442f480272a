"""Parts of the baselines of the MVTec 3D-AD paper: geometry, representations and the models on them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.contract import Meta, ParameterValue

__all__ = ["baseline_meta"]


def baseline_meta(name: str, title: str, quick: Mapping[str, ParameterValue]) -> Meta:
    """Return what one of the baselines declares; ``quick`` is its preset of that name."""
    return Meta(
        name=name,
        title=title,
        family="mvtec-baselines",
        paper="Bergmann et al., VISAPP 2022",
        presets={"quick": quick},
        needs=("measured",),
        note="re-implemented, details of the original unpublished",
    )
