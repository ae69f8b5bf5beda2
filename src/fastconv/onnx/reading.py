"""read: a path, bytes or a ModelProto becomes a `Graph`, after everything that a bad file may do was looked for.

What is checked is a copy without its weights, so that a large model is not copied about: large tensors stand in it as
inputs. Functions are taken apart: those of the file, and of ONNX's own the ones whose operators fastconv lacks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.onnx.checking import all_nodes, check, short
from fastconv.onnx.control import CONTROL, is_control
from fastconv.onnx.graph_reader import Graph, named_array, port, read_graph, schema_of
from fastconv.onnx.operators import OPERATORS
from fastconv.onnx.tensors import is_external, tensor_bytes
from fastconv.onnx.writer import onnx_package

__all__ = ["lacking", "read"]

#: bytes up to which a tensor stays in the copy that is checked: shapes and indices are what inference reads
SMALL = 1024
#: the opset before the first that is promised, which differs in little; test models have it
OLDEST = 6
#: the version of the format from which initializers need not be inputs too
SEPARATE = 4
#: how often functions of ONNX's own may hold others
MOST_NESTED = 4
#: nodes beyond which functions may not grow a graph
MOST_NODES = 10**6


def read(source: Any) -> tuple[Graph, str]:
    """The graph, and what errors call the model.

    Raises
    ------
    ImportError
        If the onnx package is missing.
    TypeError
        If `source` is none of these.
    OSError
        If the file cannot be opened.
    ValueError
        If it is no sound model; the message begins with the file's name.
    """
    onnx = onnx_package()
    folder = None
    if isinstance(source, onnx.ModelProto):
        proto, name = source, "the model"
    elif isinstance(source, (bytes, bytearray, memoryview)):
        proto, name = None, "the model"
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        proto, name, folder = None, path.name, path.parent
        source = path.read_bytes()
    else:
        raise TypeError(f"a model is a path, bytes or a ModelProto, not {type(source).__name__}")
    try:
        if proto is None:
            proto = _parsed(bytes(source))
            del source  # which is as large as what it became
        return _graph(proto, folder), name
    except (ValueError, MemoryError) as error:
        raise ValueError(f"{name}: {error}") from error
    except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{name}: this ONNX file is damaged: {short(error)}") from error


def _parsed(data: bytes) -> Any:
    onnx = onnx_package()
    from google.protobuf.message import DecodeError

    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise ValueError(f"this is no ONNX file, or a damaged one: {error}") from error
    if not proto.HasField("graph"):
        raise ValueError("this is no ONNX file: it holds no graph")
    return proto


def _graph(proto: Any, folder: Path | None) -> Graph:
    _check_opset(proto)
    constants = {tensor.name: named_array(tensor, folder) for tensor in proto.graph.initializer}
    for tensor in proto.graph.sparse_initializer:
        raise ValueError(f"tensor {tensor.values.name!r} is sparse, which is not supported")
    copy, moved = _without_weights(proto, folder)
    constants |= moved
    copy = _taken_apart(copy)
    check(copy)
    opsets = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in copy.opset_import}
    graph = read_graph(copy.graph, opsets, folder, constants)
    graph.outputs = tuple(map(port, proto.graph.output))
    known = (
        {one.name for one in graph.inputs} | set(graph.constants) | {y for call in graph.nodes for y in call.outputs}
    )
    for one in graph.outputs:
        if one.name not in known:
            raise ValueError(f"output {one.name!r} is computed by no node")
    declared = {value.name for value in proto.graph.input}
    graph.defaults = frozenset(name for name in declared if name in constants)
    return graph


def _check_opset(proto: Any) -> None:
    """Opsets that the onnx package knows; of those before `OLDEST` only operators that have not changed since."""
    newest = onnx_package().defs.onnx_opset_version()
    opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 1)
    if not 1 <= opset <= newest:
        raise ValueError(f"its opset {opset} is none of those that the onnx package here knows, 1 to {newest}")
    for node in proto.graph.node if opset < OLDEST else ():
        forms = {schema_of(node.op_type, version, "")[0] for version in (opset, OLDEST)}
        if node.domain in ("", "ai.onnx") and len(forms) > 1:
            raise ValueError(f"its opset {opset} has another form of {node.op_type} than opset {OLDEST} and later, "
                             "which are read")  # fmt: skip


def _without_weights(proto: Any, folder: Path | None) -> tuple[Any, dict[str, np.ndarray]]:
    """A copy in which large tensors are inputs and Constants initializers; with the arrays of the Constants."""
    onnx = onnx_package()
    copy = onnx.ModelProto()
    for name in ("ir_version", "producer_name", "domain", "model_version"):
        if proto.HasField(name):
            setattr(copy, name, getattr(proto, name))
    copy.opset_import.extend(proto.opset_import)
    copy.functions.extend(proto.functions)
    graph, target = proto.graph, copy.graph
    target.name = graph.name or "graph"
    target.input.extend(graph.input)
    # others than the checker take outputs of unknown shape
    target.output.extend(value for value in graph.output if value.type.tensor_type.HasField("shape"))
    target.value_info.extend(graph.value_info)
    named = {value.name for value in graph.input}
    moved: dict[str, np.ndarray] = {}

    def stand_in(name: str, tensor: Any) -> None:
        if name not in named:
            target.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))

    for tensor in graph.initializer:
        if _is_small(tensor):
            target.initializer.append(tensor)
        else:
            stand_in(tensor.name, tensor)
    for node in graph.node:
        value = _constant_tensor(node)
        if value is None:
            target.node.append(node)
            continue
        # Where it is no node, it may have any type in every opset: before the ninth files have integers in it too.
        name = node.output[0]
        moved[name] = named_array(value, folder)
        if _is_small(value):
            tensor = target.initializer.add()
            tensor.CopyFrom(value)
            tensor.name = name
        if not _is_small(value) or proto.ir_version < SEPARATE:
            stand_in(name, value)
    return copy, moved


def _constant_tensor(node: Any) -> Any:
    """The tensor of a sound Constant; None for other nodes."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or node.input or len(node.output) != 1:
        return None
    tensors = [one.t for one in node.attribute if one.name == "value" and one.type == one.TENSOR]
    return tensors[0] if len(tensors) == len(node.attribute) == 1 and node.output[0] else None


