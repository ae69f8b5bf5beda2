"""Operators that move elements and compute none: shapes, pieces, copies, borders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import Node, Program
from fastconv.onnx.operators.conv import layout_of
from fastconv.onnx.operators.operator import Call, Operator, axis_of, bounded, plain

__all__ = ["ROWS", "emit_copy"]


def _normalized(axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, each once."""
    found = tuple(int(axis) for axis in np.ravel(axes))
    if any(not -ndim <= axis < ndim for axis in found) or len({axis % ndim for axis in found}) != len(found):
        raise ValueError(f"axes (={list(found)}) must be different axes of an array with {ndim} axes")
    return tuple(axis % ndim for axis in found)


def _axes_of(call: Call, axes: Any) -> Any:
    """An attribute before opset 13, an input since then."""
    return call["axes"] if axes is None else axes


# --- new shapes for the same elements


def _reshaped(call: Call, shape: tuple[int, ...], wanted: Any = None) -> tuple[int, ...]:
    """0 keeps a size, -1 is what is left."""
    wanted = call["shape"] if wanted is None else wanted
    sizes = [int(size) for size in wanted]
    if not call["allowzero"]:
        if any(size == 0 and index >= len(shape) for index, size in enumerate(sizes)):
            raise ValueError(f"shape (={sizes}) keeps an axis that an array of shape {shape} does not have")
        sizes = [shape[index] if size == 0 else size for index, size in enumerate(sizes)]
    total = math.prod(shape)
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known and total % known == 0:
        sizes[sizes.index(-1)] = total // known
    if min(sizes, default=0) < 0 or math.prod(sizes) != total:
        raise ValueError(f"an array of shape {shape} cannot be given shape {[int(size) for size in wanted]}")
    return tuple(sizes)


def _flattened(call: Call, shape: tuple[int, ...]) -> tuple[int, ...]:
    axis = 1 if call["axis"] is None else call["axis"]
    if not -len(shape) <= axis <= len(shape):
        raise ValueError(f"axis (={axis}) is out of range for an array with {len(shape)} axes")
    axis = axis + len(shape) if axis < 0 else axis
    return (math.prod(shape[:axis]), math.prod(shape[axis:]))


def _squeezed(call: Call, shape: tuple[int, ...], axes: Any = None) -> tuple[int, ...]:
    axes = _axes_of(call, axes)
    if axes is None:
        return tuple(size for size in shape if size != 1)
    dropped = _normalized(axes, len(shape))
    if any(shape[axis] != 1 for axis in dropped):
        raise ValueError(f"axes (={list(dropped)}) of an array of shape {shape} are not all of size 1")
    return tuple(size for axis, size in enumerate(shape) if axis not in dropped)


def _unsqueezed(call: Call, shape: tuple[int, ...], axes: Any = None) -> tuple[int, ...]:
    axes = _axes_of(call, axes)
    added = _normalized(axes, len(shape) + np.size(axes))
    rest = iter(shape)
    return tuple(1 if axis in added else next(rest) for axis in range(len(shape) + len(added)))


def _view(shape_of: Any) -> Operator:
    """A row whose result is its input in another shape."""

    def evaluate(call: Call, x: np.ndarray, *sizes: Any) -> np.ndarray:
        return x.reshape(shape_of(call, x.shape, *sizes))

    def emit(program: Program, call: Call, x: Any, *sizes: Any) -> Node | None:
        if not isinstance(x, Node) or any(isinstance(value, Node) for value in sizes):
            return None
        shape = shape_of(call, x.shape, *sizes)
        return x if shape == x.shape else program.add("reshape", (x,), call.name, shape=shape)

    return Operator(evaluate, emit, sizes=(1,))


def _dropout(call: Call, x: np.ndarray, ratio: Any = None, training: Any = None) -> Any:
    """Nothing in inference; the mask of what is kept is all true."""
    drops = call.since >= 12 and training is not None and bool(np.ravel(training)[0])
    share = 0.5 if ratio is None else float(np.ravel(ratio)[0])
    if not drops or share == 0:
        return (x, np.ones(x.shape, bool if call.since >= 10 else x.dtype))[: len(call.outputs)]
    kept = np.random.default_rng(call["seed"]).random(x.shape) >= share
    return (np.where(kept, x / x.dtype.type(1 - share), 0).astype(x.dtype), kept)[: len(call.outputs)]


