"""Small integers that stand for real numbers, (q - zero_point) * scale: made, read, added and multiplied."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv.functional._arrays import deliver, dense, result_buffer, same_shape, thread_count
from fastconv.functional._bytes import BYTES, byte_array, byte_type, checked_zero_point
from fastconv.functional._operands import as_array, operand

__all__ = ["dequantize", "prepare_lookup", "prepare_quantized", "quantize", "quantized_add", "quantized_mul"]

_Pair = tuple[float, int]  # scale, zero point

_FLOAT = np.dtype(np.float32)


def _scale(name: str, value: Any) -> float:
    """A scale, as float32 has it."""
    array = as_array(name, value)
    if array.shape != () or array.dtype.kind not in "fiu":
        raise TypeError(f"{name} (={value!r}) must be a single real number")
    with np.errstate(over="ignore", under="ignore"):
        scale = float(array.astype(_FLOAT))
    if not math.isfinite(scale) or scale == 0:
        raise ValueError(f"{name} (={value!r}) must be finite and not 0 in float32")
    return scale


def _meaning(name: str, scale: Any, zero_point: Any, dtype: np.dtype) -> _Pair:
    prefix = f"{name}_" if name else ""
    zero = checked_zero_point(f"{prefix}zero_point", zero_point, dtype, ((),))
    return _scale(f"{prefix}scale", scale), int(zero)


def quantize(
    x: Any,
    scale: Any,
    zero_point: Any = None,
    dtype: Any = np.uint8,
    *,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Make 8-bit integers of real numbers, ``clip(rint(x / scale) + zero_point)``, as ONNX's QuantizeLinear does.

    Parameters
    ----------
    x : ndarray of float32, any shape
        Numbers beyond what `dtype` holds become its ends.
    scale : float
        What a step stands for, finite and not 0.
    zero_point : int, optional
        The integer that stands for 0, in the range of `dtype`; 0 where it is None.
    dtype : dtype
        int8 or uint8.
    out : ndarray of `dtype`, shape of x, optional
        Where the result goes.
    num_threads : int, optional

    Returns
    -------
    ndarray of `dtype`, shape of x
        Rounded half to even.

    Raises
    ------
    TypeError, ValueError
        If a type, the scale or the zero point does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.quantize(np.array([-1.0, 0.0, 0.25, 9.0], np.float32), 0.1, 10)
    array([  0,  10,  12, 100], dtype=uint8)
    """
    given = as_array("x", x)
    kind = byte_type("dtype", dtype)
    if given.dtype.newbyteorder("=") != _FLOAT:
        raise TypeError(f"x has dtype {given.dtype}, but takes float32: cast it with x.astype(np.float32)")
    meaning = _meaning("", scale, zero_point, kind)
    y = result_buffer("out", out, given.shape, kind, (("x", given),))
    _engine.combine(dense(operand("x", given)), (1.0, 0), None, (1.0, 0), False, y, meaning, thread_count(num_threads))
    return deliver(y, out)


def dequantize(
    x: Any, scale: Any, zero_point: Any = None, *, out: np.ndarray | None = None, num_threads: int | None = None
) -> np.ndarray:
    """The real numbers that 8-bit integers stand for, ``(x - zero_point) * scale``, as ONNX's DequantizeLinear does.

    Parameters
    ----------
    x : ndarray of int8 or uint8, any shape
    scale : float
        What a step stands for, finite and not 0.
    zero_point : int, optional
        The integer that stands for 0, in the range of x's type; 0 where it is None.
    out : ndarray of float32, shape of x, optional
        Where the result goes.
    num_threads : int, optional

    Returns
    -------
    ndarray of float32, shape of x

    Raises
    ------
    TypeError, ValueError
        If a type, the scale or the zero point does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.dequantize(np.array([0, 10, 12], np.uint8), 0.5, 10)
    array([-5.,  0.,  1.], dtype=float32)
    """
    given, array = as_array("x", x), byte_array("x", x, BYTES)
    meaning = _meaning("", scale, zero_point, array.dtype)
    y = result_buffer("out", out, array.shape, _FLOAT, (("x", given),))
    _engine.combine(dense(array), meaning, None, (1.0, 0), False, y, (1.0, 0), thread_count(num_threads))
    return deliver(y, out)


