"""Runs a graph node by node, for what no program can be made of: shapes that depend on values, branches, loops."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import MutableMapping
from typing import Any

from fastconv.onnx.control import CONTROL, is_control
from fastconv.onnx.evaluating import evaluated, named
from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.operators import Call

__all__ = ["run_graph"]


def run_graph(graph: Graph, inputs: dict[str, Any]) -> list[Any]:
    """The outputs in order.

    Raises
    ------
    ValueError
        If arrays do not fit a node, which is named.
    """
    values: MutableMapping[str, Any] = {**graph.constants, **inputs}
    _run_nodes(graph, values)
    return [values[port.name] for port in graph.outputs]


def _run_nodes(graph: Graph, values: MutableMapping[str, Any]) -> None:
    """Results are let go after their last reader."""
    waiting = _readers(graph)
    for call in graph.nodes:
        for name, result in zip(call.outputs, _results(call, values), strict=False):
            if name:
                values[name] = result
        for name in call.taken:
            waiting[name] -= 1
            if not waiting[name]:
                values.pop(name, None)


def _readers(graph: Graph) -> Counter[str]:
    """How often a name is read in this graph; once more what must stay: outputs, and what is not of this graph."""
    count = Counter(name for call in graph.nodes for name in call.taken)
    produced = {name for call in graph.nodes for name in call.outputs}
    count.update(name for name in list(count) if name not in produced)
    for port in graph.outputs:
        count[port.name] += 1
    return count


def _results(call: Call, values: MutableMapping[str, Any]) -> Any:
    if not is_control(call):
        inputs = [values[name] if name else None for name in call.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        return evaluated(call, tuple(inputs))

    def run(graph: Graph, given: list[Any]) -> list[Any]:
        """An inner graph, which sees everything around it."""
        names = (port.name for port in graph.inputs)
        inner = ChainMap({**graph.constants, **dict(zip(names, given, strict=True))}, values)
        _run_nodes(graph, inner)
        return [inner[port.name] for port in graph.outputs]

    with named(call):
        return CONTROL[call.operator](call, [values[name] if name else None for name in call.inputs], run)
