"""A vision transformer as PyTorch exports it, with seeded random weights."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["vision_transformer"]


class _Writer:
    """Nodes and constants of a model."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self._rng = np.random.default_rng(0)

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def number(self, value: float) -> str:
        return self.constant(np.float32(value))

    def sizes(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def weight(self, *shape: int, scale: float = 0.1, around: float = 0.0) -> str:
        return self.constant((around + scale * self._rng.standard_normal(shape)).astype(np.float32))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        product = self.add("MatMul", x, self.weight(inputs, outputs, scale=1.5 * inputs**-0.5))
        return self.add("Add", self.weight(outputs), product)

    def norm(self, x: str, width: int, opset: int) -> str:
        """The operator of opset 17, or the nodes that stand for it before."""
        weight, bias = self.weight(width, around=1.0), self.weight(width)
        if opset >= 17:
            return self.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-6)
        distance = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        variance = self.add("ReduceMean", self.add("Pow", distance, self.number(2)), axes=[-1])
        deviation = self.add("Sqrt", self.add("Add", variance, self.number(1e-6)))
        return self.add("Add", self.add("Mul", self.add("Div", distance, deviation), weight), bias)


def vision_transformer(
    layers: int = 12, width: int = 192, heads: int = 3, side: int = 14, patch: int = 16, opset: int = 17
) -> Any:
    """A ModelProto of ViT-tiny, or one of another size: `side` by `side` patches and a token for the class."""
    from onnx import TensorProto, helper, numpy_helper

    w = _Writer()
    tokens, depth = side**2 + 1, width // heads
    x = w.add("Conv", "image", w.weight(width, 3, patch, patch, scale=0.05), w.weight(width), strides=[patch, patch])
    x = w.add("Transpose", w.add("Reshape", x, w.sizes(1, width, -1)), perm=[0, 2, 1])
    x = w.add("Add", w.add("Concat", w.weight(1, 1, width), x, axis=1), w.weight(1, tokens, width))
    for _ in range(layers):
        y = w.add("Reshape", w.linear(w.norm(x, width, opset), width, 3 * width), w.sizes(1, tokens, 3, heads, depth))
        y = w.add("Transpose", y, perm=[2, 0, 3, 1, 4])
        q, k, v = (w.add("Gather", y, w.constant(np.int64(place)), axis=0) for place in range(3))
        k = w.add("Transpose", k, perm=[0, 1, 3, 2])
        scores = w.add("MatMul", w.add("Mul", q, w.number(depth**-0.5)), k)
        y = w.add("MatMul", w.add("Softmax", scores, axis=-1), v)
        y = w.add("Reshape", w.add("Transpose", y, perm=[0, 2, 1, 3]), w.sizes(1, tokens, width))
        x = w.add("Add", x, w.linear(y, width, width))
        y = w.linear(w.norm(x, width, opset), width, 4 * width)
        bell = w.add("Add", w.add("Erf", w.add("Div", y, w.number(2**0.5))), w.number(1))
        y = w.add("Mul", w.add("Mul", y, bell), w.number(0.5))
        x = w.add("Add", x, w.linear(y, 4 * width, width))
    x = w.add("Gather", w.norm(x, width, opset), w.constant(np.int64(0)), axis=1)
    x = w.add("Gemm", x, w.weight(1000, width), w.weight(1000), transB=1)
    size = side * patch
    graph = helper.make_graph(
        w.nodes, "transformer", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 1000])],
        [numpy_helper.from_array(value, name) for name, value in w.constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
