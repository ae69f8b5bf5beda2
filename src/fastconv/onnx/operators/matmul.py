"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.functional.matmul import BATCH, matmul, product_shape
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, in_float

__all__ = ["ROWS", "flat_bias"]


def _gemm(call: Call, a: np.ndarray, b: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
    alpha, beta = (1.0 if call[name] is None else call[name] for name in ("alpha", "beta"))
    left, right = a.T if call["transA"] else a, b.T if call["transB"] else b
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise ValueError(f"matrices of shapes {left.shape} and {right.shape} cannot be multiplied")
    y = left @ right
    if alpha != 1:
        y = y * y.dtype.type(alpha)
    if c is not None:
        y = y + (c if beta == 1 else c * y.dtype.type(beta))
    return y.astype(a.dtype, copy=False)


def flat_bias(c: Any, features: int) -> np.ndarray | None:
    """A constant as one number for each column; None where it is not that."""
    if not isinstance(c, np.ndarray) or c.size not in (1, features) or math.prod(c.shape[:-1]) != 1:
        return None
    return np.ascontiguousarray(np.broadcast_to(c.reshape(-1), (features,)))


def _emit_gemm(program: Program, call: Call, a: Any, b: Any, c: Any = None) -> Node | None:
    if (
        not isinstance(a, Node)
        or not isinstance(b, np.ndarray)
        or call["transA"]
        or a.dtype.char not in "fd"
        or b.dtype != a.dtype
    ):
        return None
    alpha, beta = (1.0 if call[name] is None else call[name] for name in ("alpha", "beta"))
    weight = b if call["transB"] else b.T
    if weight.ndim != 2 or len(a.shape) != 2 or weight.shape[1] != a.shape[1]:
        raise ValueError(f"matrices of shapes {a.shape} and {weight.T.shape} cannot be multiplied")
    bias = None if c is None else flat_bias(c, len(weight))
    if c is not None and bias is None:
        return None
    if bias is not None and beta != 1:
        bias = (bias * beta).astype(a.dtype)
    return program.add(
        "linear", (a,), call.name, weight=_lasting(weight if alpha == 1 else weight * a.dtype.type(alpha)), bias=bias
    )


def _lasting(weight: np.ndarray) -> np.ndarray:
    """Rows one after the other, which nobody writes to, so that a program need not copy them."""
    weight = np.ascontiguousarray(weight)
    weight.flags.writeable = False
    return weight


@in_float
def _product(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.matmul(a, b) if a.ndim < 2 or b.ndim < 2 else matmul(a, b)


def _matmul(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.matmul(a, b) if a.dtype.kind in "iu" else _product(call, a, b)


def _emit_matmul(program: Program, call: Call, a: Any, b: Any) -> Node | None:
    """A constant matrix is the weight of a fully connected layer."""
    if a.dtype.char not in "fd" or b.dtype != a.dtype or len(a.shape) < 2 or len(b.shape) < 2:
        return None
    shape = product_shape(a.shape, b.shape)
    if isinstance(b, np.ndarray) and len(b.shape) <= len(a.shape) and math.prod(b.shape[:-2]) == 1:
        matrix = b.reshape(b.shape[-2:])
        return program.add("linear", (a,), call.name, weight=_lasting(matrix.T), bias=None)
    if len(shape) > BATCH + 2 or 0 in a.shape + b.shape:
        return None
    nodes = [
        one if isinstance(one, Node)
        else program.add("constant", (), call.name, one.dtype, value=np.ascontiguousarray(one))
        for one in (a, b)
    ]  # fmt: skip
    return program.add("matmul", nodes, call.name, shape=shape, scale=1.0, views=([], []))


@in_float
def _einsum(call: Call, *arrays: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum(call["equation"].replace(" ", ""), *arrays))


ROWS: dict[str, Operator] = {
    "Gemm": Operator(_gemm, _emit_gemm),
    "MatMul": Operator(_matmul, _emit_matmul),
    "Einsum": Operator(_einsum),
    "Det": Operator(in_float(lambda call, x: np.linalg.det(x).astype(x.dtype))),
}
