"""What a convolution asks for: axes, windows, types; None where only SciPy has an answer or an error."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat._broadcast import Window, window
from fastconv.compat._casting import convolve_as
from fastconv.compat._exact import exactly

__all__ = ["MODES", "Problem", "canonical_axes", "compute", "integral", "numeric", "problem_of", "sums"]

MODES = ("full", "same", "valid")
# Types of results that are not whole numbers: what they are computed in.
REAL: dict[str, np.dtype] = {
    "f": np.dtype(np.float32),
    "d": np.dtype(np.float64),
    "F": np.dtype(np.float32),
    "D": np.dtype(np.float64),
}


class Problem(NamedTuple):
    """Two arrays in the order in which they are convolved, and what is wanted."""

    x: np.ndarray
    kernel: np.ndarray
    axes: tuple[int, ...]  # convolved, none of size 1 in either array
    windows: tuple[Window, ...]
    crop: tuple[int | slice, ...]  # of the result: along axes that are listed, but of size 1 in the first array
    result: np.dtype


def canonical_axes(axes: Any, ndim: int) -> tuple[int, ...] | None:
    """Return axes in ascending order, None for what names none or no existing ones."""
    if axes is None:
        return tuple(range(ndim))
    try:
        listed = [operator.index(axis) for axis in (axes if np.iterable(axes) else [axes])]
    except TypeError:
        return None
    if not listed or any(not -ndim <= axis < ndim for axis in listed):
        return None
    found = sorted(axis % ndim for axis in listed)
    return tuple(found) if len(set(found)) == len(found) else None


def _order(mode: str, x: np.ndarray, kernel: np.ndarray, axes: list[int]) -> bool | None:
    """Whether "valid" exchanges the arrays; None if neither covers the other."""
    if mode != "valid" or all(x.shape[axis] >= kernel.shape[axis] for axis in axes):
        return False
    return True if all(x.shape[axis] <= kernel.shape[axis] for axis in axes) else None


def problem_of(first: np.ndarray, second: np.ndarray, mode: Any, axes: Any) -> Problem | None:
    """Return the problem of convolving along `axes`, all of them by default."""
    ndim = first.ndim
    if not isinstance(mode, str) or mode not in MODES or ndim != second.ndim or ndim == 0 or not numeric(first, second):
        return None
    listed = canonical_axes(axes, ndim)
    if listed is None or first.size == 0 or second.size == 0:
        return None
    convolved = [axis for axis in listed if first.shape[axis] != 1 and second.shape[axis] != 1]
    pairs = list(zip(first.shape, second.shape, strict=True))
    if any(n != k and 1 not in (n, k) for axis, (n, k) in enumerate(pairs) if axis not in convolved):
        return None
    swap = _order(mode, first, second, convolved)
    if swap is None:
        return None
    x, kernel = (second, first) if swap else (first, second)
    windows = tuple(window(mode, x.shape[axis], kernel.shape[axis]) for axis in convolved)
    crop: list[int | slice] = [slice(None)] * ndim
    if mode == "same":
        for axis in listed:
            if axis not in convolved and x.shape[axis] == 1 < kernel.shape[axis]:
                middle = (kernel.shape[axis] - 1) // 2
                crop[axis] = slice(middle, middle + 1)
    return Problem(x, kernel, tuple(convolved), windows, tuple(crop), np.result_type(first, second))


def numeric(*arrays: np.ndarray) -> bool:
    """Whether all arrays hold numbers or booleans, which NumPy promotes to each other."""
    return all(array.dtype.kind in "biufc" for array in arrays)


def integral(*arrays: np.ndarray) -> bool:
    """Whether all arrays hold integers; booleans are none."""
    return all(array.dtype.kind in "iu" for array in arrays)


def sums(problem: Problem) -> int:
    """Products in one output, at most."""
    terms = 1
    for axis in problem.axes:
        terms *= min(problem.x.shape[axis], problem.kernel.shape[axis])
    return terms


def compute(problem: Problem, dtype: np.dtype, accuracy: str, num_threads: int | None) -> np.ndarray | None:
    """Return the result in the type `dtype`; None for a type, or integers too large, that SciPy has to see to."""
    x, kernel, axes, windows = problem.x, problem.kernel, problem.axes, problem.windows
    whole = integral(x, kernel) and dtype.kind in "iu"
    if not whole and dtype.char not in REAL:
        return None
    if not axes:
        return np.multiply(x, kernel)[problem.crop]
    y: np.ndarray | None
    if whole:
        y = exactly(x, kernel, axes, windows, sums(problem), dtype, num_threads=num_threads)
    else:
        y = convolve_as(
            REAL[dtype.char], x, kernel, axes, windows, accuracy=accuracy, num_threads=num_threads, result=dtype
        )  # fmt: skip
    return y if y is None else np.ascontiguousarray(y[problem.crop])
