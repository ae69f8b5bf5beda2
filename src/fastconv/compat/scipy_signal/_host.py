"""SciPy's own functions, whatever stands in their place: what is not computed here goes to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import get_num_threads
from fastconv.compat._hosts import own_function
from fastconv.functional._arrays import thread_count

try:
    from scipy import fft
    from scipy import signal as host
except ImportError as error:
    raise ImportError("fastconv.compat.scipy_signal stands in for SciPy and needs it: pip install scipy") from error

__all__ = ["foreign", "host_convolve", "host_correlate", "host_fftconvolve", "host_oaconvolve", "no_axes", "workers"]

host_convolve = own_function(host, "convolve")
host_correlate = own_function(host, "correlate")
host_convolve2d = own_function(host, "convolve2d")
host_correlate2d = own_function(host, "correlate2d")
host_fftconvolve = own_function(host, "fftconvolve")
host_oaconvolve = own_function(host, "oaconvolve")
host_choose_conv_method = own_function(host, "choose_conv_method")
host_correlation_lags = own_function(host, "correlation_lags")


def workers(num_threads: int | None) -> Any:
    """Return a context in which SciPy's transforms use so many threads."""
    return fft.set_workers(thread_count(num_threads) or get_num_threads())


def foreign(*arrays: Any) -> bool:
    """Whether an array belongs to another library: SciPy's array API support is then what serves it."""
    return any(hasattr(array, "__array_namespace__") and not isinstance(array, np.ndarray) for array in arrays)


def no_axes(axes: Any) -> None:
    """Refuse axes for the arrays of other libraries, which SciPy's function convolves along all."""
    if axes is not None:
        raise TypeError(f"axes (={axes!r}) is for NumPy's arrays: convert the arrays with numpy.asarray")