def _is_small(tensor: Any) -> bool:
    return not is_external(tensor) and tensor_bytes(tensor) <= SMALL


def _taken_apart(copy: Any) -> Any:
    """Functions replaced by their nodes."""
    onnx = onnx_package()
    from onnx import inliner

    try:
        if copy.functions:
            _check_growth(copy)
            copy = inliner.inline_local_functions(copy)
        opset = next((entry.version for entry in copy.opset_import if entry.domain in ("", "ai.onnx")), 1)
        for _ in range(MOST_NESTED):
            wanted = {
                (node.domain, node.op_type)
                for node in all_nodes(copy.graph)
                if node.domain in ("", "ai.onnx")
                and node.op_type not in OPERATORS
                and node.op_type not in CONTROL
                and _has_function(node.op_type, opset)
            }
            if not wanted:
                break
            copy = _without(copy, sorted(wanted))
    except (RuntimeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"its functions cannot be taken apart: {short(error)}") from error
    return copy


def _without(copy: Any, functions: list[tuple[str, str]]) -> Any:
    """The model without these functions of ONNX's own; those that it cannot take apart stay, to be named as lacking."""
    from onnx import inliner

    try:
        return inliner.inline_selected_functions(copy, functions, inline_schema_functions=True)
    except (RuntimeError, TypeError, AttributeError):  # the latter two in older releases of onnx, which cannot
        return copy


def _has_function(operator: str, opset: int) -> bool:
    onnx = onnx_package()
    try:
        schema = onnx.defs.get_schema(operator, opset)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def _check_growth(copy: Any) -> None:
    """Refuse functions that call themselves, or that call each other so often that nothing could hold the nodes."""
    bodies = {(function.domain, function.name): function for function in copy.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(key: tuple[str, str], above: tuple[tuple[str, str], ...]) -> int:
        if key in above:
            raise ValueError(f"function {key[1]!r} calls itself")
        if key not in sizes:
            sizes[key] = sum(
                size((node.domain, node.op_type), (*above, key)) if (node.domain, node.op_type) in bodies else 1
                for node in all_nodes(bodies[key])
            )
        return sizes[key]

    total = sum(
        size((node.domain, node.op_type), ()) if (node.domain, node.op_type) in bodies else 1
        for node in all_nodes(copy.graph)
    )
    if total > MOST_NODES:
        raise ValueError(f"its functions make {total} nodes, more than {MOST_NODES}")


def lacking(graph: Graph) -> list[Any]:
    """The nodes of operators that fastconv lacks."""
    return [call for call in graph.walk() if not is_control(call) and call.kind not in OPERATORS]
