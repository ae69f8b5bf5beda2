"""Folds y = x * scale + shift, what batch normalization is once it is trained, into the weights of the layer before."""

from __future__ import annotations

import numpy as np

from fastconv.graph.node import Node
from fastconv.graph.program import Program
from fastconv.graph.weights import ScaledWeight

__all__ = ["fold_scale"]


def fold_scale(program: Program) -> None:
    """act(conv(x, w) + b) is left alone; conv(x, w) + b becomes conv(x, w * scale) + (b * scale + shift)."""
    for node in list(program.nodes):
        if node.operation != "scale":
            continue
        [source] = node.inputs
        if source.operation not in ("conv", "linear") or program.only_reader(source) is not node:
            continue
        options = source.attributes
        if options.get("activation") or options.get("pool") or len(source.inputs) > 1:
            continue
        if not (_by_channel(source, node.attributes["scale"]) and _by_channel(source, node.attributes["shift"])):
            continue
        scale, shift = (np.ravel(node.attributes[name]) for name in ("scale", "shift"))
        bias = options["bias"]
        options["weight"] = ScaledWeight(options["weight"], scale)
        options["bias"] = shift if bias is None else bias * scale + shift
        program.replace(node, source)


def _by_channel(source: Node, values: np.ndarray) -> bool:
    """Whether `values` has one entry for each output of `source`, on the axis where its outputs lie."""
    ndim = len(source.shape)
    last = source.operation == "linear" or source.attributes["layout"].endswith("C")
    wanted = [1] * ndim
    wanted[-1 if last else 1] = len(source.attributes["weight"])
    return (1,) * (ndim - values.ndim) + values.shape == tuple(wanted)
