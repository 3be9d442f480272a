"""The methods use what they declare: what is withheld of a sample changes no bit of their numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from samples import make_sample, no_progress

from harness import registry
from harness.conformance.samples import with_fields
from harness.contract import Prediction, Sample
from harness.plan.modalities import used_modalities

BTF = "coreset=0.02,fpfh_neighbours=20"
AST = "image_size=96,epochs=1,batch=2,hidden=8,width=16,blocks=1,residual_blocks=1"
M3DM = "layers=1,centres=64,group_size=16,coreset=0.02"
VM = "rotations=1"
DECLARED = {
    "patchcore-rgb[backbone=efficientnet-lite0]": "rgb",
    f"patchcore-xyz[{BTF}]": "xyz",
    f"btf[{BTF},features=rgb]": "rgb+depth",
    f"btf[{BTF},features=rgb,rgb_background=keep]": "rgb",
    f"btf[{BTF},features=depth]": "depth",
    f"btf[{BTF},features=raw]": "depth",
    f"btf[{BTF},features=hog]": "depth",
    f"btf[{BTF},features=sift]": "depth",
    f"btf[{BTF},features=fpfh]": "xyz",
    f"m3dm[{M3DM},banks=rgb]": "rgb+depth",
    f"m3dm[{M3DM},banks=xyz]": "xyz",
    f"ast[{AST}]": "rgb+depth",
    f"ast[{AST},modality=rgb]": "rgb",
    f"ast[{AST},modality=depth]": "depth",
    f"depth-vm[{VM},rgb=off,size=64]": "xyz",
    f"voxel-vm[{VM},rgb=off,grid=16,rays=32]": "xyz",
}


@pytest.mark.parametrize("text", DECLARED)
def test_what_a_method_does_not_declare_changes_none_of_its_numbers(text: str) -> None:
    (spec,) = registry.parse([text])
    parameters = registry.resolve(spec, "")
    used = used_modalities(spec.name, parameters)
    assert "+".join(used) == DECLARED[text]
    kind = registry.load(spec.name)
    sources = [make_sample(number, height=120, width=96, radius=25) for number in range(3)]
    samples = [with_fields(sample, kind.meta.needs) for sample in sources]

    def predicted(given: Sequence[Sample]) -> Prediction:
        method = kind(**parameters)
        method.fit(given[:2], seed=0, device="cpu", progress=no_progress)
        return method.infer(method.prepare(given[2]))

    whole, part = predicted(samples), predicted([sample.only(used) for sample in samples])
    assert np.array_equal(whole.anomaly_map, part.anomaly_map)
    assert whole.score == part.score
    assert np.ptp(whole.anomaly_map) > 0
