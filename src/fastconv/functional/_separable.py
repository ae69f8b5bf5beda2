"""Kernels of rank one: a column times a row, so that two passes along one axis each do the work of one over both."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import _engine

__all__ = ["check_separable", "choose_factors", "factors", "scratch"]

# Vector multiply-adds per output that a second pass over the image costs, and what one along a row takes, in units of
# one of a two-dimensional kernel: rows share no loads.
_PASS = 16.0
_ROW = 2.0
# A larger kernel that does not separate goes by transforms, whose cost per output hardly grows.
_TRANSFORM = 160.0
# Below this many multiply-adds looking for factors takes longer than it saves.
_LEAST_WORK = 1 << 22
# How far, in epsilons of its type, a product of the factors may be from its element.
_EPSILONS = 4


def factors(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a column and a row whose products are the kernel to within its own rounding, or None.

    Every product, in float64, is within a few epsilons of its element, so that no small tap is lost between large
    ones: about what rounding the kernel's elements brought in.
    """
    largest = np.abs(kernel).max(initial=0)
    if not 0 < largest < np.inf or _clearly_whole(kernel, largest):
        return None
    scaled = math.frexp(float(largest))[1]
    exact = np.ldexp(kernel.astype(np.float64), -scaled)
    magnitudes = np.abs(exact)
    row = exact[int(magnitudes.max(axis=1).argmax())]
    column = exact @ row / (row @ row)
    row = column @ exact / (column @ column)
    rounding = np.finfo(kernel.dtype)
    error = np.abs(exact - np.multiply.outer(column, row))
    if not (error <= _EPSILONS * rounding.eps * magnitudes + rounding.tiny).all():
        return None
    # A power of two, so that the factors of a box are as exact as the box.
    scale = 2.0 ** np.round(np.log2(np.abs(row).sum() / np.abs(column).sum()) / 2)
    half = scaled // 2
    return (
        np.ldexp(column * scale, half).astype(kernel.dtype),
        np.ldexp(row / scale, scaled - half).astype(kernel.dtype),
    )


def _clearly_whole(kernel: np.ndarray, largest: Any) -> bool:
    """Whether four elements, a corner's and the middle's, already rule factors out: a look that takes a microsecond."""
    i, j = kernel.shape[0] // 2, kernel.shape[1] // 2
    straight = kernel.item(0, 0) * kernel.item(i, j)
    crossed = kernel.item(0, j) * kernel.item(i, 0)
    rounding = np.finfo(kernel.dtype)
    allowed = 16 * _EPSILONS * float(rounding.eps) * (abs(straight) + abs(crossed))
    return abs(straight - crossed) > allowed + 16 * float(rounding.tiny) * float(largest) * float(largest)


def check_separable(separable: Any, axes: int = 2) -> None:
    """Check the option `separable` of a call on arrays of so many axes.

    Raises
    ------
    ValueError
        If it is neither "auto" nor a bool, or is True and a column times a row is no kernel of so many axes.
    """
    if not (isinstance(separable, (bool, np.bool_)) or (isinstance(separable, str) and separable == "auto")):
        raise ValueError(f'separable (={separable!r}) must be "auto", True or False')
    if axes != 2 and not isinstance(separable, str) and separable:
        raise ValueError(f"separable (={separable!r}) is for arrays with two axes, but these have {axes}")


def choose_factors(
    kernel: np.ndarray, outputs: int, separable: Any, accuracy: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the factors of a kernel of two axes if it is to run as two passes, else None.

    Raises
    ------
    ValueError
        If `separable` is neither "auto" nor a bool, or is True and the kernel does not separate.
    """
    check_separable(separable)
    if isinstance(separable, str):
        height, width = kernel.shape
        whole = min(float(height * width), _TRANSFORM)
        passes = min(height, _TRANSFORM) + min(_ROW * width, _TRANSFORM) + _PASS
        if accuracy == "strict" or outputs * whole < _LEAST_WORK or passes >= whole:
            return None
        return factors(kernel)
    if not separable:
        return None
    found = factors(kernel)
    if found is None:
        raise ValueError(
            f"separable (={separable!r}) asks for two passes, but the kernel of shape {kernel.shape} is no column "
            "times a row"
        )
    return found


def scratch(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array in the engine's recycled scratch memory: fresh pages cost more than a pass over small images."""
    size = math.prod(shape)
    if size == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(_engine.Scratch(size * dtype.itemsize), dtype, size).reshape(shape)
