"""Channel shuffle: channels of several groups change places, so that grouped convolutions exchange what they found."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional._arrays import axis_index, deliver, result_buffer
from fastconv.functional._operands import operand
from fastconv.geometry import canonical_integer

__all__ = ["channel_shuffle", "channel_shuffle_backward"]


def channel_shuffle(x: Any, groups: int, *, axis: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """Take the channels in turn from each of `groups` groups of neighbours: 0 1 2 3 4 5 in 2 groups is 0 3 1 4 2 5.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...), float32 or float64
    groups : int
        Divides the number of channels.
    axis : int
        The axis of the channels: -1 for channels last.
    out : ndarray, shape of x, dtype of x, optional

    Returns
    -------
    ndarray, shape of x, dtype of x

    Raises
    ------
    TypeError
        If an argument has another type.
    ValueError
        If `groups` does not divide the channels, there is no such axis, or `out` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.channel_shuffle(np.arange(6.0).reshape(1, 6), 2)
    array([[0., 3., 1., 4., 2., 5.]])
    """
    x = operand("x", x)
    groups = canonical_integer("groups", groups, 1)
    place = axis_index("axis", axis, x.ndim)
    channels = x.shape[place]
    if channels % groups:
        raise ValueError(f"groups (={groups}) must divide the number of channels (={channels})")
    return _exchange("x", x, place, groups, out)


def channel_shuffle_backward(dy: Any, groups: int, *, axis: int = 1, out: np.ndarray | None = None) -> np.ndarray:
    """Gradient of `channel_shuffle` for its input: the channels of `dy` go back to their places.

    Parameters
    ----------
    dy : ndarray, float32 or float64
        Gradient for the output.
    groups, axis
        As given to `channel_shuffle`.
    out : ndarray, shape of dy, dtype of dy, optional

    Returns
    -------
    ndarray, shape of dy, dtype of dy

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> fastconv.channel_shuffle_backward(np.array([[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]]), 2)
    array([[0., 1., 2., 3., 4., 5.]])
    """
    dy = operand("dy", dy)
    groups = canonical_integer("groups", groups, 1)
    place = axis_index("axis", axis, dy.ndim)
    channels = dy.shape[place]
    if channels % groups:
        raise ValueError(f"groups (={groups}) must divide the number of channels (={channels})")
    return _exchange("dy", dy, place, channels // groups, out)


def _exchange(name: str, x: np.ndarray, place: int, groups: int, out: np.ndarray | None) -> np.ndarray:
    """Channels as a matrix of `groups` rows, read by columns."""
    y = result_buffer("out", out, x.shape, x.dtype, ((name, x),))
    if not x.size:
        return deliver(y, out)
    before, channels, after = x.shape[:place], x.shape[place], x.shape[place + 1 :]
    rows = x.reshape(*before, groups, channels // groups, *after)
    y.reshape(*before, channels // groups, groups, *after)[...] = np.swapaxes(rows, place, place + 1)
    return deliver(y, out)
