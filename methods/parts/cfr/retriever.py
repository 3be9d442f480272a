"""The retriever of CFR: an image feature for a cloud feature, by attention over the most similar keys of a bank."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.contract import Progress
from methods.parts.cfm.mapping import cosine_loss
from methods.parts.cfr.banks import Banks, most_similar
from methods.parts.dense import Linear
from methods.parts.epochs import run_epochs
from methods.parts.features import Tokens
from methods.parts.initialise import named_generator, randomise_linear
from methods.parts.reporting import lower_learning_rate

__all__ = ["Retriever", "RetrieverSchedule", "train_retriever"]

_WIDTH = 128


class Retriever(nn.Module):
    """Attention of cloud features to pairs of a key and a value, without biases.

    Parameters
    ----------
    channels_2d, channels_3d
        Channels of values and results, and of queries and keys.
    """

    def __init__(self, channels_2d: int, channels_3d: int) -> None:
        super().__init__()
        self.query = Linear(channels_3d, _WIDTH, bias=False)
        self.key = Linear(channels_3d, _WIDTH, bias=False)
        self.value = Linear(channels_2d, _WIDTH, bias=False)
        self.output = Linear(_WIDTH, channels_2d, bias=False)

    def randomise(self, seed: int) -> None:
        """Initialise for training: every layer from the seed and its own name."""
        for name, layer in self.named_children():
            assert isinstance(layer, nn.Linear)
            randomise_linear(layer, named_generator(seed, "retriever", name))

    def project(self, banks: Banks) -> tuple[Tensor, Tensor]:
        """Return what attention needs of all pairs of a bank: keys and values, (n, 128) each."""
        return self.key(banks.keys) * banks.lengths, self.value(banks.values)

    def retrieve(self, queries: Tensor, banks: Banks, projected: tuple[Tensor, Tensor], count: int) -> Tensor:
        """Return image features for cloud features, by attention to the ``count`` most similar keys of each.

        Parameters
        ----------
        queries : (m, C) float32
        banks
            Of at least one pair.
        projected
            From :meth:`project`.
        count
            Most pairs that a query attends to.

        Returns
        -------
        (m, 768) float32.
        """
        _, chosen = most_similar(queries, banks.keys, min(count, len(banks.keys)))
        return self(queries, *projected, chosen)  # type: ignore[no-any-return]

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, chosen: Tensor) -> Tensor:
        """Return image features for cloud features.

        Parameters
        ----------
        queries : (m, C) float32
            Cloud features.
        keys, values : (n, 128) float32
            From :meth:`project`.
        chosen : (m, k) int64
            Pairs that each query attends to.

        Returns
        -------
        (m, 768).
        """
        weights = (keys[chosen] @ self.query(queries)[:, :, None] / math.sqrt(_WIDTH)).softmax(1)
        return self.output((weights * values[chosen]).sum(1))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class RetrieverSchedule:
    """How the retriever is trained; :class:`methods.cfr.CFR` documents the parameters."""

    epochs: int
    lr: float
    pixels: int
    keys: int
    key_rows: int


def train_retriever(
    retriever: Retriever,
    banks: Banks,
    tokens_of: Callable[[int, int], Tokens],
    count: int,
    schedule: RetrieverSchedule,
    *,
    seed: int,
    progress: Progress,
) -> list[float]:
    """Minimise the cosine distance of what is retrieved for a pixel's cloud feature to its image feature, with Adam.

    Parameters
    ----------
    retriever
        Trained in place.
    banks
        Where it retrieves from.
    tokens_of
        Function from (epoch, sample) to features.
    count
        Number of samples; each makes a step of an epoch.
    seed
        Seed of the order of samples, and of drawn pixels and keys.

    Returns
    -------
    The loss of every step.

    Raises
    ------
    MethodError
        If the loss is NaN or infinite.
    """
    generator = named_generator(seed, "retriever", "steps")
    optimizer = torch.optim.Adam(retriever.parameters(), lr=schedule.lr, fused=True)

    def step(epoch: int, members: list[int]) -> Tensor:
        tokens = tokens_of(epoch, members[0])
        rows = torch.randperm(len(tokens), generator=generator)[: schedule.pixels]
        pairs = banks.drawn(schedule.key_rows, generator)
        return _step(retriever, pairs, tokens.at(rows), schedule.keys, optimizer)

    losses = run_epochs(
        step,
        count,
        epochs=schedule.epochs,
        batch=1,
        generator=generator,
        progress=progress,
        remedy=lower_learning_rate("cfr", schedule.lr, "retriever_lr"),
        stage="retriever",
    )
    optimizer.zero_grad()  # frees the gradients
    return losses


def _step(
    retriever: Retriever,
    banks: Banks,
    features: tuple[Tensor, Tensor],
    count: int,
    optimizer: torch.optim.Optimizer,
) -> Tensor:
    real, queries = features
    loss = cosine_loss(retriever.retrieve(queries, banks, retriever.project(banks), count), real)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()
