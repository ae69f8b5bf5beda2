"""Reductions along axes: sums, norms, extremes, their places, running sums, the largest few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.onnx.operators.operator import Call, Operator, axis_of, in_float

__all__ = ["ROWS"]


def _axes(call: Call, x: np.ndarray, given: Any) -> tuple[int, ...] | None:
    """The axes to reduce; None for nothing. An attribute before opset 18 (ReduceSum: 13), an input since then."""
    axes = call["axes"] if given is None else given
    if axes is None or np.size(axes) == 0:
        return None if call["noop_with_empty_axes"] else tuple(range(x.ndim))
    found = tuple(int(axis) for axis in np.ravel(axes))
    if any(not -x.ndim <= axis < x.ndim for axis in found):
        raise ValueError(f"axes (={list(found)}) are out of range for an array with {x.ndim} axes")
    return tuple(axis % x.ndim for axis in found)


def _reduced(function: Callable[..., Any], before: Any = None, after: Any = None) -> Operator:
    """after(function(before(x))); where no axis is reduced, function does nothing."""

    def evaluate(call: Call, x: np.ndarray, axes: Any = None) -> np.ndarray:
        chosen = _axes(call, x, axes)
        values = x if before is None else before(x)
        if chosen is not None:
            values = function(values, axis=chosen, keepdims=call["keepdims"] != 0)
        if after is not None:
            values = after(values)
        return np.asarray(values).astype(x.dtype, copy=False)

    return Operator(in_float(evaluate) if after is not None else evaluate, sizes=(1,))


def _sum(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return x.sum(axis=axis, keepdims=keepdims, dtype=x.dtype if x.dtype.kind in "iu" else None)


def _product(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return x.prod(axis=axis, keepdims=keepdims, dtype=x.dtype if x.dtype.kind in "iu" else None)


def _average(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> Any:
    """NaN of no elements, which NumPy warns of."""
    return np.mean(x, axis=axis, keepdims=keepdims) if x.size else x.sum(axis=axis, keepdims=keepdims) / np.float64(0)


def _largest(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return np.max(x, axis=axis, keepdims=keepdims, initial=_extreme(x, False))


def _smallest(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return np.min(x, axis=axis, keepdims=keepdims, initial=_extreme(x, True))


def _extreme(x: np.ndarray, largest: bool) -> Any:
    """What the smallest, or largest, of no elements is."""
    if x.dtype.kind == "b":
        return largest
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        return limits.max if largest else limits.min
    return x.dtype.type(np.inf if largest else -np.inf)


def _log_sum_exp(call: Call, x: np.ndarray, axes: Any = None) -> np.ndarray:
    chosen = _axes(call, x, axes)
    if chosen is None:
        return x
    if x.dtype.kind in "iu":
        return _log_sum_exp(call, x.astype(np.float64), axes).astype(x.dtype)
    top = np.max(x, axis=chosen, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    y = np.log(np.exp(x - top).sum(axis=chosen, keepdims=True)) + top
    return y if call["keepdims"] != 0 else y.squeeze(chosen)


def _place(function: Callable[..., np.ndarray]) -> Operator:
    """Where the first, or last, extreme is."""

    def evaluate(call: Call, x: np.ndarray) -> np.ndarray:
        axis = axis_of(call, x.ndim, 0)
        keep = call["keepdims"] != 0
        if call["select_last_index"]:
            return x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis, keepdims=keep)
        return np.asarray(function(x, axis=axis, keepdims=keep)).astype(np.int64)

    return Operator(evaluate)


def _running(function: Callable[..., np.ndarray], neutral: int) -> Operator:
    """Sums, or products, of all elements up to each; reversed from it on, exclusive without it."""

    def evaluate(call: Call, x: np.ndarray, axis: np.ndarray) -> np.ndarray:
        along = axis_of(Call("", attributes={"axis": int(np.ravel(axis)[0])}), x.ndim)
        if not x.size:
            return x
        lines = np.flip(x, along) if call["reverse"] else x
        y = function(lines, axis=along, dtype=x.dtype)
        if call["exclusive"]:
            start = np.full_like(y.take([0], along), neutral)
            y = np.concatenate([start, y.take(range(y.shape[along] - 1), along)], along)
        return np.flip(y, along) if call["reverse"] else y

    return Operator(evaluate, sizes=(1,))


def _top(call: Call, x: np.ndarray, count: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The largest, or smallest, and their places; equal ones in their order."""
    axis = axis_of(call, x.ndim, -1)
    k = int(np.ravel(call["k"] if count is None else count)[0])
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"k (={k}) must be from 0 to the {x.shape[axis]} elements of the axis")
    if call["largest"] == 0:
        order = np.argsort(x, axis=axis, kind="stable")
    else:
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    places = order.take(range(k), axis).astype(np.int64)
    return np.take_along_axis(x, places, axis), places


def _wide_square(x: np.ndarray) -> np.ndarray:
    """Squares of integers in float64: their root fits the type again."""
    return np.square(x.astype(np.float64) if x.dtype.kind in "iu" else x)


ROWS: dict[str, Operator] = {
    "ReduceSum": _reduced(_sum),
    "ReduceMean": _reduced(_average),
    "ReduceMax": _reduced(_largest),
    "ReduceMin": _reduced(_smallest),
    "ReduceProd": _reduced(_product),
    "ReduceL1": _reduced(_sum, before=np.abs),
    "ReduceL2": _reduced(_sum, before=_wide_square, after=np.sqrt),
    "ReduceSumSquare": _reduced(_sum, before=np.square),
    "ReduceLogSum": _reduced(_sum, after=np.log),
    "ReduceLogSumExp": Operator(in_float(_log_sum_exp), sizes=(1,)),
    "ArgMax": _place(np.argmax),
    "ArgMin": _place(np.argmin),
    "CumSum": _running(np.cumsum, 0),
    "CumProd": _running(np.cumprod, 1),
    "TopK": Operator(_top, sizes=(1,)),
}
