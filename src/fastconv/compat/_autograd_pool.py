"""Pools as primitives of autograd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastconv import geometry
from fastconv.compat._floats import same_floats
from fastconv.compat._hosts import host_module
from fastconv.functional import pool_avg, pool_max

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"]

_extend = host_module("autograd.extend", "autograd")

_AVG = {1: pool_avg.avg_pool1d, 2: pool_avg.avg_pool2d, 3: pool_avg.avg_pool3d}
_AVG_BACKWARD = {1: pool_avg.avg_pool1d_backward, 2: pool_avg.avg_pool2d_backward, 3: pool_avg.avg_pool3d_backward}
_MAX = {1: pool_max.max_pool1d, 2: pool_max.max_pool2d, 3: pool_max.max_pool3d}
_MAX_BACKWARD = {1: pool_max.max_pool1d_backward, 2: pool_max.max_pool2d_backward, 3: pool_max.max_pool3d_backward}


class _Pool(NamedTuple):
    """How a pool is done, apart from its arrays."""

    ndim: int
    options: dict[str, Any]


@_extend.primitive
def _max(x: Any, ties: str, how: _Pool) -> np.ndarray:
    (x,), result = same_floats(x=x)
    return _MAX[how.ndim](x, **how.options).astype(result, copy=False)


@_extend.primitive
def _max_scatter(g: Any, x: Any, ties: str, how: _Pool) -> np.ndarray:
    """Give every window's element of `g` to its largest elements."""
    (g, x), result = same_floats(g=g, x=x)
    return _MAX_BACKWARD[how.ndim](g, x, ties=ties, **how.options).astype(result, copy=False)


@_extend.primitive
def _max_gather(h: Any, x: Any, ties: str, how: _Pool) -> np.ndarray:
    """Read `h`, of the shape of x, where every window has its largest elements: the adjoint of `_max_scatter`."""
    (h, x), result = same_floats(h=h, x=x)
    y = _MAX[how.ndim](x, **how.options)
    found, count = np.zeros_like(y), np.zeros(y.shape, np.int64)
    for x_part, h_part in _taps(x, h, y.shape, how):
        largest = x_part == y
        if ties == "first":
            largest &= count == 0
        found += np.where(largest, h_part, 0)
        count += largest
    if ties == "split":
        found /= np.maximum(count, 1)
    return found.astype(result, copy=False)


