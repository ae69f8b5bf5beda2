"""Meanings: what the integers of a quantized model stand for, as DequantizeLinear and QuantizeLinear say it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv.functional._bytes import BYTES
from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.names import Names
from fastconv.onnx.operators import Call
from fastconv.onnx.operators.quantized import integer_type, real_numbers, rounded
from fastconv.onnx.types import numpy_type

__all__ = ["MEANINGS", "Draft", "Integers", "Meaning"]

#: operators that say what integers mean; those of constants have to be there still when these are looked for
MEANINGS = ("DequantizeLinear",)
#: of scales, so that no byte stands for a number beyond float32
_LARGEST = np.finfo(np.float32).max / 512
#: attributes that may name another type of real numbers than float32
_PRECISIONS = {"QuantizeLinear": ("precision",), "DequantizeLinear": ("output_dtype",)}


class Meaning(NamedTuple):
    """What integers stand for, (q - zero) * scale: one number each, or one for each slice along an axis; their type."""

    dtype: np.dtype
    scale: np.ndarray
    zero: np.ndarray
    axis: int

    @property
    def is_whole(self) -> bool:
        """Whether one number holds for all."""
        return self.scale.ndim == 0

    def is_same(self, other: Meaning) -> bool:
        """Whether equal integers stand for equal numbers."""
        return (
            self.dtype == other.dtype
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero, other.zero)
            and (self.is_whole or self.axis == other.axis)
        )

    def each(self, count: int) -> Meaning | None:
        """With scales and zeros of shape (count,), if there are so many or one."""
        if self.scale.size not in (1, count):
            return None
        scale, zero = (np.broadcast_to(values.reshape(-1), (count,)) for values in (self.scale, self.zero))
        return self._replace(scale=scale, zero=zero)

    @property
    def reach(self) -> int:
        """How far from the zero an integer may be."""
        limits, zero = np.iinfo(self.dtype), self.zero.item()
        return max(limits.max - zero, zero - limits.min)

    def every(self) -> np.ndarray:
        """All bytes, in the order of uint8."""
        return np.arange(256, dtype=np.uint8).view(self.dtype)

    def reals(self) -> np.ndarray:
        """What each byte stands for, where one scale holds for all."""
        return real_numbers(self.every(), self.scale, self.zero)

    def steps(self, values: Any) -> np.ndarray:
        """The integers of real numbers, cut off at what the type holds."""
        return rounded(np.asarray(values, np.float32) / self.scale, self.zero, self.dtype)


class Integers(NamedTuple):
    """A name of integers, and what they mean."""

    name: str
    meaning: Meaning


class Draft:
    """The graph while it changes: what takes the place of a QuantizeLinear, and new constants."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.names = graph, Names(graph)
        self._taken = {name for call in graph.nodes for name in call.outputs} | set(graph.constants)
        self._taken.update(port.name for port in graph.inputs)

    def fresh(self, name: str) -> str:
        """A name that nothing has."""
        while name in self._taken:
            name += "'"
        self._taken.add(name)
        return name

    def constant(self, name: str, value: Any) -> str:
        """The name of a new constant."""
        found = self.fresh(name)
        self.graph.constants[found] = np.asarray(value)
        return found

    def meaning(self, call: Call) -> Meaning | None:
        """What a node makes of real numbers, or takes for them."""
        names = self.names
        scale = names.constant(call.inputs[1])
        given = call.inputs[2] if len(call.inputs) > 2 else ""
        zero = names.constant(given) if given else None
        if given and zero is None:
            return None
        dtype = zero.dtype if zero is not None else self._default_type(call)
        if scale is None or scale.dtype != np.float32 or scale.ndim > 1 or call["block_size"] or dtype is None:
            return None
        if not ((scale > 0) & (scale < _LARGEST)).all():
            return None
        if zero is not None and (zero.size != scale.size or dtype not in (*BYTES, np.int32)):
            return None
        if any(call[name] and numpy_type(call[name]) != np.float32 for name in _PRECISIONS[call.operator]):
            return None
        zero = np.zeros(scale.shape, np.int64) if zero is None else zero.astype(np.int64)
        shape = () if scale.size == 1 else scale.shape
        axis = 1 if call["axis"] is None else call["axis"]
        return Meaning(dtype, scale.reshape(shape), zero.reshape(shape), axis)

    def _default_type(self, call: Call) -> np.dtype | None:
        """The integers' type where no zero point says it."""
        if call.operator == "QuantizeLinear":
            return integer_type(call, None)
        made = self.names.call(call.inputs[0], "QuantizeLinear")
        if made is None:
            return self.names.dtype(call.inputs[0])
        found = self.meaning(made)
        return None if found is None else found.dtype

    def integers(self, name: str) -> Integers | None:
        """What a name of real numbers is made of."""
        call = self.names.call(name, "DequantizeLinear")
        meaning = None if call is None else self.meaning(call)
        return None if call is None or meaning is None else Integers(call.inputs[0], meaning)

    def bytes_of(self, name: str) -> Integers | None:
        """The same, where they are bytes that all mean the same."""
        found = self.integers(name)
        fits = found is not None and found.meaning.dtype in BYTES and found.meaning.is_whole
        return found if fits else None

    def weights(self, integers: Integers) -> np.ndarray | None:
        """The values of bytes that are constant."""
        values = self.names.constant(integers.name)
        fits = values is not None and integers.meaning.dtype in BYTES and values.dtype == integers.meaning.dtype
        return values if fits else None

    def real(self, name: str) -> np.ndarray | None:
        """A constant, or one that stands in integers, in float64."""
        value = self.names.constant(name)
        if value is not None:
            return value.astype(np.float64) if value.dtype == np.float32 else None
        found = self.integers(name)
        value = None if found is None else self.names.constant(found.name)
        if found is None or value is None:
            return None
        meaning = found.meaning
        if not meaning.is_whole and value.shape != meaning.scale.shape:
            return None
        return (value.astype(np.float64) - meaning.zero) * meaning.scale.astype(np.float64)
