"""What the backward passes of layers with weights share: which gradients, from which arrays, into which arrays."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from fastconv import geometry
from fastconv.functional._operands import is_shape, operand
from fastconv.functional.activation import activation_backward

__all__ = ["GRADIENTS", "needed", "out_entries", "through_activation", "values_or_shape"]

GRADIENTS = ("x", "weight", "bias")


def needed(needs: str | Collection[str]) -> tuple[bool, bool, bool]:
    """Say of each name in `GRADIENTS` whether `needs`, one name or several, holds it.

    Raises
    ------
    TypeError
        If `needs` is neither a name nor a tuple, list or set.
    ValueError
        If it holds another name.

    Examples
    --------
    >>> needed(("x", "bias"))
    (True, False, True)
    """
    if type(needs) is tuple and needs == GRADIENTS:
        return True, True, True
    if not isinstance(needs, (str, tuple, list, set, frozenset)):
        raise TypeError(f"needs (={needs!r}) must be a tuple of names from {GRADIENTS}")
    names = (needs,) if isinstance(needs, str) else tuple(needs)
    if not all(name in GRADIENTS for name in names):
        raise ValueError(f"needs (={needs!r}) must hold only names from {GRADIENTS}")
    return "x" in names, "weight" in names, "bias" in names


def values_or_shape(name: str, value: Any, needed_by: str | None) -> tuple[np.ndarray | None, tuple[int, ...]]:
    """Return an argument that may be an array or only its shape as both, the array None if it was not given.

    Parameters
    ----------
    name : str
        Name of the argument, for the error.
    value : array_like or sequence of int
    needed_by : str or None
        The gradient that cannot do without the values, if one is wanted.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64.
    ValueError
        If only the shape is given where the values are needed, or it has negative sizes.
    """
    if not is_shape(value):
        array = operand(name, value)
        return array, array.shape
    shape = tuple(value)
    if needed_by is not None:
        raise ValueError(f"{name} is a shape (={shape}), but the gradient of {needed_by} needs its values")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} (={shape}) must not have negative sizes")
    return None, tuple(geometry.canonical_integer(name, size, 0) for size in shape)


def through_activation(
    dy: np.ndarray, y: Any, activation: Any, num_threads: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient before the activation, read off the forward's output `y`, and `y` as an array.

    Raises
    ------
    ValueError
        If `y` is None.
    """
    if y is None:
        raise ValueError(f"y is missing: the gradient through activation (={activation!r}) is read off the output")
    y = operand("y", y)
    return activation_backward(dy, y, activation, num_threads=num_threads), y


def out_entries(out: Any, needs: tuple[bool, bool, bool]) -> tuple[Any, Any, Any]:
    """Return the three entries of the argument `out`.

    Raises
    ------
    TypeError
        If `out` is no tuple of three.
    ValueError
        If it holds an array for a gradient that is not needed.
    """
    if out is None:
        return None, None, None
    if not isinstance(out, (tuple, list)) or len(out) != 3:
        raise TypeError("out must be a tuple (dx, dweight, dbias), None for each array to be allocated")
    for index, (entry, wanted) in enumerate(zip(out, needs, strict=True)):
        if entry is not None and not wanted:
            raise ValueError(f"out[{index}] is given, but needs does not hold {GRADIENTS[index]!r}")
    return out[0], out[1], out[2]
