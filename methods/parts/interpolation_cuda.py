"""The interpolation from tokens of centres to pixels on a CUDA device, by three Triton kernels.

Needs Triton. With operations of torch, the distances of all points from all centres go through memory, in chunks, and
every step of the table of pooling windows is a launch.

Results are those of :mod:`methods.parts.interpolation` on a CPU, bit for bit: sums have the same order, products are
not fused with them, and divisions are rounded correctly. Among centres at one distance the lowest index counts.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from methods.parts.interpolation import WEIGHT_FLOOR, axis_windows
from methods.parts.optional import on_device, reason_it_fails

__all__ = ["nearest_three", "pooled_entries", "reason_not_to_work"]

_BLOCK = 128
_WINDOW = 16
"""Pixels that a pooled pixel averages at most: 4 by 4."""


def _nearest_three(
    points: tl.tensor,
    centres: tl.tensor,
    weights: tl.tensor,
    indices: tl.tensor,
    count: tl.tensor,
    centre_count: tl.tensor,
    floor: tl.constexpr,
    block: tl.constexpr,
) -> None:
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < count
    x = tl.load(points + 3 * place, mask=inside, other=0.0)
    y = tl.load(points + 3 * place + 1, mask=inside, other=0.0)
    z = tl.load(points + 3 * place + 2, mask=inside, other=0.0)
    first = tl.full((block,), float("inf"), tl.float32)
    second = first
    third = first
    first_at = tl.zeros((block,), tl.int32)
    second_at = first_at
    third_at = first_at
    for centre in range(centre_count):
        dx = x - tl.load(centres + 3 * centre)
        dy = y - tl.load(centres + 3 * centre + 1)
        dz = z - tl.load(centres + 3 * centre + 2)
        squared = dx * dx + dy * dy + dz * dz
        below_first = squared < first
        below_second = squared < second
        below_third = squared < third
        third_at = tl.where(below_second, second_at, tl.where(below_third, centre, third_at))
        third = tl.where(below_second, second, tl.where(below_third, squared, third))
        second_at = tl.where(below_first, first_at, tl.where(below_second, centre, second_at))
        second = tl.where(below_first, first, tl.where(below_second, squared, second))
        first_at = tl.where(below_first, centre, first_at)
        first = tl.where(below_first, squared, first)
    one = tl.full((block,), 1.0, tl.float32)
    first = tl.div_rn(one, first + floor)
    second = tl.div_rn(one, second + floor)
    third = tl.div_rn(one, third + floor)
    total = first + second + third
    tl.store(weights + 3 * place, tl.div_rn(first, total), mask=inside)
    tl.store(weights + 3 * place + 1, tl.div_rn(second, total), mask=inside)
    tl.store(weights + 3 * place + 2, tl.div_rn(third, total), mask=inside)
    tl.store(indices + 3 * place, first_at.to(tl.int64), mask=inside)
    tl.store(indices + 3 * place + 1, second_at.to(tl.int64), mask=inside)
    tl.store(indices + 3 * place + 2, third_at.to(tl.int64), mask=inside)


def _point_of_pixel(pixels: tl.tensor, point_at: tl.tensor, count: tl.tensor, block: tl.constexpr) -> None:
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < count
    tl.store(point_at + tl.load(pixels + place, mask=inside, other=0), place, mask=inside)


def _pooled_entries(
    reached: tl.tensor,
    point_at: tl.tensor,
    axis_pixels: tl.tensor,
    axis_weights: tl.tensor,
    share: tl.tensor,
    nearest: tl.tensor,
    columns: tl.tensor,
    weights: tl.tensor,
    count: tl.tensor,
    size: tl.constexpr,
    window: tl.constexpr,
    block: tl.constexpr,
) -> None:
    entry = tl.program_id(0) * block + tl.arange(0, block)
    inside = entry < count
    part = entry % window
    pixel = tl.load(reached + entry // window, mask=inside, other=0)
    y = pixel // size * 4 + part // 4
    x = pixel % size * 4 + part % 4
    source = tl.load(point_at + tl.load(axis_pixels + y) * size + tl.load(axis_pixels + x), mask=inside, other=-1)
    weight = tl.where(source >= 0, tl.load(axis_weights + y) * tl.load(axis_weights + x), 0.0)
    source = tl.maximum(source, 0)
    for place in tl.static_range(3):
        column = tl.load(nearest + 3 * source + place, mask=inside, other=0)
        mixed = tl.load(share + 3 * source + place, mask=inside, other=0.0) * weight
        tl.store(columns + 3 * entry + place, column, mask=inside)
        tl.store(weights + 3 * entry + place, mixed, mask=inside)


_nearest_three_kernel = triton.jit(_nearest_three)
_point_of_pixel_kernel = triton.jit(_point_of_pixel)
_pooled_entries_kernel = triton.jit(_pooled_entries)


def nearest_three(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and indices as :func:`methods.parts.interpolation.inverse_distance_weights` does.

    Parameters
    ----------
    points : (N, 3) float32
        N at least 1.
    centres : (M, 3) float32
        M at least 3.

    Returns
    -------
    weights (N, 3) float32 and indices (N, 3) int64, nearest first; ties go to the lowest index.
    """
    weights = torch.empty(points.shape, device=points.device)
    indices = torch.empty(points.shape, dtype=torch.long, device=points.device)
    with on_device(points.device):
        _nearest_three_kernel[(triton.cdiv(len(points), _BLOCK),)](
            points.contiguous(),
            centres.contiguous(),
            weights,
            indices,
            len(points),
            len(centres),
            floor=WEIGHT_FLOOR,
            block=_BLOCK,
            enable_fp_fusion=False,
        )
    return weights, indices


