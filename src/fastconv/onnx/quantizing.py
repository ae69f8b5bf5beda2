"""Finds operators on real numbers between DequantizeLinear and QuantizeLinear, and computes them on the integers.

Quantizers write models this way: what an operator takes is (q - zero) * scale of small integers q, and what it gives
is made integers again. Convolutions and products of matrices become those of integers (`fastconv.conv_integer`), whose
sums are exact where those of real numbers are rounded, so that an element may be one step off what the nodes give one
by one. What only moves elements moves the integers, and functions of one are tables (`byte_maps`). Where a sum might
leave int32, and wherever a scale or a zero point is no constant, the nodes stay as they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastconv.functional._bytes import BYTES
from fastconv.onnx.byte_maps import ByteMaps, looked_up
from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.meanings import Draft, Integers, Meaning
from fastconv.onnx.names import drop_unread
from fastconv.onnx.operators import Call
from fastconv.onnx.operators.matmul import flat_bias
from fastconv.onnx.operators.runtime import DOMAIN

__all__ = ["merge_quantized"]

#: the opset that brought ONNX's own operators on integers, which have not changed since
_SINCE = 10
#: steps of the result that a bias may be off by because it is whole, and because sums need room beside it
_ROUNDED, _CUT = 0.02, 0.5


class _Site(NamedTuple):
    """A node between integers, what those of its result mean, and the names that get them."""

    call: Call
    meaning: Meaning
    outputs: tuple[str, ...]


def merge_quantized(graph: Graph) -> None:
    """Put operators on integers in the places of QuantizeLinear nodes; what is no longer read goes."""
    draft = Draft(graph)
    maps = ByteMaps(draft)
    nodes = []
    with np.errstate(all="ignore"):
        for call in graph.nodes:
            found = maps.visit(call)
            if found is None and call.domain == "" and call.operator == "QuantizeLinear":
                found = _replaced(draft, call)
            nodes += [call] if found is None else found
    graph.nodes = nodes
    drop_unread(graph)


def _replaced(draft: Draft, quantize: Call) -> list[Call] | None:
    """The nodes in the place of a QuantizeLinear; None where it stays."""
    meaning = draft.meaning(quantize)
    if meaning is None or not meaning.is_whole or meaning.dtype not in BYTES:
        return None
    inner, bounds = _before_activation(draft, quantize.inputs[0])
    made = draft.names.call(inner, *_PATTERNS)
    if made is None or draft.names.reads(inner) != 1:
        return None
    low, high = meaning.steps(bounds)
    table = meaning.every().clip(low, high)
    bounded = not np.array_equal(table, meaning.every())
    outputs = (draft.fresh(f"{quantize.outputs[0]}.unbounded"),) if bounded else quantize.outputs
    calls = _PATTERNS[made.operator](draft, _Site(made, meaning, outputs))
    if calls is None or not bounded:
        return calls
    return [*calls, looked_up(draft, outputs[0], table, quantize.outputs, quantize.name)]


def _before_activation(draft: Draft, name: str) -> tuple[str, tuple[float, float]]:
    """The name before a Relu or Clip that nothing else reads, and what these cut off at."""
    call = draft.names.call(name, "Relu", "Clip")
    unbounded = (-math.inf, math.inf)
    if call is None or draft.names.reads(name) != 1:
        return name, unbounded
    low, high = (0.0, None) if call.operator == "Relu" else draft.names.clip_bounds(call)
    known = sum(bound is not None for bound in (low, high))
    if call.operator == "Clip" and call.since >= 11 and known != sum(map(bool, call.inputs[1:])):
        return name, unbounded
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return (call.inputs[0], bounds) if bounds[0] <= bounds[1] else (name, unbounded)


class _Sums(NamedTuple):
    """How sums of products of integers become the integers of a result."""

    x: Integers
    weight: Integers
    weights: np.ndarray
    y: Meaning
    bias: np.ndarray | None

    def given(self, draft: Draft, name: str) -> list[str]:
        """The inputs of an operator that computes them, but for the bias: names, scales and zeros."""
        return [
            *_stated(draft, f"{name}.x", self.x),
            *_stated(draft, f"{name}.weight", self.weight),
            *_said(draft, f"{name}.y", self.y),
        ]


def _stated(draft: Draft, name: str, integers: Integers) -> list[str]:
    """Name, scale and zero."""
    return [integers.name, *_said(draft, name, integers.meaning)]


def _said(draft: Draft, name: str, meaning: Meaning) -> list[str]:
    """Scale and zero as constants."""
    zero = meaning.zero.astype(meaning.dtype)
    return [draft.constant(f"{name}.scale", meaning.scale), draft.constant(f"{name}.zero", zero)]


def _sums(draft: Draft, site: _Site, axis: int, bias: str = "", factor: float = 1.0) -> _Sums | None:
    """Those of the first two inputs, where filters lie along `axis` of the second; None where they might be others.

    The bias, times a factor, is rounded to whole units of the sums, within what leaves room for these in int32.
    """
    x, weight = draft.bytes_of(site.call.inputs[0]), draft.integers(site.call.inputs[1])
    values = None if weight is None else draft.weights(weight)
    if x is None or weight is None or values is None or values.ndim < 2 or not values.size:
        return None
    filters = values.shape[axis]
    around = axis % values.ndim
    if not weight.meaning.is_whole and weight.meaning.axis not in (around, around - values.ndim):
        return None
    meaning = weight.meaning.each(filters)
    if meaning is None:
        return None
    unit = x.meaning.scale.item() * meaning.scale.astype(np.float64)
    ratio = unit / site.meaning.scale.item()
    rounded = x.meaning.scale * meaning.scale / site.meaning.scale  # in float32
    if not np.allclose(rounded, ratio, 1e-5, 0) or (unit * 2.0**31 > np.finfo(np.float32).max).any():
        return None
    room = 2**31 - 1 - _reach(values, meaning.zero, around) * x.meaning.reach
    if (room < 0).any():
        return None
    units = None
    if bias:
        real = draft.real(bias)
        flat = None if real is None else flat_bias(real, filters)
        if flat is None or (site.call.operator == "Conv" and real is not None and real.shape != (filters,)):
            return None
        exact = flat * factor / unit
        whole = np.rint(exact)
        units = whole.clip(-room, room)  # quantizers let biases of filters of almost nothing reach the end
        if not (np.abs(exact - whole) * ratio <= _ROUNDED).all() or not (np.abs(whole - units) * ratio <= _CUT).all():
            return None
    return _Sums(x, weight, values, site.meaning, None if units is None else units.astype(np.int32))


def _reach(weights: np.ndarray, zero: np.ndarray, axis: int) -> np.ndarray:
    """For each filter along an axis, the sum of its weights' distances from their zeros."""
    spread = zero.astype(np.int16).reshape(-1, *(1,) * (weights.ndim - 1 - axis))
    others = tuple(one for one in range(weights.ndim) if one != axis)
    return np.asarray(np.abs(weights.astype(np.int16) - spread).sum(axis=others, dtype=np.int64))