def _taps(
    x: np.ndarray, h: np.ndarray, y_shape: tuple[int, ...], how: _Pool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Elements of every window that lie at one place in it, place by place; those of x are NaN in the padding."""
    ndim, options = how
    last = options["layout"].endswith("C")
    spatial = range(x.ndim - last - ndim, x.ndim - last)
    size, output = [x.shape[axis] for axis in spatial], [y_shape[axis] for axis in spatial]
    kernel, stride, dilation = (
        geometry.canonical_spatial(name, value, ndim, 1)
        for name, value in (
            ("kernel_size", options["kernel_size"]),
            ("stride", options["kernel_size"] if options["stride"] is None else options["stride"]),
            ("dilation", options["dilation"]),
        )
    )
    padding = geometry.resolve_padding(
        geometry.canonical_padding("padding", options["padding"], ndim), size, kernel, stride, dilation
    )
    pads, index = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
    reach = geometry.effective_kernel(kernel, dilation)
    for axis, n, extent, s, out, (before, _) in zip(spatial, size, reach, stride, output, padding, strict=True):
        pads[axis] = (before, max(0, (out - 1) * s + extent - n - before))
    x, h = np.pad(x, pads, constant_values=np.nan), np.pad(h, pads)
    for place in np.ndindex(*kernel):
        for axis, at, s, d, out in zip(spatial, place, stride, dilation, output, strict=True):
            index[axis] = slice(at * d, at * d + (out - 1) * s + 1, s)
        yield x[tuple(index)], h[tuple(index)]


@_extend.primitive
def _avg(x: Any, how: _Pool) -> np.ndarray:
    (x,), result = same_floats(x=x)
    return _AVG[how.ndim](x, **how.options).astype(result, copy=False)


@_extend.primitive
def _avg_spread(g: Any, x_shape: tuple[int, ...], how: _Pool) -> np.ndarray:
    (g,), result = same_floats(g=g)
    return _AVG_BACKWARD[how.ndim](g, x_shape, **how.options).astype(result, copy=False)


_extend.defvjp(_max, lambda ans, x, ties, how: lambda g: _max_scatter(g, x, ties, how))
_extend.defvjp(_max_scatter, lambda ans, g, x, ties, how: lambda h: _max_gather(h, x, ties, how), None)
_extend.defvjp(_max_gather, lambda ans, h, x, ties, how: lambda g: _max_scatter(g, x, ties, how), None)
_extend.defvjp(_avg, lambda ans, x, how: lambda g: _avg_spread(g, x.shape, how))
_extend.defvjp(_avg_spread, lambda ans, g, x_shape, how: lambda h: _avg(h, how))
_extend.defjvp(_max, lambda g, ans, x, ties, how: _max_gather(g, x, ties, how))
_extend.defjvp(_max_scatter, lambda g, ans, dy, x, ties, how: _max_scatter(g, x, ties, how), None)
_extend.defjvp(_max_gather, lambda g, ans, h, x, ties, how: _max_gather(g, x, ties, how), None)
_extend.defjvp(_avg, lambda g, ans, x, how: _avg(g, how))
_extend.defjvp(_avg_spread, lambda g, ans, dy, x_shape, how: _avg_spread(g, x_shape, how))


def max_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    ties: str = "split",
    layout: str = "NCW",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.max_pool1d`, differentiable for `x`; see `max_pool2d`."""
    return _max(x, ties, _Pool(1, {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode,
        "layout": layout, "num_threads": num_threads,
    }))  # fmt: skip


def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    ties: str = "split",
    layout: str = "NCHW",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.max_pool2d`, differentiable for `x`.

    Parameters
    ----------
    x : ndarray, or box of autograd
    kernel_size, stride, padding, dilation, ceil_mode, layout, num_threads
        As in `fastconv.max_pool2d`.
    ties : {"split", "first", "all"}
        Who gets the gradient where several elements of a window are the largest: all of them in equal parts, as
        autograd's own maximum does, the first one, or each in full.

    Returns
    -------
    ndarray, or box of autograd

    Examples
    --------
    >>> import autograd
    >>> autograd.grad(lambda x: max_pool2d(x, 2).sum())(np.array([[[[1.0, 4.0], [4.0, 2.0]]]]))[0, 0]
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    return _max(x, ties, _Pool(2, {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode,
        "layout": layout, "num_threads": num_threads,
    }))  # fmt: skip


def max_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    *,
    ties: str = "split",
    layout: str = "NCDHW",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.max_pool3d`, differentiable for `x`; see `max_pool2d`."""
    return _max(x, ties, _Pool(3, {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode,
        "layout": layout, "num_threads": num_threads,
    }))  # fmt: skip


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCW",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.avg_pool1d`, differentiable for `x`; see `avg_pool2d`."""
    return _avg(x, _Pool(1, {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad, "divisor_override": divisor_override, "dilation": dilation,
        "layout": layout, "num_threads": num_threads,
    }))  # fmt: skip


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCHW",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.avg_pool2d`, differentiable for `x`.

    Parameters
    ----------
    x : ndarray, or box of autograd
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, dilation, layout, num_threads
        As in `fastconv.avg_pool2d`.

    Returns
    -------
    ndarray, or box of autograd

    Examples
    --------
    >>> import autograd
    >>> autograd.grad(lambda x: avg_pool2d(x, 2).sum())(np.ones((1, 1, 2, 2)))[0, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    return _avg(x, _Pool(2, {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad, "divisor_override": divisor_override, "dilation": dilation,
        "layout": layout, "num_threads": num_threads,
    }))  # fmt: skip


def avg_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Any = 1,
    layout: str = "NCDHW",
    num_threads: int | None = None,
) -> Any:
    """`fastconv.avg_pool3d`, differentiable for `x`; see `avg_pool2d`."""
    return _avg(x, _Pool(3, {
        "kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad, "divisor_override": divisor_override, "dilation": dilation,
        "layout": layout, "num_threads": num_threads,
    }))  # fmt: skip
