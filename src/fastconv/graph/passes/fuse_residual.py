"""Adds the other path of a residual block to the sums of a convolution or matrix product before they are stored."""

from __future__ import annotations

from fastconv.graph.node import Node
from fastconv.graph.operations import packs_weights
from fastconv.graph.program import Program

__all__ = ["fuse_residual"]


def fuse_residual(program: Program) -> None:
    """conv(x) + r becomes conv(x, residual=r): of two convolutions the one that runs last takes the other's result."""
    for node in list(program.nodes):
        if node.operation != "add" or len(node.inputs) != 2 or node.inputs[0] is node.inputs[1]:
            continue
        order = {taken: place for place, taken in enumerate([*program.inputs, *program.nodes])}
        source = max(node.inputs, key=order.__getitem__)
        if not _takes_residual(program, source, node):
            continue
        other = next(taken for taken in node.inputs if taken is not source)
        if other.shape == source.shape:
            source.inputs.append(other)
            program.replace(node, source)


def _takes_residual(program: Program, source: Node, reader: Node) -> bool:
    return (
        (source.operation == "conv" or (source.operation == "linear" and packs_weights(source)))
        and len(source.inputs) == 1
        and not source.attributes.get("activation")
        and program.only_reader(source) is reader
    )
