"""How a pooling call runs: arrays in, cached plan, engine, arrays out. Shared by all pools.

Every check that depends on shapes and options alone happens in `_forward_call` and `_backward_call`, once per
combination; a repeated call pays for one look-up.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import _engine, geometry
from fastconv._arguments import flag
from fastconv.functional._arrays import deliver, thread_count
from fastconv.functional._operands import (
    LAYOUTS,
    c_strides,
    checked_out,
    copied,
    copy_reason,
    element_strides,
    is_shape,
    layout_letters,
    operand,
    sizes_by_letter,
)
from fastconv.functional._plans import CACHED_PLANS, frozen

__all__ = [
    "INDEX_BYTES",
    "PLAIN",
    "WHOLE",
    "Adaptive",
    "Axes",
    "Call",
    "Geometry",
    "Rule",
    "Strides",
    "Windows",
    "adaptive",
    "backward",
    "forward",
    "index_array",
    "make_plan",
    "named",
    "refuse_indices",
    "target",
    "windows",
]

TIES = ("first", "split", "all")
INDEX_BYTES = 8


class Windows(NamedTuple):
    """Sliding windows as the caller spelled them, hashable; `stride` None stands for the kernel size."""

    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    ceil_mode: bool


class Adaptive(NamedTuple):
    """Windows that divide the input into `output_size` parts; None keeps the size of an axis."""

    output_size: Any


class Rule(NamedTuple):
    """What a pool computes from each window."""

    kind: str = "max"
    count_include_pad: bool = True
    divisor: int = 0
    p: float = 2.0
    signed: bool = False


PLAIN = {"max": Rule("max"), "avg": Rule("avg")}
WHOLE = Adaptive(1)


def windows(kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Windows:
    """Return sliding windows in hashable form."""
    return Windows(
        frozen("kernel_size", kernel_size),
        None if stride is None else frozen("stride", stride),
        frozen("padding", padding),
        frozen("dilation", dilation),
        flag("ceil_mode", ceil_mode),
    )


def adaptive(output_size: Any) -> Adaptive:
    """Return adaptive windows in hashable form."""
    if isinstance(output_size, (tuple, list)):
        return Adaptive(tuple(None if size is None else frozen("output_size", size) for size in output_size))
    return Adaptive(None if output_size is None else frozen("output_size", output_size))


def named(argument: str, value: Any) -> None:
    """Refuse what is no name before a cache asks for its hash."""
    if not isinstance(value, str):
        raise TypeError(f"{argument} (={value!r}) must be a str, not {type(value).__name__}")


class Geometry(NamedTuple):
    """Per-axis sizes of the input, the output and the windows."""

    size: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    adaptive: bool


class Call(NamedTuple):
    """A checked call: its plan (None where nothing is to compute) and the shape of its result."""

    plan: Any
    shape: tuple[int, ...]


class Strides(NamedTuple):
    """Strides in bytes of the arrays of one call; None stands for a C-contiguous array."""

    x: tuple[int, ...] | None = None
    y: tuple[int, ...] | None = None
    indices: tuple[int, ...] | None = None
    dy: tuple[int, ...] | None = None
    dx: tuple[int, ...] | None = None


def _adaptive_output(output_size: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    sizes = output_size if isinstance(output_size, tuple) else (output_size,)
    if len(sizes) not in (1, len(size)):
        axes = ", ".join(geometry.AXIS_NAMES[len(size)])
        raise ValueError(
            f"output_size (={output_size!r}) has {len(sizes)} entries: give an int or None, or one for each of ({axes})"
        )
    sizes = sizes if len(sizes) == len(size) else sizes * len(size)
    return tuple(
        n if out is None else geometry.canonical_integer("output_size", out, 1)
        for n, out in zip(size, sizes, strict=True)
    )


def _geometry(where: Windows | Adaptive, size: tuple[int, ...]) -> Geometry:
    ndim = len(size)
    for axis, n in zip(geometry.AXIS_NAMES[ndim], size, strict=True):
        if n < 1:
            raise ValueError(f"x has size {n} along {axis}: a pool needs at least one element")
    ones = (1,) * ndim
    if isinstance(where, Adaptive):
        output = _adaptive_output(where.output_size, size)
        return Geometry(size, output, ones, ones, ones, ((0, 0),) * ndim, True)
    kernel = geometry.canonical_spatial("kernel_size", where.kernel_size, ndim, 1)
    stride = kernel if where.stride is None else geometry.canonical_spatial("stride", where.stride, ndim, 1)
    dilation = geometry.canonical_spatial("dilation", where.dilation, ndim, 1)
    padding = geometry.canonical_padding("padding", where.padding, ndim)
    pairs = geometry.resolve_padding(padding, size, kernel, stride, dilation)
    output = geometry.pool_output_size(size, kernel, stride, dilation, pairs, ceil_mode=where.ceil_mode)
    geometry.check_windows(size, kernel, stride, dilation, pairs, output)
    return Geometry(size, output, kernel, stride, dilation, pairs, False)


class Axes:
    """Axis order of one call: splits shapes, joins them, and turns strides into the engine's."""

    def __init__(self, ndim: int, layout: Any, name: str, shape: Sequence[int]) -> None:
        self.letters = layout_letters("layout", layout, LAYOUTS[ndim])
        self.full = LAYOUTS[ndim][self.letters]
        if len(shape) not in (ndim + 1, ndim + 2):
            raise ValueError(
                f"{name} of shape {tuple(shape)} has {len(shape)} axes: it takes {ndim + 2} ({self.letters}), "
                f"or {ndim + 1} ({self.letters[1:]}) without a batch"
            )
        self.sizes = sizes_by_letter(self.letters, shape)
        self.spatial = tuple(letter for letter in self.letters if letter not in "NC")

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(self.sizes[letter] for letter in self.spatial)

    def shape_with(self, size: Sequence[int]) -> tuple[int, ...]:
        found = {**self.sizes, **dict(zip(self.spatial, size, strict=True))}
        return tuple(found[letter] for letter in self.letters if letter in found)

    def strides(self, shape: Sequence[int], strides: Sequence[int] | None, itemsize: int) -> tuple[int, ...]:
        found = c_strides(shape, itemsize) if strides is None else strides
        return element_strides(self.letters, self.full, "NCDHW", shape, found, itemsize)


