"""Upsampling and downsampling to any size, by the nearest element or linearly between two, forward and backward.

What the engine has in every layout does the common work: copies of whole numbers of elements are the adjoint of a pool
that sums, and linear steps of whole numbers a transposed convolution of each channel. Otherwise every axis is treated
by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv._arguments import flag, number
from fastconv.functional import conv, conv_transpose, pool_avg
from fastconv.functional._arrays import deliver, result_buffer
from fastconv.functional._operands import is_shape, operand
from fastconv.functional.conv import conv1d
from fastconv.functional.linear import linear
from fastconv.functional.pad import pad, pad_backward
from fastconv.geometry import canonical_integer

__all__ = ["interpolate", "interpolate_backward"]

#: spatial axes that a mode takes
MODES = {"nearest": (1, 2, 3), "linear": (1,), "bilinear": (2,), "trilinear": (3,)}


class Resampling(NamedTuple):
    """What `interpolate` is asked to do, checked."""

    size: tuple[int, ...] | None
    scale_factor: tuple[float, ...] | None
    mode: str
    align_corners: bool

    def output(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Sizes of the result."""
        ndim = len(spatial)
        if ndim not in MODES[self.mode]:
            axes = " or ".join(map(str, MODES[self.mode]))
            raise ValueError(f"mode (={self.mode!r}) is for inputs with {axes} spatial axes, got {ndim}")
        given = self.size if self.size is not None else self.scale_factor
        if given is None or len(given) not in (1, ndim):
            raise ValueError(f"size or scale_factor (={given}) must have 1 or {ndim} entries")
        entries = given if len(given) == ndim else given * ndim
        if self.size is not None:
            return tuple(int(entry) for entry in entries)
        found = tuple(int(math.floor(n * factor)) for n, factor in zip(spatial, entries, strict=True))
        if min(found) < 1:
            raise ValueError(f"scale_factor (={self.scale_factor}) leaves nothing of {tuple(spatial)}")
        return found

    def factors(self, ndim: int) -> tuple[float | None, ...]:
        """The given factor of each axis, None where a size was given."""
        if self.scale_factor is None:
            return (None,) * ndim
        return self.scale_factor if len(self.scale_factor) == ndim else self.scale_factor * ndim


def resampling(size: Any, scale_factor: Any, mode: Any, align_corners: Any) -> Resampling:
    """The arguments of `interpolate`, checked.

    Raises
    ------
    TypeError, ValueError
        See `interpolate`.
    """
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode (={mode!r}) must be one of {', '.join(MODES)}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"give one of size (={size!r}) and scale_factor (={scale_factor!r})")
    if mode == "nearest" and align_corners is not None:
        raise ValueError(f"align_corners (={align_corners!r}) is for linear modes; leave it out for 'nearest'")
    aligned = False if align_corners is None else flag("align_corners", align_corners)
    sizes = factors = None
    if size is not None:
        sizes = tuple(canonical_integer("size", entry, 1) for entry in _entries(size))
    else:
        factors = tuple(number("scale_factor", entry) for entry in _entries(scale_factor))
        if not all(0 < factor < math.inf for factor in factors):
            raise ValueError(f"scale_factor (={scale_factor!r}) must be above 0 and finite")
    return Resampling(sizes, factors, mode, aligned)


def _entries(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def interpolate(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    *,
    layout: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Resample the spatial axes to `size`, or by `scale_factor`.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...) with one to three spatial axes, float32 or float64
    size : int or tuple of int
        Spatial sizes of the result.
    scale_factor : float or tuple of float
        Instead of `size`: sizes are ``floor(n * scale_factor)``.
    mode : {"nearest", "linear", "bilinear", "trilinear"}
        The last three are linear along one, two and three axes.
    align_corners : bool, optional
        For linear modes: whether the centres of the first and last elements stay where they are, or, by default, the
        outer edges of these elements.
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.
    out : ndarray, dtype of x, optional

    Returns
    -------
    ndarray, dtype of x
        As in PyTorch: nearest takes element ``floor(i * n / size)``.

    Raises
    ------
    TypeError
        If an argument has another type.
    ValueError
        If not exactly one of `size` and `scale_factor` is given, one of them or `mode` does not fit the spatial axes,
        or `out` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2)
    array([[[1., 1., 3., 3.]]])
    >>> fastconv.interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    x = operand("x", x)
    how = resampling(size, scale_factor, mode, align_corners)
    axes = _axes(x.shape, layout)
    output = how.output([x.shape[axis] for axis in axes])
    shape = _replaced(x.shape, axes, output)
    y = result_buffer("out", out, shape, x.dtype, (("x", x),))
    if not y.size:
        return deliver(y, out)
    whole = _whole_factors(how, x.shape, axes, output)
    if whole:
        _repeat(x, how, whole, layout, y)
        return deliver(y, out)
    steps = _steps(how, x.shape, axes, output)
    for source, target in zip(x, y, strict=True):
        for axis, first, second, weight in steps:
            source = _between(source, axis - 1, first, second, weight)
        target[...] = source
    return deliver(y, out)


