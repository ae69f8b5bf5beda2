"""Operators of single elements in programs: computed block by block, so that what lies between stays in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph import Node, Program
from fastconv.onnx.evaluating import evaluated_by
from fastconv.onnx.operators import Call, Evaluate

__all__ = ["element_node"]

#: elements of a block: its temporary arrays, 256 KB in float32, lie in a core's second cache; fewer cost more in calls
BLOCK = 65536


def element_node(program: Program, call: Call, evaluate: Evaluate, inputs: Sequence[Any]) -> Node | None:
    """A node of an operator whose inputs broadcast; None where its result has no type of numbers.

    `evaluate` computes it. Its type is that of one element, so that nothing of the inputs' size is computed before the
    program runs.
    """
    given = [one for one in inputs if one is not None]
    if any(one.dtype == object for one in given):
        return None
    shape = np.broadcast_shapes(*(one.shape for one in given))
    probes = tuple(None if one is None else np.ones((1,) * len(one.shape), one.dtype) for one in inputs)
    [result] = evaluated_by(evaluate, call, probes)
    if result.dtype == object:
        return None
    places = [index for index, one in enumerate(inputs) if isinstance(one, Node)]
    fixed = [None if isinstance(one, Node) else one for one in inputs]

    def function(*arrays: np.ndarray, out: np.ndarray) -> None:
        whole = list(fixed)
        for place, array in zip(places, arrays, strict=True):
            whole[place] = array
        _in_blocks(call, evaluate, whole, out)

    nodes = [inputs[place] for place in places]
    return program.add("call", nodes, call.name, result.dtype, function=function, out=True, shape=shape)


def _in_blocks(call: Call, evaluate: Evaluate, inputs: list[Any], out: np.ndarray) -> None:
    """Cut along the first axis that has more than one element; the cuts depend on the shape alone."""
    if not out.size:
        return
    if all(one is None or one.shape == out.shape or one.size == 1 and one.ndim <= out.ndim for one in inputs):
        flat: np.ndarray = out.reshape(-1)
        inputs = [one if one is None else one.reshape(-1) for one in inputs]
    else:
        lead = next(axis for axis, size in enumerate(out.shape) if size > 1)
        flat = out.reshape(out.shape[lead:])
        inputs = [
            one if one is None or one.ndim < flat.ndim else one.reshape(one.shape[one.ndim - flat.ndim :])
            for one in inputs
        ]
    rows = BLOCK * len(flat) // flat.size
    if not rows and flat.ndim > 1:
        for index, part in enumerate(flat):
            taken = [one if one is None or one.ndim < flat.ndim else one[index % len(one)] for one in inputs]
            _in_blocks(call, evaluate, taken, part)
        return
    rows = max(1, rows)
    for first in range(0, len(flat), rows):
        block = slice(first, first + rows)
        cut = tuple(one if one is None or one.ndim < flat.ndim or len(one) == 1 else one[block] for one in inputs)
        np.copyto(flat[block], evaluated_by(evaluate, call, cut)[0])
