"""Convolutions and pools that autograd differentiates, any number of times, in reverse and in forward mode.

`convolve` is ``autograd.scipy.signal.convolve`` with the same arguments and result: in place of
``convolve = autograd.scipy.signal.convolve`` write ``from fastconv.compat.autograd import convolve``. `conv1d` ...
`avg_pool3d` are fastconv's functions of those names, for ``autograd.grad``. float32 and float64 are computed as what
they are; other numbers than real ones of at most 64 bits, and more than three axes to convolve along, go on from here
to autograd's own convolve.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.compat._autograd_conv import Conv, conv1d, conv2d, conv3d, forward
from fastconv.compat._autograd_pool import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from fastconv.compat._hosts import host_module

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "convolve",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

_numpy = host_module("autograd.numpy", "autograd")
_host_convolve = host_module("autograd.scipy.signal", "autograd").convolve

_MODES = ("valid", "full", "same")


def _sides(A: Any, B: Any, axes: Any, dot_axes: Any) -> list[dict[str, list[int]]]:
    """Axes of A and of B by what is done along them: "conv", "dot", and "ignore" for the rest."""
    if axes is None:
        axes = [range(A.ndim)] * 2
    sides = []
    for array, conv_axes, dots in zip((A, B), axes, dot_axes, strict=True):
        side = {"conv": [axis % array.ndim for axis in conv_axes], "dot": [axis % array.ndim for axis in dots]}
        side["ignore"] = [axis for axis in range(array.ndim) if axis not in (*side["conv"], *side["dot"])]
        sides.append(side)
    return sides


def _sizes(array: Any, axes: list[int]) -> tuple[int, ...]:
    return tuple(array.shape[axis] for axis in axes)


def _gathered(array: Any, side: dict[str, list[int]]) -> Any:
    """Bring an operand to the shape (ignored, dotted, *convolved)."""
    order = [*side["ignore"], *side["dot"], *side["conv"]]
    if order != list(range(array.ndim)):
        array = _numpy.transpose(array, order)
    first, second = len(side["ignore"]), len(side["ignore"]) + len(side["dot"])
    shape = (math.prod(array.shape[:first]), math.prod(array.shape[first:second]), *array.shape[second:])
    return array if shape == array.shape else _numpy.reshape(array, shape)


def _left_to_the_host(A: Any, B: Any, sides: list[dict[str, list[int]]]) -> bool:
    """Whether autograd's own convolve is asked: other numbers than real ones, more axes, dots that broadcast."""
    one, other = sides
    return (
        np.result_type(A.dtype, B.dtype).char not in "efd"
        or len(one["conv"]) > 3
        or len(one["conv"]) != len(other["conv"])
        or _sizes(A, one["dot"]) != _sizes(B, other["dot"])
        or 0 in (*A.shape, *B.shape)
    )


def _padding(mode: str, kernel: tuple[int, ...]) -> Any:
    """Zeros around the operand that is not flipped; "same" keeps the centre as scipy.signal does."""
    if mode == "same":
        return tuple((k - 1 - (k - 1) // 2, (k - 1) // 2) for k in kernel)
    return mode


def convolve(A: Any, B: Any, axes: Any = None, dot_axes: Any = ((), ()), mode: str = "full") -> Any:
    """True convolution along some axes, sum of products along others, outer product along the rest.

    Parameters
    ----------
    A, B : ndarray, or box of autograd
    axes : pair of sequences of int, optional
        The axes of `A` and of `B` to convolve along, in the order in which they end the result; by default all.
    dot_axes : pair of sequences of int
        The axes to sum along.
    mode : {"full", "valid", "same"}
        As in `scipy.signal.convolve`.

    Returns
    -------
    ndarray, or box of autograd
        Its axes are the others of `A`, the others of `B`, and those convolved along.

    Raises
    ------
    AssertionError
        If `mode` is unknown.
    ValueError
        If "valid" finds neither array covering the other along every axis.

    Examples
    --------
    >>> images, filters = np.ones((5, 3, 8, 8)), np.ones((3, 4, 2, 2))
    >>> convolve(images, filters, axes=([2, 3], [2, 3]), dot_axes=([1], [0]), mode="valid").shape
    (5, 4, 7, 7)
    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0]))
    array([ 1., 12., 23., 30.])
    """
    if mode not in _MODES:
        raise AssertionError(f"Mode {mode} undefined, it can be one of 'valid', 'full', and 'same'")
    sides = _sides(A, B, axes, dot_axes)
    if _left_to_the_host(A, B, sides):
        return _host_convolve(A, B, axes=axes, dot_axes=dot_axes, mode=mode)
    if not sides[0]["conv"]:
        return _numpy.tensordot(A, B, [side["dot"] for side in sides])
    sizes = [_sizes(array, side["conv"]) for array, side in zip((A, B), sides, strict=True)]
    swapped = _swapped(mode, *sizes)
    first, second = (1, 0) if swapped else (0, 1)
    x, weight = (_gathered((A, B)[index], sides[index]) for index in (first, second))
    how = Conv(len(sizes[0]), {"padding": _padding(mode, sizes[second]), "flip": True})
    y = forward(x, weight, how)
    outer = [_sizes((A, B)[index], sides[index]["ignore"]) for index in (first, second)]
    shape = (*outer[0], *outer[1], *y.shape[2:])
    if shape != y.shape:
        y = _numpy.reshape(y, shape)
    if swapped and (outer[0] or outer[1]):
        count, ends = len(outer[0]), len(outer[0]) + len(outer[1])
        y = _numpy.transpose(y, [*range(count, ends), *range(count), *range(ends, len(shape))])
    return y


def _swapped(mode: str, sizes: tuple[int, ...], others: tuple[int, ...]) -> bool:
    """Whether the second operand is the one to slide over; "same" is as large as the first whatever they are."""
    if mode == "same":
        return False
    if mode == "full":
        return math.prod(others) > math.prod(sizes)
    if all(n >= k for n, k in zip(sizes, others, strict=True)):
        return False
    if all(n <= k for n, k in zip(sizes, others, strict=True)):
        return True
    raise ValueError(
        f"One array must be larger than the other along all convolved dimensions, not {sizes} and {others}"
    )
