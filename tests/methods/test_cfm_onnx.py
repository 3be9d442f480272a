"""The mappings of CFM in ONNX Runtime are those of the product, on real features and through the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from report_records import make_cell
from samples import make_sample, no_progress

from harness.contract import Exportable, UnsupportedError
from harness.errors import PrerequisiteError, UsageError
from harness.running import export
from harness.running.export import export_networks
from harness.running.predict import load_fitted
from harness.store.fitted import save_fitted
from methods.cfm import CFMTiny
from methods.patchcore import PatchCoreXYZ

PARAMETERS = {"centres": 32, "group_size": 16, "epochs": 2, "pixels": 200}


def fit(**parameters: object) -> CFMTiny:
    method = CFMTiny(**(PARAMETERS | parameters))
    method.fit([make_sample(seed, radius=12) for seed in (1, 2)], seed=0, device="cpu", progress=no_progress)
    return method


@pytest.fixture
def fitted(tmp_path: Path) -> Path:
    method = fit()
    chosen = ",".join(f"{name}={value}" for name, value in PARAMETERS.items())
    cell = make_cell(f"cfm-t[{chosen}]", weights="random")
    save_fitted(tmp_path / "fitted.safetensors", method, cell)
    return tmp_path / "fitted.safetensors"


def test_predicted_features_are_those_of_the_product() -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    method = fit()
    extractors, pair = method._fitted()
    with torch.inference_mode():
        tokens = extractors.tokens(method.prepare(make_sample(9, radius=12)))
        started = pair.start(tokens.image, tokens.cloud)
        to_2d, to_3d = pair.finish(started, tokens.to_image_pixels, tokens.to_cloud_pixels)
        features = {"to_3d": tokens.to_image_pixels @ tokens.image, "to_2d": tokens.to_cloud_pixels @ tokens.cloud}
    for name, expected in (("to_2d", to_2d), ("to_3d", to_3d)):
        network = method.networks()[name]
        session = runtime.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"features": features[name].numpy()})
        assert np.abs(found - expected.numpy()).max() < 1e-5 * float(expected.abs().max())


def test_files_are_written_and_compared(fitted: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    found = export_networks(load_fitted(fitted, device="cpu", clean=False), tmp_path / "mappings")
    assert {one.path.name for one in found} == {"to_2d.onnx", "to_3d.onnx"}
    for one in found:
        onnx.checker.check_model(onnx.load(one.path), full_check=True)
        assert one.difference < 1e-5 * one.largest


def test_what_is_not_the_same_function_is_refused(fitted: Path, tmp_path: Path, monkeypatch) -> None:
    assert not isinstance(PatchCoreXYZ(), Exportable)
    pytest.importorskip("onnx")
    with pytest.raises(UnsupportedError, match="bf16"):
        fit(precision="bf16").networks()
    method = load_fitted(fitted, device="cpu", clean=False)
    monkeypatch.setattr(export, "_run", lambda model, rows: rows[:, :1])
    with pytest.raises(PrerequisiteError, match="differs"):
        export_networks(method, tmp_path / "mappings")
    method.method = PatchCoreXYZ()
    with pytest.raises(UsageError, match="cfm"):
        export_networks(method, tmp_path / "mappings")
    assert not (tmp_path / "mappings").exists()


def test_a_package_that_is_missing_is_named(fitted: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match=r"\[onnx\]"):
        export_networks(load_fitted(fitted, device="cpu", clean=False), tmp_path)