def quantized_add(
    a: Any,
    b: Any,
    *,
    a_scale: Any,
    b_scale: Any,
    y_scale: Any,
    a_zero_point: Any = None,
    b_zero_point: Any = None,
    y_zero_point: Any = None,
    y_dtype: Any = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The sum of what 8-bit integers stand for, as such integers: the residual connection of a quantized network.

    ``quantize(dequantize(a) + dequantize(b))`` in one pass over memory, with each step rounded to float32 as there.

    Parameters
    ----------
    a, b : ndarray of int8 or uint8, of shapes that broadcast
    a_scale, b_scale, y_scale : float
        What a step of each, and of the result, stands for: finite and not 0.
    a_zero_point, b_zero_point, y_zero_point : int, optional
        The integers that stand for 0, in the ranges of their types; 0 where they are None.
    y_dtype : dtype, optional
        int8 or uint8; that of `a` where it is None.
    out : ndarray of the result's shape and dtype, optional
        Where the result goes; `a` or `b` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    ndarray of `y_dtype`, of the broadcast shape

    Raises
    ------
    TypeError, ValueError
        If types, shapes, scales or zero points do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> a, b = np.array([10, 20], np.uint8), np.array([-4, 100], np.int8)
    >>> fastconv.quantized_add(a, b, a_scale=0.5, b_scale=0.25, y_scale=1.0, a_zero_point=8)
    array([ 0, 31], dtype=uint8)
    """
    scales, zeros = (a_scale, b_scale, y_scale), (a_zero_point, b_zero_point, y_zero_point)
    return _combined(False, a, b, scales, zeros, y_dtype, out, num_threads)


def quantized_mul(
    a: Any,
    b: Any,
    *,
    a_scale: Any,
    b_scale: Any,
    y_scale: Any,
    a_zero_point: Any = None,
    b_zero_point: Any = None,
    y_zero_point: Any = None,
    y_dtype: Any = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The product of what 8-bit integers stand for, as such integers; see `quantized_add` for the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> gates, x = np.array([0, 128, 255], np.uint8), np.array([90, 90, 90], np.int8)
    >>> fastconv.quantized_mul(x, gates, a_scale=0.1, b_scale=1 / 255, y_scale=0.1)
    array([ 0, 45, 90], dtype=int8)
    """
    scales, zeros = (a_scale, b_scale, y_scale), (a_zero_point, b_zero_point, y_zero_point)
    return _combined(True, a, b, scales, zeros, y_dtype, out, num_threads)


def _combined(
    product: bool,
    a: Any,
    b: Any,
    scales: tuple[Any, Any, Any],
    zeros: tuple[Any, Any, Any],
    y_dtype: Any,
    out: np.ndarray | None,
    num_threads: int | None,
) -> np.ndarray:
    inputs = (("a", as_array("a", a)), ("b", as_array("b", b)))
    left, right = byte_array("a", a, BYTES), byte_array("b", b, BYTES)
    shape = broadcast_shape(left.shape, right.shape)
    kind = left.dtype if y_dtype is None else byte_type("y_dtype", y_dtype)
    kinds = (left.dtype, right.dtype, kind)
    of_a, of_b, of_y = map(_meaning, ("a", "b", "y"), scales, zeros, kinds)
    y = result_buffer("out", out, shape, kind, inputs, in_place=left.shape == right.shape)
    turned, spread, every = _runs(left.shape, right.shape)
    if turned:
        left, right, of_a, of_b = right, left, of_b, of_a
    if spread:
        left, right = np.broadcast_to(left, shape), np.broadcast_to(right, shape)
    _engine.combine(dense(left), of_a, dense(right), of_b, product, y, of_y, thread_count(num_threads), every)
    return deliver(y, out)


def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """As NumPy's; shapes that do not fit are a ValueError that names the arguments."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise ValueError(f"b has shape {b}, which does not broadcast with that of a, {a}") from None


def _runs(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[bool, bool, int]:
    """How two shapes meet without copies: whether they change places, or have to be spread, and the runs.

    A run is how many neighbours in the larger array meet one element of the smaller, which begins anew at its end: the
    smaller has to agree with the larger along some neighbouring axes, and be 1 along the others.
    """
    shape = np.broadcast_shapes(a, b)
    turned = a != shape
    large, small = (b, a) if turned else (a, b)
    small = (1,) * (len(shape) - len(small)) + small
    axes = [axis for axis, size in enumerate(small) if size != 1]
    first, last = (axes[0], axes[-1]) if axes else (len(shape), -1)
    fits = large == shape and small[first : last + 1] == shape[first : last + 1]
    return turned and fits, not fits, math.prod(shape[last + 1 :]) if fits else 1


def prepare_quantized(
    scales: tuple[Any, ...], zeros: tuple[Any, ...], dtypes: tuple[np.dtype, ...], product: bool = False
) -> Callable[..., None]:
    """``run(a, out)`` or ``run(a, b, out)`` for dense arrays that are known to broadcast, float32 standing for itself.

    Scales, zero points and types are those of the arrays in this order; those of float32 are not read.
    """
    of_a, *of_b, of_y = (
        (1.0, 0) if dtype == _FLOAT else _meaning(name, scale, zero, dtype)
        for name, scale, zero, dtype in zip(
            ("a", "b", "y") if len(dtypes) == 3 else ("x", "y"), scales, zeros, dtypes, strict=True
        )
    )

    def run(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        turned, spread, every = _runs(a.shape, b.shape)
        if spread:
            a, b = (np.ascontiguousarray(np.broadcast_to(one, out.shape)) for one in (a, b))
        left, right = ((b, of_b[0]), (a, of_a)) if turned else ((a, of_a), (b, of_b[0]))
        _engine.combine(*left, *right, product, out, of_y, 0, every)

    if of_b:
        return run
    return lambda a, out: _engine.combine(a, of_a, None, (1.0, 0), False, out, of_y)


def prepare_lookup(table: np.ndarray) -> Callable[[np.ndarray, np.ndarray], None]:
    """``run(x, out)``, ``out = table[x]`` for dense arrays of bytes; `table` has an entry for each byte as uint8."""
    kept = np.ascontiguousarray(table.view(np.uint8))
    same_shape("table", kept, "a byte", (256,))
    return lambda x, out: _engine.lookup(kept, x, out)
