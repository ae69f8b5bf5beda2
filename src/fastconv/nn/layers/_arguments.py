"""What the layers share: checks of their arguments, and shapes seen through a layout."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


def positive(name: str, value: Any) -> int:
    """`value` as an int of at least one."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {value!r}") from None
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number


def float_type(dtype: Any) -> str:
    """Name of a floating type of the engine."""
    name = np.dtype(dtype).name
    if name not in ("float32", "float64"):
        raise TypeError(f"dtype must be float32 or float64, got {name}")
    return name


def volume(ndim: int, layout: str | None) -> str:
    """`layout`, or channels first where it is None."""
    choices = (CHANNELS_FIRST[ndim], CHANNELS_LAST[ndim])
    if layout is None:
        return choices[0]
    if layout not in choices:
        raise ValueError(f"layout must be {choices[0]!r} or {choices[1]!r}, got {layout!r}")
    return layout


def channels_of(shape: tuple[int, ...], layout: str, layer: Any) -> tuple[int, tuple[int, ...]]:
    """Channels and spatial sizes of one input (no batch axis)."""
    if len(shape) != len(layout) - 1:
        raise ValueError(f"{layer!r} takes inputs of shape {tuple(layout[1:])}, got {shape}")
    return (shape[-1], shape[:-1]) if layout.endswith("C") else (shape[0], shape[1:])


def spatial_of(channels: int, spatial: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """The shape with these channels and spatial sizes."""
    return (*spatial, channels) if layout.endswith("C") else (channels, *spatial)


def needed_gradients(x: bool, bias: bool) -> tuple[str, ...]:
    """The functional's needs= for a layer with a weight."""
    return (*(("x",) if x else ()), "weight", *(("bias",) if bias else ()))
