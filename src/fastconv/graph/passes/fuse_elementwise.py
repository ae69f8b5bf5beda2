"""Joins a scale, a gate or a sum with the sum and the rectifier behind it, where no convolution took them."""

from __future__ import annotations

from fastconv.graph.node import Node
from fastconv.graph.program import Program

__all__ = ["fuse_elementwise"]


def fuse_elementwise(program: Program) -> None:
    """relu(x * gate + r) becomes one gate with a residual and an activation; relu(x + r) one sum with an activation.

    The node that came last does all, as it alone is sure to come after every input.
    """
    for node in list(program.nodes):
        if node.operation == "add":
            _take_in_residual(program, node)
    for node in list(program.nodes):
        if node.operation == "activation":
            _take_in_activation(program, node)


def _take_in_residual(program: Program, node: Node) -> None:
    for source, other in (node.inputs, node.inputs[::-1]):
        if (
            source.operation in ("scale", "gate")
            and not source.attributes.get("residual")
            and not source.attributes.get("activation")
            and program.only_reader(source) is node
            and other.shape == source.shape
        ):
            node.operation = source.operation
            node.inputs = [*source.inputs, other]
            node.attributes = {**source.attributes, "residual": True}
            program.nodes.remove(source)
            return


def _take_in_activation(program: Program, node: Node) -> None:
    [source] = node.inputs
    if source.operation not in ("scale", "gate", "add") or program.only_reader(source) is not node:
        return
    if not source.attributes.get("activation"):
        activation = node.attributes["activation"]
        node.operation, node.inputs = source.operation, source.inputs
        node.attributes = {**source.attributes, "activation": activation}
        program.nodes.remove(source)