def _emit_dropout(program: Program, call: Call, x: Any, ratio: Any = None, training: Any = None) -> Node | None:
    if isinstance(training, Node) or (training is not None and bool(np.ravel(training)[0])) or call.wants(1):
        return None
    return x


# --- another order of axes


def _order(call: Call, ndim: int) -> tuple[int, ...]:
    if call["perm"] is None:
        return tuple(reversed(range(ndim)))
    order = tuple(call["perm"])
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"perm (={list(order)}) must be an order of {ndim} axes")
    return order


def _transpose(call: Call, x: np.ndarray) -> np.ndarray:
    return x.transpose(_order(call, x.ndim))


def _emit_transpose(program: Program, call: Call, x: Any) -> Node:
    order = _order(call, len(x.shape))
    shape = tuple(x.shape[axis] for axis in order)
    return emit_copy(program, call, x, shape, lambda x: x.transpose(order), order)


def emit_copy(
    program: Program, call: Call, x: Node, shape: Sequence[int], view: Any, order: Sequence[int] | None = None
) -> Node:
    """A node that copies a view; nothing where the elements lie as they did. `order`: of the axes, if that is all."""
    shape = tuple(shape)
    probe = np.broadcast_to(np.empty((), bool), x.shape)
    moved = [axis for axis, size in enumerate(x.shape) if size > 1]
    strides = np.zeros(len(x.shape), np.intp)
    strides[moved] = np.cumprod([1, *(x.shape[axis] for axis in reversed(moved))])[: len(moved)][::-1]
    dense = np.lib.stride_tricks.as_strided(probe, x.shape, strides)
    found = view(dense)
    steps = [step for step, size in zip(found.strides, found.shape, strict=True) if size > 1]
    if found.size == probe.size and steps == sorted(steps, reverse=True) and min(steps, default=1) > 0:
        return program.add("reshape", (x,), call.name, shape=shape)

    return program.add("copy", (x,), call.name, view=view, shape=shape, order=order)


