"""Every Triton kernel is compiled ahead of time for the GPUs of the last generations; no device is needed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")

ARCHITECTURES = (80, 89, 90, 120)
"""Compute capabilities: A100; RTX 4090 and L40; H100 and H200; RTX 5090."""

_POINTERS = {
    "columns": "*i64",
    "best": "*i64",
    "pixels": "*i64",
    "reached": "*i64",
    "indices": "*i64",
    "nearest": "*i64",
}
_POINTERS |= {"axis_pixels": "*i64", "valid": "*i32", "point_at": "*i32"}
_NUMBERS = ("stride", "step", "count", "centre_count")


def kernels() -> dict[str, tuple[Any, dict[str, Any], int]]:
    """Return each kernel with its constants as it is launched, and its number of warps."""
    from methods.parts import distances_cuda as distances
    from methods.parts import farthest_cuda as farthest
    from methods.parts import interpolation_cuda as interpolated
    from methods.parts.interpolation import WEIGHT_FLOOR
    from methods.parts.sampling import NEVER_SELECTED_WITHIN

    steps = {"block": farthest._BLOCK}
    block = {"block": interpolated._BLOCK}
    picked = {"low": farthest._LOW, "nothing": farthest._NOTHING}
    return {
        "distances": (distances._squared_distances_kernel, {"block": distances._BLOCK}, 4),
        "begin": (farthest._begin_kernel, steps | {"near": NEVER_SELECTED_WITHIN}, farthest._WARPS),
        "step": (farthest._step_kernel, steps | picked, farthest._WARPS),
        "nearest": (interpolated._nearest_three_kernel, block | {"floor": WEIGHT_FLOOR}, 4),
        "point": (interpolated._point_of_pixel_kernel, block, 4),
        "pooled": (interpolated._pooled_entries_kernel, block | {"size": 224, "window": interpolated._WINDOW}, 4),
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", ["distances", "begin", "step", "nearest", "point", "pooled"])
def test_a_kernel_compiles_without_fused_products(
    name: str, architecture: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel, constants, warps = kernels()[name]
    signature = {
        argument: "constexpr"
        if argument in constants
        else "i32"
        if argument in _NUMBERS
        else _POINTERS.get(argument, "*fp32")
        for argument in kernel.arg_names
    }
    compiled = triton.compile(
        ASTSource(kernel, signature, constants),
        target=GPUTarget("cuda", architecture, 32),
        options={"num_warps": warps, "enable_fp_fusion": False},
    )
    assert compiled.asm["cubin"]
    assert not re.search(r"\bfma\b", compiled.asm["ptx"])
    assert not re.search(r"\bdiv\.(approx|full)", compiled.asm["ptx"])
