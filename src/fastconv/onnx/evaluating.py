"""Which row computes a node: one of the table, or onnx's own reference where that was asked for."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastconv.onnx.operators import OPERATORS, Call, Evaluate, Operator, result_tuple
from fastconv.onnx.writer import onnx_package

__all__ = ["REFERENCE", "evaluated", "evaluated_by", "named", "row_of"]


@functools.lru_cache(maxsize=1024)
def _reference(call: Call) -> Any:
    """onnx.reference for one node."""
    onnx = onnx_package()
    from onnx.reference import ReferenceEvaluator

    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            [call.proto], "node",
            [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in dict.fromkeys(call.inputs) if name],
            [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in call.outputs if name],
        ),
        opset_imports=[onnx.helper.make_opsetid(call.domain, call.opset)],
    )  # fmt: skip
    return ReferenceEvaluator(proto)


def _by_reference(call: Call, *inputs: Any) -> tuple[Any, ...]:
    given = {name: value for name, value in zip(call.inputs, inputs, strict=False) if name and value is not None}
    results = iter(_reference(call).run(None, given))
    return tuple(next(results) if name else None for name in call.outputs)


#: what operators raise for inputs, or attributes, that do not fit
_BAD_INPUT = (
    ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, NotImplementedError, RuntimeError,
    AssertionError,
)  # fmt: skip

REFERENCE = Operator(_by_reference, pure=False)


def row_of(call: Call) -> Operator:
    """The row of a node; what the table lacks goes to onnx's reference."""
    return OPERATORS.get(call.kind, REFERENCE)


def evaluated(call: Call, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The outputs of a node, on arrays.

    Raises
    ------
    ValueError
        If the inputs do not fit, with the node's name.
    """
    return evaluated_by(row_of(call).evaluate, call, inputs)


def evaluated_by(function: Evaluate, call: Call, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same by a function other than that of the node's row."""
    with named(call), np.errstate(all="ignore"):
        return result_tuple(function(call, *inputs))


class named:
    """Within it, what operators raise for inputs that do not fit is one ValueError that names the node."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, _BAD_INPUT):
            raise ValueError(f"{self._call!r}: {error}") from error
