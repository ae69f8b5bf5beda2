"""Node: one operation of a program and its result, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["Node"]


class Node:
    """One operation and its result.

    Attributes
    ----------
    operation : str
        A row of `fastconv.graph.OPERATIONS`; "input" for an input of the program.
    inputs : list of Node
    shape : tuple of int
        Of the result, with the batch axis.
    dtype : dtype
        Of the result.
    attributes : dict
        What the operation needs besides arrays of this run: strides, weights ...
    name : str
        For people: the layer's, if a layer made it.
    """

    __slots__ = ("attributes", "dtype", "inputs", "name", "operation", "shape")

    def __init__(
        self,
        operation: str,
        inputs: Iterable[Node],
        shape: tuple[int, ...],
        dtype: np.dtype,
        name: str,
        attributes: dict[str, Any],
    ) -> None:
        self.operation = operation
        self.inputs = list(inputs)
        self.shape = shape
        self.dtype = dtype
        self.name = name
        self.attributes = attributes

    @property
    def nbytes(self) -> int:
        """Bytes of the result."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __repr__(self) -> str:
        taken = ", ".join(node.name for node in self.inputs)
        return f"<{self.name}: {self.operation}({taken}) -> {'x'.join(map(str, self.shape))}>"