def interpolate_backward(
    dy: Any,
    x_shape: Sequence[int],
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    *,
    layout: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Gradient of `interpolate` for its input: every element gets back what it gave, in the share it gave.

    Parameters
    ----------
    dy : ndarray, float32 or float64
        Gradient for the output.
    x_shape : tuple of int
        Shape of the input.
    size, scale_factor, mode, align_corners, layout
        As given to `interpolate`.
    out : ndarray, shape x_shape, dtype of dy, optional

    Returns
    -------
    ndarray, shape x_shape, dtype of dy

    Raises
    ------
    TypeError, ValueError
        As `interpolate`, and if `dy` has not the shape of its result.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.interpolate_backward(np.array([[[1.0, 2.0, 3.0, 4.0]]]), (1, 1, 2), scale_factor=2)
    array([[[3., 7.]]])
    """
    dy = operand("dy", dy)
    if not is_shape(x_shape):
        raise TypeError(f"x_shape (={x_shape!r}) must be a tuple of ints, the shape of interpolate's input")
    how = resampling(size, scale_factor, mode, align_corners)
    x_shape = tuple(int(n) for n in x_shape)
    axes = _axes(x_shape, layout)
    output = how.output([x_shape[axis] for axis in axes])
    if dy.shape != _replaced(x_shape, axes, output):
        raise ValueError(f"dy has shape {dy.shape}, but the result has {_replaced(x_shape, axes, output)}")
    dx = result_buffer("out", out, x_shape, dy.dtype, (("dy", dy),))
    if not dx.size:
        return deliver(dx, out)
    whole = _whole_factors(how, x_shape, axes, output)
    if whole:
        _repeat_backward(dy, how, whole, layout, dx)
        return deliver(dx, out)
    for axis, first, second, weight in reversed(_steps(how, x_shape, axes, output)):
        dy = _gathered(dy, axis, first, second, weight, x_shape[axis])
    dx[...] = dy
    return deliver(dx, out)


#: factors beyond which a kernel of every channel would be large
MOST = 16

_Step = tuple[int, np.ndarray, np.ndarray | None, np.ndarray]


def _axes(shape: Sequence[int], layout: str | None) -> range:
    """The spatial axes."""
    ndim = len(shape)
    if not 3 <= ndim <= 5:
        raise ValueError(f"inputs have shape (N, C, ...) with one to three spatial axes, got {tuple(shape)}")
    name = _name(ndim - 2, layout)
    axes = range(1, ndim - 1) if name.endswith("C") else range(2, ndim)
    if min(shape[axis] for axis in axes) < 1:
        raise ValueError(f"an input of shape {tuple(shape)} has nothing to take elements from")
    return axes


def _name(ndim: int, layout: str | None) -> str:
    names = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[ndim]
    if layout is None:
        return names[0]
    if layout not in names:
        raise ValueError(f"layout (={layout!r}) must be {names[0]!r} or {names[1]!r} for {ndim} spatial axes")
    return layout


def _replaced(shape: Sequence[int], axes: range, sizes: Sequence[int]) -> tuple[int, ...]:
    return (*shape[: axes.start], *sizes, *shape[axes.stop :])


def _whole_factors(how: Resampling, shape: Sequence[int], axes: range, output: Sequence[int]) -> tuple[int, ...] | None:
    """How many results stand for each element, where that is the same for all and the engine has a way."""
    if how.align_corners or (how.mode != "nearest" and max(output) > MOST * min(shape[axis] for axis in axes)):
        return None
    factors = []
    for axis, m, factor in zip(axes, output, how.factors(len(axes)), strict=True):
        if m % shape[axis] or (factor is not None and factor != m // shape[axis]):
            return None
        factors.append(m // shape[axis])
    return tuple(factors)


def _steps(how: Resampling, shape: Sequence[int], axes: range, output: Sequence[int]) -> list[_Step]:
    """For each axis the elements that its results lie between, and the share of the second; smaller results first."""
    steps: list[_Step] = []
    for axis, m, factor in zip(axes, output, how.factors(len(axes)), strict=True):
        n = shape[axis]
        if how.mode == "nearest":
            ratio = np.float32(n / m if factor is None else 1 / factor)  # float32, as in PyTorch: the same elements
            first = np.minimum(np.floor(np.arange(m, dtype=np.float32) * ratio).astype(np.intp), n - 1)
            steps.append((axis, first, None, np.zeros(m)))
            continue
        if how.align_corners:
            place = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
        else:
            place = np.maximum((np.arange(m) + 0.5) * (n / m if factor is None else 1 / factor) - 0.5, 0)
        first = np.minimum(place.astype(np.intp), n - 1)
        steps.append((axis, first, np.minimum(first + 1, n - 1), np.clip(place - first, 0, 1)))
    return sorted(steps, key=lambda step: len(step[1]) / shape[step[0]])


def _shaped(weight: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    return weight.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))


def _between(x: np.ndarray, axis: int, first: np.ndarray, second: np.ndarray | None, weight: np.ndarray) -> np.ndarray:
    y = x.take(first, axis)
    if second is not None:
        share = _shaped(weight, x, axis)
        further = x.take(second, axis)
        further *= share
        y *= 1 - share
        y += further
    return y


def _gathered(
    dy: np.ndarray, axis: int, first: np.ndarray, second: np.ndarray | None, weight: np.ndarray, n: int
) -> np.ndarray:
    """The adjoint of `_between`, as a product with its matrix: the engine's 1x1 convolution or full connection."""
    matrix = np.zeros((n, len(first)), dy.dtype)
    places = np.arange(len(first))
    np.add.at(matrix, (first, places), (1 - weight).astype(dy.dtype))
    if second is not None:
        np.add.at(matrix, (second, places), weight.astype(dy.dtype))
    outer, inner = math.prod(dy.shape[:axis]), math.prod(dy.shape[axis + 1 :])
    if inner == 1:
        dx = linear(dy.reshape(outer, len(first)), matrix)
    else:
        dx = conv1d(dy.reshape(outer, len(first), inner), matrix[:, :, None])
    return dx.reshape(*dy.shape[:axis], n, *dy.shape[axis + 1 :])


def _repeat(x: np.ndarray, how: Resampling, factors: tuple[int, ...], layout: str | None, y: np.ndarray) -> None:
    """Whole factors: a pool's adjoint, or, linearly, a transposed convolution of the input in a border of its edge."""
    ndim = len(factors)
    options: dict[str, Any] = {"layout": _name(ndim, layout), "out": y}
    if how.mode == "nearest":
        getattr(pool_avg, f"avg_pool{ndim}d_backward")(x, y.shape, factors, divisor_override=1, **options)
        return
    weight, padding = _triangles(factors, _channels(x, layout), x.dtype)
    bordered = pad(x, (1, 1) * ndim, "replicate", layout=layout)
    call = getattr(conv_transpose, f"conv_transpose{ndim}d")
    call(bordered, weight, None, factors, padding, groups=len(weight), **options)


def _repeat_backward(
    dy: np.ndarray, how: Resampling, factors: tuple[int, ...], layout: str | None, dx: np.ndarray
) -> None:
    """The adjoint of `_repeat`."""
    ndim, name = len(factors), _name(len(factors), layout)
    if how.mode == "nearest":
        getattr(pool_avg, f"avg_pool{ndim}d")(dy, factors, divisor_override=1, layout=name, out=dx)
        return
    weight, padding = _triangles(factors, _channels(dx, layout), dy.dtype)
    bordered = getattr(conv, f"conv{ndim}d")(dy, weight, None, factors, padding, groups=len(weight), layout=name)
    pad_backward(bordered, dx.shape, (1, 1) * ndim, "replicate", layout=layout, out=dx)


def _channels(x: np.ndarray, layout: str | None) -> int:
    return x.shape[-1 if layout is not None and layout.endswith("C") else 1]


def _triangles(factors: tuple[int, ...], channels: int, dtype: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """Kernels with the share of an element in the results around it, and the padding that centres them.

    Result o lies at (o + 1/2) / f - 1/2 among the elements; those nearer than 1 share it. The padding also removes what
    comes of the border of one element.
    """
    kernel = np.ones((), dtype)
    for f in factors:
        before = f // 2
        places = (np.arange(2 * f - f % 2) - before + 0.5) / f - 0.5
        kernel = np.multiply.outer(kernel, (1 - np.abs(places)).astype(dtype))
    weight = np.broadcast_to(kernel, (channels, 1, *kernel.shape))
    return weight, tuple(f + f // 2 for f in factors)