def _in_three(values: Sequence[int], fill: int) -> tuple[int, ...]:
    return (fill,) * (3 - len(values)) + tuple(values)


def make_plan(
    pass_name: str,
    rule: Rule,
    char: str,
    axes: Axes,
    shapes: dict[str, Any],
    strides: Strides,
    g: Geometry,
    ties: str,
) -> Any:
    if math.prod(axes.sizes.values()) == 0:
        return None
    itemsize = 4 if char == "f" else 8
    engine_strides = {
        f"{'index' if name == 'indices' else name}_strides": axes.strides(
            shape, getattr(strides, name), INDEX_BYTES if name == "indices" else itemsize
        )
        for name, shape in shapes.items()
    }
    plan = _engine.PoolPlan(
        pass_name,
        rule.kind,
        np.dtype(char),
        axes.sizes.get("N", 1),
        axes.sizes["C"],
        _in_three(g.size, 1),
        _in_three(g.output, 1),
        _in_three(g.kernel, 1),
        _in_three(g.stride, 1),
        _in_three(g.dilation, 1),
        _in_three([before for before, _ in g.padding], 0),
        _in_three([after for _, after in g.padding], 0),
        adaptive=g.adaptive,
        ties=ties,
        count_include_pad=rule.count_include_pad,
        divisor=rule.divisor,
        p=rule.p,
        signed=rule.signed,
        **engine_strides,
    )
    plan.about = (pass_name, rule.kind, char, axes.letters, axes.shape_with(g.size), axes.shape_with(g.output))
    return plan


@functools.lru_cache(maxsize=CACHED_PLANS, typed=True)
def _forward_call(
    rule: Rule, ndim: int, layout: Any, where: Any, char: str, shape: tuple[int, ...], with_indices: bool, *strides: Any
) -> Call:
    axes = Axes(ndim, layout, "x", shape)
    g = _geometry(where, axes.size)
    y_shape = axes.shape_with(g.output)
    geometry.check_size("the result", y_shape, INDEX_BYTES)
    shapes = {"x": shape, "y": y_shape, **({"indices": y_shape} if with_indices else {})}
    return Call(make_plan("forward", rule, char, axes, shapes, Strides(*strides), g, "first"), y_shape)


@functools.lru_cache(maxsize=CACHED_PLANS, typed=True)
def _backward_call(
    rule: Rule,
    ndim: int,
    layout: Any,
    where: Any,
    ties: str,
    char: str,
    shape: tuple[int, ...],
    dy_shape: tuple[int, ...],
    given: tuple[tuple[str, tuple[int, ...]], ...],
    *strides: Any,
) -> Call:
    if ties not in TIES:
        raise ValueError(f"ties (={ties!r}) must be one of {', '.join(TIES)}")
    shapes = dict(given)
    if "indices" in shapes and ties != "first":
        raise ValueError(f"ties (={ties!r}) needs the values of x: indices name one element of each window only")
    axes = Axes(ndim, layout, "x", shape)
    g = _geometry(where, axes.size)
    y_shape = axes.shape_with(g.output)
    for name, found in (("dy", dy_shape), ("indices", shapes.get("indices")), ("y", shapes.get("y"))):
        if found is not None and found != y_shape:
            raise ValueError(f"{name} has shape {found}, but the pool of x of shape {shape} has shape {y_shape}")
    shapes |= {"dy": dy_shape, "dx": shape}
    return Call(make_plan("backward_data", rule, char, axes, shapes, Strides(*strides), g, ties), shape)


