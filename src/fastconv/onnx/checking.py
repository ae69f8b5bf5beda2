"""check: whether names, order, attributes, shapes and types of a ModelProto without its weights are sound.

ONNX's own checker and inference do it, kept from what ends the process: divisions by zero, and the sizes of a Slice of
an axis of fewer than no elements, which a window larger than its input leaves behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastconv.onnx.writer import onnx_package

__all__ = ["all_nodes", "check", "short"]

#: attributes by which ONNX divides, in some releases without looking
POSITIVE = ("blocksize", "dilations", "group", "kernel_shape", "num_groups", "offset_group", "strides")
#: a domain whose nodes nobody checks
UNKNOWN = "fastconv.unknown"


def check(model: Any) -> None:
    """Raise ValueError if a model is not sound, as far as ONNX can tell."""
    onnx = onnx_package()
    for node in all_nodes(model.graph):
        for attribute in node.attribute:
            numbers = [attribute.i] if attribute.type == attribute.INT else attribute.ints
            if attribute.name in POSITIVE and min(numbers, default=1) < 1:
                raise ValueError(f"node {node.name!r} ({node.op_type}): {attribute.name} must be at least 1")
    shaped = _with_shapes(model)
    try:
        onnx.checker.check_model(shaped)
        onnx.shape_inference.infer_shapes(_without_slices(shaped), check_type=True, strict_mode=True)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"this is no sound ONNX model: {short(error)}") from error
    except onnx.shape_inference.InferenceError as error:
        if str(error).count("op_type:") == 1:  # else inside of a function of ONNX's own, some of which it cannot infer
            raise ValueError(f"its shapes or types do not fit: {short(error)}") from error
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"this model cannot be checked: {short(error)}") from error


def all_nodes(graph: Any) -> Iterator[Any]:
    """All nodes, with those of graphs in attributes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g)


def _with_shapes(model: Any) -> Any:
    """The model without inputs of unknown shape, which the checker refuses: unknown nodes give them instead."""
    onnx = onnx_package()
    free = [value for value in model.graph.input if _is_shapeless(value)]
    if not free:
        return model
    shaped = onnx.ModelProto()
    shaped.CopyFrom(model)
    del shaped.graph.input[:], shaped.graph.node[:]
    shaped.graph.input.extend(value for value in model.graph.input if not _is_shapeless(value))
    shaped.graph.value_info.extend(free)
    shaped.graph.node.extend(onnx.helper.make_node("Free", [], [value.name], domain=UNKNOWN) for value in free)
    shaped.graph.node.extend(model.graph.node)
    shaped.opset_import.append(onnx.helper.make_opsetid(UNKNOWN, 1))
    return shaped


def _is_shapeless(value: Any) -> bool:
    kind = value.type
    return kind.WhichOneof("value") == "tensor_type" and not kind.tensor_type.HasField("shape")


def _without_slices(model: Any) -> Any:
    """The model with each Slice as what gives its type and no shape: a Reshape to a shape that is an input."""
    if not any(map(_is_slice, all_nodes(model.graph))):
        return model
    onnx = onnx_package()
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.graph.input.append(onnx.helper.make_tensor_value_info(UNKNOWN, onnx.TensorProto.INT64, None))
    for node in filter(_is_slice, all_nodes(other.graph)):
        node.op_type = "Reshape"
        del node.input[1:], node.attribute[:]
        node.input.append(UNKNOWN)
    return other


def _is_slice(node: Any) -> bool:
    return node.op_type == "Slice" and node.domain in ("", "ai.onnx")


def short(error: Exception) -> str:
    """The first lines of a message, on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:297] + "..."
