"""What the attributes of convolutions and pools say: windows, and paddings as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import geometry
from fastconv.onnx.operators.operator import Call, bounded

__all__ = ["Window", "window"]

Pairs = tuple[tuple[int, int], ...]

#: zeros beside an axis beyond which a file is damaged
LARGEST_PAD = 2**20
#: what `auto_pad` is called in fastconv
AUTOMATIC = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


class Window(NamedTuple):
    """Per axis, as `fastconv.functional` takes them; `padding` is pairs."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Pairs

    @property
    def ndim(self) -> int:
        return len(self.kernel)


def window(call: Call, spatial: Sequence[int], kernel: Sequence[int] | None = None) -> Window:
    """The window that slides over an input of the size `spatial`.

    Raises
    ------
    ValueError
        If an attribute is missing, of another length, or does not fit.
    """
    ndim = len(spatial)
    found = call["kernel_shape"]
    if kernel is not None and found is not None and tuple(found) != tuple(kernel):
        raise ValueError(f"kernel_shape (={list(found)}) is not that of the weights, {list(kernel)}")
    given = kernel if kernel is not None else found
    if given is None:
        raise ValueError("kernel_shape is missing")
    if ndim not in (1, 2, 3):
        raise ValueError(f"inputs have one to three spatial axes here, got {ndim}")
    sizes = entries("kernel_shape", given, ndim, 1)
    stride = entries("strides", call["strides"] or (1,) * ndim, ndim, 1)
    dilation = entries("dilations", call["dilations"] or (1,) * ndim, ndim, 1)
    named = call["auto_pad"] or "NOTSET"
    if named != "NOTSET":
        if named not in AUTOMATIC:
            raise ValueError(f"auto_pad (={named!r}) must be NOTSET, SAME_UPPER, SAME_LOWER or VALID")
        pairs = geometry.resolve_padding(AUTOMATIC[named], tuple(spatial), sizes, stride, dilation)
    else:
        pairs = pad_pairs(call["pads"], ndim)
    bounded([n + sum(pair) for n, pair in zip(spatial, pairs, strict=True)], np.float64)
    return Window(sizes, stride, dilation, pairs)


def pad_pairs(pads: Sequence[int] | None, ndim: int) -> Pairs:
    """(before, after) of each axis, from all befores, then all afters."""
    flat = entries("pads", pads or (0,) * (2 * ndim), 2 * ndim, 0)
    if max(flat, default=0) > LARGEST_PAD:
        raise ValueError(f"pads (={list(flat)}) must be at most {LARGEST_PAD}")
    return tuple(zip(flat[:ndim], flat[ndim:], strict=True))


def entries(name: str, values: Any, count: int, least: int) -> tuple[int, ...]:
    """An attribute that is a list of ints.

    Raises
    ------
    ValueError
        If it has another length, or an entry below `least`.
    """
    if len(values) != count or min(values, default=least) < least:
        raise ValueError(f"{name} (={list(values)}) must hold {count} numbers of at least {least}")
    return tuple(int(value) for value in values)
