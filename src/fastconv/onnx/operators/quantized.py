"""Quantized operators: small integers that stand for real numbers, (q - zero point) * scale.

Sums of products of such integers are those of int32: exact, modulo 2^32. Convolutions, and products with a constant
matrix in programs, run on integers (`fastconv.functional.conv_integer`); other products of matrices in float64, whose
sums of integers are exact too, before they wrap.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import functional as F
from fastconv.functional._bytes import BYTES
from fastconv.functional.quantized import prepare_quantized
from fastconv.graph import Node, Program
from fastconv.onnx.operators.conv import check_channels
from fastconv.onnx.operators.operator import Call, Evaluate, Operator, axis_of, plain
from fastconv.onnx.operators.windows import window
from fastconv.onnx.types import numpy_type, saturated

__all__ = [
    "ROWS", "combined", "evaluate_product", "finite", "integer_type", "number", "packed", "qlinear_matmul",
    "real_numbers", "rounded",
]  # fmt: skip

#: what the integer types hold
_RANGES = {
    "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767),
    "uint4": (0, 15), "int4": (-8, 7), "uint2": (0, 3), "int2": (-2, 1),
}  # fmt: skip


@functools.cache
def _range(kind: np.dtype) -> tuple[int, int] | None:
    """What an integer type holds; None for other types."""
    return _RANGES.get(kind.name)


def rounded(values: np.ndarray, zero: Any, kind: np.dtype) -> np.ndarray:
    """Half to even, moved by the zero point, and cut off at what the type holds, NaN below; overwrites `values`."""
    limits = _range(kind)
    if limits is None:
        raise ValueError(f"y_zero_point has dtype {kind}: a type of integers is needed")
    np.rint(values, out=values)
    if zero is not None:
        values += np.asarray(zero).astype(values.dtype)
    np.fmin(np.fmax(values, limits[0], out=values), limits[1], out=values)
    return values.astype(np.int32).astype(kind) if kind.kind == "V" else values.astype(kind)


def _spread(values: np.ndarray, shape: tuple[int, ...], axis: int, block: int) -> np.ndarray:
    """Scales of the whole, of each slice along an axis, or of blocks of it, as they broadcast."""
    if values.size == 1:
        return values.reshape(())
    if block:
        return np.repeat(values, block, axis)[(slice(None),) * axis + (slice(shape[axis]),)]
    if values.ndim != 1 or values.size != shape[axis]:
        raise ValueError(f"scales of shape {values.shape} do not fit axis {axis} of an array of shape {shape}")
    return values.reshape(*(1,) * axis, -1, *(1,) * (len(shape) - axis - 1))


def _aligned(call: Call, x: Any, scale: np.ndarray, zero: np.ndarray | None = None) -> tuple[Any, Any, Any]:
    """Inputs that broadcast; of `x` the shape alone matters."""
    axis = axis_of(call, len(x.shape), 1) if scale.size > 1 else 0
    block = call["block_size"] or 0
    return x, _spread(scale, x.shape, axis, block), None if zero is None else _spread(zero, x.shape, axis, block)


def integer_type(call: Call, zero: Any) -> np.dtype:
    """Of the results of a QuantizeLinear."""
    if zero is not None:
        return zero.dtype
    return numpy_type(call["output_dtype"]) if call["output_dtype"] else np.dtype(np.uint8)


def _quantize(call: Call, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
    """Of inputs that broadcast."""
    kind = integer_type(call, zero)
    exact = numpy_type(call["precision"]) if call["precision"] else np.dtype(np.float32)
    exact = np.dtype(np.float32) if exact.char not in "fd" else exact
    values = np.asarray(x.astype(exact, copy=False) / scale.astype(exact))
    if _range(kind) is not None:
        return rounded(values, zero, kind)
    return saturated(values if zero is None else values + zero.astype(exact), kind, call["saturate"] != 0)


def real_numbers(x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None) -> np.ndarray:
    """What integers stand for, in float32; the scale and the zero broadcast."""
    values = x.astype(np.float32)
    if zero is not None:
        values -= zero.astype(np.float32)
    values *= scale.astype(np.float32)
    return values


def _dequantize(call: Call, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
    """Of inputs that broadcast."""
    values = real_numbers(x, scale, zero)
    kind = numpy_type(call["output_dtype"]) if call["output_dtype"] else scale.dtype
    return values.astype(kind, copy=False)


def combined(program: Program, call: Call, inputs: Sequence[Any], product: bool, *meanings: Any) -> Node | None:
    """A node that runs `prepare_quantized` on one or two inputs, nodes or one of them a constant, that broadcast.

    `meanings` are (scale, zero point, type) of each and of the result. None where a scale is no constant of a single
    number, or a type another.
    """
    scales, zeros, kinds = zip(*meanings, strict=True)
    numbers = [value for value in (*scales, *zeros) if value is not None]
    if any(isinstance(value, Node) or value.size != 1 for value in numbers):
        return None
    if not all(x.dtype == kind for x, kind in zip(inputs, kinds, strict=False)):
        return None
    if not all(kind in (*BYTES, np.float32) for kind in kinds):
        return None
    if not all(value is None or (value.dtype == np.float32 and np.isfinite(value).all() and value) for value in scales):
        return None
    single = [tuple(None if value is None else value.reshape(()) for value in values) for values in (scales, zeros)]
    run = prepare_quantized(single[0], single[1], kinds, product)

    fixed = [None if isinstance(x, Node) else np.ascontiguousarray(x) for x in inputs]

    def function(*arrays: np.ndarray, out: np.ndarray) -> None:
        moving = iter(arrays)
        run(*(next(moving) if one is None else one for one in fixed), out)

    nodes, shape = [x for x in inputs if isinstance(x, Node)], np.broadcast_shapes(*(x.shape for x in inputs))
    return program.add("call", nodes, call.name, kinds[-1], function=function, out=True, shape=shape)


def _emit_quantize(program: Program, call: Call, x: Any, scale: Any, zero: Any = None) -> Node | None:
    if call["block_size"] or call["precision"] or isinstance(zero, Node):
        return None
    kind = integer_type(call, zero)
    return combined(program, call, [x], False, (None, None, np.dtype(np.float32)), (scale, zero, kind))


def _emit_dequantize(program: Program, call: Call, x: Any, scale: Any, zero: Any = None) -> Node | None:
    if call["block_size"] or call["output_dtype"]:
        return None
    return combined(program, call, [x], False, (scale, zero, x.dtype), (None, None, np.dtype(np.float32)))


def _by_element(function: Evaluate, emit: Callable[..., Node | None]) -> Operator:
    """A row of a function of inputs that broadcast once scales and zero points lie along their axis.

    `emit` knows those of a single number.
    """

    def evaluate(call: Call, *inputs: Any) -> np.ndarray:
        return function(call, *_aligned(call, *inputs))

    def spread(call: Call, x: Any, *inputs: Any) -> tuple[Evaluate, Sequence[Any]] | None:
        """Scales of blocks would be as large as the input."""
        if not isinstance(x, Node) or any(isinstance(one, Node) for one in inputs) or call["block_size"]:
            return None
        return function, _aligned(call, x, *inputs)

    return Operator(evaluate, emit, spread=spread)


def _dynamic(call: Call, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """To uint8, in the range of the input and zero."""
    high, low = np.float32(max(0, x.max(initial=0))), np.float32(min(0, x.min(initial=0)))
    scale = np.float32(high - low if high != low else 1) / np.float32(255)
    zero = np.rint(np.clip(-low / scale, 0, 255))
    y = np.clip(np.rint(x / scale) + zero, 0, 255)
    return y.astype(np.uint8), np.array(scale, np.float32), np.array(zero, np.uint8)


def number(name: str, values: Any, channels: int | None = None) -> Any:
    """The only element of what all share, or one for each output channel; None stands for what is left out."""
    if values is None:
        return None
    if values.size == 1:
        return values.reshape(())
    if channels is None or values.shape != (channels,):
        each = "" if channels is None else f", or {channels}, one of each output channel"
        raise ValueError(f"{name} of shape {values.shape} must be a single number{each}")
    return values


def finite(name: str, values: Any) -> None:
    """Raise ValueError unless all scales are finite."""
    if not np.isfinite(values).all():
        raise ValueError(f"{name} (={values.tolist()}) must be finite")


def _ratio(left: tuple[str, Any], right: tuple[str, Any], y_scale: Any) -> np.ndarray:
    """What a sum is multiplied by, in float32; the scales broadcast.

    Raises
    ------
    ValueError
        If it is not a finite number, which no integer stands for: the scales are named.
    """
    named = (left, right, ("y_scale", y_scale))
    for name, values in named:
        finite(name, values)
    if not np.all(y_scale):
        raise ValueError(f"y_scale (={y_scale.tolist()}) must not be 0")
    a, b, y = (values.astype(np.float32) for _, values in named)
    with np.errstate(all="ignore"):
        ratio = np.asarray(a * b / y)
    if not np.isfinite(ratio).all():
        raise ValueError(f"{left[0]} * {right[0]} / y_scale (={ratio.tolist()}) must be finite in float32")
    return ratio


class _OnIntegers(NamedTuple):
    """A convolution that computes a node: the shape that its input is given, and its arguments beside it."""

    x_shape: tuple[int, ...]
    options: dict[str, Any]


def _convolution(call: Call, x: Any, weight: Any, x_zero: Any, weight_zero: Any, bias: Any = None) -> dict[str, Any]:
    """The arguments of a convolution beside its input."""
    found, groups = window(call, x.shape[2:], weight.shape[2:]), call["group"] or 1
    check_channels(call, x, weight, groups)
    return {
        "weight": weight, "bias": bias, "stride": found.stride, "padding": found.padding, "dilation": found.dilation,
        "groups": groups, "x_zero_point": number("x_zero_point", x_zero),
        "weight_zero_point": number("w_zero_point", weight_zero, len(weight)),
    }  # fmt: skip


def _conv_integer(call: Call, x: Any, weight: Any, x_zero: Any = None, weight_zero: Any = None) -> _OnIntegers:
    return _OnIntegers(x.shape, _convolution(call, x, weight, x_zero, weight_zero))


def _qlinear_conv(call: Call, x: Any, *given: Any) -> _OnIntegers:
    """The bias is an integer in units of both scales."""
    x_scale, x_zero, weight, weight_scale, weight_zero, y_scale, y_zero, *rest = given
    scale = _ratio(
        ("x_scale", number("x_scale", x_scale)), ("w_scale", number("w_scale", weight_scale, len(weight))),
        number("y_scale", y_scale),
    )  # fmt: skip
    options = _convolution(call, x, weight, x_zero, weight_zero, rest[0] if rest else None)
    return _OnIntegers(x.shape, {**options, **_requantized(x, scale, y_zero)})


def _requantized(x: Any, scale: np.ndarray, y_zero: Any) -> dict[str, Any]:
    """The options of an output of integers."""
    y_dtype = x.dtype if y_zero is None else y_zero.dtype
    return {"scale": scale, "y_zero_point": number("y_zero_point", y_zero), "y_dtype": y_dtype}


def _convolved(find: Callable[..., _OnIntegers]) -> Evaluate:
    """The `evaluate` of nodes that `find` makes a convolution of."""

    def evaluate(call: Call, x: np.ndarray, *given: Any) -> np.ndarray:
        kept = _by_kept_weights(find, call, x, *given) if call.fixed else None
        return F.conv_integer(x, **find(call, x, *given).options) if kept is None else kept

    return evaluate


def _by_kept_weights(
    find: Callable[..., _OnIntegers | None], call: Call, x: np.ndarray, *given: Any
) -> np.ndarray | None:
    """The result of a node whose other inputs never change: packed weights stay for the next input of this shape."""
    kind = (x.shape, x.dtype)
    kept = call.kept
    if kept is None or kept[0] != kind:
        found = find(call, x, *given)
        if found is None:
            return None
        kept = kind, F.prepare_conv_integer(found.x_shape, x_dtype=x.dtype, **found.options)
        call.kept = kept
    operation = kept[1]
    y = operation(x.reshape(operation.x_shape))
    return y if operation.x_shape == x.shape else y.reshape(*x.shape[:-1], operation.y_shape[-1])


def packed(find: Callable[..., _OnIntegers | None]) -> Callable[..., Node | None]:
    """The `emit` of nodes that `find` makes a convolution of, or nothing: a node that keeps the packed weights."""

    def emit(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
        if not isinstance(x, Node) or any(isinstance(value, Node) for value in given):
            return None
        found = find(call, x, *given)
        if found is None:
            return None
        operation = F.prepare_conv_integer(found.x_shape, x_dtype=x.dtype, **found.options)

        def function(x: np.ndarray, out: np.ndarray) -> None:
            operation(x.reshape(operation.x_shape), out=out.reshape(operation.y_shape))

        y_shape = operation.y_shape if found.x_shape == x.shape else (*x.shape[:-1], operation.y_shape[-1])
        return program.add(
            "call", (x,), call.name, operation.y_dtype, function=function, out=True, shape=y_shape,
            packed_bytes=operation.packed_bytes,
        )  # fmt: skip

    return emit


def _product(a: Any, b: Any, a_zero: Any, b_zero: Any) -> _OnIntegers | None:
    """Rows times a matrix as a convolution of width 1; None for stacks of matrices and a zero point of each row.

    For programs alone: to pack a matrix for one product takes longer than the product in float64.
    """
    if len(b.shape) != 2 or not a.shape or a.shape[-1] != len(b) or 0 in (*a.shape, *b.shape):
        return None
    if a.dtype not in BYTES or b.dtype not in BYTES or (a_zero is not None and a_zero.size != 1):
        return None
    if b_zero is not None and b_zero.size != 1 and b_zero.shape != b.shape[1:]:
        return None
    return _OnIntegers(
        (1, math.prod(a.shape[:-1]), len(b)),
        {
            "weight": b[None], "layout": "NWC", "weight_layout": "WIO", "x_zero_point": number("a_zero_point", a_zero),
            "weight_zero_point": number("b_zero_point", b_zero, b.shape[1]),
        },
    )  # fmt: skip


def _matmul_integer(call: Call, a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> _OnIntegers | None:
    return _product(a, b, a_zero, b_zero)


def qlinear_matmul(
    call: Call, a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, y_scale: Any, y_zero: Any,
    bias: Any = None,
) -> _OnIntegers | None:  # fmt: skip
    """The bias, which QGemm has, is one integer for each column, in units of both scales."""
    found = _product(a, b, a_zero, b_zero)
    each = b_scale.size == 1 or b_scale.shape == b.shape[1:]
    if found is None or a_scale.size != 1 or not each or y_scale.size != 1 or y_zero.size != 1:
        return None
    scale = _ratio(
        ("a_scale", number("a_scale", a_scale)), ("b_scale", number("b_scale", b_scale, b.shape[1])),
        number("y_scale", y_scale),
    )  # fmt: skip
    return found._replace(options={**found.options, "bias": bias, **_requantized(a, scale, y_zero)})


def _matrix(values: np.ndarray, zero: Any, rows: bool) -> np.ndarray:
    """A zero point of each row, or of each column."""
    exact = values.astype(np.float64)
    if zero is None:
        return exact
    zero = np.asarray(zero).astype(np.float64)
    if zero.ndim == 1 and zero.size > 1:
        zero = zero[:, None] if rows else zero
    return exact - (zero.reshape(()) if zero.size == 1 else zero)


def _sums(a: np.ndarray, b: np.ndarray, a_zero: Any = None, b_zero: Any = None, bias: Any = None) -> np.ndarray:
    """Of int32; those of float8 are no integers."""
    if a.ndim and b.ndim and a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matrices of shapes {a.shape} and {b.shape} cannot be multiplied")
    sums = np.asarray(np.matmul(_matrix(a, a_zero, True), _matrix(b, b_zero, False)))
    if bias is not None:
        sums += bias
    return sums if "V" in (a.dtype.kind, b.dtype.kind) else sums.astype(np.int64).astype(np.int32)


def evaluate_product(call: Call, *given: Any) -> np.ndarray:
    """The `evaluate` of products of matrices, of nodes whose weights never change by packed integers."""
    kept = _by_kept_weights(qlinear_matmul, call, *given) if call.fixed else None
    return _qlinear_matmul_in_float(call, *given) if kept is None else kept


def _qlinear_matmul_in_float(
    call: Call, a: np.ndarray, a_scale: Any, a_zero: Any, b: np.ndarray, b_scale: Any, b_zero: Any, y_scale: Any,
    y_zero: Any, bias: Any = None,
) -> np.ndarray:  # fmt: skip
    left = a_scale[:, None] if a_scale.ndim == 1 and a_scale.size > 1 else _loose(a_scale)
    scale = _ratio(("a_scale", left), ("b_scale", _loose(b_scale)), _loose(y_scale))
    values = np.asarray(_sums(a, b, a_zero, b_zero, bias) * scale.astype(np.float64))
    return rounded(values, y_zero, y_zero.dtype)


def _loose(values: Any) -> Any:
    """A number without axes, so that it adds none to what it meets."""
    return values.reshape(()) if values.size == 1 else values


ROWS: dict[str, Operator] = {
    "QuantizeLinear": _by_element(_quantize, _emit_quantize),
    "DequantizeLinear": _by_element(_dequantize, _emit_dequantize),
    "DynamicQuantizeLinear": Operator(_dynamic),
    "ConvInteger": Operator(_convolved(_conv_integer), packed(_conv_integer)),
    "QLinearConv": Operator(_convolved(_qlinear_conv), packed(_qlinear_conv)),
    "MatMulInteger": plain(_sums, packed(_matmul_integer)),
    "QLinearMatMul": Operator(evaluate_product, packed(qlinear_matmul)),
}
