"""A method of each kind with parameters for seconds of work, and samples that suit them."""

from __future__ import annotations

from typing import Any

from samples import make_sample

from harness import registry
from harness.conformance.samples import with_fields
from harness.contract import Method, Sample

NETWORKS = "centres=48,group_size=16"
SMALL_METHODS = {
    "patchcore-rgb": "patchcore-rgb[backbone=efficientnet-lite0,coreset=0.02]",
    "btf": "btf[coreset=0.02,features=raw]",
    "m3dm": f"m3dm[{NETWORKS},layers=1,coreset=0.1]",
    "cfm-t": f"cfm-t[{NETWORKS},epochs=1]",
    "ast": "ast[image_size=96,epochs=1,batch=2,hidden=8,width=16,blocks=1,residual_blocks=1]",
    "depth-vm": "depth-vm[rotations=1,size=64]",
    "voxel-ae": "voxel-ae[rotations=1,epochs=1,grid=16,width=4,latent=8]",
    "depth-gan": "depth-gan[rotations=1,epochs=1,encoder_epochs=1,size=16,width=4,latent=8]",
    "mafr": f"mafr[{NETWORKS},epochs=1,grid=28]",
    "trd": "trd[size=64,width=8,epochs=1,batch=2]",
    "shape-guided": "shape-guided[modality=xyz,patch_points=40,overlap=1,width=16,train_overlap=1,epochs=1,batch=2]",
    "g2sf": f"g2sf[{NETWORKS},layers=1,images=4,rows=400,epochs=1,coreset=0.02]",
    "inp-former": "inp-former[backbone=vit-s14,size=56,blocks=2,epochs=1,warmup=1]",
    "cfr": f"cfr[{NETWORKS},epochs=1,pixels=64,retriever_epochs=1,retriever_pixels=64,coreset=0.01]",
    "cif": f"cif[{NETWORKS},layers=1]",
}
"""Method and parameters by the method's name."""

WITH_ONE_BLOCK = ("mafr", "cfr")
"""Their networks have twelve blocks and no parameter for fewer; here they are made with the first one alone."""


def make_method(name: str) -> Method:
    """Return a new one of these methods."""
    (spec,) = registry.parse([SMALL_METHODS[name]])
    method: Any = registry.load(spec.name)(**registry.resolve(spec, ""))
    if name in WITH_ONE_BLOCK:
        method.layers = 1
    return method


def small_sample(method: Method, seed: int, *, radius: float = 25) -> Sample:
    """Return a sample of 96 x 96 pixels with the fields that a method needs."""
    return with_fields(make_sample(seed, height=96, width=96, radius=radius), method.meta.needs)
