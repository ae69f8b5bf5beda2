"""Element types of the hosts whose arrays NumPy promotes: what fastconv computes for them, and what it hands back."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["same_floats"]

# What NumPy's promotion gives -> the type to compute in, the type of the result. Integers divide and scale in these
# hosts, whose results are float64 then; half precision is too narrow to add up in.
_POLICY = {
    "f": (np.float32, np.float32),
    "d": (np.float64, np.float64),
    "e": (np.float32, np.float16),
    **dict.fromkeys("?bBhHiIlLqQ", (np.float64, np.float64)),
}


def same_floats(**values: Any) -> tuple[list[np.ndarray], np.dtype]:
    """Return the arrays in one type that the engine computes, and the type of the host's result.

    Raises
    ------
    TypeError
        If NumPy would promote the arrays to something else than a number of at most 64 bits.

    Examples
    --------
    >>> arrays, result = same_floats(x=np.ones(3, np.float32), weight=[1, 2])
    >>> [array.dtype for array in arrays], result
    ([dtype('float64'), dtype('float64')], dtype('float64'))
    """
    arrays = [np.asarray(value) for value in values.values()]
    promoted = np.result_type(*(array.dtype for array in arrays))
    if promoted.char not in _POLICY:
        kinds = ", ".join(f"{name} {array.dtype}" for name, array in zip(values, arrays, strict=True))
        raise TypeError(f"{kinds}: only real numbers of at most 64 bits are computed, cast them to float64")
    computed, result = _POLICY[promoted.char]
    return [array.astype(computed, copy=False) for array in arrays], np.dtype(result)
