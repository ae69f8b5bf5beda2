"""Arrays as images, channels and the points of a channel, for what has coefficients of channels."""

from __future__ import annotations

import math

from fastconv.functional._operands import LAYOUTS

__all__ = ["channels_last", "volume"]

_CHANNELS_LAST = {name: name.endswith("C") for layouts in LAYOUTS.values() for name in layouts}
_AXES_OF = {name: ndim + 2 for ndim, layouts in LAYOUTS.items() for name in layouts}


def channels_last(layout: str | None, shape: tuple[int, ...], operation: str) -> bool:
    """Whether the channels of `x` are its last axis; None stands for channels first.

    Raises
    ------
    ValueError
        If the layout is unknown, or `x` of this shape does not have its axes.
    """
    if not 2 <= len(shape) <= 5:
        raise ValueError(f"x has shape {shape}: {operation} takes (N, C) and one to three axes more")
    if layout is None:
        return False
    if not isinstance(layout, str) or layout not in _CHANNELS_LAST:
        raise ValueError(f"layout (={layout!r}) must be one of {', '.join(_CHANNELS_LAST)}")
    if len(shape) not in (2, _AXES_OF[layout]):
        raise ValueError(f"layout (={layout!r}) is that of {_AXES_OF[layout]} axes, but x has shape {shape}")
    return _CHANNELS_LAST[layout]


def volume(shape: tuple[int, ...], last: bool) -> tuple[int, int, int]:
    """Images, channels, and elements of a channel in an image."""
    spatial = shape[1:-1] if last else shape[2:]
    return shape[0], shape[-1] if last else shape[1], math.prod(spatial)
