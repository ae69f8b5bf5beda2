"""Operators of ONNX Runtime's own domain that its quantizer writes where ONNX has none: on small integers.

They take integers as the real numbers (q - zero) * scale, compute what ONNX's operator of the same name computes in
float32, and make integers of the result; sums of products are exact, as those of QLinearMatMul. Inputs: ONNX Runtime,
"Contributed operators".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.functional._bytes import BYTES
from fastconv.functional.quantized import prepare_lookup
from fastconv.graph import Node, Program
from fastconv.onnx.operators import activation, pool, shape
from fastconv.onnx.operators.matmul import flat_bias
from fastconv.onnx.operators.operator import Call, Operator, axis_of
from fastconv.onnx.operators.quantized import (
    combined,
    evaluate_product,
    finite,
    number,
    packed,
    qlinear_matmul,
    real_numbers,
    rounded,
)

__all__ = ["DOMAIN", "ROWS"]

#: what operators are named after here, for ONNX's own have no domain
DOMAIN = "com.microsoft"


def _real(name: str, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None) -> np.ndarray:
    finite(f"{name}_scale", scale)
    return real_numbers(x, number(f"{name}_scale", scale), number(f"{name}_zero_point", zero))


def _integers(y: np.ndarray, scale: np.ndarray, zero: np.ndarray | None, kind: np.dtype) -> np.ndarray:
    """Of the type of the zero point; where there is none, of `kind`."""
    finite("y_scale", scale)
    if not scale.all():
        raise ValueError(f"y_scale (={scale.tolist()}) must not be 0")
    values = np.asarray(y / number("y_scale", scale).astype(np.float32))
    return rounded(values, number("y_zero_point", zero), kind if zero is None else zero.dtype)


def _looked_up(program: Program, call: Call, x: Node, function: Callable[[np.ndarray], np.ndarray]) -> Node:
    """A node that looks up what a function makes of every byte; the bytes themselves, where that is the same."""
    every = np.arange(256, dtype=np.uint8).view(x.dtype)
    with np.errstate(all="ignore"):
        table = function(every)
    if table.dtype == x.dtype and np.array_equal(table, every):
        return x
    run = prepare_lookup(table)
    return program.add(
        "call", (x,), call.name, table.dtype, function=lambda x, out: run(x, out), out=True, shape=x.shape
    )


def _unary(inner: Operator) -> Operator:
    """A row of an operator of one input; where it computes each element by itself, it is a table."""

    def evaluate(call: Call, x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None) -> np.ndarray:
        if call["channels_last"]:
            raise ValueError("channels_last (=1) is not supported: channels come second")
        return _integers(inner.evaluate(call, _real("X", x, x_scale, x_zero)), y_scale, y_zero, x.dtype)

    def emit(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
        if not isinstance(x, Node) or x.dtype not in BYTES or any(isinstance(value, Node) for value in given):
            return None
        return _looked_up(program, call, x, lambda every: evaluate(call, every, *given))

    return Operator(evaluate, emit if inner.elements else None)


def _softmax(call: Call, x: np.ndarray) -> np.ndarray:
    """In the form that the operator had in the opset which an attribute names."""
    axis = -1 if call["axis"] is None else call["axis"]
    inner = Call("Softmax", attributes={"axis": axis}, name=call.name, since=call["opset"] or 1)
    return activation.ROWS["Softmax"].evaluate(inner, x)


def _binary(function: Callable[..., np.ndarray], product: bool) -> Operator:
    """A row of a function of two inputs that broadcast."""

    def evaluate(
        call: Call, a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, y_scale: Any,
        y_zero: Any = None,
    ) -> np.ndarray:  # fmt: skip
        y = function(_real("A", a, a_scale, a_zero), _real("B", b, b_scale, b_zero))
        return _integers(y, y_scale, y_zero, a.dtype)

    def emit(
        program: Program, call: Call, a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any,
        y_scale: Any, y_zero: Any = None,
    ) -> Node | None:  # fmt: skip
        y_kind = a.dtype if y_zero is None else y_zero.dtype
        meanings = ((a_scale, a_zero, a.dtype), (b_scale, b_zero, b.dtype), (y_scale, y_zero, y_kind))
        return combined(program, call, [a, b], product, *meanings)

    return Operator(evaluate, emit)


def _concat(call: Call, y_scale: Any, y_zero: Any, *given: Any) -> np.ndarray:
    """Of inputs that each come with a scale and a zero point."""
    arrays = [_real(f"input {place // 3}", *given[place : place + 3]) for place in range(0, len(given), 3)]
    return _integers(np.concatenate(arrays, axis_of(call, arrays[0].ndim)), y_scale, y_zero, given[0].dtype)


def _emit_concat(program: Program, call: Call, y_scale: Any, y_zero: Any, *given: Any) -> Node | None:
    """Bytes are looked up where they mean something else than those of the result."""
    nodes, numbers = given[::3], [y_scale, y_zero, *given[1::3], *given[2::3]]
    if any(isinstance(value, Node) for value in numbers):
        return None
    if not all(isinstance(x, Node) and x.dtype in BYTES for x in nodes):
        return None

    def moved(place: int) -> Callable[[np.ndarray], np.ndarray]:
        scale, zero = given[3 * place + 1 : 3 * place + 3]
        return lambda every: _integers(_real(f"input {place}", every, scale, zero), y_scale, y_zero, nodes[0].dtype)

    parts = [_looked_up(program, call, x, moved(place)) for place, x in enumerate(nodes)]
    join = shape.ROWS["Concat"].emit
    return None if join is None else join(program, call, *parts)


def _as_products(call: Call, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs of a QGemm as those of a QLinearMatMul, and the bias."""
    a, a_scale, a_zero, b, b_scale, b_zero, bias, y_scale, y_zero = (*given, None, None, None)[:9]
    if call["transA"]:
        raise ValueError("transA (=1) is not supported: transpose the matrix before")
    alpha = np.float32(1 if call["alpha"] is None else call["alpha"])
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ValueError(f"A and B must be matrices, not of shapes {a.shape} and {b.shape}")
    if call["transB"]:
        b = b.T
    for name, value in (("y_scale", y_scale), ("y_zero_point", y_zero)):
        if value is None:
            raise ValueError(f"{name} is missing: real numbers as a result are not supported")
    return a, a_scale * alpha, a_zero, b, b_scale, b_zero, y_scale, y_zero, bias


