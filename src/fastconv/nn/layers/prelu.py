"""PReLU: a rectifier whose slope below zero is learnt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channel_axis, float_type, positive
from fastconv.nn.module import Module, Parameter

__all__ = ["PReLU"]


class PReLU(Module):
    """``y = x where x > 0, else weight[c] * x``.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels for a slope each.
    init : float
        What the slopes start with.
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.
    dtype : {float32, float64}
    rng
        Taken as every layer with parameters takes it; nothing is drawn.

    Attributes
    ----------
    weight : Parameter, shape (num_parameters,)

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.PReLU()(np.array([[-2.0, 3.0]], np.float32))
    array([[-0.5,  3. ]], dtype=float32)
    """

    KIND = "ACTIVATION"
    ARGUMENTS = ("num_parameters", "init", "layout", "dtype")
    PARAMETERS = ("weight",)

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        *,
        layout: str | None = None,
        dtype: Any = np.float32,
        rng: Any = None,
    ) -> None:
        super().__init__()
        self.num_parameters = positive("num_parameters", num_parameters)
        self.init = number("init", init)
        if not math.isfinite(self.init):
            raise ValueError(f"init (={init}) must be finite")
        self.layout, self._axis = layout, channel_axis(layout)
        self.dtype = float_type(dtype)
        self.weight = Parameter(np.empty(self.num_parameters, self.dtype))
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Any = None) -> None:
        """All slopes `init`. Nothing is drawn from `rng`."""
        self.weight.data[...] = self.init

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The rectified input."""
        self.output_shape(x.shape[1:])
        y = F.prelu(x, self.weight.data, axis=self._axis, out=self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (x,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` times the slope where the element was not above 0; for the slopes, sums of dy x there."""
        (x,) = self._take_saved()
        out = self._kept_buffer(("dx", x.shape))
        dx, dweight = F.prelu_backward(dy, x, self.weight.data, axis=self._axis, out=out)
        self._keep_buffer(("dx", x.shape), dx)
        self.weight.gradient()[...] = dweight
        return dx if needs_input else None

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A leaky rectifier, which the layer before may take in; a call where channels have slopes of their own."""
        self.output_shape(x.shape[1:])
        weight, axis = self.weight.data.copy(), self._axis
        if weight.size == 1 and np.isfinite(weight[0]):
            return program.add("activation", (x,), name, activation=("leaky_relu", float(weight[0])))

        def call(x: np.ndarray, out: np.ndarray) -> np.ndarray:
            return F.prelu(x, weight, axis=axis, out=out)

        return program.add("call", (x,), name, function=call, out=True, shape=x.shape)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of the input."""
        channels = input_shape[-1 if self._axis == -1 else 0] if input_shape else 1
        if self.num_parameters not in (1, channels):
            raise ValueError(f"{self!r} takes {self.num_parameters} channels, got an input of shape {input_shape}")
        return input_shape

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """A comparison and a multiplication per element."""
        return 2 * math.prod(self.output_shape(input_shape))
