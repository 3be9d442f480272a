"""Names of EfficientNet's tensors: those of EfficientNet-PyTorch, whose weights are published, as those of timm."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["from_published"]

_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_se_reduce": "se.conv_reduce",
    "_se_expand": "se.conv_expand",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
_PUBLISHED_HEAD = ("_conv_head.", "_bn1.", "_fc.")


def from_published(name: str, repeats: Sequence[int]) -> str | None:
    """Translate a name of EfficientNet-PyTorch to timm's; None for the head and the blocks after the trunk.

    Parameters
    ----------
    name
        Of a tensor.
    repeats
        Blocks of each stage of the trunk.

    Raises
    ------
    KeyError, ValueError
        For a name that no EfficientNet has.
    """
    if name.startswith(_PUBLISHED_HEAD):
        return None
    first, _, rest = name.partition(".")
    if first != "_blocks":
        return f"{_STEM[first]}.{rest}"
    number, part, tensor = rest.split(".", 2)
    stage, block = 0, int(number)
    while stage < len(repeats) and block >= repeats[stage]:
        block -= repeats[stage]
        stage += 1
    own = (_INVERTED if stage else _SEPARABLE)[part]
    return None if stage == len(repeats) else f"blocks.{stage}.{block}.{own}.{tensor}"
