"""Where the results of a program's nodes lie: one arena, in which results that are never alive together share bytes.

What only a concatenation takes is computed in its place there, where that place is one run of memory.

Greedy by size: the largest result first, each at the lowest place that is free during its whole life (Pisarchyk and
Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fastconv.graph.node import Node
from fastconv.graph.operations import OPERATIONS
from fastconv.graph.program import Program

__all__ = ["Arena", "plan_arena"]

ALIGNMENT = 64  # bytes


class Arena(NamedTuple):
    """The arena's size, and where each result begins in it, both in bytes; what lies elsewhere is not in `offsets`.

    `joined`: for what is computed inside another node's result, that node and the first element there.
    """

    size: int
    offsets: dict[Node, int]
    joined: dict[Node, tuple[Node, int]]


class _Life(NamedTuple):
    """Bytes that a result takes, from the step that makes it to the last that reads it."""

    node: Node
    size: int
    first: int
    last: int


def plan_arena(program: Program) -> Arena:
    """Places for all results but views, arrays that operations make, and the program's outputs, which callers keep."""
    offsets: dict[Node, int] = {}
    joined = _joined(program)
    placed: list[tuple[int, _Life]] = []
    for life in sorted(_lives(program, joined), key=lambda life: -life.size):
        place = 0
        for offset, other in sorted(placed, key=lambda entry: entry[0]):
            if other.last < life.first or life.last < other.first:
                continue
            if offset - place >= life.size:
                break
            place = max(place, offset + other.size)
        placed.append((place, life))
        offsets[life.node] = place
    return Arena(max((offset + life.size for offset, life in placed), default=0), offsets, joined)


def _joined(program: Program) -> dict[Node, tuple[Node, int]]:
    joined: dict[Node, tuple[Node, int]] = {}
    for node in program.nodes:
        if not OPERATIONS[node.operation].joins or node in program.outputs:
            continue
        axis, first = node.attributes["axis"], 0
        if math.prod(node.shape[:axis]) != 1:
            continue
        for taken in node.inputs:
            row = OPERATIONS.get(taken.operation)
            if row and row.placed and not row.joins and program.only_reader(taken) is node:
                joined[taken] = (node, first)
            first += math.prod(taken.shape)
    return joined


def _lives(program: Program, joined: dict[Node, tuple[Node, int]]) -> list[_Life]:
    owner: dict[Node, Node] = {}
    first: dict[Node, int] = {}
    last: dict[Node, int] = {}
    for step, node in enumerate(program.nodes):
        if OPERATIONS[node.operation].view:
            owner[node] = owner.get(node.inputs[0], node.inputs[0])
        else:
            owner[node] = joined[node][0] if node in joined else node
        for taken in node.inputs:
            last[owner.get(taken, taken)] = step
        first.setdefault(owner[node], step)
        last.setdefault(owner[node], step)
    kept = {owner.get(output, output) for output in program.outputs}
    lives = []
    for node in program.nodes:
        if owner[node] is node and node not in kept and OPERATIONS[node.operation].placed:
            size = -(-node.nbytes // ALIGNMENT) * ALIGNMENT
            lives.append(_Life(node, size, first[node], last[node]))
    return lives
