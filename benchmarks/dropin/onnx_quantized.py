"""Quantized convolutions by onnxruntime, beside fastconv.onnx: models of one QLinearConv, uint8 by int8."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Row

__all__ = ["ROWS"]

#: channels, height and width, filters, kernel, stride, groups
SHAPES = {
    "QLinearConv 64x56x56 3x3": (64, 56, 64, 3, 1, 1),
    "QLinearConv 128x28x28 3x3": (128, 28, 128, 3, 1, 1),
    "QLinearConv 256x14x14 3x3": (256, 14, 256, 3, 1, 1),
    "QLinearConv 512x7x7 3x3": (512, 7, 512, 3, 1, 1),
    "QLinearConv 128x56x56 3x3 stride 2": (128, 56, 128, 3, 2, 1),
    "QLinearConv 3x224x224 7x7 stride 2": (3, 224, 64, 7, 2, 1),
    "QLinearConv 256x56x56 1x1 to 64": (256, 56, 64, 1, 1, 1),
    "QLinearConv 64x56x56 1x1 to 256": (64, 56, 256, 1, 1, 1),
    "QLinearConv 256x28x28 3x3 32 groups": (256, 28, 256, 3, 1, 32),
    "QLinearConv 96x112x112 3x3 depthwise": (96, 112, 96, 3, 1, 96),
    "QLinearConv 384x14x14 3x3 depthwise": (384, 14, 384, 3, 1, 384),
}


@functools.cache
def _model(name: str) -> tuple[bytes, np.ndarray]:
    """The serialized model and an input; weights of 7 bits, for ONNX Runtime's sums of 8 may be cut off on AVX2."""
    from onnx import TensorProto, helper, numpy_helper

    channels, size, filters, kernel, stride, groups = SHAPES[name]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (1, channels, size, size)).astype(np.uint8)
    constants = {
        "x_scale": np.float32(0.02),
        "x_zero": np.uint8(128),
        "w": rng.integers(-64, 65, (filters, channels // groups, kernel, kernel)).astype(np.int8),
        "w_scale": rng.uniform(0.001, 0.002, filters).astype(np.float32),
        "w_zero": np.zeros(filters, np.int8),
        "y_scale": np.float32(0.01 * (channels // groups * kernel * kernel) ** 0.5),
        "y_zero": np.uint8(120),
        "bias": rng.integers(-1000, 1000, filters).astype(np.int32),
    }
    out = (size - 1) // stride + 1
    node = helper.make_node(
        "QLinearConv", ["x", *constants], ["y"], pads=[kernel // 2] * 4, strides=[stride] * 2, group=groups
    )
    graph = helper.make_graph(
        [node], "quantized", [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, (1, filters, out, out))],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString(), x


def _runtime(name: str) -> Callable[[], Any]:
    import onnxruntime

    import fastconv

    model, x = _model(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = fastconv.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, {"x": x})


def _ours(name: str) -> Callable[[], Any]:
    from fastconv import onnx

    model, x = _model(name)
    loaded = onnx.load(model)
    return lambda: list(loaded.run({"x": x}).values())


#: One step of some 170 to 255 is what rounding in float32 may differ by.
ROWS: list[Row] = [
    Row(name, None, functools.partial(_runtime, name), functools.partial(_ours, name), 0.01) for name in SHAPES
]
