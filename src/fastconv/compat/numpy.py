"""numpy.convolve and numpy.correlate on fastconv's engine, for long signals; NumPy keeps what is small or no float."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat._broadcast import finite, window
from fastconv.compat._casting import convolve_as
from fastconv.compat._hosts import own_function
from fastconv.functional._arrays import thread_count

__all__ = ["convolve", "correlate"]

_host_convolve = own_function(np, "convolve")
_host_correlate = own_function(np, "correlate")
# Below so many products NumPy's own loop ends before a call of the engine has begun.
_LEAST_PRODUCTS = 30_000


def _signals(a: Any, v: Any, mode: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two signals that are convolved in a float type and worth the engine, None for what is NumPy's."""
    if not isinstance(mode, str) or mode not in ("full", "same", "valid"):
        return None
    if type(a) is not np.ndarray or type(v) is not np.ndarray or not a.ndim == v.ndim == 1:
        return None
    if a.size * v.size < _LEAST_PRODUCTS or a.dtype.kind not in "iuf" or v.dtype.kind not in "iuf":
        return None
    dtype = np.result_type(a, v)
    if dtype.char not in "fd":
        return None
    # Beyond the longer signal the engine has zeros, which NumPy's sums leave out: they must not meet a NaN or infinity.
    return (a, v) if mode == "valid" or finite(min(a, v, key=len)) else None


def _convolved(x: np.ndarray, kernel: np.ndarray, mode: str, num_threads: int | None) -> np.ndarray:
    """Sums, product by product, of a signal and one that is no longer."""
    return convolve_as(
        np.result_type(x, kernel), x, kernel, (0,), [window(mode, len(x), len(kernel))], accuracy="strict",
        num_threads=num_threads,
    )  # fmt: skip


def convolve(a: Any, v: Any, mode: Any = "full", *, num_threads: int | None = None) -> Any:
    """Convolve two signals; see `numpy.convolve`.

    Parameters
    ----------
    a, v : array_like with one axis
    mode : {"full", "same", "valid"}
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> convolve([1, 2, 3], [0, 1, 0.5], "same")
    array([1. , 2.5, 4. ])
    """
    found = _signals(a, v, mode)
    thread_count(num_threads)
    if found is None:
        return _host_convolve(a, v, mode)
    x, kernel = found if len(a) >= len(v) else found[::-1]
    return _convolved(x, kernel, mode, num_threads)


def correlate(a: Any, v: Any, mode: Any = "valid", *, num_threads: int | None = None) -> Any:
    """Cross-correlate two signals; see `numpy.correlate`.

    Parameters
    ----------
    a, v : array_like with one axis
    mode : {"valid", "same", "full"}
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> correlate([1, 2, 3], [0, 1, 0.5], "full")
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    found = _signals(a, v, mode)
    thread_count(num_threads)
    if found is None:
        return _host_correlate(a, v, mode)
    first, second = found
    if len(first) >= len(second):
        return _convolved(first, second[::-1], mode, num_threads)
    return np.ascontiguousarray(_convolved(second, first[::-1], mode, num_threads)[::-1])
