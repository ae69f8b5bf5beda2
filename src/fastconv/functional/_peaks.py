"""What this machine does at best: measured when somebody asks how far a call is from it, never before."""

from __future__ import annotations

import functools
import threading

import numpy as np

from fastconv import _engine

__all__ = ["copy_gb_per_s", "peak_gflops"]

_SMALLEST, _LARGEST = 2**12, 2**26


def peak_gflops(dtype: np.dtype, threads: int, isa: str | None = None) -> float | None:
    """Multiply-adds of the registers, two operations each, in GFLOP/s; measured once per process, in about 20 ms.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    threads : int
    isa : str, optional
        None is returned for any other than the active one, unless it was measured before.

    Examples
    --------
    >>> peak_gflops(np.dtype(np.float32), 1) > 0
    True
    """
    active = _engine.isa()
    key = (active if isa is None else isa, dtype.char, threads)
    with _lock:
        if key not in _measured and key[0] == active:
            _measured[key] = 2e-9 * _engine.measure_multiply_adds(dtype, threads)
        return _measured.get(key)


_measured: dict[tuple[str, str, int], float] = {}
_lock = threading.Lock()  # two measurements at a time would share the CPUs


def copy_gb_per_s(moved: int, threads: int) -> float:
    """Bandwidth of a copy that reads and writes about as many bytes as are `moved`, in GB/s; measured once per size.

    Examples
    --------
    >>> copy_gb_per_s(2**16, 1) > 0
    True
    """
    size = min(max(moved // 2, _SMALLEST), _LARGEST)
    return _copy(1 << (size.bit_length() - 1), threads)


@functools.cache
def _copy(size: int, threads: int) -> float:
    return 1e-9 * float(_engine.measure_copy(size, threads))
