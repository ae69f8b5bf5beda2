"""The nine graphs that the onnx package brings without weights, with seeded random ones in their place."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

__all__ = ["NAMES", "image", "light_graph"]

NAMES = (
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19",
    "zfnet512",
)  # fmt: skip


#: factors of the last weights of networks whose logits would be so large that softmax makes differences of roundings
LAST = {"inception_v2": 2e-2, "resnet50": 4e-5, "shufflenet": 3e-6}


def light_graph(name: str, logits: bool = False) -> Any:
    """A ModelProto; with `logits` what goes into the last softmax, which hides differences, is an output too."""
    import onnx
    from onnx import numpy_helper

    folder = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light")
    model = onnx.load(os.path.join(folder, f"light_{name}.onnx"))
    graph, rng = model.graph, np.random.default_rng(0)
    given = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    readers = {taken: (node.op_type, place) for node in graph.node for place, taken in enumerate(node.input)}
    fills = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    read = {taken for node in kept for taken in node.input}
    made = {
        node.output[0]: _values(rng, tuple(map(int, given[node.input[0]])), *readers[node.output[0]]) for node in fills
    }
    if name in LAST:
        made[kept[-2].input[1]] *= np.float32(LAST[name])
    constants = {key: array for key, array in given.items() if key in read} | made
    inputs = [value for value in graph.input if value.name in read and value.name not in constants]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(kept)
    graph.input.extend(inputs)
    graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in constants.items())
    model.ir_version = 4  # since when initializers need not be inputs
    if logits and kept[-1].op_type == "Softmax":
        kind = onnx.TypeProto(tensor_type=onnx.TypeProto.Tensor(elem_type=onnx.TensorProto.FLOAT))
        graph.output.append(onnx.ValueInfoProto(name=kept[-1].input[0], type=kind))
    return model


def _values(rng: np.random.Generator, shape: tuple[int, ...], operator: str, place: int) -> np.ndarray:
    """Kernels that keep the scale of what passes through; factors and variances around 1; small biases."""
    if len(shape) > 1:
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    if operator == "Unsqueeze" or (operator == "BatchNormalization" and place in (1, 4)):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)


def image(model: Any) -> dict[str, np.ndarray]:
    """A random input."""
    (value,) = model.graph.input
    shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
    return {value.name: np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
