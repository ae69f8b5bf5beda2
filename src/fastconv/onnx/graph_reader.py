"""Graph: an ONNX graph in Python's types, read from a ModelProto that was checked."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.onnx.operators.operator import Call
from fastconv.onnx.tensors import tensor_array
from fastconv.onnx.types import numpy_type, type_name
from fastconv.onnx.writer import onnx_package

__all__ = ["Graph", "Port", "named_array", "port", "read_graph", "schema_of"]


@dataclass(frozen=True)
class Port:
    """An input or output: a size of its shape is an int, a name, or None where it is free; None for any shape."""

    name: str
    dtype: np.dtype | None
    shape: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        sizes = "any shape" if self.shape is None else "x".join("?" if n is None else str(n) for n in self.shape)
        kind = "any type" if self.dtype is None else type_name(self.dtype)
        return f"{self.name}: {sizes or 'scalar'} {kind}"


@dataclass
class Graph:
    """Nodes in an order in which they can run, and the constants that they take."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    constants: dict[str, np.ndarray]
    nodes: list[Call]
    defaults: frozenset[str] = field(default_factory=frozenset)

    def walk(self) -> Iterator[Call]:
        """All nodes, with those of graphs in attributes."""
        for call in self.nodes:
            yield call
            for graph in call.graphs:
                yield from graph.walk()


def read_graph(proto: Any, opsets: dict[str, int], folder: Path | None, constants: dict[str, np.ndarray]) -> Graph:
    """A GraphProto; initializers that `constants` has already are not read again.

    Raises
    ------
    ValueError
        If a tensor's size is not what it says, or it is of a kind that cannot be read.
    """
    if proto.sparse_initializer:
        raise ValueError("sparse tensors are not supported")
    found = dict(constants)
    for tensor in proto.initializer:
        if tensor.name not in found:
            found[tensor.name] = named_array(tensor, folder)
    given = frozenset(value.name for value in proto.input if value.name in found)
    inputs = tuple(port(value) for value in proto.input if value.name not in given)
    nodes = [_call(node, opsets, folder) for node in proto.node]
    return Graph(proto.name, inputs, tuple(map(port, proto.output)), found, nodes, given)


def named_array(tensor: Any, folder: Path | None) -> np.ndarray:
    """`tensor_array`, whose errors name the tensor."""
    try:
        return tensor_array(tensor, folder)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"tensor {tensor.name!r} cannot be read: {error}") from error


def port(value: Any) -> Port:
    """An input or output of a graph."""
    kind = value.type.WhichOneof("value")
    if kind is None:
        return Port(value.name, None, None)
    if kind != "tensor_type":
        raise ValueError(f"{value.name!r} is no tensor but a {kind.removesuffix('_type')}, which is not supported")
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(_size(value.name, axis) for axis in tensor.shape.dim)
    return Port(value.name, numpy_type(tensor.elem_type) if tensor.elem_type else None, shape)


def _size(name: str, axis: Any) -> int | str | None:
    if axis.HasField("dim_value"):
        if axis.dim_value < 0:
            raise ValueError(f"{name!r} has a size of {axis.dim_value}")
        return int(axis.dim_value)
    return axis.dim_param or None


def _call(node: Any, opsets: dict[str, int], folder: Path | None) -> Call:
    domain = "" if node.domain == "ai.onnx" else node.domain
    opset = opsets.get(domain, 1)
    name = node.name or next((output for output in node.output if output), node.op_type)
    since, defaults = schema_of(node.op_type, opset, domain)
    attributes = dict(defaults)
    for attribute in node.attribute:
        try:
            attributes[attribute.name] = _value(attribute, opsets, folder)
        except ValueError as error:
            raise ValueError(f"node {name!r} ({node.op_type}): {error}") from error
    graphs = [value for value in attributes.values() if isinstance(value, Graph)]
    captured = sorted({name for graph in graphs for name in _captured(graph)})
    return Call(
        node.op_type, node.input, node.output, attributes, domain=domain, name=name, since=since, opset=opset,
        proto=node, captured=captured, graphs=graphs,
    )  # fmt: skip


def _captured(graph: Graph) -> set[str]:
    """Names that a graph takes from the one around it."""
    own = {port.name for port in graph.inputs} | set(graph.constants)
    own.update(name for call in graph.nodes for name in call.outputs)
    read = {name for call in graph.nodes for name in call.taken}
    return (read | {port.name for port in graph.outputs}) - own - {""}


@functools.lru_cache(maxsize=4096)
def schema_of(operator: str, opset: int, domain: str) -> tuple[int, dict[str, Any]]:
    """The opset that brought this form of the operator, and its attributes' defaults."""
    onnx = onnx_package()
    try:
        schema = onnx.defs.get_schema(operator, opset, domain)
    except onnx.defs.SchemaError:
        return opset, {}
    defaults = {
        name: _value(attribute.default_value, {}, None)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type != onnx.AttributeProto.UNDEFINED
    }
    return schema.since_version, defaults


def _value(attribute: Any, opsets: dict[str, int], folder: Path | None) -> Any:
    """In Python's types."""
    if attribute.ref_attr_name:
        raise ValueError(f"attribute {attribute.name!r} stands for one of a function, outside of any")
    kinds = type(attribute)
    if attribute.type == kinds.GRAPH:
        return read_graph(attribute.g, opsets, folder, {})
    if attribute.type == kinds.TENSOR:
        return named_array(attribute.t, folder)
    if attribute.type in (kinds.SPARSE_TENSOR, kinds.SPARSE_TENSORS):
        raise ValueError(f"attribute {attribute.name!r} is a sparse tensor, which is not supported")
    if attribute.type in (kinds.GRAPHS, kinds.TENSORS, kinds.TYPE_PROTOS, kinds.TYPE_PROTO):
        return None
    value = onnx_package().helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if attribute.type in (kinds.INTS, kinds.FLOATS, kinds.STRINGS):
        return [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in value]
    return value
