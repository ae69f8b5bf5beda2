"""Dropout as a layer: active in training only."""

from __future__ import annotations

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.graph import Node, Program
from fastconv.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, zero each element with probability `p` and scale the others by 1/(1-p); else pass on.

    Parameters
    ----------
    p : float
        0..1.
    rng : int or numpy.random.Generator, optional
        Source of the masks; `Trainer` replaces it by one derived from its seed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> x = np.ones((1, 8), np.float32)
    >>> bool((nn.Dropout(0.5)(x) == x).all())
    True
    >>> nn.Dropout(0.5, rng=0)(x, training=True)
    array([[2., 2., 2., 0., 0., 0., 0., 0.]], dtype=float32)
    """

    KIND = "DROPOUT"
    ARGUMENTS = ("p",)
    HYPERPARAMETERS = ("p",)

    def __init__(self, p: float = 0.5, *, rng: int | np.random.Generator | None = None) -> None:
        super().__init__()
        self.p = number("p", p)
        if not 0 <= self.p <= 1:
            raise ValueError(f"p (={p}) must lie in 0..1")
        self.rng = np.random.default_rng(rng)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """`x` itself, or in training what is kept of it."""
        if not training:
            return x
        y, mask = F.dropout(x, self.p, self.rng, out=self._kept_buffer(x.shape))
        self._saved = (mask,)
        self._keep_buffer(x.shape, (y, mask))
        return y

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """Nothing: inference passes on."""
        return x

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` where the element was kept, scaled alike."""
        (mask,) = self._take_saved()
        if not needs_input:
            return None
        dx = F.dropout_backward(dy, mask, self.p, out=self._kept_buffer(("dx", mask.shape)))
        self._keep_buffer(("dx", mask.shape), dx)
        return dx
