"""Small ONNX models for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

KINDS = {"f": onnx.TensorProto.FLOAT, "d": onnx.TensorProto.DOUBLE, "l": onnx.TensorProto.INT64}


def value(name: str, shape: Any, kind: Any = np.float32) -> Any:
    """An input or output."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)


def model(nodes: Any, inputs: Any, outputs: Any, constants: Any = None, opset: int = 17, **options: Any) -> Any:
    """A ModelProto of nodes given as (operator, inputs, outputs[, attributes])."""
    made = [helper.make_node(one[0], one[1], one[2], **(one[3] if len(one) > 3 else {})) for one in nodes]
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(made, "test", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **options)


def one_node(
    operator: str, arrays: Any, constants: Any = (), outputs: int = 1, opset: int = 17, **attributes: Any
) -> Any:
    """A model of one node, some of whose inputs are constants; inputs are called x0, x1 ... in the node's order."""
    names = [f"x{index}" if array is not None else "" for index, array in enumerate(arrays)]
    fixed = {name: arrays[index] for index, name in enumerate(names) if index in constants and name}
    given = [
        value(name, array.shape, array.dtype)
        for name, array in zip(names, arrays, strict=True)
        if name and name not in fixed
    ]
    results = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(operator, names, results, **attributes)
    graph = helper.make_graph(
        [node], "test", given, [onnx.ValueInfoProto(name=name) for name in results],
        [numpy_helper.from_array(array, name) for name, array in fixed.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(made)
    return inferred
