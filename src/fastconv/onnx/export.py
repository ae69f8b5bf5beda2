"""save and to_onnx: a model, layer by layer, as an ONNX graph with a free batch axis."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn.files import replacing
from fastconv.nn.module import Module
from fastconv.onnx.rows import ROWS
from fastconv.onnx.writer import Unsupported, Value, Writer, onnx_package

__all__ = ["save", "to_onnx"]

OPSET, IR_VERSION = 20, 9  # of 2023, which onnx 1.15 and onnxruntime 1.17 brought
BATCH = "batch"
LARGEST = 2**31 - 1  # bytes that one protobuf message may have


def save(model: Module, path: str | os.PathLike[str], input_shape: Any) -> Path:
    """Write a model as an ONNX file, which is replaced in one step.

    Parameters
    ----------
    model : Module
    path : path
        Usually ends in .onnx.
    input_shape : tuple of int
        Of one input without the batch axis, which is free; a tuple of shapes for a network of several inputs.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        If the onnx package is missing.
    TypeError
        If `model` is none.
    ValueError
        If a layer cannot be exported, the shape does not fit, which is said with the layer's name, or the file cannot
        be written.

    Examples
    --------
    >>> from fastconv import nn, onnx
    >>> onnx.save(nn.zoo.build("lenet5"), "lenet5.onnx", (1, 28, 28))  # doctest: +SKIP
    PosixPath('lenet5.onnx')
    """
    data = to_onnx(model, input_shape).SerializeToString()
    path = Path(path)
    with replacing(path) as file:
        file.write(data)
    return path


def to_onnx(model: Module, input_shape: Any) -> Any:
    """Return a model as an ``onnx.ModelProto``, checked by onnx; arguments and errors as of `save`."""
    if not isinstance(model, Module):
        raise TypeError(f"model (={model!r}) must be a Module")
    onnx = onnx_package()
    types = [entry.data.dtype for _, entry in model.named_state() if entry.data.dtype.kind == "f"]
    dtype = types[0] if types else np.dtype(np.float32)
    size = sum(entry.data.nbytes for _, entry in model.named_state())
    if size > LARGEST:
        raise ValueError(f"model has {size} bytes of weights: an ONNX file of one piece holds at most {LARGEST}")
    writer = Writer(dtype)
    shapes = _shapes(input_shape)
    names = getattr(model, "inputs", None) or ["input"] * len(shapes)
    if len(names) != len(shapes):
        raise ValueError(f"this network takes {len(names)} inputs ({', '.join(names)}), got {len(shapes)} shapes")
    inputs = tuple(Value(writer.name(name), shape) for name, shape in zip(names, shapes, strict=True))
    results = model.flow(lambda *call: _add(writer, *call), inputs if len(inputs) > 1 else inputs[0])
    outputs = _outputs(writer, inputs, results if isinstance(results, tuple) else (results,))

    kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    described = [
        [onnx.helper.make_tensor_value_info(value.name, kind, (BATCH, *value.shape)) for value in values]
        for values in (inputs, outputs)
    ]
    graph = onnx.helper.make_graph(writer.nodes, type(model).__name__, *described, writer.constants)
    made = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="fastconv"
    )
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"ONNX computes other shapes than this model, which cannot be exported: {error}") from error
    return made


def _add(writer: Writer, name: str, layer: Module, taken: Any) -> Value:
    """The nodes of one layer."""
    kind = type(layer).__name__
    name = name or kind.lower()
    inputs: Sequence[Value] = taken if layer.MERGES else (taken,)
    shapes = tuple(value.shape for value in inputs)
    try:
        shape = layer.output_shape(shapes if layer.MERGES else shapes[0])
        if kind not in ROWS:
            raise Unsupported("fastconv.onnx.ROWS has no row for it")
        last = _channels_last(layer, inputs[0])
        given = [_channels_moved(writer, value, f"{name}.channels_first", to=1) for value in inputs] if last else inputs
        result = ROWS[kind](writer, layer, given, name)
    except Unsupported as error:
        raise ValueError(f"layer {name!r} ({kind}) cannot be exported to ONNX: {error}") from error
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from error
    if last:
        return _channels_moved(writer, Value(result, (shape[-1], *shape[:-1])), f"{name}.channels_last", to=-1)
    return Value(result, shape)


def _channels_last(layer: Module, x: Value) -> bool:
    layout = getattr(layer, "layout", None)
    return layout is not None and layout.endswith("C") and len(x.shape) > 1


def _channels_moved(writer: Writer, value: Value, name: str, to: int) -> Value:
    """The channels before the spatial axes (`to` is 1), or behind them (-1)."""
    axes = len(value.shape)
    order = (0, axes, *range(1, axes)) if to == 1 else (0, *range(2, axes + 1), 1)
    shape = tuple(value.shape[axis - 1] for axis in order[1:])
    return Value(writer.node("Transpose", [value.name], name, perm=order), shape)


def _outputs(writer: Writer, inputs: Sequence[Value], results: Sequence[Value]) -> list[Value]:
    """The results under names of their own: what is an input, or given twice, becomes a copy."""
    seen = {value.name for value in inputs}
    outputs = []
    for value in results:
        if value.name in seen:
            value = Value(writer.node("Identity", [value.name], "output"), value.shape)
        seen.add(value.name)
        outputs.append(value)
    return outputs


def _shapes(input_shape: Any) -> tuple[tuple[int, ...], ...]:
    several = isinstance(input_shape, (tuple, list)) and any(isinstance(part, (tuple, list)) for part in input_shape)
    return tuple(_shape(part) for part in (input_shape if several else (input_shape,)))


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, (tuple, list)) or not shape:
        raise ValueError(f"input_shape (={shape!r}) must be that of one input, such as (3, 224, 224)")
    return tuple(canonical_integer("input_shape", size, 1) for size in shape)
