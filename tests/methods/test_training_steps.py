"""What a training step of CFM asks of a device: no value, and each matrix is transposed once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch
from samples import no_progress
from torch.utils._python_dispatch import TorchDispatchMode

from methods.parts.cfm import training
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.training import Schedule, train
from methods.parts.features import Tokens
from methods.parts.sparse_rows import SparseRows

EPOCHS = 2
CHUNK = 256
autocast = partial(torch.autocast, "cpu", enabled=False)


class Operations(TorchDispatchMode):
    """Counts operations by name, for example ``aten.sort``."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func.overloadpacket)] += 1
        return func(*args, **(kwargs or {}))


def some_tokens() -> list[Tokens]:
    """Return the features of two samples of 700 and 900 pixels."""
    draw = torch.Generator().manual_seed(0)
    made = []
    for pixels in (700, 900):
        columns = torch.randint(0, 48, (pixels, 6), generator=draw)
        to_cloud = SparseRows.from_padded(columns, torch.rand(pixels, 6, generator=draw), 48)
        image, cloud = torch.rand(784, 24, generator=draw), torch.rand(48, 40, generator=draw)
        made.append(Tokens.of(image, cloud, torch.arange(pixels) + 300, to_cloud))
    return made


def new_pair() -> MappingPair:
    pair = MappingPair(24, 40)
    pair.randomise(0)
    return pair


@pytest.mark.parametrize("free", [0, 10**9, 40_000], ids=["none kept", "all kept", "one kept"])
def test_kept_transposes_change_no_bit(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """They are kept on any device but a CPU; here one keeps them, too."""

    def trained() -> list[torch.Tensor]:
        pair, tokens = new_pair(), some_tokens()
        schedule = Schedule(EPOCHS, lr=1e-3, batch=2, pixels=0)
        losses = train(pair, lambda _, i: tokens[i], 2, schedule, seed=0, progress=no_progress, autocast=autocast)
        return [torch.tensor(losses), *pair.parameters()]

    monkeypatch.setitem(training._CHUNK, "cpu", CHUNK)
    plain = trained()
    monkeypatch.setattr(training._Chunks, "budget", staticmethod(lambda device: free))
    assert len(plain[0]) == EPOCHS
    assert all(map(torch.equal, trained(), plain))


def without_values(tokens: Tokens) -> Tokens:
    tensors = (tensor.to("meta") for tensor in (tokens.image, tokens.cloud, tokens.pixels))
    matrices = (
        SparseRows(*(t.to("meta") for t in (m.starts, m.columns, m.weights)), m.per_row, m.host_starts)
        for m in (tokens.to_image_pixels, tokens.to_cloud_pixels)
    )
    return Tokens(*tensors, *matrices)


def test_a_step_reads_no_value_from_the_device_and_sorts_each_matrix_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """On tensors without values, where reading one, or a size that depends on one, raises an error."""
    tokens, pair = some_tokens(), new_pair().to("meta")
    on_device = dict(enumerate(map(without_values, tokens)))
    monkeypatch.setitem(training._CHUNK, "meta", CHUNK)
    monkeypatch.setattr(training._Chunks, "budget", staticmethod(lambda device: 10**9))
    chunks = training._Chunks(torch.device("meta"))
    optimizer = torch.optim.SGD(pair.parameters(), lr=1e-3)
    step = partial(training._step, pair, on_device, optimizer=optimizer, generator=torch.Generator(), chunks=chunks)
    sorts = []
    for pixels in (0, 0, 300):
        with Operations() as operations:
            loss = step(pixels=pixels, autocast=autocast)
        assert loss.device.type == "meta"
        sorts.append(operations.counts["aten.sort"])
    assert sorts == [2 * sum(-(-len(one) // CHUNK) for one in tokens), 0, 0]
    with pytest.raises(RuntimeError, match="meta"):
        float(loss)
