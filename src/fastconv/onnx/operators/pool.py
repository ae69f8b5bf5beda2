"""Pools: sliding windows, whole planes, and the way back of a maximum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.geometry import pool_output_size
from fastconv.graph import Node, Program
from fastconv.onnx.operators.conv import layout_of
from fastconv.onnx.operators.operator import Call, Operator, bounded, in_float, into
from fastconv.onnx.operators.windows import window

__all__ = ["ROWS"]

#: a pool of one input as `evaluate` and as a node that writes where the program wants it
Pool = Callable[..., np.ndarray]


def _max(call: Call, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    found = window(call, x.shape[2:])
    function = getattr(F, f"max_pool{found.ndim}d")
    return function(x, found.kernel, found.stride, found.padding, found.dilation, bool(call["ceil_mode"]), out=out)


def _max_pool(call: Call, x: np.ndarray) -> Any:
    kind = x.dtype
    given = x if kind.char in "fd" else x.astype(np.float64 if kind.kind in "iu" and kind.itemsize > 2 else np.float32)
    if not call.wants(1):
        return _max(call, given).astype(kind, copy=False)
    found = window(call, x.shape[2:])
    y, indices = getattr(F, f"max_pool{found.ndim}d")(
        given, found.kernel, found.stride, found.padding, found.dilation, bool(call["ceil_mode"]), True
    )
    return y.astype(kind, copy=False), _whole_indices(indices, x.shape, bool(call["storage_order"]))


def _whole_indices(indices: np.ndarray, shape: tuple[int, ...], by_columns: bool) -> np.ndarray:
    """Places in the whole array, from places in each plane; by columns, the first spatial axis runs fastest."""
    size = shape[2:]
    if by_columns:
        indices = np.ravel_multi_index(np.unravel_index(indices, size), size, order="F").reshape(indices.shape)
    planes = np.arange(shape[0] * shape[1]).reshape(shape[0], shape[1], *(1,) * len(size))
    return indices + planes * math.prod(size)


def _average(call: Call, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    found = window(call, x.shape[2:])
    function = getattr(F, f"avg_pool{found.ndim}d")
    return function(
        x, found.kernel, found.stride, found.padding, bool(call["ceil_mode"]), bool(call["count_include_pad"]),
        dilation=found.dilation, out=out,
    )  # fmt: skip


def _norm(call: Call, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    found = window(call, x.shape[2:])
    function = getattr(F, f"lp_pool{found.ndim}d")
    return function(
        x, _power(call), found.kernel, found.stride, bool(call["ceil_mode"]), padding=found.padding,
        dilation=found.dilation, out=out,
    )  # fmt: skip


def _power(call: Call) -> int:
    return 2 if call["p"] is None else call["p"]


def _global(kind: str) -> Pool:
    def function(call: Call, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        if not 3 <= x.ndim <= 5:
            y = x.reshape(*x.shape[:2], 1, -1)
            y = getattr(F, f"global_{kind}_pool2d")(y).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
            return into(y, out)
        return getattr(F, f"global_{kind}_pool{x.ndim - 2}d")(x, out=out)

    return function


def _global_norm(call: Call, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    axes = tuple(range(2, x.ndim))
    p = _power(call)
    y = np.power(np.power(np.abs(x), p).sum(axis=axes, keepdims=True), 1 / p).astype(x.dtype)
    return into(y, out)


def _emitted(pool: Pool, whole: bool) -> Callable[..., Node | None]:
    """A node that calls a pool; maxima of 2x2 may go into the convolution before."""

    def emit(program: Program, call: Call, x: Any) -> Node | None:
        if x.dtype.char not in "fd" or call.wants(1):
            return None
        if whole:
            shape = (*x.shape[:2], *(1,) * (len(x.shape) - 2))
            return program.add("call", (x,), call.name, function=_into(pool, call), out=True, shape=shape)
        found = window(call, x.shape[2:])
        ceil = bool(call["ceil_mode"])
        size = pool_output_size(x.shape[2:], found.kernel, found.stride, found.dilation, found.padding, ceil_mode=ceil)
        shape, options = (*x.shape[:2], *size), {}
        if pool is _max:
            halves = found == ((2, 2), (2, 2), (1, 1), ((0, 0), (0, 0))) and not ceil
            options = {"halves": halves, "layout": layout_of(found.ndim)}
        return program.add(
            "max_pool" if pool is _max else "call", (x,), call.name, function=_into(pool, call), out=True, shape=shape,
            **options,
        )  # fmt: skip

    return emit


def _into(pool: Pool, call: Call) -> Callable[..., np.ndarray]:
    return lambda x, out: pool(call, x, out)


def _max_unpool(call: Call, x: np.ndarray, indices: np.ndarray, shape: np.ndarray | None = None) -> np.ndarray:
    """Elements at their places in the smaller plane that a pool of such windows took; in `shape` if it is given."""
    ndim = x.ndim - 2
    kernel = call["kernel_shape"]
    stride = call["strides"] or (1,) * ndim
    pads = call["pads"] or (0,) * (2 * ndim)
    natural = [
        (n - 1) * s - pads[axis] - pads[axis + ndim] + k
        for axis, (n, s, k) in enumerate(zip(x.shape[2:], stride, kernel, strict=True))
    ]
    size = bounded((*x.shape[:2], *natural), x.dtype)
    if indices.size and not 0 <= indices.min() <= indices.max() < math.prod(size):
        raise ValueError(f"indices reach from {indices.min()} to {indices.max()} in an array of shape {size}")
    y = np.zeros(size, x.dtype)
    y.reshape(-1)[indices.reshape(-1)] = x.reshape(-1)
    if shape is None or tuple(map(int, shape)) == size:
        return y
    whole = np.zeros(bounded(tuple(map(int, shape)), x.dtype), x.dtype)
    whole[tuple(map(slice, size))] = y
    return whole


ROWS: dict[str, Operator] = {
    "MaxPool": Operator(_max_pool, _emitted(_max, False)),
    "AveragePool": Operator(in_float(_average), _emitted(_average, False)),
    "LpPool": Operator(in_float(_norm), _emitted(_norm, False)),
    "GlobalMaxPool": Operator(in_float(_global("max")), _emitted(_global("max"), True)),
    "GlobalAveragePool": Operator(in_float(_global("avg")), _emitted(_global("avg"), True)),
    "GlobalLpPool": Operator(in_float(_global_norm)),
    "MaxUnpool": Operator(_max_unpool, sizes=(2,)),
}
