"""Parameters of all methods are checked when a method is made, and an error names parameter, bound and value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Literal

import pytest

from harness import registry
from methods.parameters import require_choices, require_multiple, require_range

METHODS = sorted(entry.name for entry in entry_points(group="harness.methods") if entry.value.startswith("methods."))


@dataclass(kw_only=True, eq=False)
class Example:
    count: int = 4
    share: float = 0.5
    mode: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("value", "bounds", "fact"),
    [
        (0, {"at_least": 1}, "at least 1"),
        (0, {"above": 0}, "above 0"),
        (2, {"above": 0, "at_most": 1}, "at most 1"),
        (1, {"above": 0, "below": 1}, "below 1"),
        (math.nan, {"above": 0}, "above 0"),
    ],
)
def test_a_value_out_of_range_is_refused(value: float, bounds: dict[str, float], fact: str) -> None:
    with pytest.raises(ValueError, match=rf"share .*{fact}.*{value}"):
        require_range(Example(share=value), "share", **bounds)


def test_values_at_inclusive_bounds_are_accepted() -> None:
    require_range(Example(count=1), "count", at_least=1, at_most=1)
    require_multiple(Example(count=64), "count", of=32)


@pytest.mark.parametrize("value", [-32, 0, 33])
def test_only_positive_multiples_are_accepted(value: int) -> None:
    with pytest.raises(ValueError, match=rf"count .*32.*{value}"):
        require_multiple(Example(count=value), "count", of=32)


def test_a_literal_accepts_its_values_only() -> None:
    require_choices(Example(mode="b"))
    with pytest.raises(ValueError, match=r"mode .*'a', 'b'.*'c'"):
        require_choices(Example(mode="c"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_an_unknown_choice(name: str) -> None:
    method = registry.load(name)
    for parameter in registry.parameters_of(name).values():
        if parameter.choices:
            with pytest.raises(ValueError, match=f"{parameter.name} .*'unknown'"):
                method(**{parameter.name: "unknown"})


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_is_documented_and_kept_as_given(name: str) -> None:
    parameters = registry.parameters_of(name)
    method = registry.load(name)()
    documented = [cls.__doc__ or "" for cls in registry.load(name).__mro__]
    for key, parameter in parameters.items():
        assert getattr(method, key) == parameter.default
        assert any(f" {key}\n" in text or f" {key}," in text for text in documented), key


CFM_DEFAULTS = "epochs=250 lr=0.001 batch=4 pixels=0 centres=1024 group_size=128 bn_stats=batch drop_path=off"
PUBLISHED = {
    "inp-former": "backbone=vit-b14 fit_to=center-crop size=392 blocks=8 prototypes=6 epochs=200 batch=16 lr=0.001 "
    "warmup=100",
    "cfm": CFM_DEFAULTS
    + " aggregate=product mapping=cross intra_hidden=960 smoothing=box precision=fp32 compile=False",
    "cfr": "epochs=100 lr=0.001 batch=1 pixels=0 retriever_epochs=100 retriever_lr=0.0001 retriever_pixels=20000 "
    "keys=3 key_rows=20000 theta=0.4 few_shots=5 candidates=0.1 coreset=0.1 centres=1024 group_size=128 bn_stats=code "
    "drop_path=off smoothing=box5",
    "cif": "clusters=4 membership=0.5 coreset=0.1 alpha=0.9 hops=1 similar_clusters=3 foreground=auto layers=12 "
    "centres=1024 group_size=128 bn_stats=batch",
    "m3dm": "uff=off uff_align=code uff_epochs=3 uff_steps=0 uff_batch=16 uff_accumulate=16 uff_lr=0.003 banks=all "
    "combine=decision_layer xyz_weight=1.0 rgb_weight=0.1 fusion_weight=1.0 bank_sizes=code affine=code zero_row=True "
    "drop_background=False coreset=0.1 coreset_eps=0.9 coreset_dtype=float16 max_sample=400 nu=0.5 "
    "rgb_background=dataset layers=12 centres=1024 group_size=128 bn_stats=batch drop_path=on precision=fp32",
    "mafr": "epochs=100 lr=0.001 dropout=0.1 grid=224 background_loss=all centres=1024 group_size=128 bn_stats=batch "
    "drop_path=off precision=fp32",
    "ast": "modality=rgb+depth image_size=768 epochs=72 batch=8 lr=0.0002 weight_decay=1e-05 drop_last=True blocks=4 "
    "hidden=64 width=1024 residual_blocks=4 position_channels=32 foreground=auto gap_passes=3 dilation=8 mask_power=2 "
    "score=max score_at=enlarged padding=static",
    "patchcore-rgb": "coreset=0.1 coreset_eps=0.9 score=reweighted smoothing=gaussian backbone=wide_resnet50",
    "patchcore-xyz": "coreset=0.1 coreset_eps=0.9 score=reweighted smoothing=gaussian "
    "normal_radius=0.1 normal_neighbours=30 fpfh_radius=0.25 fpfh_neighbours=100",
    "shape-guided": "modality=both patch_points=500 overlap=10 width=512 train_clouds=20 train_overlap=5 queries=500 "
    "epochs=1000 batch=32 lr=0.0001 pretrain=own bank_cells=shifted align_samples=25",
    "trd": "third=normal sobel=5 norm_split=heldout foreground=code size=256 width=1024 epochs=200 batch=16 lr=0.005 "
    "lr_decay=0.95",
    "btf": "features=rgb+fpfh coreset=0.1 coreset_eps=0.9 coreset_dtype=float16 score=reweighted blur=pil "
    "rgb_background=dataset raw_layout=code normal_radius=0.1 normal_neighbours=30 fpfh_radius=0.25 "
    "fpfh_neighbours=100",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_those_of_the_papers_and_their_code(name: str) -> None:
    """A default is in no label: another one would change what a published name stands for."""
    defaults = {key: parameter.default for key, parameter in registry.parameters_of(name).items()}
    assert {f"{key}={value}" for key, value in defaults.items() if value != ""} == set(PUBLISHED[name].split())
