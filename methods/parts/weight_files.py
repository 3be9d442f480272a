"""Reading of weight files in their published formats, without executing code from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.contract import MethodError

__all__ = ["fill_from", "read_tensors"]

_FETCH_AGAIN = "delete it and fetch it again with 'harness weights fetch'"


def _harmless_globals() -> list[Any]:
    """Return the numpy scalar types that training scripts save with the tensors (an accuracy, an epoch)."""
    dtypes = {type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8")}
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *dtypes]


def read_tensors(path: Path, inside: str | None = None, *, mend: str = _FETCH_AGAIN) -> dict[str, Tensor]:
    """Read named tensors from a safetensors file or a PyTorch checkpoint.

    Parameters
    ----------
    path
        ``*.safetensors``, else a file written by ``torch.save``.
    inside
        Key of the tensors in a nested dictionary, if there is one (``base_model`` in Point-MAE's release).
    mend
        Advice in the error about a file that can't be read.

    Raises
    ------
    MethodError
        If the file is missing, corrupt, or has something other than tensors.
    """
    harmless = torch.serialization.safe_globals(_harmless_globals())
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with harmless:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MethodError(f"The weight file {path} does not exist: fetch it with 'harness weights fetch'.") from None
    except Exception as error:  # the readers raise any class of error for bytes that are not a checkpoint
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if isinstance(error, UnpicklingError):  # torch goes on to say how to load what is no tensor all the same
            first = "it has no tensors, or something beside them"
        raise MethodError(
            f"The weight file {path} can't be read ({first}): it is truncated or not a weight file; {mend}."
        ) from error
    if inside is not None and isinstance(content, Mapping) and inside in content:
        content = content[inside]
    if not isinstance(content, Mapping):
        raise MethodError(f"The weight file {path} holds a {type(content).__name__}, not named tensors.")
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def fill_from(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy every tensor that ``module`` needs; other tensors (deeper blocks, a decoder) are ignored.

    Raises
    ------
    MethodError
        If a tensor is missing, has another shape, or is not finite.
    """
    own = module.state_dict()
    needed = [name for name in own if not name.endswith("num_batches_tracked")]
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise MethodError(f"The weight file {path} lacks {len(missing)} tensors, the first is '{missing[0]}'.")
    for name in needed:
        if tensors[name].shape != own[name].shape:
            raise MethodError(
                f"The weight file {path} has '{name}' of shape {tuple(tensors[name].shape)}, "
                f"expected {tuple(own[name].shape)}."
            )
        if not bool(tensors[name].isfinite().all()):
            raise MethodError(f"The weight file {path} has NaN or infinite values in '{name}': {_FETCH_AGAIN}.")
    module.load_state_dict({name: tensors[name].float() for name in needed}, strict=False)
