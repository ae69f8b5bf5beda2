"""CompiledModel: a model for inference, as a program whose passes fold, fuse and plan."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.graph import Executable, Program

if TYPE_CHECKING:
    from fastconv.nn.module import Module

__all__ = ["CompiledModel"]

KEPT = 4  # executables of the shapes seen last


class CompiledModel:
    """A model with its weights as they were, ready for inference; `Module.compile` makes one.

    Calling it with an input gives what ``model(x)`` gave when it was compiled, up to rounding. An input of another
    batch or picture size compiles the model for that; the last four sizes are kept. Training the model afterwards
    changes it for sizes that come later only: compile again.
    """

    def __init__(self, model: Module, shape: Any, memory: str = "fast") -> None:
        self._model = model
        self._memory = memory
        types = (entry.data.dtype for _, entry in model.named_state() if entry.data.dtype.kind == "f")
        self._dtype = next(types, np.dtype(np.float32))
        self._lock = threading.Lock()
        self._executables: OrderedDict[Any, Executable] = OrderedDict()
        several = isinstance(shape, (tuple, list)) and any(isinstance(part, (tuple, list)) for part in shape)
        self._executable(tuple(_shape(part) for part in (shape if several else (shape,))))

    def __call__(self, x: Any) -> Any:
        """The outputs for the inputs: an array each, or a tuple where the network has not exactly one."""
        inputs = [np.asarray(part) for part in (x if isinstance(x, (tuple, list)) else (x,))]
        results = self._executable(tuple(part.shape for part in inputs))(*inputs)
        return results[0] if len(results) == 1 else results

    def program(self, *shapes: tuple[int, ...]) -> Program:
        """The program for inputs of these shapes after its passes: ``str()`` lists what runs."""
        found = self._executable(tuple(_shape(shape) for shape in shapes)) if shapes else self._latest()
        return found.program

    @property
    def arena_bytes(self) -> int:
        """Memory of all results between inputs and outputs, for the shapes that were used last."""
        return self._latest().arena_bytes

    @property
    def packed_bytes(self) -> int:
        """Memory of all weights in the order in which they are read, for the shapes that were used last."""
        return self._latest().packed_bytes

    def _executable(self, shapes: tuple[tuple[int, ...], ...]) -> Executable:
        with self._lock:
            found = self._executables.get(shapes)
            if found is None:
                found = self._executables[shapes] = Executable(self._trace(shapes), self._memory)
                if len(self._executables) > KEPT:
                    self._executables.popitem(last=False)
            self._executables.move_to_end(shapes)
            return found

    def _latest(self) -> Executable:
        with self._lock:
            return next(reversed(self._executables.values()))

    def _trace(self, shapes: tuple[tuple[int, ...], ...]) -> Program:
        program = Program(self._dtype)
        names = getattr(self._model, "inputs", None) or [f"input{index}" for index in range(len(shapes))]
        if len(names) != len(shapes):
            raise ValueError(f"this network takes {len(names)} inputs ({', '.join(names)}), got {len(shapes)} shapes")
        nodes = tuple(program.input(shape, name) for shape, name in zip(shapes, names, strict=True))

        def emit(name: str, layer: Module, inputs: Any) -> Any:
            name = name or type(layer).__name__.lower()
            try:
                return layer.emit(program, inputs, name)
            except ValueError as error:
                raise ValueError(f"layer {name!r}: {error}") from error

        results = self._model.flow(emit, nodes if len(nodes) > 1 else nodes[0])
        program.outputs = list(results) if isinstance(results, tuple) else [results]
        return program


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, (tuple, list)) or not shape:
        raise ValueError(f"shape (={shape!r}) must be that of an input with its batch axis, such as (1, 3, 224, 224)")
    return tuple(canonical_integer("shape", size, 1) for size in shape)
