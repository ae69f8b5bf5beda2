"""What the layers share: checks of their arguments, and shapes seen through a layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.geometry import MAX_SIZE, canonical_integer, canonical_padding

CHANNELS_FIRST = {1: "NCW", 2: "NCHW", 3: "NCDHW"}
CHANNELS_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


def positive(name: str, value: Any) -> int:
    """`value` as an int of at least one."""
    return canonical_integer(name, value, 1)


def axis(name: str, value: Any) -> int:
    """`value` as an int; whether there is such an axis shows when an input comes."""
    return canonical_integer(name, value, -MAX_SIZE)


def plain_padding(padding: Any, ndim: int) -> Any:
    """`padding` as it was spelled, once it is found right, in nothing but names, ints and tuples."""
    canonical_padding("padding", padding, ndim)
    return _plain(padding)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(_plain(entry) for entry in value) if isinstance(value, (tuple, list)) else int(value)


def float_type(dtype: Any) -> str:
    """Name of a floating type of the engine."""
    name = np.dtype(dtype).name
    if name not in ("float32", "float64"):
        raise TypeError(f"dtype (={name}) must be float32 or float64")
    return name


def volume(ndim: int, layout: str | None) -> str:
    """`layout`, or channels first where it is None."""
    choices = (CHANNELS_FIRST[ndim], CHANNELS_LAST[ndim])
    if layout is None:
        return choices[0]
    if layout not in choices:
        raise ValueError(f"layout (={layout!r}) must be {choices[0]!r} or {choices[1]!r}")
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


def channel_axis(layout: str | None) -> int:
    """The axis of the channels: 1, or -1 where `layout` says that they are last."""
    names = (*CHANNELS_FIRST.values(), *CHANNELS_LAST.values())
    if layout is not None and layout not in names:
        raise ValueError(f"layout (={layout!r}) must be None or one of {', '.join(names)}")
    return -1 if layout is not None and layout.endswith("C") else 1


def spatial_axes(ndim: int, layout: str | None) -> range:
    """The spatial axes of an array with `ndim` axes."""
    last = channel_axis(layout) == -1
    if not 3 <= ndim <= 5 or (layout is not None and len(layout) != ndim):
        wanted = "one to three spatial axes" if layout is None else f"the axes {tuple(layout)}"
        raise ValueError(f"inputs with {wanted} are taken, got one with {ndim} axes")
    return range(1, ndim - 1) if last else range(2, ndim)
