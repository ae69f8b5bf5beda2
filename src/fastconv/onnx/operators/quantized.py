"""Quantized operators: small integers that stand for real numbers, (q - zero point) * scale.

Sums of products of such integers are those of int32: exact, modulo 2^32. Convolutions run on integers
(`fastconv.functional.conv_integer`), products of matrices in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.graph import Node, Program
from fastconv.onnx.operators.conv import check_channels
from fastconv.onnx.operators.operator import Call, Operator, axis_of
from fastconv.onnx.operators.windows import window
from fastconv.onnx.types import numpy_type, saturated

__all__ = ["ROWS"]

#: what the integer types hold
_RANGES = {
    "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767),
    "uint4": (0, 15), "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1),
}  # fmt: skip


def _rounded(values: np.ndarray, zero: Any, kind: np.dtype) -> np.ndarray:
    """Half to even, moved by the zero point, and cut off at what the type holds."""
    low, high = _RANGES[kind.name]
    whole = np.rint(values)
    if zero is not None:
        whole = whole + np.asarray(zero).astype(values.dtype)
    return np.clip(whole, low, high).astype(np.int32 if kind.kind == "V" else kind).astype(kind)


def _spread(values: np.ndarray, shape: tuple[int, ...], axis: int, block: int) -> np.ndarray:
    """Scales of the whole, of each slice along an axis, or of blocks of it, as they broadcast."""
    if values.size == 1:
        return values.reshape(())
    if block:
        return np.repeat(values, block, axis)[(slice(None),) * axis + (slice(shape[axis]),)]
    if values.ndim != 1 or values.size != shape[axis]:
        raise ValueError(f"scales of shape {values.shape} do not fit axis {axis} of an array of shape {shape}")
    return values.reshape(*(1,) * axis, -1, *(1,) * (len(shape) - axis - 1))


def _quantize(call: Call, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
    if zero is not None:
        kind = zero.dtype
    else:
        kind = numpy_type(call["output_dtype"]) if call["output_dtype"] else np.dtype(np.uint8)
    axis = axis_of(call, x.ndim, 1) if scale.size > 1 else 0
    block = call["block_size"] or 0
    exact = numpy_type(call["precision"]) if call["precision"] else np.dtype(np.float32)
    exact = np.dtype(np.float32) if exact.char not in "fd" else exact
    values = x.astype(exact) / _spread(scale, x.shape, axis, block).astype(exact)
    moved = None if zero is None else _spread(zero, x.shape, axis, block)
    if kind.name in _RANGES:
        return _rounded(values, moved, kind)
    return saturated(values if moved is None else values + moved.astype(exact), kind, call["saturate"] != 0)


def _dequantize(call: Call, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
    axis = axis_of(call, x.ndim, 1) if scale.size > 1 else 0
    block = call["block_size"] or 0
    values = x.astype(np.float32)
    if zero is not None:
        values = values - _spread(zero, x.shape, axis, block).astype(np.float32)
    kind = numpy_type(call["output_dtype"]) if call["output_dtype"] else scale.dtype
    return (values * _spread(scale, x.shape, axis, block).astype(np.float32)).astype(kind)


def _dynamic(call: Call, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """To uint8, in the range of the input and zero."""
    high, low = np.float32(max(0, x.max(initial=0))), np.float32(min(0, x.min(initial=0)))
    scale = np.float32(high - low if high != low else 1) / np.float32(255)
    zero = np.rint(np.clip(-low / scale, 0, 255))
    y = np.clip(np.rint(x / scale) + zero, 0, 255)
    return y.astype(np.uint8), np.array(scale, np.float32), np.array(zero, np.uint8)


def _one(name: str, values: Any) -> Any:
    """The only element of a zero point that all slices share; None stands for 0."""
    if values is None:
        return None
    if values.size != 1:
        raise ValueError(f"{name} of shape {values.shape} must be a single number")
    return values.reshape(())


def _each(values: Any) -> Any:
    """Of each filter, or a single one of all."""
    return values.reshape(()) if values is not None and values.size == 1 else values


def _prepared(
    call: Call, x: Any, weight: Any, x_zero: Any, weight_zero: Any, bias: Any = None, **options: Any
) -> F.PreparedIntegerConv:
    found, groups = window(call, x.shape[2:], weight.shape[2:]), call["group"] or 1
    check_channels(call, x, weight, groups)
    return F.prepare_conv_integer(
        x.shape, weight, bias, found.stride, found.padding, found.dilation, groups, x_dtype=x.dtype,
        x_zero_point=_one("x_zero_point", x_zero), weight_zero_point=_each(weight_zero), **options,
    )  # fmt: skip


def _requantized(x: Any, x_scale: Any, weight_scale: Any, y_scale: Any, y_zero: Any) -> dict[str, Any]:
    """The options of an output of integers."""
    return {
        "scale": _each(_each(x_scale) * _each(weight_scale) / _each(y_scale)),
        "y_zero_point": _one("y_zero_point", y_zero),
        "y_dtype": x.dtype if y_zero is None else y_zero.dtype,
    }


def _prepared_qlinear(call: Call, x: Any, *given: Any) -> F.PreparedIntegerConv:
    """The bias is an integer in units of both scales."""
    x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero, *rest = given
    options = _requantized(x, x_scale, weight_scale, y_scale, y_zero)
    return _prepared(call, x, weight, x_zero, weight_zero, rest[0] if rest else None, **options)


def _conv_integer(call: Call, x: np.ndarray, weight: np.ndarray, x_zero: Any = None, weight_zero: Any = None) -> Any:
    return _prepared(call, x, weight, x_zero, weight_zero)(x)


def _qlinear_conv(call: Call, x: np.ndarray, *given: Any) -> np.ndarray:
    return _prepared_qlinear(call, x, *given)(x)


def _emit_conv_integer(
    program: Program, call: Call, x: Any, weight: Any, x_zero: Any = None, weight_zero: Any = None
) -> Node | None:
    if not isinstance(x, Node) or any(isinstance(value, Node) for value in (weight, x_zero, weight_zero)):
        return None
    return _node(program, call, x, _prepared(call, x, weight, x_zero, weight_zero))


def _emit_qlinear_conv(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    if not isinstance(x, Node) or any(isinstance(value, Node) for value in given):
        return None
    return _node(program, call, x, _prepared_qlinear(call, x, *given))


def _node(program: Program, call: Call, x: Node, operation: F.PreparedIntegerConv) -> Node:
    """A node that keeps the packed weights."""

    def function(x: np.ndarray, out: np.ndarray) -> None:
        operation(x, out=out)

    return program.add(
        "call", (x,), call.name, operation.y_dtype, function=function, out=True, shape=operation.y_shape,
        packed_bytes=operation.packed_bytes,
    )  # fmt: skip


def _matrix(values: np.ndarray, zero: Any, rows: bool) -> np.ndarray:
    """A zero point of each row, or of each column."""
    exact = values.astype(np.float64)
    if zero is None:
        return exact
    zero = np.asarray(zero).astype(np.float64)
    if zero.ndim == 1 and zero.size > 1:
        zero = zero[:, None] if rows else zero
    return exact - (zero.reshape(()) if zero.size == 1 else zero)


def _matmul_integer(call: Call, a: np.ndarray, b: np.ndarray, a_zero: Any = None, b_zero: Any = None) -> np.ndarray:
    return np.matmul(_matrix(a, a_zero, True), _matrix(b, b_zero, False)).astype(np.int64).astype(np.int32)


def _qlinear_matmul(
    call: Call, a: np.ndarray, a_scale: Any, a_zero: Any, b: np.ndarray, b_scale: Any, b_zero: Any, y_scale: Any,
    y_zero: Any,
) -> np.ndarray:  # fmt: skip
    sums = np.matmul(_matrix(a, a_zero, True), _matrix(b, b_zero, False))
    left = a_scale.astype(np.float32)
    left = left[:, None] if left.ndim == 1 and left.size > 1 else left.reshape(()) if left.size == 1 else left
    factor = left * b_scale.astype(np.float32) / y_scale.astype(np.float32)
    return _rounded(sums * factor, y_zero, y_zero.dtype)


ROWS: dict[str, Operator] = {
    "QuantizeLinear": Operator(_quantize),
    "DequantizeLinear": Operator(_dequantize),
    "DynamicQuantizeLinear": Operator(_dynamic),
    "ConvInteger": Operator(_conv_integer, _emit_conv_integer),
    "QLinearConv": Operator(_qlinear_conv, _emit_qlinear_conv),
    "MatMulInteger": Operator(_matmul_integer),
    "QLinearMatMul": Operator(_qlinear_matmul),
}
