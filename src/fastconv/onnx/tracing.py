"""Traces a graph for inputs of known shapes: what depends on shapes alone is computed, the rest becomes a program."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from fastconv.graph import Node, Program
from fastconv.onnx.control import chosen_branch, is_control
from fastconv.onnx.elements import element_node
from fastconv.onnx.evaluating import REFERENCE, evaluated, named, row_of
from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.operators import Call

__all__ = ["ShapeChanged", "Untraceable", "trace"]

Value = Any  # a Node, or an array that is known


class Untraceable(Exception):
    """A shape depends on values that are not known before the model runs."""


class ShapeChanged(Exception):
    """A node gave another shape or type than it had for other values."""


def trace(
    graph: Graph, ports: Mapping[str, tuple[tuple[int, ...], np.dtype]], most: float = math.inf
) -> tuple[Program, list[Value]]:
    """The program, and for each output its node, or the array that it always is; no array has more bytes than `most`.

    Raises
    ------
    Untraceable
        If shapes depend on values.
    ValueError
        If shapes do not fit, with the node's name.
    """
    program = Program(np.float32)
    values: MutableMapping[str, Value] = dict(graph.constants)
    for name, (shape, dtype) in ports.items():
        values[name] = _small_enough(program.input(shape, name, dtype), f"input {name!r}", most)
    _trace_nodes(program, graph.nodes, values, most)
    missing = [port.name for port in graph.outputs if port.name not in values]
    if missing:
        raise ValueError(f"output {missing[0]!r} is one that its node does not give")
    outputs = [values[port.name] for port in graph.outputs]
    program.outputs = list(dict.fromkeys(value for value in outputs if isinstance(value, Node)))
    return program, outputs


def _small_enough(value: Value, name: str, most: float) -> Value:
    if isinstance(value, Node) and value.nbytes > most:
        raise ValueError(f"{name}: an array of shape {list(value.shape)} would take {value.nbytes} bytes")
    return value


def _trace_nodes(program: Program, calls: list[Call], values: MutableMapping[str, Value], most: float) -> None:
    for call in calls:
        results: Sequence[Value]
        results = _traced_if(program, call, values, most) if _is_if(call) else _traced(program, call, values)
        for name, result in zip(call.outputs, results, strict=False):
            if name:
                values[name] = _small_enough(result, repr(call), most)


def _is_if(call: Call) -> bool:
    return call.operator == "If" and is_control(call)


def _traced_if(program: Program, call: Call, values: MutableMapping[str, Value], most: float) -> list[Value]:
    """The nodes of one branch, where it is known which."""
    condition = values[call.inputs[0]]
    if isinstance(condition, Node):
        raise Untraceable(f"{call!r} has two branches")
    with named(call):
        branch = chosen_branch(call, condition)
    inner = ChainMap({**branch.constants}, values)
    _trace_nodes(program, branch.nodes, inner, most)
    return [inner[port.name] for port in branch.outputs]


def _traced(program: Program, call: Call, values: MutableMapping[str, Value]) -> tuple[Value, ...]:
    if call.graphs:  # how often they run depends on values
        raise Untraceable(f"{call!r} has graphs")
    inputs = [values[name] if name else None for name in call.inputs]
    while inputs and inputs[-1] is None:
        inputs.pop()
    row = row_of(call)
    unknown = {index for index, value in enumerate(inputs) if isinstance(value, Node)}
    shaped = call.operator in ("Shape", "Size")
    if shaped:
        return evaluated(call, (_probe(inputs[0]),))
    if not unknown and row.pure:
        return evaluated(call, tuple(inputs))
    if row.dynamic or unknown.intersection(row.sizes):
        raise Untraceable(f"{call!r} has outputs of shapes that depend on values")
    single = sum(name != "" for name in call.outputs) == 1 and call.wants(0)
    if row.emit is not None and unknown and single:
        first = len(program.nodes)
        with named(call):
            node = row.emit(program, call, *inputs)
        for made in program.nodes[first:]:
            if "function" in made.attributes:
                made.attributes["function"] = _named_function(call, made.attributes["function"])
        if node is not None:
            return (node,)
    with named(call):
        elements = row.by_element(call, inputs)
        node = None if elements is None else element_node(program, call, *elements)
    if node is not None:
        return (node,)
    return _called(program, call, inputs)


def _named_function(call: Call, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose errors name the node."""

    def wrapped(*arrays: np.ndarray, **options: Any) -> Any:
        with named(call):
            return function(*arrays, **options)

    return wrapped


def _probe(value: Value) -> Any:
    """An array of the type and shape of a node, of ones, or where they may be places, of zeros."""
    if not isinstance(value, Node):
        return value
    if value.dtype == object:
        raise Untraceable("strings are not traced")
    return np.broadcast_to(
        np.zeros((), value.dtype) if value.dtype.kind in "iub" else np.ones((), value.dtype), value.shape
    )


def _called(program: Program, call: Call, inputs: list[Value]) -> tuple[Value, ...]:
    """A node that evaluates a row, and where there are several outputs, one for each that takes it out."""
    try:
        results = evaluated(call, tuple(_probe(value) for value in inputs))
    except ValueError as error:
        if row_of(call) is REFERENCE:
            raise Untraceable(str(error)) from error
        raise
    if any(
        result is not None and (not isinstance(result, np.ndarray) or result.dtype.kind == "O") for result in results
    ):
        raise Untraceable(f"{call!r} gives no arrays of numbers")
    nodes = [value for value in inputs if isinstance(value, Node)]
    function = _closure(call, inputs, [None if result is None else (result.shape, result.dtype) for result in results])
    if len(results) == 1:
        (only,) = results
        return (
            program.add(
                "evaluate",
                nodes,
                call.name,
                only.dtype,
                shape=only.shape,
                function=lambda *arrays: function(*arrays)[0],
            ),
        )
    kind = next((result.dtype for result in results if result is not None), np.dtype(np.float32))
    whole = program.add("evaluate", nodes, call.name, kind, shape=(0,), function=function)
    return tuple(
        None if result is None
        else program.add("part", (whole,), name or call.name, result.dtype, shape=result.shape, index=index)
        for index, (name, result) in enumerate(zip(call.outputs, results, strict=False))
    )  # fmt: skip


def _closure(call: Call, inputs: list[Value], expected: list[Any]) -> Callable[..., tuple[Any, ...]]:
    """Evaluates a row on arrays for the nodes among its inputs; results share no memory with them."""
    constants = [None if isinstance(value, Node) else value for value in inputs]
    places = [index for index, value in enumerate(inputs) if isinstance(value, Node)]

    def function(*arrays: np.ndarray) -> tuple[Any, ...]:
        given = list(constants)
        for place, array in zip(places, arrays, strict=True):
            given[place] = array
        results: list[Any] = []
        for result, kind in zip(evaluated(call, tuple(given)), expected, strict=True):
            if kind is None:
                results.append(None)
                continue
            if (result.shape, result.dtype) != kind:
                raise ShapeChanged(f"{call!r} gave {result.dtype} of shape {result.shape}, not {kind}")
            shared = any(value is not None and np.may_share_memory(result, value) for value in given)
            results.append(np.array(result, order="C") if shared or not result.flags.c_contiguous else result)
        return tuple(results)

    return function
