"""convolve, correlate, choose_conv_method and correlation_lags: arrays with any number of axes."""

from __future__ import annotations

import timeit
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv.compat._broadcast import finite
from fastconv.compat.scipy_signal import _host
from fastconv.compat.scipy_signal._choice import transform_wins
from fastconv.compat.scipy_signal._problem import compute, problem_of
from fastconv.compat.scipy_signal._slices import by_slices

__all__ = ["choose_conv_method", "convolve", "correlate", "correlation_lags"]

_ACCURACY = {"auto": "default", "fft": "default", "direct": "strict"}
_NOT_FINITE = (
    "Use of fft convolution on input with NAN or inf results in NAN or inf output. "
    "Consider using method='direct' instead."
)


def correlation_lags(in1_len: int, in2_len: int, mode: str = "full") -> np.ndarray:
    """Lags of a correlation of two signals; SciPy's own function.

    Examples
    --------
    >>> correlation_lags(3, 2)
    array([-1,  0,  1,  2])
    """
    return _host.host_correlation_lags(in1_len, in2_len, mode)


def choose_conv_method(in1: Any, in2: Any, mode: str = "full", measure: bool = False) -> Any:
    """The method that SciPy's "auto" stands for, or with `measure` the one that is faster here.

    fastconv's own "auto" needs no such choice: it takes sums or transforms by what they cost.

    Parameters
    ----------
    in1, in2, mode
        As in `convolve`.
    measure : bool
        Time both of fastconv's methods.

    Returns
    -------
    str, or with `measure` a tuple of str and a dict of seconds
    """
    if not measure:
        return _host.host_choose_conv_method(in1, in2, mode)
    seconds = {}
    for method in ("fft", "direct"):
        timer = timeit.Timer(lambda: convolve(in1, in2, mode, method))  # noqa: B023
        number, spent = timer.autorange()
        seconds[method] = min([spent, *timer.repeat(2, number)]) / number
    return min(seconds, key=seconds.__getitem__), seconds


def _convolve(
    first: np.ndarray, second: np.ndarray, mode: Any, method: Any, axes: Any, num_threads: int | None
) -> np.ndarray | None:
    """Return the convolution, None where SciPy's function has to answer."""
    if not isinstance(method, str) or method not in _ACCURACY:
        return None
    problem = problem_of(first, second, mode, axes)
    if problem is None or (axes is None and mode == "valid" and not _covers(first, second)):
        return None
    if method != "direct" and transform_wins(problem):
        return None
    if method == "direct" and mode != "valid" and len(problem.axes) == 1 and not finite(problem.kernel):
        return None  # the engine's zeros beyond the signal would meet what is not finite
    result = compute(problem, problem.result, _ACCURACY[method], num_threads)
    if result is not None and method == "fft" and result.dtype.kind in "fc" and not finite(result):
        warnings.warn(_NOT_FINITE, RuntimeWarning, stacklevel=3)
    return result


def _covers(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether one array covers the other along every axis."""
    pairs = list(zip(first.shape, second.shape, strict=True))
    return all(n >= k for n, k in pairs) or all(n <= k for n, k in pairs)


def convolve(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", *, axes: Any = None, num_threads: int | None = None
) -> Any:
    """Convolve two arrays with the same number of axes; see `scipy.signal.convolve`.

    float32, float64 and complex arrays are computed in their own type. Integers are exact in 53 bits and then taken
    modulo the range of the result's type, whatever the method; beyond 53 bits, and for every other type, SciPy's own
    function computes.

    Parameters
    ----------
    in1, in2 : array_like
    mode : {"full", "same", "valid"}
    method : {"auto", "direct", "fft"}
        "direct" sums product by product; the others take sums or transforms, whichever costs less.
    axes : int or sequence of int, optional
        Convolve along these alone; the others are broadcast. By default all.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], mode="same")
    array([1. , 2.5, 4. ])
    """
    if _host.foreign(in1, in2):
        _host.no_axes(axes)
        with _host.workers(num_threads):
            return _host.host_convolve(in1, in2, mode, method)
    axes = list(axes) if isinstance(axes, Iterator) else axes
    first, second = np.asarray(in1), np.asarray(in2)
    result = _convolve(first, second, mode, method, axes, num_threads)
    if result is not None:
        return result
    with _host.workers(num_threads):
        if axes is None:
            return _host.host_convolve(first, second, mode, method)
        return by_slices(first, second, mode, axes, lambda x, kernel: _host.host_convolve(x, kernel, mode, method))


def correlate(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", *, axes: Any = None, num_threads: int | None = None
) -> Any:
    """Cross-correlate two arrays with the same number of axes; see `scipy.signal.correlate`.

    Types, methods and keywords are those of `convolve`; the second array is conjugated.

    Parameters
    ----------
    in1, in2 : array_like
    mode : {"full", "same", "valid"}
    method : {"auto", "direct", "fft"}
    axes : int or sequence of int, optional
    num_threads : int, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    if _host.foreign(in1, in2):
        _host.no_axes(axes)
        with _host.workers(num_threads):
            return _host.host_correlate(in1, in2, mode, method)
    axes = list(axes) if isinstance(axes, Iterator) else axes
    first, second = np.asarray(in1), np.asarray(in2)
    if first.ndim == second.ndim and axes is None and second.dtype.kind in "iufc":
        reversed_second = np.flip(second).conj()
        result = _convolve(first, reversed_second, mode, method, None, num_threads)
        if result is not None:
            return result
    if axes is None:
        with _host.workers(num_threads):
            return _host.host_correlate(first, second, mode, method)
    return convolve(
        first, reversed_along(second, axes), mode, method, axes=axes, num_threads=num_threads
    )  # fmt: skip


def reversed_along(array: np.ndarray, axes: Any) -> np.ndarray:
    """Return the conjugate array, reversed along `axes`."""
    flipped = np.flip(array, tuple(axes) if np.iterable(axes) else axes)
    return flipped.conj() if array.dtype.kind == "c" else flipped
