"""Reparametrize: a sample of a normal distribution through which gradients flow, for variational autoencoders."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.graph import Node, Program
from fastconv.nn.module import Module

__all__ = ["Reparametrize"]


class Reparametrize(Module):
    """In training ``mean + exp(logvar / 2) * e`` with e drawn from the standard normal law; else the mean.

    It takes mean and logvar, the logarithm of the variance, of one shape.

    Parameters
    ----------
    rng : int or numpy.random.Generator, optional
        Where e is drawn from; `Trainer` replaces it by one derived from its seed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> layer, normal = nn.Reparametrize(rng=0), (np.full((1, 2), 5.0), np.zeros((1, 2)))
    >>> layer(normal), layer(normal, training=True).round(4)
    (array([[5., 5.]]), array([[5.1257, 4.8679]]))
    """

    KIND = "SAMPLE"
    MERGES = True

    def __init__(self, *, rng: int | np.random.Generator | None = None) -> None:
        super().__init__()
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Any, training: bool = False) -> np.ndarray:
        """A sample, or the mean."""
        self.output_shape(tuple(part.shape[1:] for part in x))
        mean, logvar = x
        if not training:
            return mean
        spread = np.exp(logvar / 2)
        spread *= self.rng.standard_normal(mean.shape).astype(mean.dtype, copy=False)
        self._saved = (spread,)
        return mean + spread

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> tuple[np.ndarray, ...] | None:
        """`dy` for the mean; ``dy e exp(logvar / 2) / 2`` for the logarithm of the variance."""
        (spread,) = self._take_saved()
        return (dy, dy * spread / 2) if needs_input else None

    def emit(self, program: Program, x: tuple[Node, ...], name: str) -> Node:
        """The mean: inference does not draw."""
        self.output_shape(tuple(node.shape[1:] for node in x))
        return x[0]

    def output_shape(self, input_shape: Any) -> tuple[int, ...]:
        """That of the mean."""
        if len(input_shape) != 2 or input_shape[0] != input_shape[1]:
            raise ValueError(f"a mean and a logvar of one shape are taken, got {input_shape}")
        return input_shape[0]

    def operations(self, input_shape: Any) -> int:
        """An exponential, two products and a sum per element in training."""
        return 4 * math.prod(self.output_shape(input_shape))
