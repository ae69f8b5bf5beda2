"""Identity: what comes in goes out."""

from __future__ import annotations

import numpy as np

from fastconv.graph import Node, Program
from fastconv.nn.module import Module

__all__ = ["Identity"]


class Identity(Module):
    """``y = x``: a place for a layer that a variant of a network leaves out.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Identity()(np.array([1.0]))
    array([1.])
    """

    KIND = "IDENTITY"

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """`x` itself."""
        if training:
            self._saved = ()
        return x

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """`dy` itself."""
        self._take_saved()
        return dy if needs_input else None

    def emit(self, program: Program, x: Node, name: str) -> Node:
        """Nothing."""
        return x