def _depth_to_space(call: Call, x: np.ndarray) -> np.ndarray:
    n, channels, height, width = x.shape
    size = call["blocksize"]
    if size < 1 or channels % size**2:
        raise ValueError(f"blocksize (={size}) squared must divide the {channels} channels")
    depth = channels // size**2
    if call["mode"] == "CRD":
        parts = x.reshape(n, depth, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        parts = x.reshape(n, size, size, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, depth, height * size, width * size)


def _space_to_depth(call: Call, x: np.ndarray) -> np.ndarray:
    n, channels, height, width = x.shape
    size = call["blocksize"]
    if size < 1 or height % size or width % size:
        raise ValueError(f"blocksize (={size}) must divide the size {height}x{width}")
    parts = x.reshape(n, channels, height // size, size, width // size, size)
    order = (0, 1, 3, 5, 2, 4) if call["mode"] == "CRD" else (0, 3, 5, 1, 2, 4)
    return parts.transpose(order).reshape(n, channels * size**2, height // size, width // size)


# --- pieces and unions


def _concat(call: Call, *arrays: np.ndarray) -> np.ndarray:
    return np.concatenate(arrays, axis_of(call, arrays[0].ndim, 1))


def _emit_concat(program: Program, call: Call, *parts: Any) -> Node | None:
    if len(parts) == 1:
        return None
    axis = axis_of(call, len(parts[0].shape), 1)
    around = [(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts]
    if any(
        shape != around[0] or len(part.shape) != len(parts[0].shape) for shape, part in zip(around, parts, strict=True)
    ):
        raise ValueError(f"arrays of shapes {[part.shape for part in parts]} cannot be joined along axis {axis}")
    nodes = [
        part if isinstance(part, Node) else program.add("constant", (), call.name, part.dtype, value=part)
        for part in parts
    ]
    if any(node.dtype != nodes[0].dtype for node in nodes):
        raise ValueError("arrays of different types cannot be joined")
    return program.add("concat", nodes, call.name, axis=axis)


def _split(call: Call, x: np.ndarray, sizes: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """In the sizes that are given, else evenly, the last part smaller where that does not go."""
    axis = axis_of(call, x.ndim, 0)
    given = call["split"] if sizes is None else sizes
    count = len(call.outputs)
    if given is None:
        each = -(-x.shape[axis] // count)
        given = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    found = [int(size) for size in given]
    if len(found) != count or min(found) < 0 or sum(found) != x.shape[axis]:
        raise ValueError(f"parts of sizes {found} are not an axis of {x.shape[axis]} elements in {count} outputs")
    return tuple(np.split(x, np.cumsum(found)[:-1], axis))


def _slices(
    call: Call, shape: tuple[int, ...], starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> tuple[slice, ...]:
    """Attributes before opset 10; ends beyond the array stand for its end."""
    if call.since < 10:
        starts, ends, axes = call["starts"], call["ends"], call["axes"]
    chosen = range(len(starts)) if axes is None else _normalized(axes, len(shape))
    steps = (1,) * len(starts) if steps is None else steps
    slices = [slice(None)] * len(shape)
    for axis, start, end, step in zip(chosen, starts, ends, steps, strict=True):
        first, last, stride = int(start), int(end), int(step)
        if stride == 0:
            raise ValueError("a step of 0 leads nowhere")
        n = shape[axis]
        low, high = (-1, n - 1) if stride < 0 else (0, n)
        first = min(max(first + n if first < 0 else first, low + (stride < 0)), high)
        last = min(max(last + n if last < 0 else last, low), high + (stride < 0))
        slices[axis] = slice(first, None if last < 0 else last, stride)
    return tuple(slices)


def _slice(call: Call, x: np.ndarray, *given: Any) -> np.ndarray:
    return x[_slices(call, x.shape, *given)]


def _emit_slice(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    if not isinstance(x, Node) or any(isinstance(value, Node) for value in given):
        return None
    slices = _slices(call, x.shape, *given)
    shape = np.broadcast_to(np.empty((), bool), x.shape)[slices].shape
    return emit_copy(program, call, x, shape, lambda x: x[slices])


# --- copies and borders


def _expand(call: Call, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    wanted = np.broadcast_shapes(x.shape, tuple(map(int, shape)))
    return np.broadcast_to(x, bounded(wanted, x.dtype))


def _tile(call: Call, x: np.ndarray, repeats: np.ndarray, axis: np.ndarray | None = None) -> np.ndarray:
    """Before opset 6 a number of copies along one axis."""
    counts = [int(count) for count in np.ravel(repeats)]
    if axis is not None:
        counts = [counts[0] if index == int(np.ravel(axis)[0]) else 1 for index in range(x.ndim)]
    if len(counts) != x.ndim or min(counts, default=0) < 0:
        raise ValueError(f"repeats (={counts}) must hold a number for each of {x.ndim} axes")
    bounded([n * count for n, count in zip(x.shape, counts, strict=True)], x.dtype)
    return np.tile(x, counts)


#: NumPy's names of ONNX's modes
_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}
#: and those of fastconv's pads, which convolutions may take in
_LAYERS = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _borders(call: Call, ndim: int, pads: Any = None, value: Any = None, axes: Any = None) -> tuple[Any, Any]:
    """(before, after) of each axis and the value; attributes before opset 11."""
    if call.since < 11:
        pads, value = call["pads"], call["value"]
    chosen = range(ndim) if axes is None else _normalized(axes, ndim)
    flat = [int(pad) for pad in np.ravel(pads)]
    if len(flat) != 2 * len(chosen):
        raise ValueError(f"pads (={flat}) must hold two numbers for each of {len(chosen)} axes")
    pairs = [(0, 0)] * ndim
    for index, axis in enumerate(chosen):
        pairs[axis] = (flat[index], flat[index + len(chosen)])
    if (call["mode"] or "constant") not in _MODES:
        raise ValueError(f"mode (={call['mode']!r}) must be one of {', '.join(_MODES)}")
    return pairs, 0 if value is None else np.ravel(value)[0]


def _pad(call: Call, x: np.ndarray, *given: Any) -> np.ndarray:
    """A negative border takes elements away."""
    pairs, value = _borders(call, x.ndim, *given)
    inside = tuple(
        slice(max(0, -before), n - max(0, -after)) for n, (before, after) in zip(x.shape, pairs, strict=True)
    )
    around = [(max(0, before), max(0, after)) for before, after in pairs]
    kept = x[inside]
    bounded([n + before + after for n, (before, after) in zip(kept.shape, around, strict=True)], x.dtype)
    mode = _MODES[call["mode"] or "constant"]
    if mode == "constant":
        return np.pad(kept, around, constant_values=np.asarray(value).astype(x.dtype))
    return np.pad(kept, around, mode)  # type: ignore[call-overload]


def _emit_pad(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    """A pad of the spatial axes, which a convolution may take in."""
    if not isinstance(x, Node) or any(isinstance(value, Node) for value in given):
        return None
    ndim = len(x.shape) - 2
    pairs, value = _borders(call, len(x.shape), *given)
    if x.dtype.char not in "fd" or ndim not in (1, 2, 3) or any(map(any, pairs[:2])) or min(map(min, pairs)) < 0:
        return None
    mode, shape = call["mode"] or "constant", [n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True)]
    bounded(shape, x.dtype)

    def function(x: np.ndarray, out: np.ndarray) -> None:
        np.copyto(out, _pad(call, x, *given))

    return program.add(
        "pad", (x,), call.name, function=function, out=True, shape=tuple(shape), padding=tuple(pairs[2:]),
        mode=_LAYERS[mode], value=float(value), layout=layout_of(ndim),
    )  # fmt: skip


def _center(call: Call, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Cut or bordered with zeros to a size, the odd element last."""
    axes = range(x.ndim) if call["axes"] is None else _normalized(call["axes"], x.ndim)
    for axis, size in zip(axes, map(int, shape), strict=True):
        spare = x.shape[axis] - size
        if spare >= 0:
            first = spare // 2
            x = x[(slice(None),) * axis + (slice(first, first + size),)]
        else:
            pairs = [(0, 0)] * x.ndim
            pairs[axis] = (-spare // 2, -spare - -spare // 2)
            bounded([*x.shape[:axis], size, *x.shape[axis + 1 :]], x.dtype)
            x = np.pad(x, pairs)
    return x


def _reverse_sequence(call: Call, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first elements of each line turned around."""
    batch, time = axis_of(call, x.ndim, 1, "batch_axis"), axis_of(call, x.ndim, 0, "time_axis")
    lines = np.moveaxis(x, (batch, time), (0, 1))
    y = lines.copy()
    for index, length in enumerate(map(int, lengths)):
        y[index, :length] = lines[index, :length][::-1]
    return np.moveaxis(y, (0, 1), (batch, time))


# --- shapes as arrays


def _shape(call: Call, x: np.ndarray) -> np.ndarray:
    return np.array(x.shape[slice(call["start"] or 0, call["end"])], np.int64)


def _size(x: np.ndarray) -> np.ndarray:
    return np.array(x.size, np.int64)


def _triangle(call: Call, x: np.ndarray, diagonal: np.ndarray | None = None) -> np.ndarray:
    k = 0 if diagonal is None else int(np.ravel(diagonal)[0])
    return np.tril(x, k) if call["upper"] == 0 else np.triu(x, k)


ROWS: dict[str, Operator] = {
    "Reshape": _view(_reshaped),
    "Flatten": _view(_flattened),
    "Squeeze": _view(_squeezed),
    "Unsqueeze": _view(_unsqueezed),
    "Identity": Operator(lambda call, x: x, lambda program, call, x: x),
    "Dropout": Operator(_dropout, _emit_dropout, pure=False),
    "Transpose": Operator(_transpose, _emit_transpose),
    "DepthToSpace": Operator(_depth_to_space),
    "SpaceToDepth": Operator(_space_to_depth),
    "Concat": Operator(_concat, _emit_concat),
    "Split": Operator(_split, sizes=(1,)),
    "Slice": Operator(_slice, _emit_slice, sizes=(1, 2, 3, 4)),
    "Expand": Operator(_expand, sizes=(1,)),
    "Tile": Operator(_tile, sizes=(1, 2)),
    "Pad": Operator(_pad, _emit_pad, sizes=(1, 3)),
    "CenterCropPad": Operator(_center, sizes=(1,)),
    "ReverseSequence": Operator(_reverse_sequence),
    "Shape": Operator(_shape),
    "Size": plain(_size),
    "Trilu": Operator(_triangle),
}
