"""Keeps only the largest of each 2x2 outputs of a convolution, before they are stored."""

from __future__ import annotations

from fastconv import functional as F
from fastconv.graph.node import Node
from fastconv.graph.operations import OPERATIONS
from fastconv.graph.program import Program

__all__ = ["fuse_pool"]


def fuse_pool(program: Program) -> None:
    """max_pool(conv(x), 2) becomes conv(x, pool=2), where an algorithm can do it."""
    for node in list(program.nodes):
        if node.operation != "max_pool" or not node.attributes["halves"]:
            continue
        [source] = node.inputs
        if source.operation != "conv" or source.attributes["layout"] != node.attributes["layout"]:
            continue
        if source.attributes.get("pool") or len(source.inputs) > 1 or program.only_reader(source) is not node:
            continue
        if source.attributes["weight"].ndim == 4 and _can_pool(source):
            source.attributes["pool"] = 2
            source.shape = tuple(OPERATIONS["conv"].shape(source))
            program.replace(node, source)


def _can_pool(node: Node) -> bool:
    try:
        F.prepare_conv2d(node.inputs[0].shape, **node.attributes, pool=2)
    except NotImplementedError:
        return False
    return True
