"""Program: what is computed from what, in an order in which it can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph.node import Node
from fastconv.graph.operations import OPERATIONS

__all__ = ["Program"]


class Program:
    """Nodes in an order in which they can run.

    Attributes
    ----------
    dtype : dtype
        Of the inputs that name no other: float32 or float64.
    inputs, outputs : list of Node
    nodes : list of Node
        All but the inputs.
    """

    def __init__(self, dtype: Any = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        self.inputs: list[Node] = []
        self.nodes: list[Node] = []
        self.outputs: list[Node] = []

    def input(self, shape: tuple[int, ...], name: str = "input", dtype: Any = None) -> Node:
        """A new input of the program."""
        node = Node("input", (), tuple(shape), self.dtype if dtype is None else np.dtype(dtype), name, {})
        self.inputs.append(node)
        return node

    def add(self, operation: str, inputs: Sequence[Node], name: str = "", dtype: Any = None, **attributes: Any) -> Node:
        """A new node; its shape follows from the operation, its type is that of its first input unless it is given."""
        if dtype is None:
            dtype = inputs[0].dtype if inputs else self.dtype
        node = Node(operation, inputs, (), np.dtype(dtype), name or f"{operation}{len(self.nodes)}", attributes)
        node.shape = tuple(OPERATIONS[operation].shape(node))
        self.nodes.append(node)
        return node

    def readers(self, node: Node) -> list[Node]:
        """The nodes that take `node`, once for each time they do."""
        return [reader for reader in self.nodes for taken in reader.inputs if taken is node]

    def only_reader(self, node: Node) -> Node | None:
        """The node that alone takes `node`, which is no output of the program; else None."""
        readers = self.readers(node)
        return readers[0] if len(readers) == 1 and node not in self.outputs else None

    def replace(self, node: Node, other: Node) -> None:
        """Let everything that takes `node` take `other`, and drop `node`."""
        for reader in self.nodes:
            reader.inputs = [other if taken is node else taken for taken in reader.inputs]
        self.outputs = [other if output is node else output for output in self.outputs]
        self.nodes.remove(node)

    def drop_idle(self) -> None:
        """Drop the nodes that no output needs."""
        needed = set(map(id, self.outputs))
        kept = []
        for node in reversed(self.nodes):
            if id(node) in needed:
                kept.append(node)
                needed.update(id(taken) for taken in node.inputs)
        self.nodes = kept[::-1]

    def __str__(self) -> str:
        return "\n".join(map(repr, [*self.inputs, *self.nodes]))
