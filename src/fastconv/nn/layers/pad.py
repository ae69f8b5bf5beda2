"""Borders as layers: zeros, a constant, reflected, replicated or circular in 1 to 3 dimensions; channels of zeros."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.functional.pad import padded_shape, padding_pairs
from fastconv.geometry import canonical_integer
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channel_axis, channels_of, volume
from fastconv.nn.module import Module

__all__ = [
    "ChannelPad",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Padding(Module):
    """What `F.pad` does; the subclass says with which arguments."""

    KIND = "PAD"
    MODE: ClassVar[str] = "constant"
    padding: tuple[int, ...]
    value = 0.0

    def _call(self, ndim: int) -> tuple[tuple[int, ...], str | None]:
        """`pad` and `layout` of the functional for an array with this number of axes."""
        raise NotImplementedError

    def _padded(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        pad, layout = self._call(x.ndim)
        return F.pad(x, pad, self.MODE, self.value, layout=layout, out=out)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The volume in its border."""
        self.output_shape(x.shape[1:])
        y = self._padded(x, self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (x.shape,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """The gradient for the volume, to which borders give back what was copied."""
        (shape,) = self._take_saved()
        if not needs_input:
            return None
        pad, layout = self._call(len(shape))
        dx = F.pad_backward(dy, shape, pad, self.MODE, layout=layout, out=self._kept_buffer(("dx", shape)))
        self._keep_buffer(("dx", shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A copy that writes where the program wants it."""
        shape = (x.shape[0], *self.output_shape(x.shape[1:]))
        return program.add("call", (x,), name, function=self._padded, out=True, shape=shape)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Each size with its two borders."""
        shape = (1, *input_shape)
        pad, layout = self._call(len(shape))
        padded = padded_shape(shape, padding_pairs(len(shape), pad, layout), self.MODE)[1:]
        if min(padded) < 1:
            raise ValueError(f"{self!r} leaves nothing of an input of shape {input_shape}")
        return padded


class _SpatialPad(_Padding):
    """A border around the spatial axes; see `ConstantPad2d`."""

    ARGUMENTS: ClassVar[tuple[str, ...]] = ("padding", "layout")
    HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ("padding",)
    ndim: int

    def __init__(self, padding: Any, *, layout: str | None = None) -> None:
        super().__init__()
        entries = padding if isinstance(padding, (tuple, list)) else (padding,) * (2 * self.ndim)
        if len(entries) != 2 * self.ndim:
            raise ValueError(f"padding (={padding!r}) must be an int or a tuple of {2 * self.ndim} ints")
        least = -(2**60) if self.MODE == "constant" else 0
        self.padding = tuple(canonical_integer("padding", entry, least) for entry in entries)
        self.layout = volume(self.ndim, layout)

    def _call(self, ndim: int) -> tuple[tuple[int, ...], str | None]:
        return self.padding, self.layout

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Each spatial size with its two borders; the depth is unchanged."""
        channels_of(input_shape, self.layout, self)
        return super().output_shape(input_shape)

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A pad, which a convolution behind it may take in."""
        shape = (x.shape[0], *self.output_shape(x.shape[1:]))
        sides = self.padding
        pairs = tuple((sides[i], sides[i + 1]) for i in reversed(range(0, len(sides), 2)))
        return program.add(
            "pad", (x,), name, function=self._padded, out=True, shape=shape,
            padding=pairs, mode=self.MODE, value=self.value, layout=self.layout,
        )  # fmt: skip


class _ConstantPad(_SpatialPad):
    """A border of one value; see `ConstantPad2d`."""

    ARGUMENTS = ("padding", "value", "layout")
    HYPERPARAMETERS = ("padding", "value")

    def __init__(self, padding: Any, value: float, *, layout: str | None = None) -> None:
        super().__init__(padding, layout=layout)
        self.value = number("value", value)


class ChannelPad(_Padding):
    """Channels of zeros before and behind those of the input, as in a residual network's shortcut without parameters.

    Parameters
    ----------
    padding : tuple of int
        How many before, and how many behind.
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ChannelPad((8, 8))(np.ones((1, 16, 4, 4))).shape
    (1, 32, 4, 4)
    """

    ARGUMENTS = ("padding", "layout")
    HYPERPARAMETERS = ("padding",)

    def __init__(self, padding: tuple[int, int], *, layout: str | None = None) -> None:
        super().__init__()
        if not isinstance(padding, (tuple, list)) or len(padding) != 2:
            raise ValueError(f"padding (={padding!r}) must be a tuple of 2 ints")
        self.padding = tuple(canonical_integer("padding", entry, 0) for entry in padding)
        self.layout, self._axis = layout, channel_axis(layout)

    def _call(self, ndim: int) -> tuple[tuple[int, ...], str | None]:
        after = 0 if self._axis == -1 else ndim - 2
        return (0, 0) * after + self.padding, None


class ZeroPad1d(_SpatialPad):
    """A border of zeros around the spatial axes of (N, C, W); see `ConstantPad2d`."""

    ndim = 1


class ZeroPad2d(_SpatialPad):
    """A border of zeros around the spatial axes of (N, C, H, W); see `ConstantPad2d`."""

    ndim = 2


class ZeroPad3d(_SpatialPad):
    """A border of zeros around the spatial axes of (N, C, D, H, W); see `ConstantPad2d`."""

    ndim = 3


class ConstantPad1d(_ConstantPad):
    """A border of one value around the spatial axes of (N, C, W); see `ConstantPad2d`."""

    ndim = 1


class ConstantPad2d(_ConstantPad):
    """A border of one value around the rows and columns of (N, C, H, W).

    Parameters
    ----------
    padding : int or tuple of int
        For all sides, or (left, right, top, bottom); negative numbers take elements away.
    value : float
    layout : {"NCHW", "NHWC"}

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ConstantPad2d((1, 0, 0, 0), 7.0)(np.zeros((1, 1, 2, 1), np.float32)).reshape(2, 2)
    array([[7., 0.],
           [7., 0.]], dtype=float32)
    """

    ndim = 2


class ConstantPad3d(_ConstantPad):
    """A border of one value around the spatial axes of (N, C, D, H, W); see `ConstantPad2d`."""

    ndim = 3


class ReflectionPad1d(_SpatialPad):
    """Elements mirrored at the edge around the spatial axes of (N, C, W); see `ConstantPad2d`."""

    MODE = "reflect"
    ndim = 1


class ReflectionPad2d(_SpatialPad):
    """Elements mirrored at the edge around the spatial axes of (N, C, H, W); see `ConstantPad2d`."""

    MODE = "reflect"
    ndim = 2


class ReflectionPad3d(_SpatialPad):
    """Elements mirrored at the edge around the spatial axes of (N, C, D, H, W); see `ConstantPad2d`."""

    MODE = "reflect"
    ndim = 3


class ReplicationPad1d(_SpatialPad):
    """A border that repeats the edge around the spatial axes of (N, C, W); see `ConstantPad2d`."""

    MODE = "replicate"
    ndim = 1


class ReplicationPad2d(_SpatialPad):
    """A border that repeats the edge around the spatial axes of (N, C, H, W); see `ConstantPad2d`."""

    MODE = "replicate"
    ndim = 2


class ReplicationPad3d(_SpatialPad):
    """A border that repeats the edge around the spatial axes of (N, C, D, H, W); see `ConstantPad2d`."""

    MODE = "replicate"
    ndim = 3


class CircularPad1d(_SpatialPad):
    """A border that copies the other end around the spatial axes of (N, C, W); see `ConstantPad2d`."""

    MODE = "circular"
    ndim = 1


class CircularPad2d(_SpatialPad):
    """A border that copies the other end around the spatial axes of (N, C, H, W); see `ConstantPad2d`."""

    MODE = "circular"
    ndim = 2


class CircularPad3d(_SpatialPad):
    """A border that copies the other end around the spatial axes of (N, C, D, H, W); see `ConstantPad2d`."""

    MODE = "circular"
    ndim = 3
