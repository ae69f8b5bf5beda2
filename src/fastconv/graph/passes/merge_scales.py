"""Joins scales that follow each other: a batch norm and the factors of channels that some files hold apart from it."""

from __future__ import annotations

import numpy as np

from fastconv.functional.scale_shift import cut_for
from fastconv.graph.program import Program

__all__ = ["merge_scales"]


_CANCELLED = 2.0**-12


def _held(values: np.ndarray, dtype: np.dtype) -> bool:
    return bool((np.abs(values) <= np.finfo(dtype).max).all())


def merge_scales(program: Program) -> None:
    """(x * a + b) * c + d becomes x * ac + (bc + d), where nothing else reads x * a + b."""
    for node in list(program.nodes):
        if node.operation != "scale":
            continue
        [source] = node.inputs
        if source.operation != "scale" or program.only_reader(source) is not node:
            continue
        if source.attributes.get("activation") or source.attributes.get("residual"):
            continue
        first, second = source.attributes, node.attributes
        shape = np.broadcast_shapes(first["scale"].shape, second["scale"].shape)
        if cut_for(source.shape, shape) is None:
            continue
        factor = second["scale"].astype(np.float64)
        scale = first["scale"] * factor
        shift = first["shift"] * factor + second["shift"]
        # What cancels is a rounding to whole numbers by a large one; what leaves the type's range would be infinite.
        whole = np.abs(first["shift"] * factor)
        if not _held(scale, node.dtype) or not _held(shift, node.dtype) or (np.abs(shift) < whole * _CANCELLED).any():
            continue
        first["scale"], first["shift"] = (np.broadcast_to(one, shape).astype(node.dtype) for one in (scale, shift))
        program.replace(node, source)
