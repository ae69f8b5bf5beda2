"""The operations of a program: for each the shape of its result, and how it is made ready to run.

``shape(node)`` gives the result's shape. ``prepare(node, memory)`` returns ``run(inputs, out)``, which fills `out`; a
view returns instead the array that its result is, and takes no memory of its own; what `makes` its result returns an
array that lies elsewhere. Weights that it packs, or keeps, it leaves in ``node.attributes["packed_bytes"]``. A row that
writes to any contiguous `out` may write into its place in a concatenation.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv import functional as F
from fastconv import geometry
from fastconv.functional.activation import prepare_activation
from fastconv.functional.matmul import prepare_matmul
from fastconv.functional.scale_shift import prepare_scale_shift
from fastconv.graph.node import Node

__all__ = ["OPERATIONS", "Operation", "Run", "packs_weights"]

Run = Callable[[Sequence[np.ndarray], Any], Any]

#: rows of a matrix product from which it is a convolution of one tap, whose weights are packed once
PREPARED_ROWS = 32


class Operation(NamedTuple):
    """A row of the table."""

    shape: Callable[[Node], Sequence[int]]
    prepare: Callable[[Node, str], Run]
    view: bool = False
    joins: bool = False
    makes: bool = False

    @property
    def placed(self) -> bool:
        """Whether the result lies where the plan of memory says."""
        return not (self.view or self.makes)


def _spatial(shape: Sequence[int], layout: str) -> tuple[int, ...]:
    return tuple(shape[1:-1] if layout.endswith("C") else shape[2:])


def _volume(batch: int, channels: int, spatial: Sequence[int], layout: str) -> tuple[int, ...]:
    return (batch, *spatial, channels) if layout.endswith("C") else (batch, channels, *spatial)


def _conv_shape(node: Node) -> Sequence[int]:
    """Attributes: weight, bias, stride, padding, dilation, groups, layout, border; activation, pool, residual later.

    A residual is the second input.
    """
    options, x = node.attributes, node.inputs[0]
    weight, layout = options["weight"], options["layout"]
    spatial, kernel = _spatial(x.shape, layout), weight.shape[2:]
    padding = geometry.canonical_padding("padding", options["padding"], len(kernel))
    resolved = geometry.resolve_padding(padding, spatial, kernel, options["stride"], options["dilation"])
    size = geometry.conv_output_size(spatial, kernel, options["stride"], options["dilation"], resolved)
    if options.get("pool"):
        size = tuple(extent // 2 for extent in size)
    return _volume(x.shape[0], weight.shape[0], size, layout)


def _prepare_conv(node: Node, memory: str) -> Run:
    options = dict(node.attributes)
    weight = options.pop("weight")
    weight = np.asarray(weight)
    make = getattr(F, f"prepare_conv{weight.ndim - 2}d")
    shape = node.inputs[0].shape
    # the algorithms of "strict" keep the weights at their own size
    accuracy = "strict" if memory == "lean" else "default"
    operation = make(shape, weight, residual=len(node.inputs) > 1, accuracy=accuracy, **options)
    node.attributes["packed_bytes"] = operation.packed_bytes
    if len(node.inputs) > 1:
        return lambda inputs, out: operation(inputs[0], residual=inputs[1], out=out)
    return lambda inputs, out: operation(inputs[0], out=out)


def packs_weights(node: Node) -> bool:
    """Whether a "linear" node runs as a convolution of one tap, which takes a residual as its second input."""
    return math.prod(node.shape[:-1]) >= PREPARED_ROWS


def _prepare_linear(node: Node, memory: str) -> Run:
    options = node.attributes
    weight, bias = np.asarray(options["weight"]), options["bias"]
    if weight.flags.writeable or not weight.flags.c_contiguous:
        weight = weight.copy()
    bias = None if bias is None else bias.copy()
    activation = options.get("activation")
    if packs_weights(node):
        rows = math.prod(node.shape[:-1])
        residual = len(node.inputs) > 1
        make = F.prepare_conv1d(
            (1, rows, weight.shape[1]),
            weight[:, :, None],
            bias,
            layout="NWC",
            activation=activation,
            residual=residual,
            algorithm="pointwise",
        )
        options["packed_bytes"] = make.packed_bytes
        flat = (1, rows, -1)
        if residual:
            return lambda inputs, out: make(
                inputs[0].reshape(flat), residual=inputs[1].reshape(flat), out=out.reshape(flat)
            )
        return lambda inputs, out: make(inputs[0].reshape(flat), out=out.reshape(flat))
    options["packed_bytes"] = weight.nbytes
    return lambda inputs, out: F.linear(inputs[0], weight, bias, activation=activation, out=out)


def _prepare_call(node: Node, memory: str) -> Run:
    """Attributes: function(*inputs) -> array; shape; out: whether function takes out=."""
    function = node.attributes["function"]
    if node.attributes["out"]:
        return lambda inputs, out: function(*inputs, out=out)
    return lambda inputs, out: np.copyto(out, function(*inputs))


def _prepare_copy(node: Node, memory: str) -> Run:
    """Attributes: view(x) -> a view of x; shape; order: that of the axes, where the view only transposes."""
    view = node.attributes["view"]
    return lambda inputs, out: np.copyto(out, view(inputs[0]))


def _prepare_matmul(node: Node, memory: str) -> Run:
    """y = a (scale * b) in the last two axes. Attributes: shape; scale; views, for a and b lists of functions like that
    of "copy" that they go through first; order, of the product's axes in y, later.
    """
    options = node.attributes
    wholes = [np.empty(one.shape, one.dtype) for one in (*node.inputs, node)]
    a, b = (
        functools.reduce(lambda x, view: view(x), views, whole)
        for views, whole in zip(options["views"], wholes, strict=False)
    )
    y = wholes[2] if options.get("order") is None else wholes[2].transpose(np.argsort(options["order"]))
    run = prepare_matmul(a, b, y, options["scale"], wholes)
    if run is None:
        raise ValueError(f"matrices in arrays of shapes {a.shape} and {b.shape} have too many axes")
    return lambda inputs, out: run(*inputs, out)


def _prepare_evaluate(node: Node, memory: str) -> Run:
    """Attributes: function(*inputs) -> array of its own, or a tuple of them for "part" to take apart; shape."""
    function = node.attributes["function"]
    return lambda inputs, out: function(*inputs)


def _prepare_constant(node: Node, memory: str) -> Run:
    """Attributes: value."""
    value = node.attributes["value"]
    return lambda inputs, out: value


def _prepare_part(node: Node, memory: str) -> Run:
    """Attributes: index, shape."""
    index = node.attributes["index"]
    return lambda inputs, out: inputs[0][index]


def _prepare_scale(node: Node, memory: str) -> Run:
    """y = activation(x * scale + shift + residual). Attributes: scale, shift; activation, residual later.

    Scale and shift have the program's type and one shape, which `cut_for` knows; a residual is the second input.
    """
    options = node.attributes
    scale, shift = (np.ascontiguousarray(options[name]) for name in ("scale", "shift"))
    run = prepare_scale_shift(node.shape, options["scale"].shape, options.get("activation"))
    if options.get("residual"):
        return lambda inputs, out: run(inputs[0], scale, shift, inputs[1], out)
    return lambda inputs, out: run(inputs[0], scale, shift, None, out)


def _prepare_gate(node: Node, memory: str) -> Run:
    """y = activation(x * gate + residual), the gate in a shape that `cut_for` knows; a residual is the third input."""
    run = prepare_scale_shift(node.shape, node.inputs[1].shape, node.attributes.get("activation"))
    if node.attributes.get("residual"):
        return lambda inputs, out: run(inputs[0], inputs[1], None, inputs[2], out)
    return lambda inputs, out: run(inputs[0], inputs[1], None, None, out)


def _prepare_add(node: Node, memory: str) -> Run:
    """y = activation(x + residual)."""
    run = prepare_scale_shift(node.shape, None, node.attributes.get("activation"))
    return lambda inputs, out: run(inputs[0], None, None, inputs[1], out)


def _prepare_activation(node: Node, memory: str) -> Run:
    """Attributes: activation, as convolutions take it, or the name of a smooth one, which they do not."""
    run = prepare_activation(node.attributes["activation"])
    return lambda inputs, out: run(inputs[0], out)


def _prepare_concat(node: Node, memory: str) -> Run:
    """Attributes: axis. Inputs that were computed in their place stay there."""
    axis = node.attributes["axis"]
    ends = np.cumsum([taken.shape[axis] for taken in node.inputs])

    def run(inputs: Sequence[np.ndarray], out: np.ndarray) -> None:
        start = 0
        for array, end in zip(inputs, ends, strict=True):
            place = out[(slice(None),) * axis + (slice(start, end),)]
            if array.ctypes.data != place.ctypes.data:
                place[...] = array
            start = end

    return run


def _concat_shape(node: Node) -> Sequence[int]:
    axis, first = node.attributes["axis"], list(node.inputs[0].shape)
    first[axis] = sum(taken.shape[axis] for taken in node.inputs)
    return first


def _same(node: Node) -> Sequence[int]:
    return node.inputs[0].shape


def _stated(node: Node) -> Sequence[int]:
    return node.attributes["shape"]


OPERATIONS: dict[str, Operation] = {
    "conv": Operation(_conv_shape, _prepare_conv),
    "linear": Operation(lambda node: (*node.inputs[0].shape[:-1], len(node.attributes["weight"])), _prepare_linear),
    "max_pool": Operation(_stated, _prepare_call),
    "pad": Operation(_stated, _prepare_call),
    "scale": Operation(_same, _prepare_scale),
    "activation": Operation(_same, _prepare_activation),
    "smooth": Operation(_same, _prepare_activation),
    "gate": Operation(_same, _prepare_gate),
    "add": Operation(_same, _prepare_add),
    "concat": Operation(_concat_shape, _prepare_concat, joins=True),
    "call": Operation(_stated, _prepare_call),
    "copy": Operation(_stated, _prepare_copy),
    "matmul": Operation(_stated, _prepare_matmul),
    "constant": Operation(lambda node: node.attributes["value"].shape, _prepare_constant, makes=True),
    "evaluate": Operation(_stated, _prepare_evaluate, makes=True),
    "part": Operation(_stated, _prepare_part, makes=True),
    "reshape": Operation(
        _stated, lambda node, memory: lambda inputs, out: inputs[0].reshape(node.attributes["shape"]), view=True
    ),
}
