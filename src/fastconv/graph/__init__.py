"""Programs: networks as nodes of functional operations with shapes, made faster by passes and run by one executor.

``program = Program(dtype)``; ``program.input(shape)`` and ``program.add(operation, inputs, **attributes)`` make nodes,
``program.outputs`` names what is wanted. ``Executable(program)`` runs the passes, packs the weights, plans the memory,
and is then called with arrays. `fastconv.nn` makes programs of models, in ``model.compile(shape)``.
"""

from __future__ import annotations

from fastconv.graph.executor import Executable
from fastconv.graph.node import Node
from fastconv.graph.operations import OPERATIONS
from fastconv.graph.program import Program

__all__ = ["OPERATIONS", "Executable", "Node", "Program"]
