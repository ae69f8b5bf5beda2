"""How an unpooling call runs: the partial inverse of max pooling, and its gradient."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastconv import geometry
from fastconv.functional._arrays import deliver, thread_count
from fastconv.functional._operands import operand
from fastconv.functional._plans import CACHED_PLANS, frozen
from fastconv.functional._pool import (
    INDEX_BYTES,
    Axes,
    Call,
    Geometry,
    Rule,
    Strides,
    Windows,
    index_array,
    make_plan,
    named,
    refuse_indices,
    target,
)

__all__ = ["unpool", "unpool_backward"]


@functools.lru_cache(maxsize=CACHED_PLANS, typed=True)
def _unpool_call(
    pass_name: str,
    ndim: int,
    layout: Any,
    where: Any,
    output_size: Any,
    char: str,
    shape: tuple[int, ...],
    plane_shape: tuple[int, ...] | None,
    *strides: Any,
) -> tuple[Call, tuple[int, ...]]:
    """Plan an unpool of values of `shape`; also the spatial size of its planes."""
    axes = Axes(ndim, layout, "indices" if plane_shape else "x", shape)
    if min(axes.size) < 1:
        name = "indices" if plane_shape else "x"
        raise ValueError(f"{name} of shape {shape} has no element along an axis: an unpool needs at least one")
    if plane_shape is not None:
        planes = Axes(ndim, layout, "dy", plane_shape)
        if planes.shape_with(axes.size) != shape:
            raise ValueError(
                f"dy has shape {plane_shape}, but indices have shape {shape}: batch and channels must match"
            )
        size = planes.size
    elif output_size is None:
        kernel = geometry.canonical_spatial("kernel_size", where.kernel_size, ndim, 1)
        stride = kernel if where.stride is None else geometry.canonical_spatial("stride", where.stride, ndim, 1)
        padding = geometry.canonical_padding("padding", where.padding, ndim)
        size, _ = geometry.conv_transpose_geometry(axes.size, kernel, stride, (1,) * ndim, padding, (0,) * ndim)
    else:
        size = _unpooled_size(output_size, axes)
    full = axes.shape_with(size)
    geometry.check_size("the result", full, INDEX_BYTES)
    ones = (1,) * ndim
    g = Geometry(axes.size, size, ones, ones, ones, ((0, 0),) * ndim, False)
    if pass_name == "forward":
        shapes = {"x": shape, "y": full, "indices": shape}
    else:
        shapes = {"dx": shape, "dy": full, "indices": shape}
    return Call(make_plan(pass_name, Rule("unpool"), char, axes, shapes, Strides(*strides), g, "first"), full), size


def _unpooled_size(output_size: Any, axes: Axes) -> tuple[int, ...]:
    """Return the spatial part of `output_size`, which may also be a whole shape."""
    sizes = output_size
    if isinstance(sizes, tuple) and len(sizes) == len(axes.sizes) > len(axes.spatial):
        given = dict(zip(axes.sizes, sizes, strict=True))
        if any(given[letter] != axes.sizes[letter] for letter in axes.sizes if letter in "NC"):
            raise ValueError(f"output_size (={output_size!r}) must keep the batch and the channels of x")
        sizes = tuple(given[letter] for letter in axes.spatial)
    return geometry.canonical_spatial("output_size", sizes, len(axes.spatial), 1)


def unpool(
    ndim: int, x: Any, indices: Any, where: Windows, output_size: Any, layout: Any, out: Any, num_threads: int | None
) -> np.ndarray:
    """Put values where a max pool found them; see `max_unpool2d`."""
    x = operand("x", x)
    indices = index_array("indices", indices)
    if indices.shape != x.shape:
        raise ValueError(f"indices have shape {indices.shape}, but x has shape {x.shape}")
    named("layout", layout)
    output_size = None if output_size is None else frozen("output_size", output_size)
    fields = ("forward", ndim, layout, where, output_size, x.dtype.char, x.shape, None)
    strides = (x.strides, None, indices.strides)
    call, size = _unpool_call(*fields, *strides)
    if out is None:
        y = np.empty(call.shape, x.dtype)
    else:
        y, y_strides = target("out", out, call.shape, x.dtype, [("x", x), ("indices", indices)])
        call, size = _unpool_call(*fields, x.strides, y_strides, indices.strides)
    if call.plan is not None:
        try:
            call.plan.execute(x, y, indices, None, None, thread_count(num_threads))
        except ValueError:
            raise refuse_indices(indices, size) from None
    return deliver(y, out)


def unpool_backward(ndim: int, dy: Any, indices: Any, layout: Any, out: Any, num_threads: int | None) -> np.ndarray:
    """Gradient of `unpool` for its values; see `max_unpool2d_backward`."""
    dy = operand("dy", dy)
    indices = index_array("indices", indices)
    shape = indices.shape
    named("layout", layout)
    fields = ("backward_data", ndim, layout, None, None, dy.dtype.char, shape, dy.shape)
    strides = (None, None, indices.strides, dy.strides)
    call, size = _unpool_call(*fields, *strides)
    if out is None:
        dx = np.empty(shape, dy.dtype)
    else:
        dx, dx_strides = target("out", out, shape, dy.dtype, [("dy", dy), ("indices", indices)])
        call, size = _unpool_call(*fields, *strides, dx_strides)
    if call.plan is not None:
        try:
            call.plan.execute(None, None, indices, dy, dx, thread_count(num_threads))
        except ValueError:
            raise refuse_indices(indices, size) from None
    return deliver(dx, out)
