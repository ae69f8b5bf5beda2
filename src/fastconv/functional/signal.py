"""Convolution and correlation of arrays with any number of axes: scipy.signal's sizes, centring and swaps.

Up to three axes are one call of the engine. Each further axis of the kernel is a loop of such calls, whose results are
added at the kernel's offset; the further axes of the input are their batch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastconv.functional import conv
from fastconv.functional._operands import operand
from fastconv.functional._separable import check_separable, choose_factors, scratch

__all__ = ["convolve", "correlate"]

MODES = ("full", "same", "valid")
_CONV = {1: conv.conv1d, 2: conv.conv2d, 3: conv.conv3d}


def _operands(first: Any, second: Any, mode: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode (={mode!r}) must be one of {', '.join(MODES)}")
    x, kernel = operand("x", first), operand("kernel", second)
    if x.dtype != kernel.dtype:
        raise TypeError(
            f"kernel is {kernel.dtype} but x is {x.dtype}, and types are never mixed: cast one of them, "
            f"as in kernel.astype(np.{x.dtype})"
        )
    if x.ndim != kernel.ndim:
        raise ValueError(f"x has {x.ndim} axes and kernel has {kernel.ndim}: they must have the same number")
    return x, kernel


def _swap_needed(mode: str, x: np.ndarray, kernel: np.ndarray) -> bool:
    """Whether "valid" has to exchange its operands, so that the first covers the second."""
    if mode != "valid" or all(n >= k for n, k in zip(x.shape, kernel.shape, strict=True)):
        return False
    if all(n <= k for n, k in zip(x.shape, kernel.shape, strict=True)):
        return True
    raise ValueError(
        f"mode 'valid' needs one of the arrays to be at least as large as the other along every axis, "
        f"not shapes {x.shape} and {kernel.shape}"
    )


def _axis_range(mode: str, n: int, k: int) -> tuple[int, int]:
    """First index and length of the result within the full convolution along one axis."""
    return {"full": (0, n + k - 1), "same": ((k - 1) // 2, n), "valid": (k - 1, n - k + 1)}[mode]


class _Options(NamedTuple):
    """How a call runs, apart from what it computes."""

    separable: bool | str
    accuracy: str
    num_threads: int | None


def _separated(batch: np.ndarray, kernel: np.ndarray, padding: Any, flip: bool, options: _Options) -> np.ndarray:
    """Convolve a batch of planes by a kernel of two axes: in two passes if it is worth it."""

    def run(x: np.ndarray, weight: np.ndarray, pad: Any, out: np.ndarray | None = None) -> np.ndarray:
        return conv.conv2d(
            x, weight[None, None], padding=pad, flip=flip, accuracy=options.accuracy, out=out,
            num_threads=options.num_threads,
        )  # fmt: skip

    found = choose_factors(kernel, batch.size, options.separable, options.accuracy)
    if found is None:
        return run(batch, kernel, padding)
    column, row = found
    half = scratch((*batch.shape[:-1], batch.shape[-1] + sum(padding[1]) - len(row) + 1), batch.dtype)
    return run(run(batch, row[np.newaxis], ((0, 0), padding[1]), half), column[:, np.newaxis], (padding[0], (0, 0)))


def _convolve(x: np.ndarray, kernel: np.ndarray, mode: str, flip: bool, options: _Options) -> np.ndarray:
    """Convolve, or correlate without `flip`; `kernel` covers no axis that x does not in mode "valid"."""
    ranges = [_axis_range(mode, n, k) for n, k in zip(x.shape, kernel.shape, strict=True)]
    ndim = min(x.ndim, 3)
    lead = x.ndim - ndim
    padding = tuple(
        (k - 1 - first, first + length - n)
        for n, k, (first, length) in zip(x.shape[lead:], kernel.shape[lead:], ranges[lead:], strict=True)
    )
    batch = x.reshape(math.prod(x.shape[:lead]), 1, *x.shape[lead:])

    def part_of(weight: np.ndarray) -> np.ndarray:
        if ndim == 2:
            return _separated(batch, weight, padding, flip, options)
        return _CONV[ndim](
            batch, weight[None, None], padding=padding, flip=flip, accuracy=options.accuracy,
            num_threads=options.num_threads,
        )  # fmt: skip

    if not lead:
        return part_of(kernel)[0, 0]
    y = np.zeros([length for _, length in ranges], x.dtype)
    for offset in np.ndindex(*kernel.shape[:lead]):
        part = part_of(kernel[offset])
        place = offset if flip else tuple(k - 1 - at for at, k in zip(offset, kernel.shape, strict=False))
        part = part.reshape(*x.shape[:lead], *part.shape[2:])
        source, target = [], []
        for at, n, (first, length) in zip(place, x.shape, ranges, strict=False):
            start = max(0, first - at)
            stop = max(start, min(n, first + length - at))
            source.append(slice(start, stop))
            target.append(slice(start + at - first, stop + at - first))
        y[tuple(target)] += part[tuple(source)]
    return y


def convolve(
    x: Any,
    kernel: Any,
    mode: str = "full",
    *,
    separable: bool | str = "auto",
    accuracy: str = "default",
    num_threads: int | None = None,
) -> np.ndarray:
    """True convolution of two arrays, ``y[i] = sum over m of x[m] * kernel[i - m]`` along every axis.

    Parameters
    ----------
    x : ndarray of float32 or float64
        The input, with any number of axes.
    kernel : ndarray of x.dtype, as many axes as x
        The kernel.
    mode : {"full", "same", "valid"}
        "full" is every place where the arrays touch, n + k - 1 per axis; "same" its centre, of the size of `x`;
        "valid" the places where one array covers the other, max - min + 1.
    separable : "auto" or bool
        Of arrays with two axes: whether a kernel that is a column times a row runs as two passes. "auto" looks at the
        kernel where that would pay; True insists, and is an error with any other number of axes.
    accuracy : {"default", "strict", "fast"}
        As in `conv2d`; "strict" also keeps "auto" from separating.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray of x.dtype
        An empty input gives an empty result of shape (0,); two arrays without axes their product.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If the numbers of axes differ, `mode` is unknown, "valid" finds neither array covering the other, or
        `separable` is True and the kernel has other than two axes or does not separate.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.convolve([1.0, 2.0, 3.0, 4.0], [1.0, 10.0])
    array([ 1., 12., 23., 34., 40.])
    >>> fastconv.convolve([1.0, 2.0, 3.0, 4.0], [1.0, 10.0], "same")
    array([ 1., 12., 23., 34.])
    """
    x, kernel = _operands(x, kernel, mode)
    check_separable(separable, x.ndim)
    options = _Options(separable, accuracy, num_threads)
    if x.ndim == 0:
        return np.multiply(x, kernel)
    if x.size == 0 or kernel.size == 0:
        return np.empty(0, x.dtype)
    if _swap_needed(mode, x, kernel) or (mode == "full" and kernel.size > x.size):
        x, kernel = kernel, x
    return _convolve(x, kernel, mode, True, options)


def correlate(
    x: Any,
    kernel: Any,
    mode: str = "full",
    *,
    separable: bool | str = "auto",
    accuracy: str = "default",
    num_threads: int | None = None,
) -> np.ndarray:
    """Cross-correlation of two arrays, ``y[i] = sum over m of x[i + m] * kernel[m]`` along every axis.

    In mode "full" the first place has the kernel's last element on the input's first: the kernel is not flipped.

    Parameters
    ----------
    x : ndarray of float32 or float64
        The input, with any number of axes.
    kernel : ndarray of x.dtype, as many axes as x
        The kernel.
    mode : {"full", "same", "valid"}
        As in `convolve`.
    separable : "auto" or bool
        Of arrays with two axes: whether a kernel that is a column times a row runs as two passes. "auto" looks at the
        kernel where that would pay; True insists, and is an error with any other number of axes.
    accuracy : {"default", "strict", "fast"}
        As in `conv2d`; "strict" also keeps "auto" from separating.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray of x.dtype
        An empty input gives an empty result of shape (0,); two arrays without axes their product.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or the types are mixed.
    ValueError
        If the numbers of axes differ, `mode` is unknown, "valid" finds neither array covering the other, or
        `separable` is True and the kernel has other than two axes or does not separate.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.correlate([1.0, 2.0, 3.0, 4.0], [1.0, 10.0])
    array([10., 21., 32., 43.,  4.])
    """
    x, kernel = _operands(x, kernel, mode)
    check_separable(separable, x.ndim)
    options = _Options(separable, accuracy, num_threads)
    if x.ndim == 0:
        return np.multiply(x, kernel)
    if x.size == 0 or kernel.size == 0:
        return np.empty(0, x.dtype)
    if _swap_needed(mode, x, kernel) or (mode == "full" and kernel.size > x.size):
        return np.ascontiguousarray(np.flip(_convolve(kernel, x, mode, False, options)))
    return _convolve(x, kernel, mode, False, options)
