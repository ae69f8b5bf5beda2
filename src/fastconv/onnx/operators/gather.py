"""Elements by their places: gathered, scattered, chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._bytes import BYTES
from fastconv.functional.quantized import prepare_lookup
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, axis_of, bounded
from fastconv.onnx.operators.shape import emit_copy

__all__ = ["ROWS"]


def _inside(indices: np.ndarray, size: int) -> np.ndarray:
    """Places counted from the front.

    Raises
    ------
    ValueError
        If one is outside of an axis of `size` elements.
    """
    indices = indices.astype(np.intp)
    if indices.size and not -size <= indices.min() <= indices.max() < size:
        raise ValueError(f"indices from {indices.min()} to {indices.max()} in an axis of {size} elements")
    return np.where(indices < 0, indices + size, indices)


def _gather(call: Call, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    if _is_table(x, indices):
        y = np.empty(indices.shape, x.dtype)
        prepare_lookup(x)(np.ascontiguousarray(indices), y)
        return y
    axis = axis_of(call, x.ndim, 0)
    return np.take(x, _inside(indices, x.shape[axis]), axis)


def _emit_place(program: Program, call: Call, x: Any, indices: Any) -> Node | None:
    """One place of an axis, which goes, is a view."""
    if not isinstance(indices, np.ndarray) or indices.ndim:
        return None
    axis = axis_of(call, len(x.shape), 0)
    place = (*(slice(None),) * axis, int(_inside(indices, x.shape[axis])))
    return emit_copy(program, call, x, (*x.shape[:axis], *x.shape[axis + 1 :]), lambda x: x[place])


def _is_table(x: Any, indices: Any) -> bool:
    """Whether bytes are looked up in a table of all of them, where a negative one counts from the end."""
    return x.shape == (256,) and x.dtype in BYTES and indices.dtype in BYTES


def _emit_lookup(program: Program, call: Call, x: Any, indices: Any) -> Node | None:
    """Bytes that are looked up in a table of all of them, as quantized activations are."""
    if not isinstance(indices, Node) or not _is_table(x, indices):
        return None
    run = prepare_lookup(x)

    def function(indices: np.ndarray, out: np.ndarray) -> None:
        run(indices, out)

    return program.add("call", (indices,), call.name, x.dtype, function=function, out=True, shape=indices.shape)


def _emit_gather(program: Program, call: Call, x: Any, indices: Any) -> Node | None:
    return (_emit_place if isinstance(x, Node) else _emit_lookup)(program, call, x, indices)


def _gather_elements(call: Call, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    axis = axis_of(call, x.ndim, 0)
    lines = x[tuple(slice(None if one == axis else n) for one, n in enumerate(indices.shape))]
    return np.take_along_axis(lines, _inside(indices, x.shape[axis]), axis)


def _at(x: np.ndarray, indices: np.ndarray, batch: int = 0) -> tuple[np.ndarray, ...]:
    """An index of NumPy's for tuples of places in the last axis of `indices`."""
    depth = indices.shape[-1]
    if depth > x.ndim - batch:
        raise ValueError(f"indices of shape {indices.shape} name more axes than an array of shape {x.shape} has")
    grid = np.ogrid[tuple(map(slice, indices.shape[:batch]))] if batch else []
    fixed = [part.reshape(*part.shape, *(1,) * (indices.ndim - 1 - batch)) for part in grid]
    return (*fixed, *(_inside(indices[..., axis], x.shape[batch + axis]) for axis in range(depth)))


def _gather_nd(call: Call, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return x[_at(x, indices, call["batch_dims"] or 0)]


#: what happens where a value is written to
_WRITES = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _write(call: Call, y: np.ndarray, place: tuple[Any, ...], updates: np.ndarray) -> np.ndarray:
    kind = call["reduction"] or "none"
    if kind == "none":
        y[place] = updates
    elif kind in _WRITES:
        _WRITES[kind].at(y, place, updates)
    else:
        raise ValueError(f"reduction (={kind!r}) must be none, {', '.join(_WRITES)}")
    return y


def _scatter_elements(call: Call, x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    axis = axis_of(call, x.ndim, 0)
    place = list(np.ogrid[tuple(map(slice, indices.shape))])
    place[axis] = _inside(indices, x.shape[axis])
    return _write(call, x.copy(), tuple(place), updates)


def _scatter_nd(call: Call, x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    return _write(call, x.copy(), _at(x, indices), updates)


def _tensor_scatter(call: Call, x: np.ndarray, update: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
    """Each image's update behind what its cache holds."""
    axis = axis_of(call, x.ndim, -2)
    y = x.copy()
    places = np.arange(update.shape[axis])
    for image, start in enumerate(np.zeros(len(x), np.int64) if starts is None else starts):
        where = places + int(start)
        where = where % x.shape[axis] if call["mode"] == "circular" else where
        np.moveaxis(y[image], axis - 1, 0)[_inside(where, x.shape[axis])] = np.moveaxis(update[image], axis - 1, 0)
    return y


def _one_hot(call: Call, indices: np.ndarray, depth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values`: off, on. Places outside of the axis are nowhere on."""
    size = int(np.ravel(depth)[0])
    axis = axis_of(call, indices.ndim + 1, -1)
    places = indices.astype(np.int64)
    places = np.expand_dims(np.where(places < 0, places + size, places), axis)
    bounded((*indices.shape, size), values.dtype)
    line = np.arange(size).reshape(-1, *(1,) * (indices.ndim - axis))
    return np.where(places == line, values[1], values[0]).astype(values.dtype)


def _compress(call: Call, x: np.ndarray, condition: np.ndarray) -> np.ndarray:
    axis = None if call["axis"] is None else axis_of(call, x.ndim)
    return np.compress(condition, x, axis)


def _non_zero(call: Call, x: np.ndarray) -> np.ndarray:
    return np.array(np.nonzero(x) if x.ndim else np.nonzero(x.reshape(1))[:0], np.int64).reshape(
        x.ndim, np.count_nonzero(x)
    )


def _unique(call: Call, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Values, where each is first, which each element is, and how often; in their order of appearance if asked."""
    axis = None if call["axis"] is None else axis_of(call, x.ndim)
    values, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
    inverse = inverse.reshape(-1)
    if call["sorted"] == 0:
        order = np.argsort(first, kind="stable")
        rank = np.argsort(order)
        values, first, inverse, counts = values.take(order, axis or 0), first[order], rank[inverse], counts[order]
    return tuple(part if index == 0 else part.astype(np.int64) for index, part in enumerate(
        (values, first, inverse, counts)
    ))[: len(call.outputs)]  # fmt: skip


ROWS: dict[str, Operator] = {
    "Gather": Operator(_gather, _emit_gather),
    "GatherElements": Operator(_gather_elements),
    "GatherND": Operator(_gather_nd),
    "Scatter": Operator(_scatter_elements),
    "ScatterElements": Operator(_scatter_elements),
    "ScatterND": Operator(_scatter_nd),
    "TensorScatter": Operator(_tensor_scatter),
    "OneHot": Operator(_one_hot, sizes=(1,)),
    "Compress": Operator(_compress, dynamic=True),
    "NonZero": Operator(_non_zero, dynamic=True),
    "Unique": Operator(_unique, dynamic=True),
}
