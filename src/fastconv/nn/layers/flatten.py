"""Flatten and Unflatten: between the volumes of convolutions and the vectors of fully connected layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import axis, positive
from fastconv.nn.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Merge the axes from `start_dim` to `end_dim` into one; the batch axis stays.

    Parameters
    ----------
    start_dim, end_dim : int
        Counted with the batch axis, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Flatten()(np.zeros((2, 16, 5, 5), np.float32)).shape
    (2, 400)
    """

    KIND = "FLATTEN"
    ARGUMENTS = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = axis("start_dim", start_dim)
        self.end_dim = axis("end_dim", end_dim)
        self._keep_batch(0)

    def _keep_batch(self, batch_axis: int) -> None:
        """Refuse to merge the batch axis, which is 0 or, counted from the end, minus the number of axes."""
        if self.start_dim == batch_axis:
            raise ValueError(f"start_dim (={self.start_dim}) would merge the batch axis; start at 1 or later")

    def _flat(self, x: np.ndarray) -> np.ndarray:
        self._keep_batch(-x.ndim)
        return F.flatten(x, self.start_dim, self.end_dim)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """`x` in its new shape."""
        if training:
            self._saved = (x.shape,)
        return self._flat(x)

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` in the shape of the input."""
        (shape,) = self._take_saved()
        return F.flatten_backward(dy, shape) if needs_input else None

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """The same numbers in another shape."""
        return program.add("reshape", (x,), name, shape=(x.shape[0], *self.output_shape(x.shape[1:])))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The merged axes become their product."""
        return self._flat(np.broadcast_to(np.int8(0), (1, *input_shape))).shape[1:]


class Unflatten(Module):
    """Split the axis `dim` into `unflattened_size`: a vector becomes a volume that convolutions take again.

    Parameters
    ----------
    dim : int
        Counted with the batch axis, as in PyTorch.
    unflattened_size : tuple of int

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Unflatten(1, (16, 5, 5))(np.zeros((2, 400), np.float32)).shape
    (2, 16, 5, 5)
    """

    KIND = "UNFLATTEN"
    ARGUMENTS = ("dim", "unflattened_size")

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim = axis("dim", dim)
        if self.dim == 0:
            raise ValueError("dim (=0) would split the batch axis; start at 1 or later")
        if not isinstance(unflattened_size, (tuple, list)) or not unflattened_size:
            raise TypeError(f"unflattened_size (={unflattened_size!r}) must be a tuple of ints")
        self.unflattened_size = tuple(positive("unflattened_size", size) for size in unflattened_size)

    def _split(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        axis = self.dim if self.dim >= 0 else self.dim + len(shape)
        if not 0 < axis < len(shape) or shape[axis] != math.prod(self.unflattened_size):
            raise ValueError(f"{self!r} does not fit an input of shape {shape}")
        return (*shape[:axis], *self.unflattened_size, *shape[axis + 1 :])

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """`x` in its new shape."""
        if training:
            self._saved = (x.shape,)
        return x.reshape(self._split(x.shape))

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` in the shape of the input."""
        (shape,) = self._take_saved()
        return dy.reshape(shape) if needs_input else None

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """The same numbers in another shape."""
        return program.add("reshape", (x,), name, shape=(x.shape[0], *self.output_shape(x.shape[1:])))

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axis in its parts."""
        return self._split((1, *input_shape))[1:]
