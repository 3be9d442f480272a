"""CFM's maps by recorded steps of fixed shapes equal those of single operations."""

from __future__ import annotations

import pytest
import torch
from host_graphs import HostMemory
from samples import make_sample

from methods.cfm import CFMTiny
from methods.parts.cfm import maps as maps_module
from methods.parts.cfm.maps import anomaly_maps, capture_maps, finisher
from methods.parts.features import Tokens
from methods.parts.graphs import Graphs
from methods.parts.inputs import SIZE
from methods.parts.interpolation import cloud_rows


def test_chunks_of_a_fixed_size_of_which_the_last_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(maps_module._CHUNK, "cpu", maps_module._CHUNK["cuda"])
    method = CFMTiny(centres=32, group_size=16)
    method._extractors, method._pair = extractors, pair = method._build(0, "cpu")
    memory = HostMemory()
    extractors.graphs = Graphs(lambda: memory)
    inputs = method.prepare(make_sample(0, radius=40))
    with torch.no_grad():
        steps = capture_maps(pair, extractors, finisher("product", "box"))
        merged = extractors.tokens(inputs)
        centres = inputs.points[extractors.choose_centres(inputs.points)]
        rows = cloud_rows(inputs.points, inputs.pixels, inputs.reached, centres, SIZE, merged=False)
        tokens = Tokens.of(merged.image, merged.cloud, merged.pixels, rows)
        expected = anomaly_maps(pair, merged, aggregate="product", smoothing="box")
        found = anomaly_maps(pair, tokens, aggregate="product", smoothing="box", steps=steps)
    mappings, maps = memory.recordings
    assert maps_module._CHUNK["cuda"] < len(tokens) < 2 * maps_module._CHUNK["cuda"]
    assert (mappings.replays, maps.replays) == (3, 2)  # one of each checks the recording
    for name in ("localisation", "pixel", "score", "distance_2d", "distance_3d"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-5)
    assert extractors.implementations()["networks"].name == "CUDA graphs"
