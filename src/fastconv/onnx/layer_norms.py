"""Finds layer normalizations that exporters wrote in nine nodes, before opset 17 had an operator for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.names import Names
from fastconv.onnx.operators import Call

__all__ = ["merge_layer_norms"]


def merge_layer_norms(graph: Graph) -> None:
    """(x - mean) / sqrt(mean((x - mean)^2) + epsilon) * weight [+ bias] becomes one node in the place of the last.

    The others stay for who reads them, or go with what nothing reads.
    """
    names = Names(graph)
    found = [_normalization(names, call) if call.domain == "" else None for call in graph.nodes]
    graph.nodes = [call if one is None else one for call, one in zip(graph.nodes, found, strict=True)]


def _normalization(names: Names, call: Call) -> Call | None:
    """A node of all that ends in this one, a product with the weight or a sum with the bias."""
    if call["broadcast"]:
        return None
    if call.operator == "Mul":
        return _scaled(names, call, call, ())
    if call.operator == "Add":
        for inner, bias in (call.inputs, call.inputs[::-1]):
            product = names.call(inner, "Mul")
            if product is not None and names.constant(bias) is not None:
                return _scaled(names, call, product, (bias,))
    return None


def _scaled(names: Names, call: Call, product: Call, bias: tuple[str, ...]) -> Call | None:
    for inner, weight in (product.inputs, product.inputs[::-1]):
        quotient = names.call(inner, "Div")
        shapes = [np.shape(value) for value in map(names.constant, (weight, *bias)) if value is not None]
        if quotient is None or len(shapes) != 1 + len(bias):
            continue
        found = _quotient(names, quotient)
        if found is not None and max(map(len, shapes)) <= found[1]:
            x, axes, epsilon = found
            return Call(
                "LayerNormalization", [x, weight, *bias], call.outputs, {"axis": -axes, "epsilon": epsilon},
                name=call.name, since=17, opset=17,
            )  # fmt: skip
    return None


def _quotient(names: Names, call: Call) -> tuple[str, int, float] | None:
    """x, the number of axes, and epsilon of a node that divides what is centred by its deviation."""
    distance, deviation = call.inputs
    centred, root = names.call(distance, "Sub"), names.call(deviation, "Sqrt")
    total = None if root is None else names.call(root.inputs[0], "Add")
    if centred is None or total is None:
        return None
    x, mean = centred.inputs
    axes = _axes(names, mean, x)
    for variance, number in (total.inputs, total.inputs[::-1]):
        epsilon, square = names.number(number), names.call(variance, "ReduceMean")
        if epsilon is not None and square is not None and _is_square(names, square.inputs[0], distance):
            same = axes is not None and axes == _axes(names, variance, square.inputs[0])
            return (x, axes, epsilon) if same and axes is not None else None
    return None


def _is_square(names: Names, name: str, x: str) -> bool:
    product, power = names.call(name, "Mul"), names.call(name, "Pow")
    if product is not None:
        return product.inputs == (x, x)
    return power is not None and power.inputs[0] == x and names.is_number(power.inputs[1], 2.0)


def _axes(names: Names, name: str, x: str) -> int | None:
    """How many last axes a name is the mean of x over, which stay; None where it is not that."""
    call = names.call(name, "ReduceMean")
    if call is None or call.inputs[0] != x or call["keepdims"] == 0:
        return None
    given: Any = call["axes"] if len(call.inputs) < 2 else names.constant(call.inputs[1])
    axes = [] if given is None else sorted(map(int, np.ravel(given)))
    return len(axes) if axes and axes == list(range(-len(axes), 0)) else None
