"""The toy dataset separates a working CFM from a broken one, with random weights and the preset ``quick``."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import no_progress

from harness import registry
from harness.contract import Prediction
from harness.data.open import open_dataset
from harness.data.toy_defects import SEVERITIES
from harness.metrics.scoring import Scored
from harness.report.intervals import Difference, MeanOf, against_best
from harness.report.replicates import Resampled, degrees_of_freedom, draw_images
from harness.store.counts import ImageCounts, count_images
from methods.cfm import CFMTiny
from methods.parts.cfm.mapping import MappingPair
from methods.parts.cfm.maps import Aggregate, anomaly_maps
from methods.parts.cfm.training import Schedule, train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def features():
    """Tokens of ten training samples and of the whole test set of one category."""
    dataset = open_dataset("toy", None)
    quick = registry.resolve(registry.parse(["cfm-t"])[0], "quick")
    extractors, _ = CFMTiny(**quick)._build(seed=0, device="cpu")
    nominal = [dataset.load(ref).blind() for ref in dataset.refs("bump", "train")[:10]]
    test = [dataset.load(ref) for ref in dataset.refs("bump", "test")]
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


def counts(features, pair: MappingPair, aggregate: Aggregate = "product") -> ImageCounts:
    *_, test, tokens = features
    scored = Scored(224)
    with torch.inference_mode():
        for sample, sample_tokens in zip(test, tokens, strict=True):
            maps = anomaly_maps(pair, sample_tokens, aggregate=aggregate, smoothing="box")
            scored.add(sample, Prediction(maps.localisation.numpy(), float(maps.score), maps.pixel.numpy()))
    return count_images(scored.ranked(), scored.ids)


def metric(of: ImageCounts, name: str, defects: str = "") -> float:
    chosen = np.array([label == 0 or defects in kind for label, kind in zip(of.labels, of.defects, strict=True)])
    return float(of.evaluate(chosen[np.newaxis].astype(float))[name][0])


def fall(whole: ImageCounts, broken: ImageCounts, name: str) -> Difference:
    """A metric less what it was before, with the interval of a paired bootstrap over the test images."""
    drawn = draw_images(whole.ids, whole.labels, replicates=1000, seed=0)
    without_one = 1 - np.eye(len(whole))
    means = []
    for of in (whole, broken):
        degrees = degrees_of_freedom(of.evaluate(without_one)[name][:, np.newaxis], of.labels)[0]
        means.append(MeanOf.of(metric(of, name), [Resampled(of.evaluate(drawn)[name], degrees, 8)]))
    return against_best(means)[0]


@pytest.fixture(scope="module")
def working(features):
    pair = trained(features, features[2])
    return pair, counts(features, pair)


def test_a_working_method_detects_more_of_the_defects_that_are_plainer(working) -> None:
    faint, medium, plain = (metric(working[1], "i_auroc", severity) for severity in SEVERITIES)
    assert faint < medium <= plain
    assert plain > 0.95
    assert metric(working[1], "p_auroc") > 0.9


def test_the_product_detects_mismatches_better_than_either_distance(features, working) -> None:
    pair, product = working
    for aggregate in ("2d", "3d"):
        part = counts(features, pair, aggregate)
        assert metric(product, "aupro_1", "mismatch") > metric(part, "aupro_1", "mismatch")


def test_shuffled_pairs_in_training_lower_the_metrics_beyond_their_interval(features, working) -> None:
    draw = torch.Generator().manual_seed(0)
    shuffled = [
        replace(tokens, to_cloud_pixels=tokens.to_cloud_pixels.rows(torch.randperm(len(tokens), generator=draw)))
        for tokens in features[2]
    ]
    broken = counts(features, trained(features, shuffled))
    for name in ("i_auroc", "aupro_1"):
        assert fall(working[1], broken, name).high < 0


@pytest.mark.parametrize("silenced", ["to_2d", "to_3d"])
def test_a_silenced_mapping_lowers_the_metrics_beyond_their_interval(features, working, silenced) -> None:
    pair, whole = working
    broken_pair = copy.deepcopy(pair)
    for tensor in getattr(broken_pair, silenced).output.parameters():
        tensor.data.zero_()
    assert fall(whole, counts(features, broken_pair), "aupro_1").high < 0
