"""numpy.convolve and numpy.correlate on fastconv's engine, for long signals; NumPy keeps what is small or no float."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat import _broadcast
from fastconv.compat._broadcast import window

__all__ = ["convolve", "correlate"]

_host_convolve = np.convolve
_host_correlate = np.correlate
# Below so many products NumPy's own loop ends before a call of the engine has begun.
_LEAST_PRODUCTS = 30_000


def _signals(a: Any, v: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two signals of one float type that are worth the engine, None for what is NumPy's."""
    if type(a) is not np.ndarray or type(v) is not np.ndarray or not a.ndim == v.ndim == 1:
        return None
    if a.size * v.size < _LEAST_PRODUCTS or a.dtype.kind not in "iuf" or v.dtype.kind not in "iuf":
        return None
    dtype = np.result_type(a, v)
    if dtype.char not in "fd":
        return None
    return a.astype(dtype, copy=False), v.astype(dtype, copy=False)


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
    found = _signals(a, v) if isinstance(mode, str) and mode in ("full", "same", "valid") else None
    if found is None:
        return _host_convolve(a, v, mode)
    x, kernel = found if len(a) >= len(v) else found[::-1]
    return _broadcast.convolve(
        x, kernel, (0,), [window(mode, len(x), len(kernel))], accuracy="strict", num_threads=num_threads
    )  # fmt: skip


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
    found = _signals(a, v) if isinstance(mode, str) and mode in ("full", "same", "valid") else None
    if found is None:
        return _host_correlate(a, v, mode)
    if len(a) >= len(v):
        x, kernel = found[0], found[1][::-1]
        return _broadcast.convolve(
            x, kernel, (0,), [window(mode, len(x), len(kernel))], accuracy="strict", num_threads=num_threads
        )  # fmt: skip
    x, kernel = found[1], found[0][::-1]
    y = _broadcast.convolve(
        x, kernel, (0,), [window(mode, len(x), len(kernel))], accuracy="strict", num_threads=num_threads
    )
    return np.ascontiguousarray(y[::-1])
