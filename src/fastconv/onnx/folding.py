"""Computes at load what depends on no input, once."""

from __future__ import annotations

from collections.abc import Collection

from fastconv.onnx.evaluating import evaluated, row_of
from fastconv.onnx.graph_reader import Graph

__all__ = ["fold"]


def fold(graph: Graph, spared: Collection[str] = ()) -> None:
    """Turn nodes of constants into constants, but for the operators `spared`, and forget those that nothing reads."""
    kept = []
    for call in graph.nodes:
        known = all(name == "" or name in graph.constants for name in call.inputs)
        overridable = any(name in graph.defaults for name in call.inputs)
        is_spared = call.domain == "" and call.operator in spared
        if is_spared or not known or overridable or call.graphs or not row_of(call).pure:
            kept.append(call)
            continue
        results = evaluated(call, tuple(graph.constants[name] if name else None for name in call.inputs))
        graph.constants.update(zip(call.outputs, results, strict=False))
    graph.nodes = kept
    needed = {name for call in kept for name in call.taken} | {port.name for port in graph.outputs}
    for call in kept:
        if call.operator != "BatchNormalization":  # whose outputs say in old opsets whether it trains
            call.outputs = tuple(name if name in needed else "" for name in call.outputs)
    graph.constants = {name: value for name, value in graph.constants.items() if name in needed}
