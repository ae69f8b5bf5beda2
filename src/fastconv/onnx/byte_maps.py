"""Byte maps: what nodes of single elements make of 8-bit integers, from DequantizeLinear to QuantizeLinear, is a table.

A byte has 256 values, so whatever lies between is computed once for each of them, by the nodes' own functions, and
looked up when the model runs: activations, steps of other sizes, gates that multiply what they were computed from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastconv.functional._bytes import BYTES
from fastconv.onnx.evaluating import evaluated, row_of
from fastconv.onnx.meanings import Draft
from fastconv.onnx.operators import Call

__all__ = ["ByteMaps", "looked_up"]

#: the opset whose forms new nodes have
_SINCE = 14
_QUANTIZED = ("DequantizeLinear", "QuantizeLinear")


class _Map(NamedTuple):
    """The name of integers, and what a name has where they are each byte, in the order of uint8."""

    source: str
    values: np.ndarray


class ByteMaps:
    """The names of a graph that are functions of the bytes of one other."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._found: dict[str, _Map] = {}

    def visit(self, call: Call) -> list[Call] | None:
        """Look at the next node; the nodes in its place, if it is a QuantizeLinear that a table stands for."""
        found = self._map(call)
        if found is None:
            return None
        self._found[call.outputs[0]] = found
        if call.operator != "QuantizeLinear" or found.values.dtype not in BYTES:
            return None
        same = np.array_equal(found.values, self._found[found.source].values)
        if same and found.values.dtype == self._found[found.source].values.dtype:
            return [Call("Identity", [found.source], call.outputs, name=call.name, since=_SINCE, opset=_SINCE)]
        return [looked_up(self._draft, found.source, found.values, call.outputs, call.name)]

    def _map(self, call: Call) -> _Map | None:
        is_quantized = call.domain == "" and call.operator in _QUANTIZED
        if not (is_quantized or row_of(call).elements) or call["broadcast"] or sum(map(bool, call.outputs)) != 1:
            return None
        meaning = self._draft.meaning(call) if is_quantized else None
        if is_quantized and (meaning is None or not meaning.is_whole):
            return None
        if call.operator == "DequantizeLinear" and call.inputs[0] not in self._found:
            if meaning is None or meaning.dtype not in BYTES or self._constant(call.outputs[0]) is not None:
                return None
            self._found[call.inputs[0]] = _Map(call.inputs[0], meaning.every())
        inputs: list[np.ndarray | None] = []
        sources = set()
        for place, name in enumerate(call.inputs):
            found, constant = self._found.get(name), self._constant(name)
            if found is not None:
                sources.add(found.source)
                inputs.append(found.values)
            elif name == "" or (constant is not None and (constant.ndim == 0 or (is_quantized and place))):
                inputs.append(constant)
            else:
                return None
        if len(sources) != 1:  # of none the node is one of constants
            return None
        values = _result(call, inputs)
        return _Map(sources.pop(), values) if values is not None and values.shape == (256,) else None

    def _constant(self, name: str) -> np.ndarray | None:
        """A constant, or a number that stands in integers."""
        known = self._draft.names.constant(name) if name else None
        call = self._draft.names.call(name, "DequantizeLinear") if known is None else None
        if call is None:
            return known
        given = [self._draft.names.constant(one) if one else None for one in call.inputs]
        if given[0] is None or given[0].ndim or given[1] is None:
            return None
        return _result(call, given)


def _result(call: Call, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """What a node gives; None where it raises, as it will again."""
    try:
        (values,) = evaluated(call, tuple(inputs))
    except ValueError:
        return None
    return values


def looked_up(draft: Draft, source: str, table: np.ndarray, outputs: tuple[str, ...], name: str) -> Call:
    """A node that looks bytes up in a table, which has its entries in the order of uint8."""
    entries = draft.constant(f"{name}.table", table)
    return Call("Gather", [entries, source], outputs, {"axis": 0}, name=name, since=_SINCE, opset=_SINCE)
