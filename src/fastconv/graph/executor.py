"""Executable: a program after its passes, with packed weights and one arena, that runs on arrays."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.graph.memory import ALIGNMENT, plan_arena
from fastconv.graph.node import Node
from fastconv.graph.operations import OPERATIONS, Run
from fastconv.graph.passes import PASSES
from fastconv.graph.program import Program

__all__ = ["Executable"]


class _Step(NamedTuple):
    """What runs, on which slots, and the array it writes to.

    `out` is None for what `run` itself returns, and for outputs, which are made anew each time as `shape` and `dtype`
    say. `idle`: slots that nothing reads any more.
    """

    run: Run
    sources: tuple[int, ...]
    slot: int
    out: np.ndarray | None
    returns: bool
    shape: tuple[int, ...]
    dtype: np.dtype
    idle: tuple[int, ...]


class Executable:
    """A program made ready to run; `program` is changed by the passes, and its nodes part with their weights.

    Parameters
    ----------
    program : Program
    memory : {"fast", "lean"}
        Whether convolutions may keep weights that take more room than the originals.

    Attributes
    ----------
    arena_bytes : int
        Memory of all results between inputs and outputs.
    packed_bytes : int
        Memory of all weights, in the order in which they are read.
    """

    def __init__(self, program: Program, memory: str = "fast") -> None:
        if memory not in ("fast", "lean"):
            raise ValueError(f'memory (={memory!r}) must be "fast" or "lean"')
        for run_pass in PASSES:
            run_pass(program)
            program.drop_idle()
        self.program = program
        arena = plan_arena(program)
        self.arena_bytes = arena.size
        raw = np.empty(arena.size + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        self._arena = raw[start : start + arena.size]
        places = {node: self._place(node, offset) for node, offset in arena.offsets.items()}
        for node, (whole, first) in arena.joined.items():
            if whole in places:
                places[node] = places[whole].reshape(-1)[first : first + math.prod(node.shape)].reshape(node.shape)
        slots = {node: index for index, node in enumerate(program.inputs)}
        self._steps = []
        idle = self._idle()
        for node in program.nodes:
            row = OPERATIONS[node.operation]
            slots[node] = len(slots)
            sources = tuple(slots[taken] for taken in node.inputs)
            run, out = row.prepare(node, memory), places.get(node)
            drops = tuple(slots[other] for other in idle.get(node, ()))
            self._steps.append(_Step(run, sources, slots[node], out, not row.placed, node.shape, node.dtype, drops))
            for name in ("weight", "bias"):  # packed now, or kept by `run`
                node.attributes.pop(name, None)
        self.packed_bytes = sum(node.attributes.get("packed_bytes", 0) for node in program.nodes)
        self._results = tuple(slots[node] for node in program.outputs)
        self._slots = len(slots)
        self._lock = threading.Lock()

    def _place(self, node: Node, offset: int) -> np.ndarray:
        return self._arena[offset : offset + node.nbytes].view(node.dtype).reshape(node.shape)

    def _idle(self) -> dict[Node, list[Node]]:
        """For each node the results that nothing reads after it, so that arrays outside of the arena are let go."""
        found: dict[Node, list[Node]] = {}
        seen = set(self.program.outputs)
        for node in reversed(self.program.nodes):
            found[node] = [taken for taken in dict.fromkeys(node.inputs) if taken not in seen]
            seen.update(found[node])
        return found

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """The program's outputs for its inputs, which must have the shapes and the type that the program says.

        Threads that share an executable wait for each other: there is one arena.
        """
        values: list[Any] = [None] * self._slots
        values[: len(inputs)] = self._checked(inputs)
        with self._lock:
            for run, sources, slot, out, returns, shape, dtype, idle in self._steps:
                taken = [values[source] for source in sources]
                if returns:
                    values[slot] = run(taken, None)
                else:
                    values[slot] = np.empty(shape, dtype) if out is None else out
                    run(taken, values[slot])
                for other in idle:
                    values[other] = None
            return tuple(values[slot] for slot in self._results)

    def _checked(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        nodes = self.program.inputs
        if len(inputs) != len(nodes):
            raise ValueError(f"this program takes {len(nodes)} inputs, got {len(inputs)}")
        arrays = []
        for node, value in zip(nodes, inputs, strict=True):
            array = np.asarray(value)
            if array.dtype != node.dtype:
                raise TypeError(
                    f"{node.name} is {array.dtype} but the network was compiled for {node.dtype}: "
                    f"cast it with .astype(np.{node.dtype})"
                )
            if array.shape != node.shape:
                raise ValueError(f"{node.name} has shape {array.shape}, but the network was compiled for {node.shape}")
            arrays.append(np.asarray(array, order="C"))
        return arrays
