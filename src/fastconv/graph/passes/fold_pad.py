"""Lets a convolution read a border around the volume that a pad would have copied."""

from __future__ import annotations

from fastconv import geometry
from fastconv.graph.node import Node
from fastconv.graph.program import Program

__all__ = ["fold_pad"]

#: what the modes of a pad are called as borders of a convolution
BORDERS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}

Pairs = tuple[tuple[int, int], ...]


def fold_pad(program: Program) -> None:
    """conv(pad(x)) becomes conv(x, padding=...), where nothing else reads pad(x) and the border is of one kind."""
    for node in list(program.nodes):
        if node.operation != "pad":
            continue
        reader = program.only_reader(node)
        if reader is None or reader.operation != "conv" or reader.inputs[0] is not node:
            continue
        options, border = reader.attributes, node.attributes["padding"]
        if node.attributes["layout"] != options["layout"] or min(map(min, border)) < 0:
            continue
        value = node.attributes["value"]
        kind = BORDERS.get(node.attributes["mode"], "zeros" if value == 0 else value)
        own = _padding(reader)
        if not any(map(any, own)):
            options["padding"], options["border"] = border, kind
        elif kind == options["border"] == "zeros":
            options["padding"] = tuple((a + c, b + d) for (a, b), (c, d) in zip(border, own, strict=True))
        else:
            continue
        reader.inputs[0] = node.inputs[0]
        program.nodes.remove(node)


def _padding(node: Node) -> Pairs:
    """The padding of a convolution in numbers."""
    options, shape = node.attributes, node.inputs[0].shape
    kernel = options["weight"].shape[2:]
    spatial = shape[1:-1] if options["layout"].endswith("C") else shape[2:]
    padding = geometry.canonical_padding("padding", options["padding"], len(kernel))
    return geometry.resolve_padding(padding, spatial, kernel, options["stride"], options["dilation"])
