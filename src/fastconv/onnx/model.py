"""Model: an ONNX model that runs, as programs for the shapes that its inputs have."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastconv.graph import Executable, Node, Program
from fastconv.onnx.eager import run_graph
from fastconv.onnx.folding import fold
from fastconv.onnx.graph_reader import Graph, Port
from fastconv.onnx.layer_norms import merge_layer_norms
from fastconv.onnx.meanings import MEANINGS
from fastconv.onnx.operators.operator import LARGEST
from fastconv.onnx.quantizing import merge_quantized
from fastconv.onnx.reading import lacking, read
from fastconv.onnx.rewriting import rewrite
from fastconv.onnx.tracing import ShapeChanged, Untraceable, trace
from fastconv.onnx.types import type_name

__all__ = ["Model", "load"]

KEPT = 4  # executables of the shapes seen last

Shapes = tuple[tuple[int, ...], ...]


def load(source: Any, *, memory: str = "fast", fallback: str | None = None, integers: bool = True) -> Model:
    """Read an ONNX model and make it ready to run.

    Batch norms are folded, epilogues fused, weights packed and memory planned as `Module.compile` does; what depends
    on constants and shapes alone is computed once. Inputs with free sizes get a program for each shape that they come
    in, of which the last four are kept.

    Parameters
    ----------
    source : path, bytes or onnx.ModelProto
        Of opset 7 or later.
    memory : {"fast", "lean"}
        Whether convolutions may keep weights that take more room than the originals.
    fallback : None or "onnx"
        What becomes of operators that fastconv lacks: an error that names them, or they run in onnx.reference.
    integers : bool
        Whether operators between DequantizeLinear and QuantizeLinear run on the integers, where sums are exact and a
        result may be one step off, or as they stand, in float32.

    Returns
    -------
    Model

    Raises
    ------
    ImportError
        If the onnx package is missing.
    TypeError
        If `source` is none of these.
    OSError
        If the file cannot be opened.
    ValueError
        If the file is damaged, unsound or refers to data that is not there, has shapes that do not fit, or an operator
        that fastconv lacks; or if an argument is unknown. The message begins with the file's name.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv.onnx
    >>> from fastconv import nn
    >>> network = nn.Sequential({"conv": nn.Conv2d(1, 2, 3, rng=0), "relu": nn.ReLU()})
    >>> model = fastconv.onnx.load(fastconv.onnx.to_onnx(network, (1, 5, 5)))
    >>> model
    <fastconv.onnx.Model Sequential: input: batchx1x5x5 float32 -> relu: batchx2x3x3 float32>
    >>> model.run({"input": np.ones((4, 1, 5, 5), np.float32)})["relu"].shape
    (4, 2, 3, 3)
    """
    if memory not in ("fast", "lean"):
        raise ValueError(f'memory (={memory!r}) must be "fast" or "lean"')
    if not isinstance(integers, bool):
        raise TypeError(f"integers (={integers!r}) must be True or False")
    if fallback not in (None, "onnx"):
        raise ValueError(f'fallback (={fallback!r}) must be None or "onnx"')
    graph, name = read(source)
    missing = lacking(graph)
    if missing and fallback is None:
        kinds = dict.fromkeys(call.kind for call in missing)
        raise ValueError(
            f"{name}: {missing[0]!r} is of an operator that fastconv lacks ({', '.join(kinds)}); fallback='onnx' runs "
            "such nodes in onnx.reference"
        )
    try:
        fold(graph, spared=MEANINGS)
        if integers:
            merge_quantized(graph)
        fold(graph)
        merge_layer_norms(graph)
        rewrite(graph)
        return Model(graph, name, memory)
    except (ValueError, MemoryError) as error:
        raise ValueError(f"{name}: {error}") from error


class _Ready(NamedTuple):
    """A program that runs; for each output its place in the results, or the array that it always is.

    `borrowed`: places of results that are an input, a constant or another result, maybe in another shape.
    """

    executable: Executable
    outputs: list[int | np.ndarray]
    borrowed: frozenset[int]


class Model:
    """An ONNX model; `load` makes one. Several threads may run it at the same time.

    Attributes
    ----------
    name : str
        The file's, for messages.
    inputs, outputs : tuple of Port
        Each with `name`, `dtype` and `shape`, in which a size is an int, a name, or None where it is free.
    graph : Graph
        The file's nodes after constants were computed and some that are one together were made one; where all sizes
        are fixed, the program has the
        constants and the graph parts with them.
    """

    def __init__(self, graph: Graph, name: str, memory: str = "fast") -> None:
        self.graph, self.name = graph, name
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self._memory = memory
        self._lock = threading.Lock()
        self._ready: OrderedDict[Shapes, _Ready | None] = OrderedDict()
        self._is_fixed = all(map(_is_known, self.inputs)) and not graph.defaults and not lacking(graph)
        if all(map(_is_known, self.inputs)):
            self._prepared(tuple(port.shape for port in self.inputs), LARGEST)  # type: ignore[misc]

    def __repr__(self) -> str:
        ports = [", ".join(map(str, found)) for found in (self.inputs, self.outputs)]
        return f"<fastconv.onnx.Model {self.graph.name or self.name}: {' -> '.join(ports)}>"

    def run(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Compute the outputs.

        Parameters
        ----------
        inputs : mapping of str to array
            An array for every input; initializers that the file also lists as inputs may be given too, and then stand
            for the file's.

        Returns
        -------
        dict of str to ndarray
            The outputs by name, which are the caller's.

        Raises
        ------
        ValueError
            If an input is missing, unknown, or has a shape that does not fit, or arrays do not fit a node.
        TypeError
            If an input has another type.
        """
        arrays, others = self._checked(inputs)
        with np.errstate(all="ignore"):
            try:
                results = None if others else self._run(arrays)
            except ShapeChanged:
                results = None
            if results is None:
                results = run_graph(self.graph, {**arrays, **others})
                results = [np.array(result) for result in results]
        return {port.name: result for port, result in zip(self.outputs, results, strict=True)}

    def program(self, *shapes: tuple[int, ...]) -> Program:
        """The program for inputs of these shapes after its passes: ``str()`` lists what runs.

        Raises
        ------
        ValueError
            If shapes do not fit, or depend on values, so that the model runs node by node.
        """
        if not shapes and not self._ready:
            raise ValueError(f"{self.name} has free sizes: name the shapes of its inputs, or run it first")
        if shapes and len(shapes) != len(self.inputs):
            raise ValueError(f"{self.name} takes {len(self.inputs)} inputs, got {len(shapes)} shapes")
        ready = self._prepared(tuple(map(tuple, shapes)) if shapes else next(reversed(self._ready)))
        if ready is None:
            raise ValueError(f"{self.name} runs node by node: its shapes depend on values")
        return ready.executable.program

    def _run(self, arrays: dict[str, np.ndarray]) -> list[np.ndarray] | None:
        ready = self._prepared(tuple(array.shape for array in arrays.values()))
        if ready is None:
            return None
        results = list(ready.executable(*arrays.values()))
        for place in ready.borrowed:
            results[place] = results[place].copy()
        delivered: list[np.ndarray] = []
        for output in ready.outputs:
            array = results[output] if isinstance(output, int) else output
            taken = not isinstance(output, int) or any(array is other for other in delivered)
            delivered.append(array.copy() if taken else array)
        return delivered

    def _prepared(self, shapes: Shapes, most: float = math.inf) -> _Ready | None:
        """The program for these shapes, None where there can be none; no array has more bytes than `most`."""
        with self._lock:
            if shapes not in self._ready:
                if self._is_fixed and self._ready:
                    raise ValueError(f"{self.name} takes inputs of the sizes in the file alone, not {shapes}")
                self._ready[shapes] = self._traced(shapes, most)
                if len(self._ready) > KEPT:
                    self._ready.popitem(last=False)
            self._ready.move_to_end(shapes)
            return self._ready[shapes]

    def _traced(self, shapes: Shapes, most: float) -> _Ready | None:
        ports = {port.name: (shape, port.dtype) for port, shape in zip(self.inputs, shapes, strict=True)}
        if any(dtype is None or dtype.kind == "O" for _, dtype in ports.values()):
            return None
        try:
            program, values = trace(self.graph, ports, most)  # type: ignore[arg-type]
        except Untraceable:
            return None
        if self._is_fixed:
            self.graph.constants = {}
        places = {node: place for place, node in enumerate(program.outputs)}
        with np.errstate(all="ignore"):
            executable = Executable(program, self._memory)
        roots = [_root(node) for node in program.outputs]
        borrowed = frozenset(
            place for place, root in enumerate(roots)
            if root.operation in ("input", "constant") or root in roots[:place]
        )  # fmt: skip
        outputs = [places[value] if isinstance(value, Node) else value for value in values]
        return _Ready(executable, outputs, borrowed)

    def _checked(self, inputs: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The inputs in order, and what replaces initializers."""
        if not isinstance(inputs, Mapping):
            raise TypeError(f"inputs must be a dict of arrays by name, not {type(inputs).__name__}")
        names = [port.name for port in self.inputs]
        unknown = [name for name in inputs if name not in names and name not in self.graph.defaults]
        missing = [name for name in names if name not in inputs]
        if unknown or missing:
            wrong = f"has no input {unknown[0]!r}" if unknown else f"needs input {missing[0]!r}"
            raise ValueError(f"{self.name} {wrong}; its inputs are {', '.join(map(str, self.inputs)) or 'none'}")
        sizes: dict[str, int] = {}
        arrays = {port.name: _array(port, inputs[port.name], sizes) for port in self.inputs}
        others = {}
        for name in inputs:
            if name not in arrays:
                default = self.graph.constants.get(name)
                port = Port(name, *((None, None) if default is None else (default.dtype, default.shape)))
                others[name] = _array(port, inputs[name], {})
        return arrays, others


def _root(node: Node) -> Node:
    """What a result is, but for its shape."""
    while node.operation == "reshape":
        node = node.inputs[0]
    return node


def _is_known(port: Port) -> bool:
    return port.shape is not None and port.dtype is not None and all(isinstance(size, int) for size in port.shape)


def _array(port: Port, value: Any, sizes: dict[str, int]) -> np.ndarray:
    """An input, checked; sizes of one name must agree among all inputs."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{port.name} is no array: {error}") from error
    if array.dtype.kind in "US":
        array = array.astype(object)
    if port.dtype is not None and array.dtype != port.dtype:
        kind = type_name(port.dtype)
        if array.dtype.kind == "O":
            raise TypeError(f"{port.name} is {_shown(value)}, no array of {kind}, which the model takes")
        raise TypeError(
            f"{port.name} is {array.dtype}, but the model takes {kind}: cast it with .astype({_type(kind)})"
        )
    if port.shape is None:
        return array
    others: dict[str, int] = {}
    fits = array.ndim == len(port.shape)
    for size, n in zip(port.shape if fits else (), array.shape, strict=fits):
        wanted = sizes.setdefault(size, n) if isinstance(size, str) else n if size is None else size
        if isinstance(size, str) and n != wanted:
            others[size] = wanted
        fits = fits and n == wanted
    if not fits:
        known = ", ".join(f"{name} is {size}" for name, size in others.items())
        raise ValueError(
            f"{port.name} has shape {array.shape}, but the model takes {port}{f', where {known}' if known else ''}"
        )
    return array


def _shown(value: Any) -> str:
    """A value for people, or where it is long its type."""
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def _type(kind: str) -> str:
    """The type as NumPy's users write it; types that NumPy lacks are those of ml_dtypes."""
    return f"np.{kind}" if hasattr(np, kind) else f"ml_dtypes.{kind}"
