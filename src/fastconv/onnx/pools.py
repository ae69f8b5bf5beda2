"""Pools as ONNX nodes: a last window that rounding up adds becomes padding, which readers agree about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.geometry import (
    Pairs,
    adaptive_windows,
    canonical_padding,
    effective_kernel,
    pool_output_size,
    resolve_padding,
)
from fastconv.onnx.convolutions import flat_pads
from fastconv.onnx.writer import Unsupported, Value, Writer

__all__ = ["adaptive_avg_pool", "adaptive_max_pool", "avg_pool", "lp_pool", "max_pool"]


def _padding(layer: Any, x: Value) -> tuple[Pairs, Pairs]:
    """The layer's padding, and how far the last windows of a pool that rounds up reach beyond it."""
    size = x.shape[1:]
    named = canonical_padding("padding", layer.padding, layer.ndim)
    pairs = resolve_padding(named, size, layer.kernel_size, layer.stride, layer.dilation)
    output = pool_output_size(size, layer.kernel_size, layer.stride, layer.dilation, pairs, ceil_mode=layer.ceil_mode)
    extents = effective_kernel(layer.kernel_size, layer.dilation)
    reach = tuple(
        (0, max(0, (out - 1) * stride + extent - n - sum(pair)))
        for out, stride, extent, n, pair in zip(output, layer.stride, extents, size, pairs, strict=True)
    )
    return pairs, reach


def _sum(first: Pairs, second: Pairs) -> Pairs:
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(first, second, strict=True))


def _window(layer: Any, pads: Pairs) -> dict[str, Any]:
    return {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": flat_pads(pads)}


def max_pool(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """A MaxPool."""
    (x,) = inputs
    pads = _sum(*_padding(layer, x))
    return writer.node("MaxPool", [x.name], name, **_window(layer, pads), dilations=layer.dilation)


def avg_pool(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """An AveragePool; padding that counts, beside a reach that does not, is a Pad before."""
    (x,) = inputs
    pads, reach = _padding(layer, x)
    if layer.divisor_override is not None:
        mean = writer.node(
            "AveragePool", [x.name], f"{name}.mean", **_window(layer, _sum(pads, reach)), count_include_pad=1
        )
        ratio = math.prod(layer.kernel_size) / layer.divisor_override
        return writer.node("Mul", [mean, writer.constant(f"{name}.ratio", np.array(ratio))], name)
    source = x.name
    if layer.count_include_pad and any(map(any, pads)) and any(map(any, reach)):
        source, pads = writer.pad(source, pads, f"{name}.border"), ((0, 0),) * layer.ndim
    counted = int(layer.count_include_pad and not any(map(any, reach)))
    return writer.node("AveragePool", [source], name, **_window(layer, _sum(pads, reach)), count_include_pad=counted)


def lp_pool(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """An LpPool; for an infinite power, a MaxPool of magnitudes."""
    (x,) = inputs
    if layer.signed:
        raise Unsupported("signed=True has no counterpart in ONNX")
    pads = _sum(*_padding(layer, x))
    if math.isinf(layer.norm_type):
        return writer.node("MaxPool", [writer.node("Abs", [x.name], f"{name}.abs")], name, **_window(layer, pads))
    if not float(layer.norm_type).is_integer():
        raise Unsupported(f"norm_type (={layer.norm_type}) must be whole or infinite in ONNX")
    return writer.node("LpPool", [x.name], name, **_window(layer, pads), p=int(layer.norm_type))


def _sizes(layer: Any, x: Value) -> list[tuple[int, int]]:
    """Input and output size of each axis."""
    return [(n, n if out is None else out) for n, out in zip(x.shape[1:], layer.output_size, strict=True)]


def _even(writer: Writer, operator: str, sizes: list[tuple[int, int]], x: Value, name: str) -> str | None:
    """The pool whose windows are all alike, if the output sizes divide those of the input."""
    if all(out == 1 for _, out in sizes):
        return writer.node(f"Global{operator}", [x.name], name)
    if any(n % out for n, out in sizes):
        return None
    window = [n // out for n, out in sizes]
    return writer.node(operator, [x.name], name, kernel_shape=window, strides=window)


def adaptive_avg_pool(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """A pool, or a product with the weights of its windows along each axis where they differ in size."""
    (x,) = inputs
    sizes = _sizes(layer, x)
    found = _even(writer, "AveragePool", sizes, x, name)
    if found is not None:
        return found
    result, last = x.name, len(sizes) + 1
    for axis, (n, out) in enumerate(sizes, 2):
        weights = np.zeros((n, out))
        for index, (start, stop) in enumerate(adaptive_windows(n, out)):
            weights[start:stop, index] = 1 / (stop - start)
        order = list(range(last + 1))
        order[axis], order[last] = last, axis
        turned = axis != last
        if turned:
            result = writer.node("Transpose", [result], f"{name}.turned", perm=order)
        constant = writer.constant(f"{name}.windows", weights)
        result = writer.node("MatMul", [result, constant], f"{name}.along{axis}" if turned else name)
        if turned:
            result = writer.node("Transpose", [result], f"{name}.back", perm=order)
    return result


def adaptive_max_pool(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """A pool, or the joined maxima of its windows along each axis where they differ in size."""
    (x,) = inputs
    sizes = _sizes(layer, x)
    found = _even(writer, "MaxPool", sizes, x, name)
    if found is not None:
        return found
    result = x.name
    for axis, (n, out) in enumerate(sizes, 2):
        axes = writer.constant(f"{name}.axis", np.array([axis], np.int64))
        maxima = []
        for start, stop in adaptive_windows(n, out):
            bounds = [writer.constant(f"{name}.bound", np.array([bound], np.int64)) for bound in (start, stop)]
            window = writer.node("Slice", [result, *bounds, axes], f"{name}.window")
            maxima.append(writer.node("ReduceMax", [window, axes], f"{name}.max", keepdims=1))
        result = writer.node("Concat", maxima, name if axis == len(sizes) + 1 else f"{name}.along{axis}", axis=axis)
    return result
