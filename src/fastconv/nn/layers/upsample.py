"""Upsample: spatial axes resampled to another size, by the nearest element or linearly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.functional.interpolate import resampling
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import spatial_axes
from fastconv.nn.module import Module

__all__ = ["Upsample"]


class Upsample(Module):
    """Resample the spatial axes to `size`, or by `scale_factor`; see `F.interpolate`.

    Parameters
    ----------
    size : int or tuple of int, optional
    scale_factor : float or tuple of float, optional
        One of the two.
    mode : {"nearest", "linear", "bilinear", "trilinear"}
    align_corners : bool, optional
        For linear modes: whether the centres of the corners stay where they are, or, by default, their outer edges.
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Upsample(scale_factor=2)(np.zeros((1, 8, 7, 7), np.float32)).shape
    (1, 8, 14, 14)
    """

    KIND = "UPSAMPLE"
    ARGUMENTS = ("size", "scale_factor", "mode", "align_corners", "layout")
    HYPERPARAMETERS = ("size", "scale_factor", "mode")

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        *,
        layout: str | None = None,
    ) -> None:
        super().__init__()
        self._resampling = resampling(size, scale_factor, mode, align_corners)
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = str(mode), align_corners
        self.layout = layout
        spatial_axes(3 if layout is None else len(layout), layout)

    def _resampled(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        return F.interpolate(
            x, self.size, self.scale_factor, self.mode, self.align_corners, layout=self.layout, out=out
        )

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The resampled volume."""
        y = self._resampled(x, self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (x.shape,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """Every element gets back what it gave, in the share it gave."""
        (shape,) = self._take_saved()
        if not needs_input:
            return None
        dx = F.interpolate_backward(
            dy, shape, self.size, self.scale_factor, self.mode, self.align_corners,
            layout=self.layout, out=self._kept_buffer(("dx", shape)),
        )  # fmt: skip
        self._keep_buffer(("dx", shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A call that writes where the program wants it."""
        shape = (x.shape[0], *self.output_shape(x.shape[1:]))
        return program.add("call", (x,), name, function=self._resampled, out=True, shape=shape)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """`size`, or the sizes of the input times `scale_factor`, rounded down; the depth is unchanged."""
        axes = spatial_axes(len(input_shape) + 1, self.layout)
        first, last = axes.start - 1, axes.stop - 1
        return (*input_shape[:first], *self._resampling.output(input_shape[first:last]), *input_shape[last:])

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """Nothing for copies; else two products and a sum per axis and output."""
        axes = len(input_shape) - 1
        return 0 if self.mode == "nearest" else 3 * axes * math.prod(self.output_shape(input_shape))
