"""Filters along one axis: correlate1d, convolve1d, gaussian_filter1d and uniform_filter1d."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fastconv.compat.ndimage import _uniform
from fastconv.compat.ndimage._arguments import axis_of, border_of, image_of, reach_of, target_of
from fastconv.compat.ndimage._host import by_host
from fastconv.compat.ndimage._kernels import gaussian_weights
from fastconv.compat.ndimage._passes import Pass, filtered

__all__ = ["convolve1d", "correlate1d", "gaussian_filter1d", "gaussian_pass", "pass_of", "uniform_filter1d"]


def pass_of(image: np.ndarray, weights: Any, axis: Any, mode: Any, cval: Any, origin: Any) -> Pass | None:
    """Return a correlation along one axis, None if an argument is SciPy's to see to."""
    taps = np.asarray(weights)
    border, place = border_of(mode, cval), axis_of(axis, image.ndim)
    if taps.ndim != 1 or not taps.size or taps.dtype.kind not in "iuf" or border is None or place is None:
        return None
    reach = reach_of(len(taps), origin)
    return None if reach is None else Pass(place, taps.astype(np.float64), border, reach)


def gaussian_pass(
    image: np.ndarray, sigma: Any, axis: Any, order: Any, mode: Any, cval: Any, truncate: Any, radius: Any
) -> Pass | None:
    """Return the pass of a Gaussian, None if an argument is SciPy's to see to."""
    if isinstance(sigma, str) or isinstance(truncate, str) or isinstance(order, bool):
        return None
    try:
        deviation, degree = float(sigma), operator.index(order)
        half = int(float(truncate) * deviation + 0.5) if radius is None else operator.index(radius)
    except (TypeError, ValueError, OverflowError):
        return None
    if not 0 < deviation < np.inf or degree < 0 or half < 0:
        return None
    return pass_of(image, gaussian_weights(deviation, degree, half)[::-1], axis, mode, cval, 0)


def correlate1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0, *, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Correlate along one axis; see `scipy.ndimage.correlate1d`.

    Parameters
    ----------
    input, weights, axis, output, mode, cval, origin
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    """
    image = image_of(input)
    if image is not None:
        step, target = pass_of(image, weights, axis, mode, cval, origin), target_of(output, image)
        if step is not None and target is not None:
            return filtered(image, [step], target, num_threads)
    return by_host("correlate1d", num_threads)(input, weights, axis, output, mode, cval, origin)


def convolve1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0, *, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve along one axis; see `scipy.ndimage.convolve1d`.

    Parameters
    ----------
    input, weights, axis, output, mode, cval, origin
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> convolve1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([14, 24,  4, 13, 12, 36, 27,  0])
    """
    image, taps = image_of(input), np.asarray(weights)
    if image is not None and taps.ndim == 1 and taps.size:
        try:
            turned = -operator.index(origin) - (len(taps) % 2 == 0)
        except TypeError:
            turned = origin
        step, target = pass_of(image, taps[::-1], axis, mode, cval, turned), target_of(output, image)
        if step is not None and target is not None:
            return filtered(image, [step], target, num_threads)
    return by_host("convolve1d", num_threads)(input, weights, axis, output, mode, cval, origin)


def gaussian_filter1d(
    input: Any, sigma: float, axis: int = -1, order: int = 0, output: Any = None, mode: str = "reflect",
    cval: Any = 0.0, truncate: float = 4.0, *, radius: int | None = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Filter along one axis with a Gaussian or a derivative of it; see `scipy.ndimage.gaussian_filter1d`.

    Parameters
    ----------
    input, sigma, axis, order, output, mode, cval, truncate, radius
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gaussian_filter1d([1.0, 2.0, 3.0, 4.0, 5.0], 1).round(2)
    array([1.43, 2.07, 3.  , 3.93, 4.57])
    """
    image = image_of(input)
    if image is not None:
        step = gaussian_pass(image, sigma, axis, order, mode, cval, truncate, radius)
        target = target_of(output, image)
        if step is not None and target is not None:
            return filtered(image, [step], target, num_threads)
    return by_host("gaussian_filter1d", num_threads)(
        input, sigma, axis, order, output, mode, cval, truncate, radius=radius
    )


def uniform_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0, *, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Mean of a window along one axis; see `scipy.ndimage.uniform_filter1d`.

    Parameters
    ----------
    input, size, axis, output, mode, cval, origin
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> uniform_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([4, 3, 4, 1, 4, 6, 6, 3])
    """
    image = image_of(input)
    if image is not None:
        target = target_of(output, image)
        steps = _uniform.passes(image, [size], [axis], [mode], cval, [origin])
        if target is not None and steps:
            result = _uniform.filtered(image, steps, target, num_threads)
            if result is not None:
                return result
    return by_host("uniform_filter1d", num_threads)(input, size, axis, output, mode, cval, origin)
