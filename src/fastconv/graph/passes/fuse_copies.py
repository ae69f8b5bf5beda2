"""Lets products of matrices read and write views: transposes, slices and factors around them copy nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.graph.node import Node
from fastconv.graph.program import Program

__all__ = ["fuse_copies"]


def fuse_copies(program: Program) -> None:
    """matmul(s * copy(x), copy(y)) becomes one product of views of x and y; a transpose behind it is its output's."""
    for node in list(program.nodes):
        if node.operation != "matmul":
            continue
        for place in range(2):
            while _take_in(node, place):
                pass
        while _take_in_factor(program, node):
            pass
        _take_in_transpose(program, node)


def _take_in(node: Node, place: int) -> bool:
    """Let a product read what a node in front of it reads, whether others need that node or not."""
    taken = node.inputs[place]
    views = node.attributes["views"][place]
    if taken.operation == "copy":
        views.insert(0, taken.attributes["view"])
    elif taken.operation == "reshape" and _is_view(taken):
        shape = taken.shape
        views.insert(0, lambda x: x.reshape(shape))
    elif _is_factor(taken):
        node.attributes["scale"] *= float(taken.attributes["scale"].reshape(-1)[0])
    else:
        return False
    node.inputs[place] = taken.inputs[0]
    return True


def _is_view(node: Node) -> bool:
    """Whether a reshape of what a copy copies would be a view of it."""
    [source] = node.inputs
    if source.operation != "copy":
        return False
    view: Callable[[np.ndarray], np.ndarray] = source.attributes["view"]
    probe = np.empty(source.inputs[0].shape, bool)
    return np.may_share_memory(view(probe).reshape(node.shape), probe)


def _is_factor(node: Node) -> bool:
    """Whether a node multiplies by one number and does nothing else."""
    options = node.attributes
    return (
        node.operation == "scale"
        and options["scale"].size == 1
        and not np.any(options["shift"])
        and not options.get("residual")
        and not options.get("activation")
    )


def _take_in_factor(program: Program, node: Node) -> bool:
    reader = program.only_reader(node)
    if reader is None or not _is_factor(reader) or reader.shape != node.shape:
        return False
    node.attributes["scale"] *= float(reader.attributes["scale"].reshape(-1)[0])
    program.replace(reader, node)
    return True


def _take_in_transpose(program: Program, node: Node) -> None:
    """Of axes before the last, so that neighbouring columns of the product stay neighbours."""
    reader = program.only_reader(node)
    order = None if reader is None or reader.operation != "copy" else reader.attributes.get("order")
    if reader is not None and order is not None and order[-1] == len(order) - 1:
        node.attributes["order"], node.shape = order, reader.shape
        program.replace(reader, node)
