"""The layer as an ONNX model of one Conv node, for the libraries that load one."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET, IR = 17, 8


def model(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Serialised; input "x", output "y"."""
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], strides=[job["stride"]] * 2, pads=[job["padding"]] * 4, group=job["groups"]
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, arrays["x"].shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, arrays["dy"].shape)],
        [numpy_helper.from_array(arrays["w"], "w"), numpy_helper.from_array(arrays["b"], "b")],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(built)
    return built.SerializeToString()
