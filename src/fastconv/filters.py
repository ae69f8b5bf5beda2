"""Hand-designed filters: the kernels that image processing used before kernels were learned.

Each name stands for one float32 kernel. The gradient magnitudes "sobel", "prewitt" and "scharr" stand for two, the
derivatives along x and y, which `fastconv.apply_filter` combines to sqrt(gx^2 + gy^2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import geometry

__all__ = ["box", "gaussian", "get", "names"]

_LEAST_SIGMA = 0.02
_IDENTITY = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
_SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
_EDGE = [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
_LAPLACIAN = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
_EMBOSS = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
_VERTICAL = [[1, 0, -1], [1, 0, -1], [1, 0, -1]]


def _derivative(*smoothing: int) -> np.ndarray:
    """Derivative along x, rising to the right, smoothed along y."""
    return np.outer(smoothing, (-1, 0, 1))


def _both(*smoothing: int) -> np.ndarray:
    return np.stack([_derivative(*smoothing), _derivative(*smoothing).T])


def box(size: Any = 3, dtype: Any = np.float32) -> np.ndarray:
    """Mean of a window: the box blur.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window.
    dtype : dtype
        Element type of the kernel.

    Returns
    -------
    ndarray of dtype, shape (height, width)
        Its elements sum to 1.

    Raises
    ------
    TypeError, ValueError
        If `size` is not made of positive ints.

    Examples
    --------
    >>> box((1, 4))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """
    height, width = geometry.canonical_spatial("size", size, 2, 1)
    return np.full((height, width), 1 / (height * width), dtype)


def gaussian(size: Any = 5, sigma: float | None = None, dtype: Any = np.float32) -> np.ndarray:
    """Gaussian blur, ``exp(-(x^2 + y^2) / (2 sigma^2))``, scaled to the sum 1.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the kernel.
    sigma : float, optional
        Standard deviation in pixels; by default a fifth of the larger side.
    dtype : dtype
        Element type of the kernel.

    Returns
    -------
    ndarray of dtype, shape (height, width)

    Raises
    ------
    TypeError, ValueError
        If `size` is not made of positive ints, or `sigma` is no number from 0.02 up: below, float64 holds no bell.

    Examples
    --------
    >>> gaussian(3, 1.0).round(3)
    array([[0.075, 0.124, 0.075],
           [0.124, 0.204, 0.124],
           [0.075, 0.124, 0.075]], dtype=float32)
    """
    sides = geometry.canonical_spatial("size", size, 2, 1)
    try:
        spread = max(sides) / 5 if sigma is None else float(sigma)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"sigma (={sigma!r}) must be a number") from None
    if not _LEAST_SIGMA <= spread < float("inf"):
        raise ValueError(f"sigma (={sigma!r}) must be finite and at least {_LEAST_SIGMA}, in pixels")
    rows, columns = (np.exp(-((np.arange(side) - (side - 1) / 2) ** 2) / (2 * spread**2)) for side in sides)
    kernel = np.outer(rows, columns)
    return (kernel / kernel.sum()).astype(dtype)


_FILTERS: dict[str, Callable[[], Any]] = {
    "identity": lambda: _IDENTITY,
    "box": box,
    "gaussian": gaussian,
    "sharpen": lambda: _SHARPEN,
    "edge_detection": lambda: _EDGE,
    "sobel": lambda: _both(1, 2, 1),
    "sobel_x": lambda: _derivative(1, 2, 1),
    "sobel_y": lambda: _derivative(1, 2, 1).T,
    "prewitt": lambda: _both(1, 1, 1),
    "prewitt_x": lambda: _derivative(1, 1, 1),
    "prewitt_y": lambda: _derivative(1, 1, 1).T,
    "scharr": lambda: _both(3, 10, 3),
    "scharr_x": lambda: _derivative(3, 10, 3),
    "scharr_y": lambda: _derivative(3, 10, 3).T,
    "laplacian": lambda: _LAPLACIAN,
    "emboss": lambda: _EMBOSS,
    "vertical_edge": lambda: _VERTICAL,
    "horizontal_edge": lambda: np.transpose(_VERTICAL),
}


def names() -> list[str]:
    """Names that `get` and `fastconv.apply_filter` know.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "sobel_x" in names()
    True
    """
    return list(_FILTERS)


def get(name: str, dtype: Any = np.float32) -> np.ndarray:
    """Kernel of a named filter, to be correlated with an image.

    Parameters
    ----------
    name : str
        One of `names`.
    dtype : dtype
        Element type of the kernel.

    Returns
    -------
    ndarray of dtype, shape (kh, kw), or (2, kh, kw) for a gradient magnitude
        A new array.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists those there are.

    Examples
    --------
    >>> get("sobel_x")
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]], dtype=float32)
    """
    if not isinstance(name, str) or name not in _FILTERS:
        raise ValueError(f"filter name (={name!r}) must be one of {', '.join(_FILTERS)}")
    return np.array(_FILTERS[name](), dtype)
