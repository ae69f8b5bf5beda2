"""Finds what exporters write in several nodes for want of an operator: normal distributions, steep sigmoids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from fastconv.onnx.graph_reader import Graph
from fastconv.onnx.names import Names, drop_unread
from fastconv.onnx.operators import Call

__all__ = ["rewrite"]


def rewrite(graph: Graph) -> None:
    """Put one node in the place of the last of several that are an operator together; those nothing reads go."""
    names = Names(graph)
    for index, call in enumerate(graph.nodes):
        if call.domain == "" and not call["broadcast"]:
            found = next(filter(None, (pattern(names, call) for pattern in _PATTERNS)), None)
            if found is not None:
                operator, x, attributes = found
                graph.nodes[index] = Call(
                    operator, [x], call.outputs[:1], attributes, name=call.name, since=_SINCE, opset=_SINCE
                )
    drop_unread(graph)


_SINCE = 20
Found = tuple[str, str, dict[str, Any]]


def _factors(names: Names, call: Call) -> Iterator[list[str]]:
    """What a product multiplies: two names, or three where one of these is a product."""
    if call.operator != "Mul":
        return
    first, second = call.inputs
    yield [first, second]
    for one, other in ((first, second), (second, first)):
        inner = names.call(one, "Mul")
        if inner is not None:
            yield [*inner.inputs, other]


def _gelu(names: Names, call: Call) -> Found | None:
    """x * (1 + erf(x / sqrt(2))) * 0.5, in any order."""
    for factors in _factors(names, call):
        if len(factors) == 3:
            for half, x, total in itertools.permutations(factors):
                if names.is_number(half, 0.5) and _is_one_and_erf(names, total, x):
                    return "Gelu", x, {"approximate": "none"}
    return None


def _is_one_and_erf(names: Names, name: str, x: str) -> bool:
    total = names.call(name, "Add")
    if total is None:
        return False
    for one, other in (total.inputs, total.inputs[::-1]):
        erf = names.call(other, "Erf")
        if erf is not None and names.is_number(one, 1.0):
            return _is_scaled(names, erf.inputs[0], x, math.sqrt(0.5))
    return False


def _is_scaled(names: Names, name: str, x: str, factor: float) -> bool:
    """Whether a name is x times a number, or divided by its reciprocal."""
    made = names.call(name, "Mul", "Div")
    if made is None:
        return False
    if made.operator == "Div":
        return made.inputs[0] == x and names.is_number(made.inputs[1], 1 / factor)
    return any(one == x and names.is_number(other, factor) for one, other in (made.inputs, made.inputs[::-1]))


def _hard_sigmoid(names: Names, call: Call) -> Found | None:
    """clip(x + 3, 0, 6) / 6."""
    if call.operator not in ("Mul", "Div") or len(call.inputs) != 2:
        return None
    for clipped in call.inputs:
        x = _six_steps(names, clipped)
        if x is not None and _is_scaled_here(names, call, clipped):
            return "HardSigmoid", x, {"alpha": 1 / 6, "beta": 0.5}
    return None


def _is_scaled_here(names: Names, call: Call, x: str) -> bool:
    """Whether a node divides x by 6."""
    first, second = call.inputs
    if call.operator == "Div":
        return first == x and names.is_number(second, 6.0)
    return any(one == x and names.is_number(other, 1 / 6) for one, other in ((first, second), (second, first)))


def _six_steps(names: Names, name: str) -> str | None:
    """The x of clip(x + 3, 0, 6)."""
    clip = names.call(name, "Clip")
    if clip is None or names.clip_bounds(clip) != (0.0, 6.0):
        return None
    total = names.call(clip.inputs[0], "Add")
    if total is None:
        return None
    return next((one for one, other in (total.inputs, total.inputs[::-1]) if names.is_number(other, 3.0)), None)


def _hard_swish(names: Names, call: Call) -> Found | None:
    """x * clip(x + 3, 0, 6) / 6, where the product comes first."""
    products = [name for name in call.inputs if names.call(name, "Mul")] if call.operator in ("Mul", "Div") else []
    for product in products:
        inner = names.call(product, "Mul")
        if inner is not None and _is_scaled_here(names, call, product):
            for x, clipped in (inner.inputs, inner.inputs[::-1]):
                if _six_steps(names, clipped) == x:
                    return "HardSwish", x, {}
    return None


_PATTERNS = (_gelu, _hard_sigmoid, _hard_swish)
