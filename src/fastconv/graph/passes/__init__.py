"""Passes: each changes a program into a faster one with the same results. Adding one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from fastconv.graph.passes.fold_pad import fold_pad
from fastconv.graph.passes.fold_scale import fold_scale
from fastconv.graph.passes.fuse_activation import fuse_activation
from fastconv.graph.passes.fuse_copies import fuse_copies
from fastconv.graph.passes.fuse_elementwise import fuse_elementwise
from fastconv.graph.passes.fuse_pool import fuse_pool
from fastconv.graph.passes.fuse_residual import fuse_residual
from fastconv.graph.passes.merge_scales import merge_scales
from fastconv.graph.program import Program

__all__ = ["PASSES"]

#: in the order in which they run: what is applied first to a sum is fused first
PASSES: tuple[Callable[[Program], None], ...] = (
    fold_pad,
    merge_scales,
    fold_scale,
    fuse_copies,
    fuse_residual,
    fuse_activation,
    fuse_pool,
    fuse_elementwise,
)
