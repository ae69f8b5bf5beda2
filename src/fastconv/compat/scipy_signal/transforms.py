"""fftconvolve and oaconvolve: convolution along some axes, in float or complex, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastconv.compat.scipy_signal import _host
from fastconv.compat.scipy_signal._choice import transform_wins
from fastconv.compat.scipy_signal._problem import compute, problem_of

__all__ = ["fftconvolve", "oaconvolve"]


def _transformed(*arrays: np.ndarray) -> np.dtype:
    """The type of a product of transforms: integers are float64 in them, float16 is float32."""
    kinds = {"b": np.float64, "i": np.float64, "u": np.float64}
    return np.result_type(np.float32, *(kinds.get(array.dtype.kind, array.dtype) for array in arrays))


def _convolve(in1: Any, in2: Any, mode: Any, axes: Any, num_threads: int | None, host: Callable[..., Any]) -> Any:
    axes = list(axes) if isinstance(axes, Iterator) else axes
    if not _host.foreign(in1, in2):
        in1, in2 = np.asarray(in1), np.asarray(in2)
        problem = problem_of(in1, in2, mode, axes)
        if problem is not None and not transform_wins(problem):
            result = compute(problem, _transformed(in1, in2), "default", num_threads)
            if result is not None:
                return result
    with _host.workers(num_threads):
        return host(in1, in2, mode, axes)


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None, *, num_threads: int | None = None) -> Any:
    """Convolve two arrays along `axes`, the others broadcast; see `scipy.signal.fftconvolve`.

    Integers are computed in float64. Mode "same" keeps the broadcast size of the axes that are not convolved, where
    SciPy's function cuts them to those of `in1`. What is not finite stays under the windows that hold it.

    Parameters
    ----------
    in1, in2 : array_like
    mode : {"full", "same", "valid"}
    axes : int or sequence of int, optional
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> fftconvolve([1, 2, 3], [0, 1], mode="full")
    array([0., 1., 2., 3.])
    """
    return _convolve(in1, in2, mode, axes, num_threads, _host.host_fftconvolve)


def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None, *, num_threads: int | None = None) -> Any:
    """Convolve two arrays of very different sizes; see `scipy.signal.oaconvolve` and `fftconvolve`.

    Parameters
    ----------
    in1, in2 : array_like
    mode : {"full", "same", "valid"}
    axes : int or sequence of int, optional
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> oaconvolve([1.0, 2.0, 3.0, 4.0], [1.0, 10.0], "valid")
    array([12., 23., 34.])
    """
    return _convolve(in1, in2, mode, axes, num_threads, _host.host_oaconvolve)
