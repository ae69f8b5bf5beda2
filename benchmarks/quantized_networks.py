"""Networks in the form that quantizers export, DequantizeLinear and QuantizeLinear around every node, seeded weights.

Weights are int8 of 7 bits, for ONNX Runtime's sums of 8 may be cut off on AVX2; steps of results are chosen by the
variance of sums, so that some three deviations fit a byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["NETWORKS", "picture", "quantized_network"]

SIZE = 224
#: of the results of rectifiers and of sums: standard deviation 1, zero and ends
STEP, ZERO = np.float32(6 / 255), np.uint8(0)


class _Builder:
    """A graph that grows; tensors are names of real numbers that a DequantizeLinear gave."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self.constants: dict[str, np.ndarray] = {"step": np.asarray(STEP), "zero": np.asarray(ZERO)}
        self._rng, self._count = np.random.default_rng(0), 0

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        self._count += 1
        name = f"n{self._count}"
        self.nodes.append((operator, inputs, [name], attributes))
        return name

    def quantized(self, x: str) -> str:
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, "step", "zero"]), "step", "zero"])

    def weights(self, filters: int, *rest: int) -> str:
        """Filters whose sums have a standard deviation of some 1."""
        name = f"w{self._count}"
        each = np.full(filters, 1 / (37 * float(np.prod(rest)) ** 0.5 * 0.8), np.float32)
        self.constants |= {
            name: self._rng.integers(-64, 65, (filters, *rest)).astype(np.int8),
            f"{name}.scale": each * self._rng.uniform(0.8, 1.2, filters).astype(np.float32),
            f"{name}.zero": np.zeros(filters, np.int8),
        }
        return self.node("DequantizeLinear", [name, f"{name}.scale", f"{name}.zero"], axis=0)

    def bias(self, filters: int, weight: str) -> str:
        """int32, in units of the products."""
        name = f"{weight}.bias"
        scale = self.constants[f"{self.nodes[-1][1][0]}.scale"] * STEP
        real = self._rng.normal(0, 0.2, filters)
        self.constants |= {name: np.rint(real / scale).astype(np.int32), f"{name}.scale": scale.astype(np.float32)}
        return self.node("DequantizeLinear", [name, f"{name}.scale"], axis=0)

    def conv(self, x: str, channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> str:
        weight = self.weights(filters, channels // groups, kernel, kernel)
        inputs = [x, weight, self.bias(filters, weight)]
        pads = [kernel // 2] * 4
        y = self.node("Conv", inputs, pads=pads, strides=[stride] * 2, kernel_shape=[kernel] * 2, group=groups)
        return self.quantized(self.node("Relu", [y]))

    def head(self, x: str, channels: int, classes: int = 1000) -> str:
        mean = self.quantized(self.node("GlobalAveragePool", [x]))
        flat = self.quantized(self.node("Flatten", [mean]))
        weight = self.weights(classes, channels)
        return self.quantized(self.node("Gemm", [flat, weight, self.bias(classes, weight)], transB=1))


def _resnet50(b: _Builder, x: str) -> str:
    x = b.conv(x, 3, 64, 7, 2)
    x = b.quantized(b.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = b.conv(x, channels, width, 1)
            y = b.conv(b.conv(y, width, width, 3, stride), width, 4 * width, 1)
            side = x if block else b.conv(x, channels, 4 * width, 1, stride)
            x = b.quantized(b.node("Relu", [b.node("Add", [y, side])]))
            channels = 4 * width
    return b.head(x, channels)


def _mobilenet_v1(b: _Builder, x: str) -> str:
    x, channels = b.conv(x, 3, 32, 3, 2), 32
    for filters, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [
        (1024, 2), (1024, 1)
    ]:  # fmt: skip
        x = b.conv(b.conv(x, channels, channels, 3, stride, channels), channels, filters, 1)
        channels = filters
    return b.head(x, channels)


NETWORKS = {"resnet50": _resnet50, "mobilenet_v1": _mobilenet_v1}


def quantized_network(name: str) -> bytes:
    """A serialized model of float32 images of batch 1."""
    from onnx import TensorProto, helper, numpy_helper

    builder = _Builder()
    last = NETWORKS[name](builder, builder.quantized("x"))
    graph = helper.make_graph(
        [helper.make_node(operator, taken, given, **more) for operator, taken, given, more in builder.nodes], name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, SIZE, SIZE))],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, (1, 1000))],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in builder.constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def picture() -> dict[str, np.ndarray]:
    """An input of each network."""
    return {"x": np.random.default_rng(1).uniform(0, 3, (1, 3, SIZE, SIZE)).astype(np.float32)}
