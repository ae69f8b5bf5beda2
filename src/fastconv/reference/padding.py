"""Borders: which element of the input stands at a position outside of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BORDERS = ("zeros", "reflect", "symmetric", "edge", "wrap")


def border_index(position: int, size: int, border: str | float) -> int | None:
    """Input index that stands at `position` of an axis of `size` elements.

    Parameters
    ----------
    position : int
        Any position; 0 to ``size - 1`` are the input itself.
    size : int
        Number of elements of the axis, at least 1.
    border : {"zeros", "reflect", "symmetric", "edge", "wrap"} or float
        As in `numpy.pad`: with ``reflect`` the edge element is not repeated, with ``symmetric`` it is.

    Returns
    -------
    int or None
        None where the border is a constant.

    Examples
    --------
    >>> [border_index(i, 3, "reflect") for i in range(-3, 6)]
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    >>> [border_index(i, 3, "symmetric") for i in range(-3, 6)]
    [2, 1, 0, 0, 1, 2, 2, 1, 0]
    >>> [border_index(i, 3, "edge") for i in range(-2, 5)]
    [0, 0, 0, 1, 2, 2, 2]
    >>> [border_index(i, 3, "wrap") for i in range(-2, 5)]
    [1, 2, 0, 1, 2, 0, 1]
    >>> border_index(-1, 3, "zeros") is None
    True
    """
    if 0 <= position < size:
        return position
    if border == "edge":
        return 0 if position < 0 else size - 1
    if border == "wrap":
        return position % size
    if border == "symmetric":
        position %= 2 * size
        return position if position < size else 2 * size - 1 - position
    if border == "reflect":
        if size == 1:
            return 0
        position %= 2 * size - 2
        return position if position < size else 2 * size - 2 - position
    if isinstance(border, str) and border != "zeros":
        raise ValueError(f"border (={border!r}) must be a number or one of {', '.join(BORDERS)}")
    return None


def pad(x: np.ndarray, padding: Sequence[tuple[int, int]], border: str | float = "zeros") -> np.ndarray:
    """Widen a volume on both sides of its spatial axes.

    Parameters
    ----------
    x : ndarray of shape (N, C, D, H, W)
        Input.
    padding : sequence of three (before, after) pairs
        Elements to add, per spatial axis.
    border : {"zeros", "reflect", "symmetric", "edge", "wrap"} or float
        What stands there.

    Returns
    -------
    ndarray of shape (N, C, D + before + after, ...)

    Examples
    --------
    >>> pad(np.array([[[[[1.0, 2.0, 3.0]]]]]), [(0, 0), (0, 0), (2, 1)], "reflect")[0, 0, 0, 0].tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    constant = 0.0 if isinstance(border, str) else float(border)
    size = x.shape[2:]
    shape = tuple(n + before + after for n, (before, after) in zip(size, padding, strict=True))
    wide = np.full(x.shape[:2] + shape, constant, dtype=x.dtype)
    for d, h, w in np.ndindex(shape):
        source = tuple(
            border_index(i - before, n, border) for i, n, (before, _) in zip((d, h, w), size, padding, strict=True)
        )
        if None not in source:
            wide[:, :, d, h, w] = x[:, :, source[0], source[1], source[2]]
    return wide


def pad_backward(
    dwide: np.ndarray, size: Sequence[int], padding: Sequence[tuple[int, int]], border: str | float = "zeros"
) -> np.ndarray:
    """Gradient of `pad`: what reached a copy is added to the element it was copied from.

    Parameters
    ----------
    dwide : ndarray of shape (N, C, D + before + after, ...)
        Gradient of the widened volume.
    size : sequence of three ints
        Spatial size (D, H, W) of the input of `pad`.
    padding, border
        Those of `pad`.

    Returns
    -------
    ndarray of shape (N, C, D, H, W)

    Examples
    --------
    >>> pad_backward(np.ones((1, 1, 1, 1, 5)), (1, 1, 2), [(0, 0), (0, 0), (2, 1)], "edge")[0, 0, 0, 0].tolist()
    [3.0, 2.0]
    """
    dx = np.zeros(dwide.shape[:2] + tuple(size), dtype=dwide.dtype)
    for d, h, w in np.ndindex(dwide.shape[2:]):
        source = tuple(
            border_index(i - before, n, border) for i, n, (before, _) in zip((d, h, w), size, padding, strict=True)
        )
        if None not in source:
            dx[:, :, source[0], source[1], source[2]] += dwide[:, :, d, h, w]
    return dx
