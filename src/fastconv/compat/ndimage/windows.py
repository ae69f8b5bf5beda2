"""convolve and correlate: kernels with as many axes as the image, or as `axes` names."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fastconv.compat.ndimage import _windows
from fastconv.compat.ndimage._arguments import axes_of, border_of, each, image_of, kept, reach_of, target_of
from fastconv.compat.ndimage._host import by_host

__all__ = ["convolve", "correlate"]

# SciPy drops smaller weights.
_LEAST_WEIGHT = np.finfo(np.float64).eps


def _filtered(
    input: Any, weights: Any, output: Any, mode: Any, cval: Any, origin: Any, axes: Any, flip: bool,
    num_threads: int | None,
) -> np.ndarray | None:  # fmt: skip
    """Return the result, None where SciPy's function has to answer."""
    image = image_of(input)
    if image is None:
        return None
    kernel, places = np.asarray(weights), axes_of(axes, image.ndim)
    if kernel.dtype.kind not in "iufb" or not kernel.size or places is None or kernel.ndim != len(places):
        return None
    origins, border, target = each(origin, len(places)), border_of(mode, cval), target_of(output, image)
    if origins is None or border is None or target is None or places != tuple(sorted(places)):
        return None
    kernel = kernel.astype(np.float64)
    try:
        shifts = [operator.index(value) for value in origins]
    except TypeError:
        return None
    if flip:
        kernel = np.flip(kernel)
        shifts = [-shift - (n % 2 == 0) for shift, n in zip(shifts, kernel.shape, strict=True)]
    found = [reach_of(n, shift) for n, shift in zip(kernel.shape, shifts, strict=True)]
    reach = [(0, 0)] * image.ndim
    for axis, pair in zip(places, found, strict=True):
        if pair is None:
            return None
        reach[axis] = pair
    kernel = np.where(np.abs(kernel) > _LEAST_WEIGHT, kernel, 0.0)
    others = tuple(axis for axis in range(image.ndim) if axis not in places)
    return _windows.filtered(image, np.expand_dims(kernel, others), reach, border, target, num_threads)


def correlate(
    input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Correlate with a kernel; see `scipy.ndimage.correlate`.

    float32 images are computed in float32, everything else in float64 as in SciPy.

    Parameters
    ----------
    input, weights, output, mode, cval, origin, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> correlate([1, 2, 3, 4], [1, 10], mode="constant")
    array([10, 21, 32, 43])
    """
    origin, axes = kept(origin, axes)
    result = _filtered(input, weights, output, mode, cval, origin, axes, False, num_threads)
    return (
        by_host("correlate", num_threads)(input, weights, output, mode, cval, origin, axes=axes)
        if result is None
        else result
    )


def convolve(
    input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve with a kernel; see `scipy.ndimage.convolve`.

    Parameters
    ----------
    input, weights, output, mode, cval, origin, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> convolve([1, 2, 3, 4], [1, 10], mode="constant")
    array([12, 23, 34, 40])
    """
    origin, axes = kept(origin, axes)
    result = _filtered(input, weights, output, mode, cval, origin, axes, True, num_threads)
    return (
        by_host("convolve", num_threads)(input, weights, output, mode, cval, origin, axes=axes)
        if result is None
        else result
    )