def _qgemm(call: Call, *given: Any) -> np.ndarray:
    return evaluate_product(call, *_as_products(call, given))


_emit_product = packed(qlinear_matmul)


def _emit_qgemm(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    if any(isinstance(value, Node) for value in given):
        return None
    x, *rest, bias = _as_products(call, (x, *given))
    flat = flat_bias(bias, rest[2].shape[1])
    return None if bias is not None and flat is None else _emit_product(program, call, x, *rest, flat)


#: what is named as one of ONNX's operators is that one
_UNARY: dict[str, Operator] = {
    "QLinearAveragePool": pool.ROWS["AveragePool"],
    "QLinearGlobalAveragePool": pool.ROWS["GlobalAveragePool"],
    "QLinearLeakyRelu": activation.ROWS["LeakyRelu"],
    "QLinearSigmoid": activation.ROWS["Sigmoid"],
    "QLinearSoftmax": Operator(_softmax),
}

ROWS: dict[str, Operator] = {
    f"{DOMAIN}.{name}": row
    for name, row in {
        "QGemm": Operator(_qgemm, _emit_qgemm),
        "QLinearAdd": _binary(np.add, False),
        "QLinearMul": _binary(np.multiply, True),
        "QLinearConcat": Operator(_concat, _emit_concat),
        **{name: _unary(inner) for name, inner in _UNARY.items()},
    }.items()
}
