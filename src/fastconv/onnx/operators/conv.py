"""Convolutions: Conv, ConvTranspose, and their relatives with offsets and states."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.geometry import effective_kernel
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, bounded, in_float
from fastconv.onnx.operators.windows import Window, entries, pad_pairs, window

__all__ = ["ROWS", "check_channels", "layout_of"]

Pairs = tuple[tuple[int, int], ...]


def layout_of(ndim: int) -> str:
    """Channels first."""
    return ("NCW", "NCHW", "NCDHW")[ndim - 1]


def _window(call: Call, x: Any, weight: Any) -> tuple[Window, int]:
    """Window and groups, once the shapes are found to fit."""
    if len(weight.shape) != len(x.shape):
        raise ValueError(f"weights of shape {weight.shape} do not fit an input of shape {x.shape}")
    groups = call["group"] or 1
    return window(call, x.shape[2:], weight.shape[2:]), groups


def check_channels(call: Call, x: Any, weight: Any, groups: int) -> None:
    """Raise ValueError unless the weights take the channels there are."""
    if x.shape[1] != weight.shape[1] * groups or groups < 1 or weight.shape[0] % groups:
        raise ValueError(
            f"weights of shape {weight.shape} in {groups} groups take {weight.shape[1] * groups} channels, "
            f"the input of shape {x.shape} has {x.shape[1]}"
        )


@in_float
def _conv(call: Call, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    found, groups = _window(call, x, weight)
    check_channels(call, x, weight, groups)
    function = getattr(F, f"conv{found.ndim}d")
    return function(x, weight, bias, found.stride, found.padding, found.dilation, groups)


def _emit_conv(program: Program, call: Call, x: Any, weight: Any, bias: Any = None) -> Node | None:
    if not isinstance(weight, np.ndarray) or isinstance(bias, Node) or not isinstance(x, Node):
        return None
    if x.dtype.char not in "fd" or weight.dtype != x.dtype:
        return None
    found, groups = _window(call, x, weight)
    check_channels(call, x, weight, groups)
    return program.add(
        "conv", (x,), call.name, weight=weight, bias=bias, stride=found.stride, padding=found.padding,
        dilation=found.dilation, groups=groups, layout=layout_of(found.ndim), border="zeros",
    )  # fmt: skip


def _transpose_crop(call: Call, found: Window, spatial: tuple[int, ...]) -> Pairs:
    """What is cut off the whole transpose of each axis; a negative number adds zeros."""
    ndim = found.ndim
    extra = entries("output_padding", call["output_padding"] or (0,) * ndim, ndim, 0)
    full = [
        (n - 1) * stride + extent
        for n, stride, extent in zip(spatial, found.stride, effective_kernel(found.kernel, found.dilation), strict=True)
    ]
    named = call["auto_pad"] or "NOTSET"
    size = call["output_shape"]
    if size is None and named.startswith("SAME"):
        size = [n * stride for n, stride in zip(spatial, found.stride, strict=True)]
    if size is None:
        return tuple((before, after - more) for (before, after), more in zip(found.padding, extra, strict=True))
    wanted = entries("output_shape", size, ndim, 1)
    crop = []
    for whole, more, out in zip(full, extra, wanted, strict=True):
        total = whole + more - out
        small, large = total // 2, total - total // 2
        before, after = (small, large) if named == "SAME_UPPER" else (large, small)
        crop.append((before, after - more))
    return tuple(crop)


def _conv_transpose(
    call: Call, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    found, groups = _transposed_window(call, x, weight)
    crop = _transpose_crop(call, found, x.shape[2:])
    function = getattr(F, f"conv_transpose{found.ndim}d")
    cut = tuple((max(0, before), max(0, after)) for before, after in crop)
    if cut == crop:
        return function(x, weight, bias, found.stride, crop, 0, groups, found.dilation, out=out)
    y = function(x, weight, None, found.stride, cut, 0, groups, found.dilation)
    more = [(0, 0), (0, 0), *((max(0, -before), max(0, -after)) for before, after in crop)]
    y = np.pad(y, more)
    if bias is not None:
        y += bias.reshape(-1, *(1,) * found.ndim)
    if out is not None:
        out[...] = y
    return y


def _transposed_window(call: Call, x: Any, weight: Any) -> tuple[Window, int]:
    if len(weight.shape) != len(x.shape) or x.shape[1] != weight.shape[0]:
        raise ValueError(f"weights of shape {weight.shape} do not fit an input of shape {x.shape}")
    named = call["auto_pad"] or "NOTSET"
    attributes = {**call.attributes, "auto_pad": "NOTSET"}
    if call["output_shape"] is not None or named != "NOTSET":
        attributes["pads"] = None
    plain = Call(call.operator, attributes=attributes)
    return window(plain, x.shape[2:], weight.shape[2:]), call["group"] or 1


def _emit_conv_transpose(program: Program, call: Call, x: Any, weight: Any, bias: Any = None) -> Node | None:
    if not isinstance(x, Node) or not isinstance(weight, np.ndarray) or isinstance(bias, Node):
        return None
    if x.dtype.char not in "fd" or weight.dtype != x.dtype:
        return None
    found, groups = _transposed_window(call, x, weight)
    crop = _transpose_crop(call, found, x.shape[2:])
    size = [
        (n - 1) * stride + extent - sum(pair)
        for n, stride, extent, pair in zip(
            x.shape[2:], found.stride, effective_kernel(found.kernel, found.dilation), crop, strict=True
        )
    ]
    shape = (x.shape[0], weight.shape[1] * groups, *size)

    def function(x: np.ndarray, out: np.ndarray) -> None:
        _conv_transpose(call, x, weight, bias, out=out)

    return program.add("call", (x,), call.name, function=function, out=True, shape=shape)


@in_float
def _deform_conv(
    call: Call,
    x: np.ndarray,
    weight: np.ndarray,
    offset: np.ndarray,
    bias: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Each tap is read between four pixels at its place plus an offset; pixels outside are zeros."""
    if x.ndim != 4:
        raise ValueError(f"DeformConv takes images, an input of shape (N, C, H, W), got {x.shape}")
    found, groups = _window(call, x, weight)
    check_channels(call, x, weight, groups)
    n, channels, *_ = x.shape
    kinds = call["offset_group"] or 1
    (kh, kw), points = found.kernel, offset.shape[2:]
    if channels % kinds or offset.shape[1] != kinds * kh * kw * 2:
        raise ValueError(f"offsets of shape {offset.shape} do not fit {kinds} groups of {kh}x{kw} taps")
    shifts = offset.reshape(n, kinds, kh, kw, 2, *points).astype(np.float64)
    places = []
    for axis in (0, 1):
        taps = np.arange(found.kernel[axis]) * found.dilation[axis] - found.padding[axis][0]
        steps = np.arange(points[axis]) * found.stride[axis]
        start = taps.reshape((-1, 1, 1, 1) if axis == 0 else (1, -1, 1, 1))
        start = start + steps.reshape((1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1))
        places.append((start + shifts[:, :, :, :, axis]).reshape(n, kinds, 1, -1))
    columns = _sampled(x.reshape(n, kinds, channels // kinds, *x.shape[2:]), places)
    if mask is not None:
        columns = columns * mask.reshape(n, kinds, 1, -1)
    columns = columns.reshape(n, groups, -1, math.prod(points))
    y = np.matmul(weight.reshape(groups, len(weight) // groups, -1), columns)
    y = y.reshape(n, len(weight), *points).astype(x.dtype)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def _sampled(x: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Pixels (..., C, H, W) at real rows and columns (..., 1, P), linearly between four."""
    height, width = x.shape[-2:]
    flat = x.reshape(*x.shape[:-2], height * width)
    floor = [np.floor(place) for place in places]
    y = np.zeros((*flat.shape[:-1], places[0].shape[-1]), x.dtype)
    for corner in itertools.product((0, 1), repeat=2):
        at = [base + step for base, step in zip(floor, corner, strict=True)]
        share = np.prod([1 - np.abs(place - one) for place, one in zip(places, at, strict=True)], axis=0)
        inside = (at[0] >= 0) & (at[0] < height) & (at[1] >= 0) & (at[1] < width)
        index = np.where(inside, at[0] * width + at[1], 0).astype(np.intp)
        y += np.take_along_axis(flat, index, -1) * np.where(inside, share, 0).astype(x.dtype)
    return y


def _col2im(call: Call, x: np.ndarray, image: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Blocks added up where they overlap."""
    ndim = len(image)
    taps = math.prod(map(int, block))
    stride = call["strides"] or (1,) * ndim
    dilation = call["dilations"] or (1,) * ndim
    pairs = pad_pairs(call["pads"], ndim)
    padded = [int(n) + before + after for n, (before, after) in zip(image, pairs, strict=True)]
    counts = [(n - d * (int(k) - 1) - 1) // s + 1 for n, d, k, s in zip(padded, dilation, block, stride, strict=True)]
    columns = x.reshape(x.shape[0], x.shape[1] // taps, *map(int, block), *counts)
    y = np.zeros(bounded((x.shape[0], x.shape[1] // taps, *padded), x.dtype), x.dtype)
    whole = (slice(None), slice(None))
    for tap in itertools.product(*map(range, map(int, block))):
        place = tuple(
            slice(t * d, t * d + (c - 1) * s + 1, s) for t, d, c, s in zip(tap, dilation, counts, stride, strict=True)
        )
        y[whole + place] += columns[whole + tap]
    return y[whole + tuple(slice(before, before + int(n)) for n, (before, _) in zip(image, pairs, strict=True))]


@in_float
def _causal_conv(
    call: Call, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Each channel by itself, over what came before; the last elements are the next call's past."""
    kind = call["activation"] or "none"
    if kind not in ("none", "silu", "swish"):
        raise ValueError(f"activation (={kind!r}) must be none, silu or swish")
    reach = weight.shape[2] - 1
    past = np.zeros((*x.shape[:2], reach), x.dtype) if state is None else state.astype(x.dtype)
    joined = np.concatenate([past, x], axis=2)
    y = F.conv1d(joined, weight, bias, groups=x.shape[1])
    return (y if kind == "none" else F.silu(y)), joined[:, :, joined.shape[2] - reach :]


ROWS: dict[str, Operator] = {
    "Conv": Operator(_conv, _emit_conv),
    "ConvTranspose": Operator(in_float(_conv_transpose), _emit_conv_transpose),
    "DeformConv": Operator(_deform_conv),
    "Col2Im": Operator(_col2im, sizes=(1, 2)),
    "CausalConvWithState": Operator(_causal_conv),
}
