"""A mapping of CFM as an ONNX model: three dense layers with exact GELU between, operation for operation."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from harness.contract import Network
from methods.parts.cfm.mapping import Mapping

__all__ = ["network_of"]

_OPSET = 20
"""The first with Gelu."""

_IR_VERSION = 9
_LAYERS = ("input", "projection", "output")


def network_of(name: str, mapping: Mapping) -> Network:
    """Return a mapping for export: its model takes ``features`` (n, inputs) and gives ``mapped`` (n, outputs)."""

    def apply(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            mapped: NDArray[np.float32] = mapping(torch.from_numpy(rows).to(mapping.input.weight.device)).cpu().numpy()
        return mapped

    return Network(_model(name, mapping).SerializeToString(), mapping.input.in_features, apply)


def _model(name: str, mapping: Mapping) -> onnx.ModelProto:
    nodes, tensors, rows = [], [], "features"
    for layer in _LAYERS:
        linear = getattr(mapping, layer)
        for part in ("weight", "bias"):
            values = getattr(linear, part).detach().float().cpu().numpy()
            tensors.append(numpy_helper.from_array(values, f"{layer}.{part}"))
        last = layer == _LAYERS[-1]
        product = "mapped" if last else f"{layer}.product"
        nodes.append(helper.make_node("Gemm", [rows, f"{layer}.weight", f"{layer}.bias"], [product], transB=1))
        if not last:
            rows = f"{layer}.activated"
            nodes.append(helper.make_node("Gelu", [product], [rows], approximate="none"))
    ends = [("features", mapping.input.in_features), ("mapped", mapping.output.out_features)]
    first, end = (helper.make_tensor_value_info(end, TensorProto.FLOAT, ["n", channels]) for end, channels in ends)
    graph = helper.make_graph(nodes, name, [first], [end], tensors)
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="harness")
    onnx.checker.check_model(model)
    return model
