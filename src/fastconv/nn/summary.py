"""summary(): what a network is made of, layer by layer, beside fully connected layers that would do the same job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fastconv.geometry import AXIS_NAMES, canonical_integer, format_positions
from fastconv.nn.layers import LAYERS
from fastconv.nn.module import Module

__all__ = ["LayerSummary", "Summary", "summary"]

#: the textbook's kinds of layers
KINDS = ("CONV", "RELU", "POOL", "FC")


@dataclass(frozen=True)
class LayerSummary:
    """One row of a `Summary`; shapes have no batch axis.

    ``operations`` counts multiplications, additions and comparisons for one input. ``connected_parameters`` and
    ``connected_operations`` are those of a fully connected layer (with biases, if this layer has them) of the same
    input and output; None for layers other than CONV, POOL and FC. ``unused_input`` maps an axis to the positions that
    the layer never reads.
    """

    name: str
    type: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    hyperparameters: dict[str, Any]
    operations: int
    connected_parameters: int | None
    connected_operations: int | None
    unused_input: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """What `summary` returns; ``str()`` gives the table.

    ``kinds`` says for CONV, RELU, POOL and FC whether layers of the kind have parameters and hyperparameters.
    """

    input_shape: tuple[int, ...]
    layers: list[LayerSummary]
    parameters: int
    operations: int
    kinds: dict[str, dict[str, bool]]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, as JSON can hold it."""
        return asdict(self)

    def __str__(self) -> str:
        header = ("layer", "type", "kind", "output", "parameters", "operations", "FC parameters", "FC operations")
        rows = [("input", "", "", _volume(self.input_shape), "", "", "", "")]
        rows += [
            (
                row.name, row.type, row.kind, _volume(row.output_shape), f"{row.parameters:,}", f"{row.operations:,}",
                _number(row.connected_parameters), _number(row.connected_operations),
            )
            for row in self.layers
        ]  # fmt: skip
        rows.append(("total", "", "", "", f"{self.parameters:,}", f"{self.operations:,}", "", ""))
        lines = _table(header, rows)
        lines += ["", "FC parameters, FC operations: of a fully connected layer with the same input and output."]
        lines += ["", "hyperparameters"]
        for row in self.layers:
            if row.hyperparameters:
                chosen = ", ".join(f"{name}={_plain(value)}" for name, value in row.hyperparameters.items())
                lines.append(f"  {row.name}: {chosen}")
        lines += ["", *_table(("kind", "has parameters", "has hyperparameters"), _kind_rows(self.kinds))]
        unused = [row for row in self.layers if row.unused_input]
        if unused:
            lines += ["", "input pixels never used, because the stride does not fit"]
            for row in unused:
                places = "; ".join(f"{axis} {_positions(found)}" for axis, found in row.unused_input.items())
                lines.append(f"  {row.name}: {places}")
        return "\n".join(lines)


def summary(model: Module, input_shape: Any) -> Summary:
    """Figures of a network for one input.

    Parameters
    ----------
    model : Module
        A `Sequential`, a `Graph`, or a single layer.
    input_shape : tuple of int
        Of one input, without the batch axis: (channels, height, width) for NCHW; a tuple of shapes for a network of
        several inputs.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If an input of this shape does not fit the model; the message names the layer.

    Examples
    --------
    The textbook's edge detection: a kernel of two pixels against a matrix product.

    >>> from fastconv import nn
    >>> edges = nn.Conv2d(1, 1, (1, 2), bias=False)
    >>> row = nn.summary(edges, (1, 280, 320)).layers[0]
    >>> row.output_shape, row.operations, row.connected_operations
    ((1, 280, 319), 267960, 16006054680)
    """
    if not isinstance(input_shape, (tuple, list)) or not input_shape:
        raise ValueError(f"input_shape (={input_shape!r}) must be a tuple of positive ints, without the batch axis")
    several = all(isinstance(part, (tuple, list)) for part in input_shape)
    whole: Any = tuple(map(_shape, input_shape)) if several else _shape(input_shape)
    rows: list[LayerSummary] = []

    def visit(name: str, layer: Module, shape: Any) -> Any:
        name = name or type(layer).__name__.lower()
        try:
            rows.append(_row(name, layer, shape))
        except ValueError as error:
            raise ValueError(f"layer {name!r}: {error}") from error
        return rows[-1].output_shape

    model.flow(visit, whole)
    return Summary(whole, rows, sum(row.parameters for row in rows), sum(row.operations for row in rows), _kinds())


def _row(name: str, layer: Module, shape: tuple[int, ...]) -> LayerSummary:
    output = layer.output_shape(shape)
    connected: tuple[int | None, int | None] = (None, None)
    if layer.KIND in ("CONV", "POOL", "FC"):
        inputs, outputs = math.prod(shape), math.prod(output)
        bias = getattr(layer, "bias", None) is not None
        connected = outputs * (inputs + bias), outputs * (2 * inputs - 1 + bias)
    unread = layer.unused_input(shape)
    axes = AXIS_NAMES.get(len(unread), ())
    unused = {axis: places.tolist() for axis, places in zip(axes, unread, strict=True) if len(places)} if unread else {}
    return LayerSummary(
        name, type(layer).__name__, layer.KIND, shape, output, layer.parameter_count(), layer.hyperparameters(),
        layer.operations(shape), *connected, unused,
    )  # fmt: skip


def _kinds() -> dict[str, dict[str, bool]]:
    found = {}
    for kind in KINDS:
        layers = [layer for layer in LAYERS.values() if layer.KIND == kind]
        found[kind] = {
            "parameters": any(layer.PARAMETERS for layer in layers),
            "hyperparameters": any(layer.HYPERPARAMETERS for layer in layers),
        }
    return found


def _kind_rows(kinds: dict[str, dict[str, bool]]) -> list[tuple[str, ...]]:
    return [(kind, *("yes" if has else "no" for has in answers.values())) for kind, answers in kinds.items()]


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with columns as wide as their longest entry, numbers to the right."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [all(not row[column] or row[column][0].isdigit() for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(row, widths, right, strict=True)
        )
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return [line.rstrip() for line in lines]


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(canonical_integer("input_shape", n, 1) for n in shape)


def _volume(shape: Any) -> str:
    """Sizes with an x between them; several shapes with commas."""
    parts = shape if isinstance(shape[0], tuple) else (shape,)
    return ", ".join("x".join(map(str, part)) for part in parts)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _plain(value: Any) -> str:
    """One number for a tuple of equal ones."""
    if isinstance(value, tuple) and value and all(item == value[0] for item in value):
        value = value[0]
    return str(value)


def _positions(places: list[int]) -> str:
    """Ranges such as '2-4, 9', or when they are many, the first, the last and how many positions there are."""
    ranges = format_positions(np.array(places)).split(", ")
    if len(ranges) <= 6:
        return ", ".join(ranges)
    return f"{', '.join(ranges[:3])} ... {ranges[-1]} ({len(places)} in all)"
