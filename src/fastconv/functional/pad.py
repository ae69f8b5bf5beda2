"""Borders around arrays: zeros or another constant, reflected, replicated or circular; forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv._arguments import number
from fastconv.functional._arrays import deliver, result_buffer
from fastconv.functional._operands import is_shape, operand
from fastconv.geometry import canonical_integer

__all__ = ["pad", "pad_backward"]

MODES = ("constant", "reflect", "replicate", "circular")

Pairs = tuple[tuple[int, int], ...]


def pad(
    x: Any, pad: Any, mode: str = "constant", value: float = 0.0, *, layout: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Put a border around `x`, as PyTorch's function of this name does.

    Parameters
    ----------
    x : ndarray, float32 or float64
    pad : tuple of int
        Before and after the last axis, before and after the one in front of it, and so on: (left, right, top, bottom).
        A negative number takes elements away ("constant" only).
    mode : {"constant", "reflect", "replicate", "circular"}
        `value` everywhere; the inner elements mirrored, without the edge; the edge repeated; the other end.
    value : float
    layout : str, optional
        Such as "NHWC": the last axis is then the last spatial one.
    out : ndarray, dtype of x, optional

    Returns
    -------
    ndarray, dtype of x

    Raises
    ------
    TypeError
        If an argument has another type.
    ValueError
        If `pad` is of odd length, too long, or wider than the mode can fill; if `mode` is unknown; if `out` does not
        fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.pad(np.array([1.0, 2.0, 3.0]), (1, 2))
    array([0., 1., 2., 3., 0., 0.])
    >>> fastconv.pad(np.array([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    array([3., 2., 1., 2., 3., 2.])
    """
    x = operand("x", x)
    pairs = padding_pairs(x.ndim, pad, layout)
    value = number("value", value)
    y = result_buffer("out", out, padded_shape(x.shape, pairs, mode), x.dtype, (("x", x),))
    _fill(x, pairs, mode, value, y)
    return deliver(y, out)


def pad_backward(
    dy: Any, x_shape: Sequence[int], pad: Any, mode: str = "constant", *, layout: str | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Gradient of `pad` for its input: borders go back to the elements they were copied from.

    Parameters
    ----------
    dy : ndarray, float32 or float64
        Gradient for the output.
    x_shape : tuple of int
        Shape of the input.
    pad, mode, layout
        As given to `pad`.
    out : ndarray, shape x_shape, dtype of dy, optional

    Returns
    -------
    ndarray, shape x_shape, dtype of dy

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.pad_backward(np.ones(6), (3,), (2, 1), mode="reflect")
    array([1., 3., 2.])
    """
    dy = operand("dy", dy)
    if not is_shape(x_shape):
        raise TypeError(f"x_shape (={x_shape!r}) must be a tuple of ints, the shape of pad's input")
    x_shape = tuple(int(n) for n in x_shape)
    pairs = padding_pairs(len(x_shape), pad, layout)
    wanted = padded_shape(x_shape, pairs, mode)
    if dy.shape != wanted:
        raise ValueError(f"dy has shape {dy.shape}, but the padded array has {wanted}")
    dx = result_buffer("out", out, x_shape, dy.dtype, (("dy", dy),))
    back = tuple((-before, -after) for before, after in pairs)
    if mode == "constant":
        _fill(dy, back, mode, 0.0, dx)
        return deliver(dx, out)
    folded = dy.copy()
    for axis in reversed(range(len(pairs))):
        before, after = pairs[axis]
        for border, source in _borders(x_shape[axis], before, after, mode):
            # several elements of a border may come from one: element by element, outermost first
            for place, taken in zip(border, source, strict=True):
                folded[_at(axis, taken)] += folded[_at(axis, place)]
    _fill(folded, back, "constant", 0.0, dx)
    return deliver(dx, out)


def padding_pairs(ndim: int, pad: Any, layout: str | None = None) -> Pairs:
    """Before and after for each axis of an array, from PyTorch's order.

    Raises
    ------
    TypeError, ValueError
        See `pad`.
    """
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad (={pad!r}) must be a tuple of ints")
    entries = [canonical_integer("pad", entry, -(2**60)) for entry in pad]
    last = ndim - 1 if layout is not None and layout.endswith("C") else ndim
    if len(entries) % 2 or len(entries) // 2 > last:
        raise ValueError(f"pad (={pad!r}) must hold two ints for each of at most {last} axes")
    pairs = [(0, 0)] * ndim
    for index in range(len(entries) // 2):
        pairs[last - 1 - index] = (entries[2 * index], entries[2 * index + 1])
    return tuple(pairs)


def padded_shape(shape: Sequence[int], pairs: Pairs, mode: str) -> tuple[int, ...]:
    """Shape with its borders, once they are found possible.

    Raises
    ------
    ValueError
        If `mode` is unknown, a border is wider than the mode can fill, or nothing is left.
    """
    if mode not in MODES:
        raise ValueError(f"mode (={mode!r}) must be one of {', '.join(MODES)}")
    for n, pair in zip(shape, pairs, strict=True):
        if mode != "constant" and min(pair) < 0:
            raise ValueError(f"pad (={pair}) takes elements away, which is for mode 'constant'")
        most = {"reflect": max(0, n - 1), "circular": n, "replicate": max(pair) if n else 0}.get(mode, max(pair))
        if max(pair) > most:
            raise ValueError(f"pad (={pair}) is more than mode {mode!r} can fill from an axis of {n} elements")
        if n + sum(pair) < 0 or (mode == "constant" and min(n + pair[0], n + pair[1]) < 0):
            raise ValueError(f"pad (={pair}) takes more than there is from an axis of {n} elements")
    return tuple(n + before + after for n, (before, after) in zip(shape, pairs, strict=True))


def _at(axis: int, place: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (place,)


def _borders(n: int, before: int, after: int, mode: str) -> list[tuple[range, list[int]]]:
    """Places of both borders along an axis of the result, and the places that they copy."""
    copies = {
        "reflect": ([2 * before - i for i in range(before)], [before + n - 2 - i for i in range(after)]),
        "replicate": ([before] * before, [before + n - 1] * after),
        "circular": ([n + i for i in range(before)], [before + i for i in range(after)]),
    }[mode]
    return [(range(before), copies[0]), (range(before + n, before + n + after), copies[1])]


def _inside(shape: Sequence[int], pairs: Pairs) -> tuple[slice, ...]:
    """All but the borders; a negative border is none."""
    return tuple(slice(max(0, before), n - max(0, after)) for n, (before, after) in zip(shape, pairs, strict=True))


def _fill(x: np.ndarray, pairs: Pairs, mode: str, value: float, y: np.ndarray) -> None:
    """Write `x` into `y`, then the borders, axis by axis, so that corners copy borders."""
    removed = tuple((-before, -after) for before, after in pairs)
    y[_inside(y.shape, pairs)] = x[_inside(x.shape, removed)]
    for axis, (before, after) in enumerate(pairs):
        if mode == "constant":
            y[_at(axis, slice(0, max(0, before)))] = value
            y[_at(axis, slice(y.shape[axis] - max(0, after), None))] = value
            continue
        for border, taken in _borders(x.shape[axis], before, after, mode):
            if border:
                y[_at(axis, slice(border.start, border.stop))] = y[_at(axis, taken)]
