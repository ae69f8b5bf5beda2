"""convolve2d and correlate2d: images with a border."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat import _broadcast
from fastconv.compat._broadcast import Window
from fastconv.compat._casting import convolve_as
from fastconv.compat._exact import exactly
from fastconv.compat.scipy_signal import _host
from fastconv.compat.scipy_signal._problem import MODES, REAL, integral, numeric
from fastconv.functional._arrays import thread_count

__all__ = ["convolve2d", "correlate2d"]

# SciPy has done less work before a call of the engine has begun.
_LEAST_PRODUCTS = 12_000

_BORDERS = {
    "fill": "fill",
    "pad": "fill",
    "wrap": "wrap",
    "circular": "wrap",
    "symm": "symmetric",
    "symmetric": "symmetric",
}


def _fill(value: Any) -> complex | None:
    """Return a fill value as a Python number, None for what is no finite number: arrays have SciPy's casting rules."""
    if isinstance(value, bool) or not isinstance(value, (int, float, complex, np.integer, np.float32)):
        return None
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, int) and abs(number) > 2**53:
        return None
    return number if np.isfinite(number) else None


def _window(mode: str, n: int, k: int, flip: bool) -> Window:
    """What a mode wants of the full convolution; "same" of a correlation starts one place later for an even kernel."""
    if mode == "same" and not flip:
        return Window(k // 2, n)
    return _broadcast.window(mode, n, k)


def _filtered(
    in1: np.ndarray, in2: np.ndarray, mode: Any, boundary: Any, fillvalue: Any, flip: bool, num_threads: int | None
) -> np.ndarray | None:
    """Return the result, None where SciPy's function has to answer."""
    known = isinstance(mode, str) and mode in MODES and isinstance(boundary, str) and boundary in _BORDERS
    if not known or not in1.ndim == in2.ndim == 2 or not in1.size or not in2.size:
        return None
    if in1.size * in2.size < _LEAST_PRODUCTS or not numeric(in1, in2):
        return None
    swapped = mode == "valid" and not all(n >= k for n, k in zip(in1.shape, in2.shape, strict=True))
    if swapped and not all(n <= k for n, k in zip(in1.shape, in2.shape, strict=True)):
        return None
    x, kernel = (in2, in1) if swapped else (in1, in2)
    result, value = np.result_type(x, kernel), _fill(fillvalue)
    if value is None:
        return None
    if not flip:
        kernel = np.flip(kernel)
        kernel = kernel.conj() if kernel.dtype.kind == "c" else kernel
    windows = tuple(_window(mode, n, k, flip) for n, k in zip(x.shape, kernel.shape, strict=True))
    name = "fill" if mode == "valid" else _BORDERS[boundary]
    y = _typed(x, kernel, windows, name, value, result, num_threads)
    return np.ascontiguousarray(y[::-1, ::-1]) if y is not None and swapped and not flip else y


def _typed(
    x: np.ndarray, kernel: np.ndarray, windows: tuple[Window, ...], name: str, value: complex, result: np.dtype,
    num_threads: int | None,
) -> np.ndarray | None:  # fmt: skip
    """Return the result in its type; None for types and fill values that are SciPy's."""

    if name == "fill" and isinstance(value, complex):
        return None
    border = ("zeros" if value == 0 else float(value.real)) if name == "fill" else name
    if result.char in REAL:
        if result.kind == "c" and isinstance(border, float):
            return None
        return convolve_as(
            REAL[result.char], x, kernel, (0, 1), windows, border=border, accuracy="strict", num_threads=num_threads,
            result=result,
        )  # fmt: skip
    if not integral(x, kernel) or (isinstance(border, float) and value != np.asarray(value).astype(x.dtype)):
        return None
    return exactly(
        x, kernel, (0, 1), windows, kernel.size, result, border=border, largest=abs(int(value.real)),
        num_threads=num_threads,
    )  # fmt: skip


def convolve2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: Any = 0,
    *,
    num_threads: int | None = None,
) -> Any:
    """Convolve two images; see `scipy.signal.convolve2d`.

    Parameters
    ----------
    in1, in2 : array_like with two axes
    mode : {"full", "same", "valid"}
    boundary : {"fill", "wrap", "symm"}
    fillvalue : number
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> convolve2d([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0]], "same", "symm")
    array([[2., 3.],
           [6., 7.]])
    """
    if not _host.foreign(in1, in2):
        in1, in2 = np.asarray(in1), np.asarray(in2)
        result = _filtered(in1, in2, mode, boundary, fillvalue, True, num_threads)
        if result is not None:
            return result
    thread_count(num_threads)
    return _host.host_convolve2d(in1, in2, mode, boundary, fillvalue)


def correlate2d(
    in1: Any,
    in2: Any,
    mode: str = "full",
    boundary: str = "fill",
    fillvalue: Any = 0,
    *,
    num_threads: int | None = None,
) -> Any:
    """Cross-correlate two images; see `scipy.signal.correlate2d`, whose "same" is one index further on even kernels.

    Parameters
    ----------
    in1, in2 : array_like with two axes
    mode : {"full", "same", "valid"}
    boundary : {"fill", "wrap", "symm"}
    fillvalue : number
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> correlate2d([[1.0, 2.0, 3.0, 4.0]], [[1.0, 10.0]], "same")
    array([[21., 32., 43.,  4.]])
    """
    if not _host.foreign(in1, in2):
        in1, in2 = np.asarray(in1), np.asarray(in2)
        result = _filtered(in1, in2, mode, boundary, fillvalue, False, num_threads)
        if result is not None:
            return result
    thread_count(num_threads)
    return _host.host_correlate2d(in1, in2, mode, boundary, fillvalue)