def _conv(draft: Draft, site: _Site) -> list[Call] | None:
    call = site.call
    bias = call.inputs[2] if len(call.inputs) > 2 else ""
    sums = _sums(draft, site, 0, bias)
    if sums is None:
        return None
    given = sums.given(draft, call.name)
    if sums.bias is not None:
        given.append(draft.constant(f"{call.name}.bias", sums.bias))
    return [
        Call(
            "QLinearConv", given, site.outputs, call.attributes, name=call.name, since=_SINCE, opset=call.opset,
            fixed=True,
        )
    ]  # fmt: skip


def _matmul(draft: Draft, site: _Site) -> list[Call] | None:
    call = site.call
    sums = _sums(draft, site, -1)
    if sums is None or sums.weights.ndim != 2:
        return None
    given = sums.given(draft, call.name)
    return [Call("QLinearMatMul", given, site.outputs, name=call.name, since=_SINCE, opset=call.opset, fixed=True)]


def _gemm(draft: Draft, site: _Site) -> list[Call] | None:
    call = site.call
    alpha, beta = (1.0 if call[name] is None else call[name] for name in ("alpha", "beta"))
    bias = call.inputs[2] if len(call.inputs) > 2 else ""
    sums = None if call["transA"] or alpha != 1 else _sums(draft, site, 0 if call["transB"] else -1, bias, beta)
    if sums is None:
        return None
    *given, y_scale, y_zero = sums.given(draft, call.name)
    units = "" if sums.bias is None else draft.constant(f"{call.name}.bias", sums.bias)
    given += [units, y_scale, y_zero]
    attributes = {"transB": call["transB"]}
    return [Call("QGemm", given, site.outputs, attributes, domain=DOMAIN, name=call.name, fixed=True)]


def _pair(draft: Draft, site: _Site) -> list[Call] | None:
    call = site.call
    found = [draft.bytes_of(name) for name in call.inputs]
    if len(found) != 2 or call["broadcast"]:
        return None
    left, right = found
    if left is None or right is None:
        return None
    given = [
        *_stated(draft, f"{call.name}.a", left),
        *_stated(draft, f"{call.name}.b", right),
        *_said(draft, f"{call.name}.y", site.meaning),
    ]
    operator = "QLinearMul" if call.operator == "Mul" else "QLinearAdd"
    return [Call(operator, given, site.outputs, domain=DOMAIN, name=call.name)]


def _moved(draft: Draft, site: _Site) -> list[Call] | None:
    """The same on integers, which are looked up where they mean something else than those of the result.

    A table goes behind the node where nothing is larger there; it keeps the order of what it is given.
    """
    call = site.call
    found = [draft.bytes_of(name) for name in (call.inputs if call.operator == "Concat" else call.inputs[:1])]
    taken = [one for one in found if one is not None]
    if call.wants(1) or len(taken) != len(found):
        return None
    tables = [None if one.meaning.is_same(site.meaning) else site.meaning.steps(one.meaning.reals()) for one in taken]
    calls, inputs = [], [one.name for one in taken]
    behind = tables[0] if call.operator not in _GROWING else None
    made: dict[tuple[str, bytes], str] = {}
    for place, (one, table) in enumerate(zip(taken, tables, strict=True)):
        if table is None or behind is not None:
            continue
        key = one.name, table.tobytes()
        if key not in made:
            made[key] = draft.fresh(f"{call.name}.input")
            calls.append(looked_up(draft, one.name, table, (made[key],), call.name))
        inputs[place] = made[key]
    outputs = site.outputs if behind is None else (draft.fresh(f"{site.outputs[0]}.moved"),)
    inputs += call.inputs[len(taken) :]
    calls.append(
        Call(
            call.operator, inputs, outputs, call.attributes, name=call.name, since=call.since, opset=call.opset,
            proto=call.proto,
        )
    )  # fmt: skip
    if behind is not None:
        calls.append(looked_up(draft, outputs[0], behind, site.outputs, call.name))
    return calls


#: those that give some of the elements that they take, in an order that depends on no value, or the largest of some
_MOVES = (
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "SpaceToDepth",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
)  # fmt: skip
#: those of them whose results may be larger than what they take, or of several meanings
_GROWING = ("Concat", "Expand", "Gather", "Tile")
_PATTERNS = {
    "Conv": _conv,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Add": _pair,
    "Sum": _pair,
    "Mul": _pair,
    **dict.fromkeys(_MOVES, _moved),
}
