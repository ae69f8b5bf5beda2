"""ChannelShuffle: channels of several groups change places."""

from __future__ import annotations

import numpy as np

from fastconv import functional as F
from fastconv.graph import Node, Program
from fastconv.nn.layers._arguments import channel_axis, positive
from fastconv.nn.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Take the channels in turn from each of `groups` groups, so that grouped convolutions exchange what they found.

    Parameters
    ----------
    groups : int
        Divides the number of channels.
    layout : str, optional
        Such as "NHWC"; channels first where it is not given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ChannelShuffle(2)(np.arange(6.0).reshape(1, 6, 1, 1)).ravel()
    array([0., 3., 1., 4., 2., 5.])
    """

    KIND = "SHUFFLE"
    ARGUMENTS = ("groups", "layout")
    HYPERPARAMETERS = ("groups",)

    def __init__(self, groups: int, *, layout: str | None = None) -> None:
        super().__init__()
        self.groups = positive("groups", groups)
        self.layout, self._axis = layout, channel_axis(layout)

    def _shuffled(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        return F.channel_shuffle(x, self.groups, axis=self._axis, out=out)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The channels in their new order."""
        y = self._shuffled(x, self._kept_buffer(x.shape) if training else None)
        if training:
            self._saved = (x.shape,)
            self._keep_buffer(x.shape, y)
        return y

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """The channels of `dy` in their old order."""
        (shape,) = self._take_saved()
        if not needs_input:
            return None
        dx = F.channel_shuffle_backward(dy, self.groups, axis=self._axis, out=self._kept_buffer(("dx", shape)))
        self._keep_buffer(("dx", shape), dx)
        return dx

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """A copy that writes where the program wants it."""
        self.output_shape(x.shape[1:])
        return program.add("call", (x,), name, function=self._shuffled, out=True, shape=x.shape)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of the input."""
        channels = input_shape[-1 if self._axis == -1 else 0] if input_shape else 1
        if channels % self.groups:
            raise ValueError(f"groups (={self.groups}) must divide the channels of an input of shape {input_shape}")
        return input_shape
