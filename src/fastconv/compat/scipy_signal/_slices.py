"""Convolution along some axes by a function that knows none: slice by slice, the other axes broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.compat.scipy_signal._host import host_fftconvolve
from fastconv.compat.scipy_signal._problem import canonical_axes

__all__ = ["by_slices"]


def by_slices(
    first: np.ndarray, second: np.ndarray, mode: Any, axes: Any, function: Callable[..., np.ndarray]
) -> np.ndarray:
    """Return `function` of every pair of slices along `axes`.

    Raises
    ------
    ValueError, TypeError
        As SciPy's `fftconvolve` does for axes and shapes that do not fit.
    """
    listed = canonical_axes(axes, first.ndim) if first.ndim == second.ndim and first.size and second.size else None
    if listed is None:
        return host_fftconvolve(first, second, mode, axes)
    lead = [axis for axis in range(first.ndim) if axis not in listed]
    x, kernel = first.transpose(*lead, *listed), second.transpose(*lead, *listed)
    try:
        shape = np.broadcast_shapes(x.shape[: len(lead)], kernel.shape[: len(lead)])
    except ValueError:
        raise ValueError(f"incompatible shapes for in1 and in2: {first.shape} and {second.shape}") from None
    x = np.broadcast_to(x, (*shape, *x.shape[len(lead) :]))
    kernel = np.broadcast_to(kernel, (*shape, *kernel.shape[len(lead) :]))
    parts = [function(x[index], kernel[index]) for index in np.ndindex(*shape)]
    stacked = np.stack(parts).reshape(*shape, *parts[0].shape)
    return np.ascontiguousarray(stacked.transpose(np.argsort([*lead, *listed])))
