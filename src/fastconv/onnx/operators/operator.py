"""Operator: a row of the table of ONNX operators, and Call: one node as a row sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Call",
    "Evaluate",
    "Operator",
    "axis_of",
    "bounded",
    "in_float",
    "into",
    "of_elements",
    "plain",
    "result_tuple",
]

#: bytes of the largest array that is made from sizes a model holds, rather than from an input's: protobuf's own limit
LARGEST = 2**31


class Call:
    """One node.

    Attributes
    ----------
    operator, domain, name : str
        The name is for people: that of the node, or of its first output.
    since : int
        The version of the operator: the opset that brought the form that the model's opset has.
    opset : int
        Of the model, for the operator's domain.
    attributes : dict
        By name, in Python's types, ndarrays, and graphs; ``call["name"]`` gives None for what is not there.
    inputs, outputs : tuple of str
        "" stands for what is left out.
    graphs : tuple of Graph
        Those in the attributes.
    fixed : bool
        Whether all inputs but the first are constants, so that `kept` may hold what `evaluate` made of them.
    captured : tuple of str
        Names that these take from the graph around the node.
    """

    __slots__ = (
        "attributes", "captured", "domain", "fixed", "graphs", "inputs", "kept", "name", "operator", "opset", "outputs",
        "proto", "since",
    )  # fmt: skip

    def __init__(
        self,
        operator: str,
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = ("y",),
        attributes: dict[str, Any] | None = None,
        *,
        domain: str = "",
        name: str = "",
        since: int = 1,
        opset: int = 1,
        proto: Any = None,
        captured: Sequence[str] = (),
        graphs: Sequence[Any] = (),
        fixed: bool = False,
    ) -> None:
        self.operator = operator
        self.inputs, self.outputs, self.captured = tuple(inputs), tuple(outputs), tuple(captured)
        self.graphs = tuple(graphs)
        self.attributes = attributes or {}
        self.domain = domain
        self.name = name or next((output for output in outputs if output), operator)
        self.since, self.opset = since, opset
        self.proto = proto
        self.fixed = fixed
        self.kept: Any = None

    def __getitem__(self, name: str) -> Any:
        return self.attributes.get(name)

    @property
    def kind(self) -> str:
        """The operator's name, after its domain where that is not ONNX's own: how the table of operators is read."""
        return f"{self.domain}.{self.operator}" if self.domain else self.operator

    @property
    def taken(self) -> tuple[str, ...]:
        """Inputs, then what is captured."""
        return self.inputs + self.captured

    def wants(self, index: int) -> bool:
        """Whether the model names this output."""
        return index < len(self.outputs) and self.outputs[index] != ""

    def __repr__(self) -> str:
        return f"node {self.name!r} ({self.operator})"


Evaluate = Callable[..., Any]
Emit = Callable[..., Any]


class Operator(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    evaluate : callable
        ``evaluate(call, *inputs)`` gives the output, or a tuple of them, for ndarrays; what is left out is None. It
        never writes to its inputs. What it returns may be a view of them.
    emit : callable, optional
        ``emit(program, call, *inputs)`` adds nodes to a `fastconv.graph.Program` that passes know: inputs are its nodes
        or constant ndarrays; it returns the node of the only output, or None where `evaluate` is to be called instead.
    sizes : tuple of int
        Inputs whose values, not only their shapes, say which shape or type the outputs have.
    dynamic : bool
        Whether these depend on the values of any input.
    pure : bool
        Whether equal inputs give equal outputs.
    elements : bool
        Whether its inputs broadcast, and an element of its only output depends on those at its place alone.
    spread : callable, optional
        Where that holds after some inputs got other shapes: ``spread(call, *inputs)`` gives a function as `evaluate`
        and the inputs for it, or None; inputs are nodes of a program or constant ndarrays.
    """

    evaluate: Evaluate
    emit: Emit | None = None
    sizes: tuple[int, ...] = ()
    dynamic: bool = False
    pure: bool = True
    elements: bool = False
    spread: Evaluate | None = None

    def by_element(self, call: Call, inputs: Sequence[Any]) -> tuple[Evaluate, Sequence[Any]] | None:
        """What `spread` gives; None where a node has axes of its own, as some operators had before opset 7."""
        if self.spread is not None:
            found: tuple[Evaluate, Sequence[Any]] | None = self.spread(call, *inputs)
            return found
        return (self.evaluate, inputs) if self.elements and not call["broadcast"] else None


def of_elements(rows: dict[str, Operator]) -> dict[str, Operator]:
    """Rows of operators of single elements."""
    return {name: row._replace(elements=True) for name, row in rows.items()}


def plain(function: Callable[..., Any], emit: Emit | None = None) -> Operator:
    """A row whose function takes the arrays alone."""
    return Operator(lambda call, *inputs: function(*inputs), emit)


def result_tuple(result: Any) -> tuple[Any, ...]:
    """What `evaluate` returned, as a tuple of arrays."""
    results = result if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(one) if isinstance(one, (np.generic, float, int)) else one for one in results)


_COMPUTED = frozenset("fd")


def in_float(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of float32 and float64 take the other floating types too: computed in float32, rounded once."""

    def wrapped(call: Call, *inputs: Any) -> Any:
        kind = next(x for x in inputs if x is not None).dtype
        if kind.char in _COMPUTED or kind.kind in "iu":
            return function(call, *inputs)
        given = [x.astype(np.float32) if x is not None and x.dtype == kind else x for x in inputs]
        results = function(call, *given)
        if isinstance(results, tuple):
            return tuple(y.astype(kind) if y is not None and y.dtype == np.float32 else y for y in results)
        return results.astype(kind)

    return wrapped


def bounded(shape: Sequence[int], dtype: Any) -> tuple[int, ...]:
    """The shape of an array to be made, unless it is absurd.

    Raises
    ------
    ValueError
        If a size is negative, or the array would take more than `LARGEST` bytes.
    """
    size = np.dtype(dtype).itemsize
    for extent in shape:
        if extent < 0:
            raise ValueError(f"a shape of {list(map(int, shape))} has a negative size")
        size *= int(extent)
    if size > LARGEST:
        raise ValueError(f"an array of shape {list(map(int, shape))} would take {size} bytes")
    return tuple(int(extent) for extent in shape)


def into(y: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """The result, copied to `out` if there is one."""
    if out is None:
        return y
    out[...] = y
    return out


def axis_of(call: Call, ndim: int, default: int = 0, name: str = "axis") -> int:
    """An axis, counted from the front.

    Raises
    ------
    ValueError
        If an array with `ndim` axes has none of this number.
    """
    axis = default if call[name] is None else call[name]
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name} (={axis}) is out of range for an array with {ndim} axes")
    return axis % ndim
