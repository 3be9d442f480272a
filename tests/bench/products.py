"""The matrix products and convolutions of a call, run alone: the floor that its time is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from methods.parts.dense import dense

__all__ = ["Convolution", "Floor", "Product", "floor_of", "recorded"]

Library = Literal["torch", "onednn"]
LIBRARIES: tuple[Library, ...] = ("torch", "onednn")


@dataclass(frozen=True, slots=True)
class Product:
    """``batch`` products of a (rows, inner) with an (inner, columns) matrix."""

    batch: int
    rows: int
    inner: int
    columns: int

    def ready(self, library: Library) -> Callable[[], object]:
        """Return what computes it on random matrices, the second transposed as a layer's weights are."""
        left = torch.rand(self.batch, self.rows, self.inner)
        right = torch.rand(self.batch, self.columns, self.inner)
        if library == "onednn":
            return lambda: [dense(*pair) for pair in zip(left, right, strict=True)]
        out = torch.empty(self.batch, self.rows, self.columns)
        if self.batch > 1:
            return lambda: torch.bmm(left, right.transpose(1, 2), out=out)
        return lambda: torch.mm(left[0], right[0].T, out=out[0])


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution of an input with a kernel of some shapes."""

    image: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def ready(self, library: Library) -> Callable[[], object]:
        """Return what computes it on random values: by oneDNN with the channels last, which is its faster layout."""
        image, kernel = torch.rand(self.image), torch.rand(self.kernel)
        if library == "onednn" and len(self.kernel) == 4:
            kernel = kernel.to(memory_format=torch.channels_last)
            image = image.to(memory_format=torch.channels_last)
        convolve = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[len(self.image)]
        return lambda: convolve(image, kernel, None, self.stride, self.padding, self.dilation, self.groups)


def recorded(call: Callable[[], object]) -> list[Product | Convolution]:
    """Return the products and convolutions of a call, in order; of attention both products."""
    parts: list[Product | Convolution] = []

    def note(*made: Product | Convolution) -> int:
        parts.extend(made)
        return 0

    def attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
        batch, rows, width = math.prod(query[:-2]), query[-2], query[-1]
        return note(Product(batch, rows, width, key[-2]), Product(batch, rows, key[-2], value[-1]))

    def convolution(
        image: Any, kernel: Any, _: Any, stride: Any, padding: Any, dilation: Any, *rest: Any, **__: Any
    ) -> int:
        return note(Convolution(*map(tuple, (image, kernel, stride, padding, dilation)), rest[-1]))

    aten = torch.ops.aten
    noted = {
        aten.mm: lambda a, b, *_, **__: note(Product(1, a[0], a[1], b[1])),
        aten.addmm: lambda _, a, b, *__, **___: note(Product(1, a[0], a[1], b[1])),
        aten.bmm: lambda a, b, *_, **__: note(Product(a[0], a[1], a[2], b[2])),
        aten._scaled_dot_product_flash_attention_for_cpu: attention,
        aten.convolution: lambda *given, **_: convolution(*given),
        torch.ops.mkldnn._linear_pointwise: lambda a, b, *_, **__: note(Product(1, math.prod(a[:-1]), a[-1], b[0])),
    }
    with FlopCounterMode(display=False, custom_mapping=noted):
        call()
    return parts


@dataclass(frozen=True, slots=True)
class Floor:
    """Least seconds of some rounds.

    Parameters
    ----------
    whole
        Of the call.
    torch, onednn
        Of its products alone, by each library.
    """

    whole: float
    torch: float
    onednn: float


def floor_of(call: Callable[[], object], rounds: int = 5) -> Floor:
    """Time a call beside its products and convolutions alone."""
    parts = recorded(call)
    calls = [call]
    for library in LIBRARIES:
        ready = {part: part.ready(library) for part in set(parts)}
        calls.append(partial(_all, [ready[part] for part in parts]))
    return Floor(*(min(_seconds(one) for _ in range(rounds + 1)) for one in calls))


def _all(calls: Sequence[Callable[[], object]]) -> None:
    with torch.inference_mode():
        for call in calls:
            call()


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start
