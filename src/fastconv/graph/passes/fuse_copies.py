"""Lets products of matrices read and write views: transposes, slices and factors around them copy nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.graph.node import Node
from fastconv.graph.program import Program

__all__ = ["fuse_copies"]

View = Callable[[np.ndarray], np.ndarray]

#: factors up to which, and down to whose inverse, a product may multiply elsewhere than the nodes did
_LARGEST_SCALE = 2.0**20


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
    taken, views = node.inputs[place], node.attributes["views"]
    if _is_factor(taken):
        if not _take_scale(node, taken):
            return False
    else:
        view = _view_of(taken)
        found = None if view is None else [view, *views[place]]
        if found is None or not _is_view(taken.inputs[0].shape, found):
            return False
        views[place][:] = found
    node.inputs[place] = taken.inputs[0]
    return True


def _view_of(node: Node) -> View | None:
    """What a node that only moves elements makes of its input."""
    if node.operation == "copy":
        view: View = node.attributes["view"]
        return view
    shape = node.shape
    return (lambda x: x.reshape(shape)) if node.operation == "reshape" else None


def _is_view(shape: tuple[int, ...], views: list[View]) -> bool:
    """Whether one after the other, of an array that lies dense, they copy nothing; a reshape of a slice may."""
    whole = np.empty(shape, bool)
    part = whole
    for view in views:
        part = view(part)
    return np.may_share_memory(part, whole)


def _take_scale(node: Node, factor: Node) -> bool:
    """Let a product multiply by one number more, unless where it does so could make numbers that float32 lacks."""
    scale = node.attributes["scale"] * float(factor.attributes["scale"].reshape(-1)[0])
    if not 1 / _LARGEST_SCALE <= abs(scale) <= _LARGEST_SCALE:
        return False
    node.attributes["scale"] = scale
    return True


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
    if not _take_scale(node, reader):
        return False
    program.replace(reader, node)
    return True


def _take_in_transpose(program: Program, node: Node) -> None:
    """Of axes before the last, so that neighbouring columns of the product stay neighbours."""
    reader = program.only_reader(node)
    order = None if reader is None or reader.operation != "copy" else reader.attributes.get("order")
    if reader is not None and order is not None and order[-1] == len(order) - 1:
        node.attributes["order"], node.shape = order, reader.shape
        program.replace(reader, node)
