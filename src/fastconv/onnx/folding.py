"""Computes at load what depends on no input, once."""

from __future__ import annotations

from fastconv.onnx.evaluating import evaluated, row_of
from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.reading import CONTROL

__all__ = ["fold", "names_read"]


def fold(graph: Graph) -> None:
    """Turn nodes of constants into constants, and forget those that nothing reads."""
    kept = []
    for call in graph.nodes:
        known = all(name == "" or name in graph.constants for name in call.inputs)
        overridable = any(name in graph.defaults for name in call.inputs)
        if not known or overridable or call.operator in CONTROL or not row_of(call).pure:
            kept.append(call)
            continue
        results = evaluated(call, tuple(graph.constants[name] if name else None for name in call.inputs))
        graph.constants.update(zip(call.outputs, results, strict=False))
    graph.nodes = kept
    needed = names_read(graph) | {port.name for port in graph.outputs}
    for call in kept:
        if call.operator != "BatchNormalization":  # whose outputs say in old opsets whether it trains
            call.outputs = tuple(name if name in needed else "" for name in call.outputs)
    graph.constants = {name: value for name, value in graph.constants.items() if name in needed}


def names_read(graph: Graph) -> set[str]:
    """Names that nodes take, in graphs of attributes too."""
    names = {name for call in graph.walk() for name in call.inputs}
    for call in graph.walk():
        for value in call.attributes.values():
            if isinstance(value, Graph):
                names |= {port.name for port in value.outputs}
    return names
