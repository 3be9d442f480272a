"""Unsupervised feature fusion (UFF) of M3DM: an MLP per modality, trained with a patch-wise contrastive loss."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from harness.contract import MethodError
from methods.parts.dense import Linear
from methods.parts.dino import GRID
from methods.parts.m3dm.patches import CLOUD_GRID
from methods.parts.weight_files import fill_from, read_tensors

__all__ = ["UFF", "Alignment", "ContrastHeads", "image_token_of", "info_nce", "load_uff"]

Alignment = Literal["code", "spatial"]
"""Which image token is paired with which cloud patch: parameter ``uff_align`` of :class:`methods.m3dm.M3DM`."""

_CONTRAST = 256
"""Channels of the space of the contrastive loss."""

_TEMPERATURE = 1.0
_CHUNK = 2048
"""Queries compared with all keys at a time."""

_PREFIX = "module."


class _MLP(nn.Module):
    """Two linear layers with exact GELU; the hidden width is four times the input's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = Linear(width, 4 * width, activation="gelu")
        self.fc2 = Linear(4 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc2(self.fc1(features))  # type: ignore[no-any-return]


class UFF(nn.Module):
    """LayerNorm and MLP of each modality; the fused feature concatenates both outputs, the cloud's first.

    Parameters
    ----------
    rgb_channels, xyz_channels
        768 and 1152 in M3DM.
    """

    def __init__(self, rgb_channels: int, xyz_channels: int) -> None:
        super().__init__()
        self.rgb_norm, self.rgb_mlp = nn.LayerNorm(rgb_channels), _MLP(rgb_channels)
        self.xyz_norm, self.xyz_mlp = nn.LayerNorm(xyz_channels), _MLP(xyz_channels)

    def embed_rgb(self, tokens: Tensor) -> Tensor:
        """Map image tokens (n, rgb_channels) to the same number of channels."""
        return self.rgb_mlp(self.rgb_norm(tokens))  # type: ignore[no-any-return]

    def embed_xyz(self, patches: Tensor) -> Tensor:
        """Map cloud patches (n, xyz_channels) to the same number of channels."""
        return self.xyz_mlp(self.xyz_norm(patches))  # type: ignore[no-any-return]

    def forward(self, rgb: Tensor, xyz: Tensor) -> Tensor:
        """Fuse one sample: (784, rgb_channels) and (3136, xyz_channels) to (3136, xyz_channels + rgb_channels).

        Each image token is repeated for the 2 x 2 cloud patches that it covers.
        """
        spread = image_token_of("spatial").to(rgb.device)
        return torch.cat([self.embed_xyz(xyz), self.embed_rgb(rgb)[spread]], dim=1)


class ContrastHeads(nn.Module):
    """Linear maps to the space of the contrastive loss, for training only."""

    def __init__(self, rgb_channels: int, xyz_channels: int) -> None:
        super().__init__()
        self.rgb_head = nn.Linear(rgb_channels, _CONTRAST)
        self.xyz_head = nn.Linear(xyz_channels, _CONTRAST)


def image_token_of(align: Alignment) -> Tensor:
    """Return the image token paired with each cloud patch: (3136,) int64, see :data:`Alignment`."""
    patch = torch.arange(CLOUD_GRID**2)
    if align == "code":
        turn, place = patch // GRID**2, patch % GRID**2
        return (CLOUD_GRID**2 // GRID**2 * place + turn) % GRID**2
    shrink = CLOUD_GRID // GRID
    return patch // CLOUD_GRID // shrink * GRID + patch % CLOUD_GRID // shrink


def info_nce(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the InfoNCE loss of queries and keys (n, c), paired by row; temperature 1, times 2.

    Rows are L2-normalised. Queries are compared with all keys in chunks, which are recomputed for the gradient, so that
    n x n numbers are never held.
    """
    queries, keys = functional.normalize(queries, dim=1), functional.normalize(keys, dim=1)
    total = queries.new_zeros(())
    for start in range(0, len(queries), _CHUNK):
        part = queries[start : start + _CHUNK]
        total = total + checkpoint(_summed_entropy, part, keys, start, use_reentrant=False)
    return total / len(queries) * (2 * _TEMPERATURE)


def _summed_entropy(queries: Tensor, keys: Tensor, start: int) -> Tensor:
    own = torch.arange(start, start + len(queries), device=queries.device)
    return functional.cross_entropy(queries @ keys.T / _TEMPERATURE, own, reduction="sum")


def load_uff(path: Path, sha256: str, rgb_channels: int, xyz_channels: int) -> UFF:
    """Read a released UFF: tensors ``rgb_norm.*``, ``rgb_mlp.fc1.*``, ``rgb_mlp.fc2.*`` and the same for ``xyz``.

    They may be under the key ``model`` and have the prefix ``module.``; other tensors (the heads) are ignored.

    Parameters
    ----------
    path
        A PyTorch checkpoint or a safetensors file.
    sha256
        Hexadecimal digest that the file must have; empty for any.

    Raises
    ------
    MethodError
        If the file is missing, corrupt, has another digest, or lacks a tensor.
    """
    if not path.is_file():
        raise MethodError(
            f"The fusion checkpoint {path} does not exist: give the path of the file that M3DM's authors released, "
            "'m3dm[uff=released,uff_checkpoint=PATH]', or train a fusion, 'm3dm[uff=train]'."
        )
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 and digest != sha256.lower():
        raise MethodError(
            f"The fusion checkpoint {path} has sha256 {digest}, not {sha256}: download it again, or correct uff_sha256."
        )
    uff = UFF(rgb_channels, xyz_channels)
    tensors = read_tensors(path, inside="model", mend="download the file of M3DM's authors again")
    fill_from(uff, {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}, path)
    return uff.eval().requires_grad_(False)
