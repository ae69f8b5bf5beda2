"""Batches of products of matrices, of views at any strides."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import deliver, result_buffer, same_dtype, thread_count
from fastconv.functional._operands import operand

__all__ = ["BATCH", "matmul", "prepare_matmul", "product_shape"]

#: axes of a batch that the engine knows
BATCH = 4


def product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a product of matrices in the last two axes, the axes before broadcast.

    Raises
    ------
    ValueError
        If the matrices do not fit.

    Examples
    --------
    >>> product_shape((5, 1, 2, 3), (4, 3, 6))
    (5, 4, 2, 6)
    """
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise ValueError(f"matrices of shapes {a} and {b} cannot be multiplied")
    try:
        return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    except ValueError:
        raise ValueError(f"batches of matrices of shapes {a} and {b} do not broadcast") from None


def matmul(
    a: Any, b: Any, scale: float = 1.0, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """Products of matrices, ``y[..., m, n] = sum_k a[..., m, k] * (scale * b[..., k, n])``.

    Parameters
    ----------
    a : ndarray, shape (..., M, K), float32 or float64
    b : ndarray, shape (..., K, N), dtype of a
        Axes before the last two broadcast. Both are read as they lie: a transposed view costs no copy.
    scale : float
    out : ndarray, shape (..., M, N), dtype of a, optional
        Where the result goes; it may not overlap an input.
    num_threads : int, optional

    Returns
    -------
    ndarray, shape (..., M, N), dtype of a

    Raises
    ------
    ValueError
        If the shapes do not fit.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[[3.0], [4.0]], [[5.0], [6.0]]]), 0.5)
    array([[[5.5]],
    <BLANKLINE>
           [[8.5]]])
    """
    a, b = operand("a", a), operand("b", b)
    same_dtype("b", b, "a", a)
    y = result_buffer("out", out, product_shape(a.shape, b.shape), a.dtype, (("a", a), ("b", b)))
    if not (a.size and b.size):
        y[...] = 0
        return deliver(y, out)
    run = prepare_matmul(a, b, y, scale)
    if run is None:
        a, b = (np.array(np.broadcast_to(one, (*y.shape[:-2], *one.shape[-2:])), order="C") for one in (a, b))
        run = prepare_matmul(a, b, y, scale)
        assert run is not None  # batches of dense arrays are one axis
    run(a, b, y, thread_count(num_threads))
    return deliver(y, out)


def prepare_matmul(
    a: np.ndarray,
    b: np.ndarray,
    y: np.ndarray,
    scale: float = 1.0,
    wholes: Sequence[np.ndarray] | None = None,
) -> Callable[..., None] | None:
    """``run(a, b, y, num_threads=0)`` for arrays that lie as these do; None where a batch has too many axes.

    `wholes`: arrays that these are views of, which are then what `run` takes.
    """
    views = (a, b, y)
    wholes = views if wholes is None else wholes
    if any(view.size and not np.may_share_memory(view, whole) for view, whole in zip(views, wholes, strict=True)):
        raise ValueError("wholes must be the arrays that a, b and y are views of")
    item = a.itemsize
    offsets = tuple((view.ctypes.data - whole.ctypes.data) // item for view, whole in zip(views, wholes, strict=True))
    operation = _operation(a.dtype, y.shape, a.shape, a.strides, b.shape, b.strides, y.strides, offsets, scale)
    return None if operation is None else operation.execute


@functools.lru_cache(maxsize=256)
def _operation(
    dtype: np.dtype,
    shape: tuple[int, ...],
    a_shape: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_shape: tuple[int, ...],
    b_strides: tuple[int, ...],
    y_strides: tuple[int, ...],
    offsets: tuple[int, int, int],
    scale: float,
) -> Any:
    item = dtype.itemsize
    batch = shape[:-2]
    strides = [
        _spread(a_shape[:-2], a_strides[:-2], len(batch)),
        _spread(b_shape[:-2], b_strides[:-2], len(batch)),
        y_strides[:-2],
    ]
    axes = _merged([(size, *steps) for size, *steps in zip(batch, *strides, strict=True) if size != 1])
    if len(axes) > BATCH or (shape[-1] > 1 and y_strides[-1] != item):
        return None
    axes = [(1, 0, 0, 0)] * (BATCH - len(axes)) + axes
    steps = [
        tuple(step // item for step in (*(axis[place + 1] for axis in axes), *last))
        for place, last in enumerate((a_strides[-2:], b_strides[-2:], y_strides[-2:]))
    ]
    size = (shape[-2], a_shape[-1], shape[-1])
    return _engine.Matmul(dtype, tuple(axis[0] for axis in axes), size, *steps, offsets, scale)


def _spread(shape: tuple[int, ...], strides: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Strides of a batch broadcast to `ndim` axes."""
    steps = tuple(0 if size == 1 else step for size, step in zip(shape, strides, strict=True))
    return (0,) * (ndim - len(shape)) + steps


def _merged(axes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Neighbouring axes (size, steps ...) that are one for every array."""
    found: list[tuple[int, ...]] = []
    for size, *steps in axes:
        if found and all(outer == size * inner for outer, inner in zip(found[-1][1:], steps, strict=True)):
            found[-1] = (found[-1][0] * size, *steps)
        else:
            found.append((size, *steps))
    return found
