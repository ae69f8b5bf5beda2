"""Applies a rectifier to the sums of a convolution or matrix product before they are stored."""

from __future__ import annotations

from fastconv.graph.program import Program

__all__ = ["fuse_activation"]


def fuse_activation(program: Program) -> None:
    """act(conv(x)) becomes conv(x, activation=act), where nothing else reads conv(x)."""
    for node in list(program.nodes):
        if node.operation != "activation":
            continue
        [source] = node.inputs
        if source.operation not in ("conv", "linear") or program.only_reader(source) is not node:
            continue
        if not source.attributes.get("activation") and not source.attributes.get("pool"):
            source.attributes["activation"] = node.attributes["activation"]
            program.replace(node, source)
