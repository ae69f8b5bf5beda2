"""Which ONNX nodes stand for a layer: a table of functions by the layer's name.

``row(writer, layer, inputs, name)`` adds the nodes and returns the name of the result. Inputs are channels first: the
exporter turns volumes around layers that have their channels last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.onnx import convolutions, pools
from fastconv.onnx.writer import PAD_MODES, Unsupported, Value, Writer

__all__ = ["ROWS", "Row"]

Row = Callable[[Writer, Any, Sequence[Value], str], str]


def plain(operator: str, **attributes: Any) -> Row:
    """One node of all inputs; an attribute that is a str names the layer's, others are given as they are."""

    def row(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
        given = {key: getattr(layer, value) if isinstance(value, str) else value for key, value in attributes.items()}
        return writer.node(operator, [value.name for value in inputs], name, **given)

    return row


def _pass(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """What does nothing in inference."""
    return inputs[0].name


def _relu6(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    bounds = [writer.constant(f"{name}.{key}", np.array(value)) for key, value in (("min", 0.0), ("max", 6.0))]
    return writer.node("Clip", [inputs[0].name, *bounds], name)


def _prelu(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    slope = layer.weight.data.reshape(-1, *(1,) * (len(x.shape) - 1))
    return writer.node("PRelu", [x.name, writer.constant(f"{name}.weight", slope)], name)


def _silu(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    x = inputs[0].name
    return writer.node("Mul", [x, writer.node("Sigmoid", [x], f"{name}.sigmoid")], name)


def _scaled_tanh(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    slope, amplitude = (writer.constant(f"{name}.{key}", np.array(getattr(layer, key))) for key in _SCALES)
    scaled = writer.node("Mul", [inputs[0].name, slope], f"{name}.scaled")
    return writer.node("Mul", [writer.node("Tanh", [scaled], f"{name}.tanh"), amplitude], name)


_SCALES = ("slope", "amplitude")


def _linear(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    bias = [] if layer.bias is None else [writer.constant(f"{name}.bias", layer.bias.data)]
    if len(x.shape) == 1:
        weight = writer.constant(f"{name}.weight", layer.weight.data)
        return writer.node("Gemm", [x.name, weight, *bias], name, transB=1)
    weight = writer.constant(f"{name}.weight", layer.weight.data.T)
    product = writer.node("MatMul", [x.name, weight], f"{name}.product" if bias else name)
    return writer.node("Add", [product, *bias], name) if bias else product


def _batch_norm(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    if layer.running_mean is None:
        raise Unsupported("without running statistics it takes those of each batch")
    ones, zeros = np.ones(layer.num_features, writer.dtype), np.zeros(layer.num_features, writer.dtype)
    arrays = {
        "weight": ones if layer.weight is None else layer.weight.data,
        "bias": zeros if layer.bias is None else layer.bias.data,
        "running_mean": layer.running_mean.data,
        "running_var": layer.running_var.data,
    }
    constants = [writer.constant(f"{name}.{key}", array) for key, array in arrays.items()]
    return writer.node("BatchNormalization", [inputs[0].name, *constants], name, epsilon=layer.eps)


def _scale(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    after = (1,) * (len(x.shape) - 1)
    weight = writer.constant(f"{name}.weight", layer.weight.data.reshape(-1, *after))
    if layer.bias is None:
        return writer.node("Mul", [x.name, weight], name)
    bias = writer.constant(f"{name}.bias", layer.bias.data.reshape(-1, *after))
    return writer.node("Add", [writer.node("Mul", [x.name, weight], f"{name}.scaled"), bias], name)


def _rbf(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    codes = writer.constant(f"{name}.weight", layer.weight.data)
    between = writer.node("Sub", [writer.reshape(x.name, (1, *x.shape), f"{name}.row"), codes], f"{name}.between")
    squares = writer.node("Mul", [between, between], f"{name}.squares")
    axis = writer.constant(f"{name}.axis", np.array([2], np.int64))
    distance = writer.node("ReduceSum", [squares, axis], f"{name}.distance", keepdims=0)
    return writer.node("Neg", [distance], name)


def _local_response_norm(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """An LRN, or for an even size, where ONNX's window lies otherwise, what it computes."""
    (x,) = inputs
    plane = (x.shape[0], int(np.prod(x.shape[1:], dtype=int)))
    if layer.size % 2:
        options = {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
        if len(x.shape) == 3:
            return writer.node("LRN", [x.name], name, **options)
        flat = writer.reshape(x.name, (*plane, 1), f"{name}.plane")
        return writer.reshape(writer.node("LRN", [flat], f"{name}.norm", **options), x.shape, name)
    rows = writer.reshape(writer.node("Mul", [x.name, x.name], f"{name}.squares"), (1, *plane), f"{name}.rows")
    padded = writer.pad(rows, [(layer.size // 2, (layer.size - 1) // 2), (0, 0)], f"{name}.border")
    mean = writer.node("AveragePool", [padded], f"{name}.mean", kernel_shape=[layer.size, 1])
    alpha, beta, k = (writer.constant(f"{name}.{key}", np.array(getattr(layer, key))) for key in ("alpha", "beta", "k"))
    total = writer.node("Add", [writer.node("Mul", [mean, alpha], f"{name}.scaled"), k], f"{name}.sum")
    divisor = writer.reshape(writer.node("Pow", [total, beta], f"{name}.power"), x.shape, f"{name}.divisor")
    return writer.node("Div", [x.name, divisor], name)


def _flatten(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    shape = layer.output_shape(x.shape)
    if len(shape) == 1:
        return writer.node("Flatten", [x.name], name, axis=1)
    return writer.reshape(x.name, shape, name)


def _unflatten(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    return writer.reshape(inputs[0].name, layer.output_shape(inputs[0].shape), name)


def _channel_shuffle(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    channels, *spatial = x.shape
    grouped = writer.reshape(x.name, (layer.groups, channels // layer.groups, *spatial), f"{name}.groups")
    order = (0, 2, 1, *range(3, 3 + len(spatial)))
    return writer.reshape(writer.node("Transpose", [grouped], f"{name}.turned", perm=order), x.shape, name)


def _spatial_pad(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """PyTorch's order: before and after of the last axis first."""
    pairs = list(zip(layer.padding[::2], layer.padding[1::2], strict=True))[::-1]
    return writer.pad(inputs[0].name, pairs, name, PAD_MODES[layer.MODE], layer.value)


def _channel_pad(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    others = [(0, 0)] * (len(inputs[0].shape) - 1)
    return writer.pad(inputs[0].name, [layer.padding, *others], name, first_axis=1)


def _upsample(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    (x,) = inputs
    axes = range(2, 1 + len(x.shape))
    given = layer.scale_factor if layer.size is None else layer.size
    entries = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    entries = entries if len(entries) == len(axes) else entries * len(axes)
    if layer.size is None:
        extra = ["", writer.constant(f"{name}.scales", np.array((1, 1, *entries), np.float32), cast=False)]
        attributes = {}
    else:
        extra = ["", "", writer.constant(f"{name}.sizes", np.array(entries, np.int64))]
        attributes = {"axes": list(axes)}
    if layer.mode == "nearest":
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    else:
        how = {
            "mode": "linear",
            "coordinate_transformation_mode": "align_corners" if layer.align_corners else "half_pixel",
        }
    return writer.node("Resize", [x.name, *extra], name, **how, **attributes)


def _for_dimensions(name: str, row: Row) -> dict[str, Row]:
    return {f"{name}{dimensions}d": row for dimensions in (1, 2, 3)}


#: the row of every layer that can be exported
ROWS: dict[str, Row] = {
    **_for_dimensions("Conv", convolutions.conv),
    **_for_dimensions("ConvTranspose", convolutions.conv_transpose),
    **_for_dimensions("MaxPool", pools.max_pool),
    **_for_dimensions("AvgPool", pools.avg_pool),
    **_for_dimensions("LPPool", pools.lp_pool),
    **_for_dimensions("AdaptiveAvgPool", pools.adaptive_avg_pool),
    **_for_dimensions("AdaptiveMaxPool", pools.adaptive_max_pool),
    **_for_dimensions("BatchNorm", _batch_norm),
    **_for_dimensions("ZeroPad", _spatial_pad),
    **_for_dimensions("ConstantPad", _spatial_pad),
    **_for_dimensions("ReflectionPad", _spatial_pad),
    **_for_dimensions("ReplicationPad", _spatial_pad),
    **_for_dimensions("CircularPad", _spatial_pad),
    "Add": plain("Sum"),
    "ChannelPad": _channel_pad,
    "ChannelShuffle": _channel_shuffle,
    "Concat": plain("Concat", axis="dim"),
    "Dropout": _pass,
    "Flatten": _flatten,
    "GELU": plain("Gelu", approximate="approximate"),
    "Hardsigmoid": plain("HardSigmoid", alpha=1 / 6),
    "Hardswish": plain("HardSwish"),
    "Identity": _pass,
    "LeakyReLU": plain("LeakyRelu", alpha="negative_slope"),
    "Linear": _linear,
    "LocalResponseNorm": _local_response_norm,
    "Multiply": plain("Mul"),
    "PReLU": _prelu,
    "RBF": _rbf,
    "ReLU": plain("Relu"),
    "ReLU6": _relu6,
    "Reparametrize": _pass,
    "Scale": _scale,
    "ScaledTanh": _scaled_tanh,
    "SiLU": _silu,
    "Sigmoid": plain("Sigmoid"),
    "Softmax": plain("Softmax", axis="dim"),
    "TableConv2d": convolutions.table_conv,
    "Whiten2d": convolutions.conv,
    "Tanh": plain("Tanh"),
    "Unflatten": _unflatten,
    "Upsample": _upsample,
}
