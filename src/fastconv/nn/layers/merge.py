"""Layers that merge the outputs of several others: Add, Concat, Multiply."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.functional.activation import activation_backward
from fastconv.functional.scale_shift import cut_for, scaled
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import axis
from fastconv.nn.module import Module

__all__ = ["Add", "Concat", "Multiply"]


class Add(Module):
    """The sum of two or more inputs of one shape, as where a residual connection ends.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Add()((np.array([1.0, 2.0]), np.array([10.0, 20.0])))
    array([11., 22.])
    """

    KIND = "ADD"
    MERGES = True
    FUSES_RELU = True

    def forward(self, x: Any, training: bool = False, activation: str | None = None) -> np.ndarray:
        """The sum, added from the first input on; then `activation`."""
        self.output_shape(tuple(part.shape for part in x))
        y = self._kept_buffer(x[0].shape) if training else None
        total, *rest = x
        for index, part in enumerate(rest or (None,), 1):
            last = activation if index >= len(rest) else None
            y = total = scaled(total, None, None, part, activation=last, out=y)
        if training:
            self._saved = (len(x), y if activation else None, activation)
            self._keep_buffer(x[0].shape, y)
        return total

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> tuple[np.ndarray, ...] | None:
        """`dy` itself for each input, where the activation let the sum through."""
        count, y, activation = self._take_saved()
        if not needs_input:
            return None
        if y is not None:
            dy = activation_backward(dy, y, activation, out=self._kept_buffer(("dx", y.shape)))
            self._keep_buffer(("dx", y.shape), dy)
        return (dy,) * count

    def emit(self, program: Program, x: tuple[Node, ...], name: str) -> Node:
        """Sums of two at a time, of which a convolution before may take one in."""
        self.output_shape(tuple(node.shape[1:] for node in x))
        total = x[0]
        for part in x[1:]:
            total = program.add("add", (total, part), name)
        return total

    def output_shape(self, input_shape: Any) -> tuple[int, ...]:
        """That of the inputs."""
        first = input_shape[0]
        for shape in input_shape:
            if shape != first:
                raise ValueError(f"inputs of one shape can be added, got {first} and {shape}")
        return first

    def operations(self, input_shape: Any) -> int:
        """An addition per element for every input but the first."""
        return (len(input_shape) - 1) * math.prod(self.output_shape(input_shape))


class Concat(Module):
    """The inputs behind each other along one axis, the channels where it is not given.

    Parameters
    ----------
    dim : int
        Counted with the batch axis, as in PyTorch's `cat`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Concat()((np.zeros((1, 3, 4, 4)), np.zeros((1, 5, 4, 4)))).shape
    (1, 8, 4, 4)
    """

    KIND = "CONCAT"
    ARGUMENTS = ("dim",)
    MERGES = True

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = axis("dim", dim)
        if self.dim == 0:
            raise ValueError("dim (=0) would join pictures of a batch; start at 1 or later")

    def forward(self, x: Any, training: bool = False) -> np.ndarray:
        """The joined array."""
        shapes = tuple(part.shape for part in x)
        shape = self._joined(shapes)
        out = self._kept_buffer(shape) if training else None
        y = np.concatenate(x, axis=self.dim, out=np.empty(shape, x[0].dtype) if out is None else out)
        if training:
            self._saved = (shapes,)
            self._keep_buffer(shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> tuple[np.ndarray, ...] | None:
        """The part of `dy` that belongs to each input."""
        (shapes,) = self._take_saved()
        if not needs_input:
            return None
        ends = np.cumsum([shape[self.dim] for shape in shapes])
        parts = []
        for index, part in enumerate(np.split(dy, ends[:-1], axis=self.dim)):
            kept = self._kept_buffer(("dx", index, part.shape))
            gradient = np.empty(part.shape, part.dtype) if kept is None else kept
            gradient[...] = part
            self._keep_buffer(("dx", index, part.shape), gradient)
            parts.append(gradient)
        return tuple(parts)

    def emit(self, program: Program, x: tuple[Node, ...], name: str) -> Node:
        """The inputs, copied behind each other."""
        self.output_shape(tuple(node.shape[1:] for node in x))
        return program.add("concat", x, name, axis=self.dim % len(x[0].shape))

    def output_shape(self, input_shape: Any) -> tuple[int, ...]:
        """The sizes along `dim` are added; all others must agree."""
        return self._joined(tuple((1, *shape) for shape in input_shape))[1:]

    def _joined(self, shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
        ndim = len(shapes[0])
        dim = self.dim + ndim if self.dim < 0 else self.dim
        if not 0 < dim < ndim:
            raise ValueError(f"dim (={self.dim}) is no axis of an input of shape {shapes[0][1:]}")
        for shape in shapes:
            if len(shape) != ndim or (*shape[:dim], *shape[dim + 1 :]) != (*shapes[0][:dim], *shapes[0][dim + 1 :]):
                raise ValueError(f"inputs that differ along axis {dim} only can be joined, got {shapes[0]} and {shape}")
        return (*shapes[0][:dim], sum(shape[dim] for shape in shapes), *shapes[0][dim + 1 :])


class Multiply(Module):
    """The product of a volume and what fits it, as the weights of its channels in a squeeze-and-excite block.

    The second input has the first one's shape, or 1 where its elements count for a whole axis.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Multiply()((np.ones((1, 2, 1, 2)), np.array([3.0, 5.0]).reshape(1, 2, 1, 1))).ravel()
    array([3., 3., 5., 5.])
    """

    KIND = "MULTIPLY"
    MERGES = True

    def forward(self, x: Any, training: bool = False) -> np.ndarray:
        """The product."""
        self.output_shape(tuple(part.shape[1:] for part in x))
        volume, gate = x
        multiply = np.multiply if cut_for(volume.shape, gate.shape) is None else scaled
        y = multiply(volume, gate, out=self._kept_buffer(volume.shape) if training else None)
        if training:
            self._saved = (volume, gate)
            self._keep_buffer(volume.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> tuple[np.ndarray, ...] | None:
        """`dy` times the other input, added up where that counts for several elements."""
        volume, gate = self._take_saved()
        if not needs_input:
            return None
        dvolume = np.multiply(dy, gate, out=self._kept_buffer(("dx", volume.shape)))
        self._keep_buffer(("dx", volume.shape), dvolume)
        axes = list(range(dy.ndim))
        kept = [axis for axis in axes if gate.shape[axis] == dy.shape[axis]]
        dgate = np.einsum(dy, axes, volume, axes, kept).reshape(gate.shape)
        return dvolume, dgate

    def emit(self, program: Program, x: tuple[Node, ...], name: str) -> Node:
        """A gate, which what follows may be joined with; a call where its axes lie apart."""
        shape = (x[0].shape[0], *self.output_shape(tuple(node.shape[1:] for node in x)))
        if cut_for(shape, x[1].shape) is None:
            return program.add("call", x, name, function=np.multiply, out=True, shape=shape)
        return program.add("gate", x, name)

    def output_shape(self, input_shape: Any) -> tuple[int, ...]:
        """That of the first input."""
        if len(input_shape) != 2:
            raise ValueError(f"two inputs can be multiplied, got {len(input_shape)}")
        first, second = input_shape
        if len(first) != len(second) or any(n not in (1, m) for m, n in zip(first, second, strict=True)):
            raise ValueError(f"a second input of shape {second} does not fit a first one of {first}")
        return first

    def operations(self, input_shape: Any) -> int:
        """A multiplication per element."""
        return math.prod(self.output_shape(input_shape))
