"""Runs a graph node by node, for what no program can be made of: shapes that depend on values, branches."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import MutableMapping
from typing import Any

from fastconv.onnx.evaluating import evaluated
from fastconv.onnx.folding import names_read
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
        results = _branch(call, values) if call.operator == "If" else _evaluated(call, values)
        for name, result in zip(call.outputs, results, strict=False):
            if name:
                values[name] = result
        for name in call.inputs:
            waiting[name] -= 1
            if not waiting[name]:
                values.pop(name, None)


def _readers(graph: Graph) -> Counter[str]:
    """How often a name is read in this graph; once more what must stay: outputs, and what inner graphs may read."""
    count = Counter(name for call in graph.nodes for name in call.inputs)
    inner = set()
    for call in graph.nodes:
        for value in call.attributes.values():
            if isinstance(value, Graph):
                inner |= names_read(value) | {port.name for port in value.outputs}
    produced = {name for call in graph.nodes for name in call.outputs}
    for name in list(count):
        if name in inner or name not in produced:
            count[name] += 1
    for port in graph.outputs:
        count[port.name] += 1
    return count


def _evaluated(call: Call, values: MutableMapping[str, Any]) -> tuple[Any, ...]:
    inputs = [values[name] if name else None for name in call.inputs]
    while inputs and inputs[-1] is None:
        inputs.pop()
    return evaluated(call, tuple(inputs))


def _branch(call: Call, values: MutableMapping[str, Any]) -> list[Any]:
    """The branch that the condition names, which sees everything around it."""
    branch = call["then_branch" if values[call.inputs[0]].reshape(-1)[0] else "else_branch"]
    inner = ChainMap({**branch.constants}, values)
    _run_nodes(branch, inner)
    return [inner[port.name] for port in branch.outputs]
