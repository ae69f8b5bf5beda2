"""Names: what computes each name of a graph, how often it is read, and which are constants, for passes."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.operators import Call

__all__ = ["Names", "drop_unread"]


class Names:
    """The names of a graph as it was when this was made."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._made = {name: call for call in graph.nodes for name in call.outputs if name}
        self._reads = Counter(name for call in graph.nodes for name in call.taken)
        self._reads.update(port.name for port in graph.outputs)

    def call(self, name: str, *operators: str) -> Call | None:
        """The node that computes a name, if it is of these operators."""
        found = self._made.get(name)
        return found if found is not None and found.domain == "" and found.operator in operators else None

    def reads(self, name: str) -> int:
        """How often a name is read, as an output of the graph too."""
        return self._reads[name]

    def constant(self, name: str) -> np.ndarray | None:
        """What a name always is."""
        return None if name in self._graph.defaults else self._graph.constants.get(name)

    def dtype(self, name: str) -> np.dtype | None:
        """The type of a constant or an input of the graph."""
        value = self.constant(name)
        if value is not None:
            return value.dtype
        return next((port.dtype for port in self._graph.inputs if port.name == name), None)

    def number(self, name: str) -> float | None:
        """A constant of one floating element."""
        value = self.constant(name)
        if value is None or value.size != 1 or value.dtype.kind != "f":
            return None
        return float(value.reshape(-1)[0])

    def is_number(self, name: str, wanted: float) -> bool:
        """Whether a name is this number, in float32 or better."""
        found = self.number(name)
        return found is not None and math.isclose(found, wanted, rel_tol=1e-6)

    def clip_bounds(self, clip: Call) -> tuple[float | None, float | None]:
        """What a Clip cuts off at; None where it does not, or where that is not known."""
        if clip.since < 11:
            return clip["min"], clip["max"]
        low, high = (self.number(name) for name in (*clip.inputs[1:], "", "")[:2])
        return low, high


def drop_unread(graph: Graph) -> None:
    """Forget nodes whose outputs nothing reads."""
    needed = {port.name for port in graph.outputs}
    kept = []
    for call in reversed(graph.nodes):
        if needed.intersection(call.outputs):
            needed.update(call.taken)
            kept.append(call)
    graph.nodes = kept[::-1]
