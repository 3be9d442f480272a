"""The toy dataset separates a working CFM from a broken one, with random weights and the preset ``quick``."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from samples import no_progress

from harness import registry
from harness.contract import Prediction
from harness.data.open import open_dataset
from harness.metrics import evaluate
from harness.metrics.scoring import Scored
from methods.cfm import CFMTiny
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.maps import anomaly_maps
from methods.parts.cfm.training import Schedule, train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def features():
    """Tokens of ten training samples and of the whole test set of one category."""
    dataset = open_dataset("toy", None)
    quick = registry.resolve(registry.parse(["cfm-t"])[0], "quick")
    extractors, _ = CFMTiny(**quick)._build(seed=0, device="cpu")
    nominal = [dataset.load(ref).blind() for ref in dataset.refs("ridge", "train")[:10]]
    test = [dataset.load(ref) for ref in dataset.refs("ridge", "test")]
    tokens = [[extractors.tokens(extractors.prepare(sample)) for sample in part] for part in (nominal, test)]
    return quick, extractors, tokens[0], test, tokens[1]


def trained(features, nominal) -> MappingPair:
    quick, extractors, *_ = features
    pair = MappingPair(*extractors.channels)
    pair.randomise(seed=1)
    schedule = Schedule(quick["epochs"], quick["lr"], quick["batch"], quick["pixels"])
    train(
        pair,
        lambda epoch, index: nominal[index],
        len(nominal),
        schedule,
        seed=1,
        progress=no_progress,
        autocast=extractors.autocast,
    )
    return pair


def scores(features, pair: MappingPair) -> dict[str, float]:
    *_, test, tokens = features
    scored = Scored(224)
    with torch.inference_mode():
        for sample, sample_tokens in zip(test, tokens, strict=True):
            maps = anomaly_maps(pair, sample_tokens, aggregate="product", smoothing="box")
            scored.add(sample, Prediction(maps.localisation.numpy(), float(maps.score), maps.pixel.numpy()))
    return evaluate(scored.maps, scored.masks, scored.labels, scored.scores, scored.pixel_maps)


@pytest.fixture(scope="module")
def working(features):
    pair = trained(features, features[2])
    return pair, scores(features, pair)


def test_a_working_method_separates_the_defects(working) -> None:
    assert working[1]["i_auroc"] >= 0.9
    assert working[1]["p_auroc"] >= 0.95


def test_shuffled_pairs_in_training_lower_the_metrics(features, working) -> None:
    draw = torch.Generator().manual_seed(0)
    shuffled = [
        replace(tokens, to_cloud_pixels=tokens.to_cloud_pixels.rows(torch.randperm(len(tokens), generator=draw)))
        for tokens in features[2]
    ]
    broken = scores(features, trained(features, shuffled))
    assert broken["i_auroc"] < working[1]["i_auroc"] - 0.2
    assert broken["aupro_1"] < working[1]["aupro_1"] - 0.3


def test_a_constant_mapping_to_2d_lowers_the_metrics(features, working) -> None:
    pair, whole = working
    broken_pair = copy.deepcopy(pair)
    for tensor in broken_pair.to_2d.output.parameters():
        tensor.data.zero_()
    broken = scores(features, broken_pair)
    assert broken["aupro_1"] < whole["aupro_1"] - 0.1
