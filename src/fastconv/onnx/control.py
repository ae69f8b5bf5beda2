"""Control flow: If, Loop and Scan, whose attributes are graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.onnx.graph_reader import Graph, Port
from fastconv.onnx.operators import Call

__all__ = ["CONTROL", "chosen_branch", "is_control"]

#: runs an inner graph on its inputs, in order, and gives its outputs
Run = Callable[[Graph, list[Any]], list[Any]]


def chosen_branch(call: Call, condition: np.ndarray) -> Graph:
    """The branch of an If that the condition names."""
    return call["then_branch" if _truth(condition) else "else_branch"]


def _truth(value: np.ndarray) -> bool:
    return bool(_only(value, "condition"))


def _only(value: np.ndarray, name: str) -> Any:
    if value.size != 1:
        raise ValueError(f"the {name} of shape {value.shape} must be one element")
    return value.reshape(-1)[0]


def _if(call: Call, inputs: list[Any], run: Run) -> list[Any]:
    return run(chosen_branch(call, inputs[0]), [])


def _loop(call: Call, inputs: list[Any], run: Run) -> list[Any]:
    """While the condition holds, and at most so often: each turn takes what the last one left."""
    body: Graph = call["body"]
    most, condition = inputs[:2]
    carried = inputs[2:]
    _check_body(body, 2 + len(carried), 1 + len(carried))
    limit = None if most is None else int(_only(most, "number of turns"))
    collected: list[list[np.ndarray]] = [[] for _ in body.outputs[1 + len(carried) :]]
    goes_on = np.array(True) if condition is None else condition
    turn = 0
    while _truth(goes_on) and (limit is None or turn < limit):
        goes_on, *results = run(body, [np.array(turn), goes_on, *carried])
        carried, parts = results[: len(carried)], results[len(carried) :]
        for kept, part in zip(collected, parts, strict=True):
            kept.append(np.array(part))
        turn += 1
    ports = body.outputs[1 + len(carried) :]
    return [*carried, *(_stacked(kept, 0, port) for kept, port in zip(collected, ports, strict=True))]


def _scan(call: Call, inputs: list[Any], run: Run) -> list[Any]:
    """A turn for each element of the scanned inputs, along an axis of each."""
    body: Graph = call["body"]
    count = call["num_scan_inputs"]
    if not 1 <= count <= len(inputs):
        raise ValueError(f"num_scan_inputs (={count}) must be from 1 to the {len(inputs)} inputs")
    states, scanned = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    _check_body(body, len(inputs), len(states))
    axes = _entries(call, "scan_input_axes", count)
    for x, axis in zip(scanned, axes, strict=True):
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"scan_input_axes (={axes}) do not fit an input of shape {x.shape}")
    lengths = {x.shape[axis] for x, axis in zip(scanned, axes, strict=True)}
    if len(lengths) != 1:
        raise ValueError(f"the scanned inputs have different lengths, {sorted(lengths)}")
    [length] = lengths
    lines = [
        np.moveaxis(np.flip(x, axis) if backwards else x, axis, 0)
        for x, axis, backwards in zip(scanned, axes, _entries(call, "scan_input_directions", count), strict=True)
    ]
    ports = body.outputs[len(states) :]
    collected: list[list[np.ndarray]] = [[] for _ in ports]
    for turn in range(length):
        results = run(body, [*states, *(np.array(line[turn]) for line in lines)])
        states, parts = results[: len(states)], results[len(states) :]
        for kept, part in zip(collected, parts, strict=True):
            kept.append(np.array(part))
    ways = _entries(call, "scan_output_directions", len(ports)), _entries(call, "scan_output_axes", len(ports))
    return [
        *states,
        *(
            _stacked(kept[::-1] if backwards else kept, axis, port)
            for kept, port, backwards, axis in zip(collected, ports, *ways, strict=True)
        ),
    ]


def _check_body(body: Graph, inputs: int, least: int) -> None:
    if len(body.inputs) != inputs or len(body.outputs) < least:
        raise ValueError(
            f"its body takes {len(body.inputs)} inputs and gives {len(body.outputs)} outputs, not {inputs} and at "
            f"least {least}"
        )


def _entries(call: Call, name: str, count: int) -> list[int]:
    given = call[name] or [0] * count
    if len(given) != count:
        raise ValueError(f"{name} (={list(given)}) must hold {count} numbers")
    return list(given)


def _stacked(parts: list[np.ndarray], axis: int, port: Port) -> np.ndarray:
    """Of no parts an array without elements, as far as its shape is known."""
    if parts:
        return np.stack(parts, axis)
    shape = [size if isinstance(size, int) else 0 for size in port.shape or ()]
    shape.insert(axis if axis >= 0 else axis + len(shape) + 1, 0)
    return np.zeros(shape, port.dtype)


CONTROL: dict[str, Callable[[Call, list[Any], Run], list[Any]]] = {"If": _if, "Loop": _loop, "Scan": _scan}


def is_control(call: Call) -> bool:
    """Whether a node is run by a function of this table; the first Scan had batches."""
    return call.domain == "" and call.operator in CONTROL and not (call.operator == "Scan" and call.since < 9)