def target(
    name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype, inputs: Sequence[tuple[str, np.ndarray | None]]
) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Return the array that the engine writes, and its strides unless it is C-contiguous."""
    checked_out(name, out, shape, dtype, inputs)
    if copy_reason(out) is not None:
        return np.empty(shape, dtype), None
    return out, None if out.flags.c_contiguous else out.strides


def index_array(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, but flat positions are int64: cast {name}.astype(np.int64)")
    if array.dtype != np.int64 or copy_reason(array) is not None:
        return copied(array, np.int64, "K")
    return array


def refuse_indices(indices: np.ndarray, size: Sequence[int]) -> ValueError:
    return ValueError(
        f"indices reach from {indices.min()} to {indices.max()}, but the positions of a plane of size {tuple(size)} "
        f"are 0 to {math.prod(size) - 1}"
    )


def forward(
    rule: Rule,
    ndim: int,
    x: Any,
    where: Windows | Adaptive,
    layout: Any,
    return_indices: Any,
    out: Any,
    num_threads: int | None,
) -> Any:
    """Run a pool; see `max_pool2d`. With `return_indices`, `out` and the result are pairs."""
    x = operand("x", x)
    dtype = x.dtype
    with_indices = flag("return_indices", return_indices)
    named("layout", layout)
    fields = (rule, ndim, layout, where, dtype.char, x.shape, with_indices, x.strides)
    call = _forward_call(*fields)
    if out is None:
        y, indices = np.empty(call.shape, dtype), np.empty(call.shape, np.int64) if with_indices else None
        if call.plan is not None:
            call.plan.execute(x, y, indices, None, None, thread_count(num_threads))
        return (y, indices) if with_indices else y
    if with_indices and not (isinstance(out, (tuple, list)) and len(out) == 2):
        raise TypeError("out must be a tuple (y, indices), None for an array to be allocated")
    out_y, out_indices = out if with_indices else (out, None)
    y_strides = index_strides = indices = None
    if out_y is None:
        y = np.empty(call.shape, dtype)
    else:
        y, y_strides = target("out[0]" if with_indices else "out", out_y, call.shape, dtype, [("x", x)])
    if out_indices is not None:
        inputs = [("x", x), ("out[0]", out_y)]
        indices, index_strides = target("out[1]", out_indices, call.shape, np.dtype(np.int64), inputs)
    elif with_indices:
        indices = np.empty(call.shape, np.int64)
    if y_strides is not None or index_strides is not None:
        call = _forward_call(*fields, y_strides, index_strides)
    if call.plan is not None:
        call.plan.execute(x, y, indices, None, None, thread_count(num_threads))
    y = deliver(y, out_y)
    return (y, deliver(indices, out_indices)) if indices is not None else y


def _values(name: str, value: Any, dy: np.ndarray) -> np.ndarray:
    array = operand(name, value)
    if array.dtype.char != dy.dtype.char:
        raise TypeError(
            f"{name} is {array.dtype} but dy is {dy.dtype}, and types are never mixed: "
            f"cast {name}.astype(np.{dy.dtype})"
        )
    return array


def _shape_of(x: Any) -> tuple[int, ...]:
    if not is_shape(x):
        return tuple(np.shape(x))
    shape = tuple(geometry.canonical_integer("x", size, 0) for size in x)
    geometry.check_size("x", shape, INDEX_BYTES)
    return shape


def backward(
    rule: Rule,
    ndim: int,
    dy: Any,
    x: Any,
    where: Windows | Adaptive,
    layout: Any,
    out: Any,
    num_threads: int | None,
    *,
    ties: Any = "first",
    indices: Any = None,
    y: Any = None,
) -> np.ndarray:
    """Gradient of `forward` for its input; see `max_pool2d_backward`."""
    dy = operand("dy", dy)
    named("layout", layout)
    named("ties", ties)
    needs_values = rule.kind == "lp" or (rule.kind == "max" and indices is None)
    if needs_values:
        if is_shape(x):
            raise ValueError(f"x is a shape (={tuple(x)}), but this gradient needs its values")
        x = _values("x", x, dy)
        shape, x_strides = x.shape, x.strides
        given: tuple[tuple[str, tuple[int, ...]], ...] = (("x", shape),)
    else:
        shape, x, x_strides, given = _shape_of(x), None, None, ()
    index_strides = y_strides = None
    if indices is not None:
        indices = index_array("indices", indices)
        index_strides, given = indices.strides, (*given, ("indices", indices.shape))
    if y is not None:
        y = _values("y", y, dy)
        y_strides, given = y.strides, (*given, ("y", y.shape))
    fields = (rule, ndim, layout, where, ties, dy.dtype.char, shape, dy.shape, given)
    strides = (x_strides, y_strides, index_strides, dy.strides)
    call = _backward_call(*fields, *strides)
    if out is None:
        dx = np.empty(shape, dy.dtype)
    else:
        inputs = [("dy", dy), ("x", x), ("indices", indices), ("y", y)]
        dx, dx_strides = target("out", out, shape, dy.dtype, inputs)
        if dx_strides is not None:
            call = _backward_call(*fields, *strides, dx_strides)
    if call.plan is not None:
        try:
            call.plan.execute(x, y, indices, dy, dx, thread_count(num_threads))
        except ValueError:
            if indices is None:
                raise
            raise refuse_indices(indices, Axes(ndim, layout, "x", shape).size) from None
    return deliver(dx, out)
