"""Operators for onnx's reference evaluator: its own are loops in Python, and some of them are wrong.

``ReferenceEvaluator(model, new_ops=fastconv.compat.onnx_reference.ops)`` runs the rest of the model as before. Each
class calls the row of the operator in `fastconv.onnx.OPERATORS`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    from onnx.reference.op_run import OpRun
except ImportError:
    raise ImportError("fastconv.compat.onnx_reference needs the onnx package: pip install onnx") from None

from fastconv.onnx.graph_reader import schema_of
from fastconv.onnx.operators import OPERATORS, Call, result_tuple

__all__ = ["NAMES", "ops"]

#: the operators that are replaced
NAMES = (
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "DepthToSpace",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "InstanceNormalization",
    "LRN",
    "LeakyRelu",
    "LpPool",
    "MatMul",
    "MaxPool",
    "MaxUnpool",
    "PRelu",
    "Pad",
    "QLinearConv",
    "Relu",
    "Resize",
    "Softmax",
)


def _run(self: Any, *inputs: Any, **attributes: Any) -> tuple[Any, ...]:
    """What the evaluator calls: inputs in order, attributes by name, with the defaults of the newest opset."""
    node, opset = self.onnx_node, self.run_params["opsets"].get("", 1)
    since, defaults = schema_of(node.op_type, opset, "")
    stated = {attribute.name for attribute in node.attribute}
    given = {name: value for name, value in attributes.items() if name in stated}
    call = Call(node.op_type, node.input, node.output, {**defaults, **given}, name=node.name, since=since, opset=opset)
    arrays = [None if value is None else np.asarray(value) for value in inputs]
    while arrays and arrays[-1] is None:
        arrays.pop()
    results = result_tuple(OPERATORS[node.op_type].evaluate(call, *arrays))
    return tuple(np.ascontiguousarray(result) if result.ndim else result for result in results)


#: what ``new_ops=`` takes
ops: list[type] = [type(name, (OpRun,), {"_run": _run, "__doc__": f"{name} by fastconv."}) for name in NAMES]
