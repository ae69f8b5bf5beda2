"""Operators of single elements: arithmetic, comparisons, bits."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.functional.scale_shift import cut_for
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, in_float, of_elements, plain

__all__ = ["ROWS"]

_FLOATS = "fd"


def _broadcast(a: Any, b: Any) -> tuple[int, ...]:
    return np.broadcast_shapes(a.shape, b.shape)


def _aligned(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Before opset 7 a smaller second operand lay at the axis that an attribute names."""
    if call.since < 7 and call["broadcast"] and call["axis"] is not None:
        axis = call["axis"] % a.ndim
        return b.reshape(*b.shape, *(1,) * (a.ndim - axis - b.ndim))
    return b


def _binary(function: Callable[..., Any], emit: Any = None) -> Operator:
    """A row of two operands that broadcast."""
    return Operator(lambda call, a, b: function(a, _aligned(call, a, b)), emit)


def _ufunc(ufunc: np.ufunc, program: Program, call: Call, *operands: Any) -> Node:
    """A node that calls NumPy; constants stay in the function."""
    nodes = [operand for operand in operands if isinstance(operand, Node)]
    constants = tuple(None if isinstance(operand, Node) else operand for operand in operands)

    def function(*arrays: np.ndarray, out: np.ndarray) -> None:
        given = iter(arrays)
        ufunc(*(next(given) if constant is None else constant for constant in constants), out=out)

    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    return program.add("call", nodes, call.name, nodes[0].dtype, function=function, out=True, shape=shape)


def _scaled(program: Program, call: Call, x: Node, scale: Any, shift: Any) -> Node | None:
    """x * scale + shift with constants of one shape, where the engine knows how they lie."""
    shape = np.broadcast_shapes(scale.shape, shift.shape)
    if len(shape) > len(x.shape) or _broadcast(x, np.empty(shape, bool)) != x.shape or cut_for(x.shape, shape) is None:
        return None
    arrays = [np.broadcast_to(values, shape).astype(x.dtype) for values in (scale, shift)]
    return program.add("scale", (x,), call.name, scale=arrays[0], shift=arrays[1])


_ONE, _ZERO = np.ones(()), np.zeros(())


