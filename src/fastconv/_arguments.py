"""Checks of plain arguments, flags and numbers, shared by the operations and the layers; ints are in `geometry`."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["flag", "number"]


def flag(name: str, value: Any) -> bool:
    """Return an argument that is True or False as a bool.

    Raises
    ------
    TypeError
        If it is something else: the string "no" would count as true.

    Examples
    --------
    >>> flag("ceil_mode", np.True_)
    True
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} (={value!r}) must be True or False")


def number(name: str, value: Any) -> float:
    """Return a real argument as a float; its range is the caller's to check.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is an int too large for a float.

    Examples
    --------
    >>> number("lr", 1)
    1.0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} (={value!r}) must be a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} (={value}) is too large for a float") from None
