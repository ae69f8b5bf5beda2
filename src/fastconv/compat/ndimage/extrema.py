"""maximum_filter and minimum_filter, and their forms along one axis."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from fastconv.compat.ndimage import _extrema
from fastconv.compat.ndimage._arguments import axes_of, axis_of, border_of, each, image_of, kept, reach_of, target_of
from fastconv.compat.ndimage._extrema import Extent
from fastconv.compat.ndimage._host import by_host

__all__ = ["maximum_filter", "maximum_filter1d", "minimum_filter", "minimum_filter1d"]


def _extent(image: np.ndarray, size: Any, axis: Any, mode: Any, cval: Any, origin: Any) -> Extent | None:
    """Return a window along one axis, None if an argument is SciPy's to see to."""
    place, border = axis_of(axis, image.ndim), border_of(mode, cval)
    try:
        reach = reach_of(operator.index(size), origin)
    except TypeError:
        return None
    return None if place is None or border is None or reach is None else Extent(place, reach, border)


def _along(
    name: str, input: Any, size: Any, axis: Any, output: Any, mode: Any, cval: Any, origin: Any,
    num_threads: int | None,
) -> Any:  # fmt: skip
    """Extrema along one axis."""
    image = image_of(input)
    if image is not None:
        extent, target = _extent(image, size, axis, mode, cval, origin), target_of(output, image)
        if extent is not None and target is not None:
            result = _extrema.filtered(image, [extent], target, name.startswith("minimum"), num_threads)
            if result is not None:
                return result
    return by_host(name, num_threads)(input, size, axis, output, mode, cval, origin)


def _extents(
    image: np.ndarray, size: Any, footprint: Any, mode: Any, cval: Any, origin: Any, axes: Any
) -> list[Extent] | None:
    """Return the windows of the axes that have one, in ascending order; None for what is no box."""
    places = axes_of(axes, image.ndim)
    if places is None or (size is None) == (footprint is None):
        return None
    if footprint is not None:
        mask = np.asarray(footprint, dtype=bool)
        if not mask.size or not mask.all():
            return None
        size = mask.shape
    columns = [each(value, len(places)) for value in (size, mode, origin)]
    if any(column is None for column in columns):
        return None
    found = []
    for axis, n, name, shift in zip(places, *(column or () for column in columns), strict=True):
        extent = _extent(image, n, axis, name, cval, shift)
        if extent is None:
            if not isinstance(n, (int, np.integer)) or n > 1:
                return None
        elif sum(extent.reach):
            found.append(extent)
    return sorted(found)


def _over(
    name: str, input: Any, size: Any, footprint: Any, output: Any, mode: Any, cval: Any, origin: Any, axes: Any,
    num_threads: int | None,
) -> Any:  # fmt: skip
    """Extrema of boxes."""
    image = image_of(input)
    if image is not None:
        extents, target = _extents(image, size, footprint, mode, cval, origin, axes), target_of(output, image)
        if extents and target is not None:
            result = _extrema.filtered(image, extents, target, name.startswith("minimum"), num_threads)
            if result is not None:
                return result
    return by_host(name, num_threads)(input, size, footprint, output, mode, cval, origin, axes=axes)


def maximum_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0, *, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows along one axis; see `scipy.ndimage.maximum_filter1d`.

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
    >>> maximum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([8, 8, 8, 4, 9, 9, 9, 9])
    """
    return _along("maximum_filter1d", input, size, axis, output, mode, cval, origin, num_threads)


def minimum_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0, *, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Minima of windows along one axis; see `scipy.ndimage.minimum_filter1d`.

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
    >>> minimum_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([2, 0, 0, 0, 1, 1, 0, 0])
    """
    return _along("minimum_filter1d", input, size, axis, output, mode, cval, origin, num_threads)


def maximum_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0, *, axes: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows; see `scipy.ndimage.maximum_filter`. Footprints that are no box go to SciPy, and so does NaN.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> maximum_filter([[1, 0, 0], [0, 0, 0], [0, 0, 2]], size=2)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 2]])
    """
    size, mode, origin, axes = kept(size, mode, origin, axes)
    return _over("maximum_filter", input, size, footprint, output, mode, cval, origin, axes, num_threads)


def minimum_filter(
    input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    origin: Any = 0, *, axes: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Minima of windows; see `scipy.ndimage.minimum_filter` and `maximum_filter`.

    Parameters
    ----------
    input, size, footprint, output, mode, cval, origin, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> minimum_filter([[3, 4, 4], [4, 4, 4], [4, 4, 2]], size=2)
    array([[3, 3, 4],
           [3, 3, 4],
           [4, 4, 2]])
    """
    size, mode, origin, axes = kept(size, mode, origin, axes)
    return _over("minimum_filter", input, size, footprint, output, mode, cval, origin, axes, num_threads)
