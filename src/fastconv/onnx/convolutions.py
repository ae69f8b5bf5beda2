"""Convolutions as ONNX nodes: paddings as numbers, other borders than zeros as a Pad before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.geometry import (
    canonical_padding,
    conv_transpose_geometry,
    effective_kernel,
    resolve_padding,
)
from fastconv.onnx.writer import PAD_MODES, Unsupported, Value, Writer

__all__ = ["conv", "conv_transpose", "flat_pads", "table_conv"]

_BORDERS = {"zeros": "constant", **PAD_MODES}


def flat_pads(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """All befores, then all afters."""
    return [pair[0] for pair in pairs] + [pair[1] for pair in pairs]


def _parameters(writer: Writer, layer: Any, name: str) -> list[str]:
    bias = [] if layer.bias is None else [writer.constant(f"{name}.bias", layer.bias.data)]
    return [writer.constant(f"{name}.weight", layer.weight.data), *bias]


def conv(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """A Conv."""
    (x,) = inputs
    named = canonical_padding("padding", layer.padding, layer.ndim)
    pairs = resolve_padding(named, x.shape[1:], layer.kernel_size, layer.stride, layer.dilation)
    source = x.name
    if layer.padding_mode != "zeros" and any(map(any, pairs)):
        if layer.padding_mode not in _BORDERS:
            raise Unsupported(f"ONNX has no border {layer.padding_mode!r}")
        source = writer.pad(source, pairs, f"{name}.border", _BORDERS[layer.padding_mode])
        pairs = ((0, 0),) * layer.ndim
    return writer.node(
        "Conv", [source, *_parameters(writer, layer, name)], name, kernel_shape=layer.kernel_size,
        strides=layer.stride, pads=flat_pads(pairs), dilations=layer.dilation, group=layer.groups,
    )  # fmt: skip


def conv_transpose(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """A ConvTranspose; what a "same" padding adds at the end becomes output padding."""
    (x,) = inputs
    spatial = x.shape[1:]
    named = canonical_padding("padding", layer.padding, layer.ndim)
    size, crop = conv_transpose_geometry(
        spatial, layer.kernel_size, layer.stride, layer.dilation, named, layer.output_padding
    )
    extents = effective_kernel(layer.kernel_size, layer.dilation)
    extra = [
        out + sum(pair) - (n - 1) * stride - extent
        for out, pair, n, stride, extent in zip(size, crop, spatial, layer.stride, extents, strict=True)
    ]
    return writer.node(
        "ConvTranspose", [x.name, *_parameters(writer, layer, name)], name, kernel_shape=layer.kernel_size,
        strides=layer.stride, pads=flat_pads(crop), dilations=layer.dilation, group=layer.groups, output_padding=extra,
    )  # fmt: skip


def table_conv(writer: Writer, layer: Any, inputs: Sequence[Value], name: str) -> str:
    """A Conv whose kernels are zero where the table connects nothing."""
    (x,) = inputs
    named = canonical_padding("padding", layer.padding, 2)
    pairs = resolve_padding(named, x.shape[1:], layer.kernel_size, layer.stride, (1, 1))
    weight = np.zeros((len(layer.connections), layer.in_channels, *layer.kernel_size), writer.dtype)
    seen = [(out, channel) for out, row in enumerate(layer.connections) for channel in row]
    weight[tuple(zip(*seen, strict=True))] = layer.weight.data
    bias = [] if layer.bias is None else [writer.constant(f"{name}.bias", layer.bias.data)]
    return writer.node(
        "Conv", [x.name, writer.constant(f"{name}.weight", weight), *bias], name,
        kernel_shape=layer.kernel_size, strides=layer.stride, pads=flat_pads(pairs),
    )  # fmt: skip
