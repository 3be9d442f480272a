"""What a training tells while it runs: the mean loss of each epoch, from the first one that is finished on."""

from __future__ import annotations

from statistics import fmean

import pytest
from planes import scene

from methods.autoencoder import DepthAE
from methods.parts.reporting import lower_learning_rate, mean_loss


def test_the_mean_of_no_losses_is_none() -> None:
    assert mean_loss([]) == {}
    assert mean_loss([0.5, 0.25]) == {"loss": fmean([0.5, 0.25])}


def test_a_tenth_of_a_learning_rate_is_written_as_a_method_takes_it() -> None:
    assert lower_learning_rate("cfm", 1e-3) == "lower the learning rate, for example 'cfm[lr=0.0001]'"
    assert "'cfr[retriever_lr=2e-05]'" in lower_learning_rate("cfr", 2e-4, "retriever_lr")


def test_each_finished_epoch_tells_the_mean_of_its_losses() -> None:
    told: dict[int, dict[str, float]] = {}

    def progress(stage: str, done: int, total: int, **values: float) -> None:
        if stage == "autoencoder":
            told[done] = values

    method = DepthAE(rotations=1, epochs=2, batch=2, width=4, latent=8, size=16)
    method.fit([scene(s) for s in (1, 2, 3)], seed=0, device="cpu", progress=progress)
    losses = method.losses_["autoencoder"]
    assert told[0] == {}
    assert told[1]["loss"] == pytest.approx(fmean(losses[:2]))
    assert told[2]["loss"] == pytest.approx(fmean(losses[2:]))