def pooled_entries(pixels: Tensor, reached: Tensor, share: Tensor, nearest: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return columns and weights of the rows of :func:`methods.parts.interpolation.cloud_rows`, 48 in each.

    Parameters
    ----------
    pixels : (N,) int64
        Flat pixel of each point, distinct.
    reached : (n,) int64
        Flat pixels of the rows, n at least 1.
    share, nearest : (N, 3) float32 and int64
        Results of :func:`nearest_three`.
    size
        Side of the image, pixels, at least 3.

    Returns
    -------
    columns (n, 48) int64 and weights (n, 48) float32.
    """
    axis_pixels, axis_weights = axis_windows(size, share.dtype, share.device)
    entries = _WINDOW * len(reached)
    point_at = torch.full((size * size,), -1, dtype=torch.int32, device=pixels.device)
    columns = torch.empty(len(reached), 3 * _WINDOW, dtype=torch.long, device=pixels.device)
    weights = torch.empty(columns.shape, dtype=share.dtype, device=pixels.device)
    with on_device(pixels.device):
        _point_of_pixel_kernel[(triton.cdiv(len(pixels), _BLOCK),)](pixels, point_at, len(pixels), block=_BLOCK)
        _pooled_entries_kernel[(triton.cdiv(entries, _BLOCK),)](
            reached,
            point_at,
            axis_pixels,
            axis_weights,
            share,
            nearest,
            columns,
            weights,
            entries,
            size=size,
            window=_WINDOW,
            block=_BLOCK,
            enable_fp_fusion=False,
        )
    return columns, weights


@lru_cache(maxsize=16)
def reason_not_to_work(device: torch.device) -> str:
    """Return why the kernels can't be compiled or run on a device, with a warning; empty where they can."""

    def attempt() -> None:
        points = torch.eye(3, device=device)
        pixels = torch.arange(3, device=device)
        pooled_entries(pixels, pixels, *nearest_three(points, points), 3)
        torch.cuda.synchronize(device)

    return reason_it_fails(attempt, "Triton", "The interpolation to pixels")
