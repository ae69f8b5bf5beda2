"""Channels times coefficients, plus others, plus an array, through an activation: one pass over the elements."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._channels import channels_last, volume
from fastconv.functional._operands import checked_out, operand
from fastconv.functional.activation import activation_code

__all__ = ["scale_shift"]


def scale_shift(
    x: Any,
    scale: Any = None,
    shift: Any = None,
    residual: Any = None,
    *,
    layout: str | None = None,
    activation: Any = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Scale and shift of every channel, ``y = activation(x * scale[c] + shift[c] + residual)``.

    A batch normalisation that is trained, the gate of a squeeze-and-excite block, the sum that ends a residual block,
    or all of them at once.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...) with up to three spatial axes, float32 or float64
    scale, shift : ndarray, shape (C,), or (N, C) for coefficients of each image, dtype of x, optional
        1 and 0 where they are not given.
    residual : ndarray, shape of x, dtype of x, optional
        Added before the activation.
    layout : {"NCW", "NWC", "NCHW", "NHWC", "NCDHW", "NDHWC"}, optional
        Axis order of `x`, `residual` and the result; channels first where it is None.
    activation : None, "relu", "relu6" or ("leaky_relu", slope)
        Applied to the result before it is stored.
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` or `residual` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape of x, dtype of x

    Raises
    ------
    ValueError
        If shapes do not fit, or an option is unknown.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> fastconv.scale_shift(x, scale=np.array([10.0, -1.0]), shift=np.array([0.5, 0.0]), activation="relu")
    array([[10.5,  0. ],
           [30.5,  0. ]])
    >>> fastconv.scale_shift(x, scale=np.array([[1.0, 0.0], [0.0, 1.0]]), residual=x)
    array([[2., 2.],
           [3., 8.]])
    """
    x = operand("x", x)
    last = channels_last(layout, x.shape, "scale_shift")
    size = volume(x.shape, last)
    given = [_coefficients(name, value, x, size) for name, value in (("scale", scale), ("shift", shift))]
    return _run(size, last, x, given, residual, activation, out, num_threads)


def scaled(
    x: Any,
    scale: np.ndarray | None,
    shift: np.ndarray | None = None,
    residual: Any = None,
    *,
    activation: Any = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """As `scale_shift` with coefficients of one shape that broadcasts to that of `x`, which `cut_for` must know."""
    x = operand("x", x)
    size, last, shape = _Cut((1, 1, x.size), False, (1,))
    given = scale if scale is not None else shift
    if given is not None:
        same_dtype("scale or shift", given, "x", x)
        found = cut_for(x.shape, given.shape)
        if found is None:
            raise ValueError(f"coefficients of shape {given.shape} do not fit x of shape {x.shape}")
        size, last, shape = found
    flat = [None if array is None else dense(array).reshape(shape) for array in (scale, shift)]
    return _run(size, last, x, flat, residual, activation, out, None)


def prepare_scale_shift(
    shape: tuple[int, ...], coefficients: tuple[int, ...] | None, activation: Any
) -> Callable[..., None]:
    """``run(x, scale, shift, residual, out)`` as `scaled`, for dense arrays that are known to fit, or None."""
    cut = _Cut((1, 1, math.prod(shape)), False, (1,)) if coefficients is None else cut_for(shape, coefficients)
    if cut is None:
        raise ValueError(f"coefficients of shape {coefficients} do not fit x of shape {shape}")
    by_image = len(cut.coefficients) == 2
    return _engine.ScaleShift(cut.size, cut.last, by_image, by_image, *activation_code(activation)).execute


class _Cut(NamedTuple):
    """How the engine sees an array: images, channels, points; whether channels are last; the shape of coefficients."""

    size: tuple[int, int, int]
    last: bool
    coefficients: tuple[int, ...]


#: sizes of runs of axes, for whether the coefficients follow each run, to what `cut_for` returns
_CUTS: dict[tuple[bool, ...], Callable[..., _Cut]] = {
    (): lambda: _Cut((1, 1, 1), False, (1,)),
    (True,): lambda channels: _Cut((1, channels, 1), False, (channels,)),
    (False,): lambda points: _Cut((1, 1, points), False, (1,)),
    (True, False): lambda channels, points: _Cut((1, channels, points), False, (channels,)),
    (False, True): lambda points, channels: _Cut((1, channels, points), True, (channels,)),
    (False, True, False): lambda n, channels, points: _Cut((n, channels, points), False, (channels,)),
    (True, False, True): lambda n, points, channels: _Cut((n, channels, points), True, (n, channels)),
}


@functools.lru_cache(maxsize=1024)
def cut_for(shape: tuple[int, ...], coefficients: tuple[int, ...]) -> _Cut | None:
    """How the engine sees an array and coefficients that broadcast to it; None where it cannot.

    Neighbouring axes are one where the coefficients follow all of them, or none.

    Examples
    --------
    >>> cut_for((2, 3, 5, 5), (2, 3, 1, 1))
    _Cut(size=(1, 6, 25), last=False, coefficients=(6,))
    >>> cut_for((2, 5, 5, 3), (2, 1, 1, 3))
    _Cut(size=(2, 3, 25), last=True, coefficients=(2, 3))
    """
    aligned = (1,) * (len(shape) - len(coefficients)) + coefficients
    if len(aligned) != len(shape) or any(few not in (1, size) for few, size in zip(aligned, shape, strict=True)):
        return None
    axes = [(few == size, size) for few, size in zip(aligned, shape, strict=True) if size != 1]
    runs = [
        (follows, math.prod(size for _, size in group))
        for follows, group in itertools.groupby(axes, lambda axis: axis[0])
    ]
    cut = _CUTS.get(tuple(follows for follows, _ in runs))
    return None if cut is None else cut(*(size for _, size in runs))


def _coefficients(name: str, value: Any, x: np.ndarray, size: tuple[int, int, int]) -> np.ndarray | None:
    if value is None:
        return None
    array = operand(name, value)
    same_dtype(name, array, "x", x)
    if array.shape not in (size[1:2], size[:2]):
        raise ValueError(
            f"{name} has shape {array.shape}, but x of shape {x.shape} asks for {size[1:2]}, one for each channel, or "
            f"{size[:2]}, for each image and channel"
        )
    return dense(array)


def _run(
    size: tuple[int, int, int],
    last: bool,
    x: np.ndarray,
    coefficients: Sequence[np.ndarray | None],
    residual: Any,
    activation: Any,
    out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:
    scale, shift = coefficients
    if residual is not None:
        residual = operand("residual", residual)
        same_dtype("residual", residual, "x", x)
        same_shape("residual", residual, "x", x.shape)
    code, slope = activation_code(activation)
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x), ("residual", residual)), in_place=True)
    if out is not None:
        checked_out("out", out, x.shape, x.dtype, (("scale", scale), ("shift", shift)))
    added = None if residual is None else dense(residual)
    by_image = [array is not None and array.ndim == 2 for array in coefficients]
    operation = _engine.ScaleShift(size, last, *by_image, code, slope)
    operation.execute(dense(x), scale, shift, added, y, thread_count(num_threads))
    return deliver(y, out)