def _sides(call: Call, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """The node, the other operand, and whether the node is the first; None where types are not the engine's."""
    if call.since < 7 and call["broadcast"]:
        return None, None, True
    node = a if isinstance(a, Node) else b
    other = b if node is a else a
    known = node.dtype.char in _FLOATS and other.dtype == node.dtype
    return (node if known else None), other, node is a


def _emit_add(program: Program, call: Call, a: Any, b: Any) -> Node | None:
    node, other, _ = _sides(call, a, b)
    if node is None:
        return None
    if isinstance(other, Node):
        return program.add("add", (a, b), call.name) if a.shape == b.shape else _ufunc(np.add, program, call, a, b)
    return _scaled(program, call, node, _ONE, other) or _ufunc(np.add, program, call, a, b)


def _emit_sub(program: Program, call: Call, a: Any, b: Any) -> Node | None:
    node, other, first = _sides(call, a, b)
    if node is None:
        return None
    found = None
    if not isinstance(other, Node):
        found = _scaled(program, call, node, _ONE if first else -_ONE, -other if first else other)
    return found or _ufunc(np.subtract, program, call, a, b)


#: what the engine calls a number times a function of itself
_WEIGHED = {"sigmoid": "silu", "hardsigmoid": "hardswish"}


def _emit_mul(program: Program, call: Call, a: Any, b: Any) -> Node | None:
    node, other, _ = _sides(call, a, b)
    if node is None:
        return None
    if isinstance(other, Node):
        for x, gate in ((a, b), (b, a)):
            if gate.operation == "smooth" and gate.inputs[0] is x and gate.attributes["activation"] in _WEIGHED:
                return program.add("smooth", (x,), call.name, activation=_WEIGHED[gate.attributes["activation"]])
        whole, gate = (a, b) if math.prod(a.shape) >= math.prod(b.shape) else (b, a)
        if _broadcast(a, b) == whole.shape and cut_for(whole.shape, gate.shape) is not None:
            return program.add("gate", (whole, gate), call.name)
        return _ufunc(np.multiply, program, call, a, b)
    return _scaled(program, call, node, other, _ZERO) or _ufunc(np.multiply, program, call, a, b)


def _emit_div(program: Program, call: Call, a: Any, b: Any) -> Node | None:
    node, other, first = _sides(call, a, b)
    if node is None:
        return None
    found = None
    # By powers of two alone: else the product with a reciprocal is another number, which a Floor behind it shows.
    if first and not isinstance(other, Node) and np.all(np.abs(np.frexp(other)[0]) == 0.5):
        found = _scaled(program, call, node, 1 / other.astype(np.float64), _ZERO)
    return found or _ufunc(np.divide, program, call, a, b)


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integers are divided as in C, towards zero."""
    if a.dtype.kind not in "iu":
        return (a / b).astype(a.dtype, copy=False)
    quotient = np.floor_divide(a, b)
    inexact = (quotient * b != a) & ((a < 0) != (b < 0))
    return (quotient + inexact).astype(a.dtype)


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind in "iu" and b.dtype.kind == "f":
        return np.power(a.astype(np.float64), b).astype(a.dtype)
    if a.dtype.kind in "iu" and b.dtype.kind == "i" and b.size and b.min() < 0:
        return np.power(a.astype(np.float64), b.astype(np.float64)).astype(a.dtype)  # as in C: 2 ** -1 is 0
    if a.dtype.kind == "f" and b.size == 1 and b.ndim <= a.ndim and b.reshape(-1)[0] == 2:
        return np.square(a)
    return np.power(a, b).astype(a.dtype)


def _modulo(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (np.fmod if call["fmod"] else np.mod)(a, b)


def _shift(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Bits that leave are gone, however far the shift goes."""
    a, b = np.broadcast_arrays(a, b)
    bits = a.dtype.itemsize * 8
    distance = np.where((b < 0) | (b >= bits), bits - 1, b).astype(a.dtype)
    beyond = (b < 0) | (b >= bits)
    if call["direction"] == "RIGHT":
        shifted = np.right_shift(a, distance)
        return np.where(beyond & (a >= 0), 0, shifted).astype(a.dtype)
    kind = np.dtype(f"u{a.dtype.itemsize}")
    shifted = np.left_shift(a.astype(kind), distance.astype(kind)).astype(a.dtype)
    return np.where(beyond, 0, shifted).astype(a.dtype)


def _several(ufunc: np.ufunc, emit: Any = None) -> Operator:
    """Any number of operands, two at a time."""
    return Operator(lambda call, *arrays: functools.reduce(ufunc, arrays), emit)


def _emit_sum(program: Program, call: Call, *operands: Any) -> Node | None:
    """Sums of two at a time, of which a convolution may take one in."""
    total = operands[0]
    for part in operands[1:]:
        if isinstance(total, np.ndarray) and isinstance(part, np.ndarray):
            total = total + part
            continue
        total = _emit_add(program, call, total, part)
        if total is None:
            return None
    return total if len(operands) > 1 else None


def _mean(call: Call, *arrays: np.ndarray) -> np.ndarray:
    return (functools.reduce(np.add, arrays) / arrays[0].dtype.type(len(arrays))).astype(arrays[0].dtype)


def _wide(ufunc: np.ufunc) -> Operator:
    """A function of floating elements; small types through float32."""
    return Operator(in_float(lambda call, x: ufunc(x)), functools.partial(_emit_unary, ufunc))


def _emit_unary(ufunc: np.ufunc, program: Program, call: Call, x: Any) -> Node | None:
    return _ufunc(ufunc, program, call, x) if x.dtype.char in _FLOATS else None


def _erf(x: np.ndarray) -> np.ndarray:
    """From the engine's normal distribution; a series near zero, where one minus that would lose digits."""
    z = x.astype(np.float64, copy=False) if x.dtype.char != "f" else x
    small = np.clip(z, -0.5, 0.5)
    square = small * small
    series = np.zeros_like(z)
    for n in reversed(range(14 if z.dtype.char == "d" else 7)):
        series = 1 / (math.factorial(n) * (2 * n + 1)) * (-1) ** n + square * series
    t = np.clip(np.abs(z), 0.5, 30.0) * math.sqrt(2)
    tail = F.gelu(-t) / -t
    far = np.copysign(1 - 2 * tail, z)
    y = np.where(np.abs(z) < 0.5, 2 / math.sqrt(math.pi) * small * series, far)
    return np.where(np.isnan(z), z, y).astype(x.dtype)


def _is_infinite(call: Call, x: np.ndarray) -> np.ndarray:
    found = np.zeros(x.shape, bool)
    if call["detect_positive"] != 0:
        found |= np.isinf(x) & (x > 0)
    if call["detect_negative"] != 0:
        found |= np.isinf(x) & (x < 0)
    return found


def _bounds(call: Call, low: Any, high: Any) -> tuple[Any, Any]:
    """Of a Clip: attributes before opset 11."""
    if call.since < 11:
        low, high = (None if call[name] is None else np.array(call[name], np.float32) for name in ("min", "max"))
    return low, high


def _clip(call: Call, x: np.ndarray, low: Any = None, high: Any = None) -> np.ndarray:
    low, high = _bounds(call, low, high)
    y = x if low is None else np.maximum(x, low.astype(x.dtype))
    return y if high is None else np.minimum(y, high.astype(x.dtype))


def _emit_clip(program: Program, call: Call, x: Any, low: Any = None, high: Any = None) -> Node | None:
    """Between 0 and 6, or above 0, it is a rectifier."""
    low, high = _bounds(call, low, high)
    if not isinstance(x, Node) or x.dtype.char not in _FLOATS or isinstance(low, Node) or isinstance(high, Node):
        return None
    least = -math.inf if low is None else float(np.ravel(low)[0])
    most = math.inf if high is None else float(np.ravel(high)[0])
    if least == 0 and most in (6, math.inf) or (least == 0 and most >= np.finfo(x.dtype).max):
        return program.add("activation", (x,), call.name, activation="relu6" if most == 6 else "relu")

    def function(x: np.ndarray, out: np.ndarray) -> None:
        np.maximum(x, least, out=out)
        np.minimum(out, most, out=out)

    return program.add("call", (x,), call.name, function=function, out=True, shape=x.shape)


def _where(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(condition, x, y).astype(x.dtype, copy=False)


ROWS: dict[str, Operator] = of_elements(
    {
        "Add": _binary(np.add, _emit_add),
        "Sub": _binary(np.subtract, _emit_sub),
        "Mul": _binary(np.multiply, _emit_mul),
        "Div": _binary(_divide, _emit_div),
        "Pow": _binary(_power),
        "Mod": Operator(_modulo),
        "Sum": _several(np.add, _emit_sum),
        "Max": _several(np.maximum),
        "Min": _several(np.minimum),
        "Mean": Operator(_mean),
        "Abs": plain(np.abs),
        "Neg": plain(np.negative),
        "Sign": plain(np.sign),
        "Ceil": plain(np.ceil),
        "Floor": plain(np.floor),
        "Round": plain(np.rint),
        "Reciprocal": plain(lambda x: (1 / x).astype(x.dtype)),
        "Sqrt": _wide(np.sqrt),
        "Exp": _wide(np.exp),
        "Log": _wide(np.log),
        "Sin": _wide(np.sin),
        "Cos": _wide(np.cos),
        "Tan": _wide(np.tan),
        "Asin": _wide(np.arcsin),
        "Acos": _wide(np.arccos),
        "Atan": _wide(np.arctan),
        "Sinh": _wide(np.sinh),
        "Cosh": _wide(np.cosh),
        "Asinh": _wide(np.arcsinh),
        "Acosh": _wide(np.arccosh),
        "Atanh": _wide(np.arctanh),
        "Erf": plain(_erf),
        "IsNaN": plain(np.isnan),
        "IsInf": Operator(_is_infinite),
        "Clip": Operator(_clip, _emit_clip),
        "Where": plain(_where),
        "Not": plain(np.logical_not),
        "And": _binary(np.logical_and),
        "Or": _binary(np.logical_or),
        "Xor": _binary(np.logical_xor),
        "Equal": _binary(np.equal),
        "Greater": _binary(np.greater),
        "GreaterOrEqual": _binary(np.greater_equal),
        "Less": _binary(np.less),
        "LessOrEqual": _binary(np.less_equal),
        "BitShift": Operator(_shift),
        "BitwiseAnd": _binary(np.bitwise_and),
        "BitwiseOr": _binary(np.bitwise_or),
        "BitwiseXor": _binary(np.bitwise_xor),
        "BitwiseNot": plain(np.invert),
    }
)
