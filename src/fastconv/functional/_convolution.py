"""How a convolution call runs: arrays in, cached plan, engine, arrays out. Shared by conv and conv_transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv._arguments import flag
from fastconv.functional._arrays import deliver, dense, same_dtype, thread_count
from fastconv.functional._gradients import needed, out_entries, through_activation, values_or_shape
from fastconv.functional._operands import checked_out, copy_reason, operand, workspace_buffer
from fastconv.functional._plans import Call, ConvKey, conv_call, frozen
from fastconv.functional.activation import activation_code

__all__ = ["backward", "forward", "hashable_activation"]

Arrays = Sequence[tuple[str, np.ndarray | None]]

_SLOTS = {field: index for index, field in enumerate(ConvKey._fields)}


def hashable_activation(activation: Any) -> Any:
    """Return a checked activation in hashable form."""
    if activation is None or type(activation) is str:
        return activation
    activation_code(activation)
    return activation[0], float(activation[1])


def _strided_call(
    fields: tuple[Any, ...], slot: str, name: str, out: Any, dtype: np.dtype, inputs: Arrays
) -> tuple[Call, Any]:
    """Return the call for a result that goes to the caller's `out`, and the array the engine writes."""
    call = conv_call(*fields)
    checked_out(name, out, call.shape, dtype, inputs)
    if copy_reason(out) is not None:
        return call, np.empty(call.shape, dtype)
    if out.flags.c_contiguous:
        return call, out
    position = _SLOTS[slot]
    return conv_call(*fields[:position], out.strides, *fields[position + 1 :]), out


def forward(
    ndim: int,
    transposed: bool,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    layout: Any,
    weight_layout: Any,
    flip: Any,
    border: Any,
    activation: Any,
    residual: Any,
    accuracy: Any,
    algorithm: Any,
    out: Any,
    workspace: Any,
    workspace_limit: Any,
    num_threads: int | None,
) -> np.ndarray:
    """Run a convolution or, if `transposed`, a transposed one; see `conv2d` and `conv_transpose2d`."""
    x = operand("x", x)
    weight = operand("weight", weight)
    dtype = x.dtype
    chars = dtype.char + weight.dtype.char
    bias_shape = residual_shape = residual_strides = None
    if bias is not None:
        bias = dense(operand("bias", bias))
        chars += bias.dtype.char
        bias_shape = bias.shape
    if residual is not None:
        residual = operand("residual", residual)
        chars = chars.ljust(3) + residual.dtype.char
        residual_shape, residual_strides = residual.shape, residual.strides
    fields = (
        ndim,
        transposed,
        "forward",
        chars,
        x.shape,
        x.strides,
        weight.shape,
        weight.strides,
        None,
        None,
        bias_shape,
        residual_shape,
        residual_strides,
        frozen("stride", stride),
        frozen("padding", padding),
        frozen("output_padding", output_padding),
        frozen("dilation", dilation),
        groups,
        layout,
        weight_layout,
        flag("flip", flip),
        border,
        hashable_activation(activation),
        accuracy,
        algorithm,
        workspace_limit,
        _engine.isa(),
    )
    if out is None:
        call = conv_call(*fields)
        y = np.empty(call.shape, dtype)
    else:
        inputs = (("x", x), ("weight", weight), ("bias", bias), ("residual", residual))
        call, y = _strided_call(fields, "y_strides", "out", out, dtype, inputs)
    threads = 0 if num_threads is None else thread_count(num_threads)
    if workspace is not None:
        arrays = (("x", x), ("weight", weight), ("bias", bias), ("residual", residual), ("the output", y))
        workspace = workspace_buffer(workspace, call.workspace_bytes, arrays)
    if call.plan is not None:
        if transposed:
            call.plan.execute(y, weight, x, bias, residual, workspace, threads)
        else:
            call.plan.execute(x, weight, y, bias, residual, workspace, threads)
    return deliver(y, out)


def _allocated(
    fields: tuple[Any, ...], slot: str, name: str, out: Any, dtype: np.dtype, inputs: list[tuple[str, Any]]
) -> tuple[Call, Any]:
    """Return the call and the array the engine writes; later results may not overlap the caller's `out`."""
    if out is None:
        call = conv_call(*fields)
        return call, np.empty(call.shape, dtype)
    call, result = _strided_call(fields, slot, name, out, dtype, inputs)
    inputs.append((name, out))
    return call, result


def _channel_sum(dy: np.ndarray, letters: str) -> np.ndarray:
    """Gradient of the bias: dy summed over everything but its channels, in float64."""
    channel = letters[len(letters) - dy.ndim :].index("C")
    axes = tuple(axis for axis in range(dy.ndim) if axis != channel)
    return dy.sum(axis=axes, dtype=np.float64).astype(dy.dtype)


def backward(
    ndim: int,
    transposed: bool,
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    needs: Any,
    activation: Any,
    y: Any,
    layout: Any,
    weight_layout: Any,
    flip: Any,
    border: Any,
    accuracy: Any,
    algorithm: Any,
    out: Any,
    workspace: Any,
    workspace_limit: Any,
    num_threads: int | None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Gradients of `forward`; see `conv2d_backward` and `conv_transpose2d_backward`."""
    needs_x, needs_weight, needs_bias = needed(needs)
    out_x, out_weight, out_bias = out_entries(out, (needs_x, needs_weight, needs_bias))
    dy = operand("dy", dy)
    x, x_shape = values_or_shape("x", x, "weight" if needs_weight else None)
    weight, weight_shape = values_or_shape("weight", weight, "x" if needs_x else None)
    threads = thread_count(num_threads)
    dtype = dy.dtype
    chars = dtype.char + (dtype.char if weight is None else weight.dtype.char)
    if x is not None:
        same_dtype("x", x, "dy", dy)
    inputs: list[tuple[str, np.ndarray | None]] = [("dy", dy), ("x", x), ("weight", weight)]
    if activation is not None:
        dy, y = through_activation(dy, y, activation, num_threads)
        inputs.append(("y", y))
    options = (
        frozen("stride", stride),
        frozen("padding", padding),
        frozen("output_padding", output_padding),
        frozen("dilation", dilation),
        groups,
        layout,
        weight_layout,
        flag("flip", flip),
        border,
        None,
        accuracy,
        algorithm,
        workspace_limit,
        _engine.isa(),
    )

    def fields(pass_name: str) -> tuple[Any, ...]:
        """Fields of a plan's key: the strides of what the pass writes are None, those of what it reads are known."""
        reads_x, reads_weight = pass_name == "backward_weights" and x is not None, pass_name == "backward_data"
        return (
            (ndim, transposed, pass_name, chars, x_shape, x.strides if reads_x else None)
            + (weight_shape, weight.strides if reads_weight else None)
            + (dy.shape, dy.strides, None, None, None)
            + options
        )

    data = weights = None
    dx: Any = None
    dweight: Any = None
    dbias: Any = None
    if needs_x:
        data, dx = _allocated(fields("backward_data"), "x_strides", "out[0]", out_x, dtype, inputs)
    if needs_weight:
        weights, dweight = _allocated(fields("backward_weights"), "weight_strides", "out[1]", out_weight, dtype, inputs)
    problem = (data or weights or conv_call(*fields("backward_weights"))).problem
    if needs_bias:
        shape = (problem.out_channels,)
        dbias = np.empty(shape, dtype)
        if out_bias is not None:
            checked_out("out[2]", out_bias, shape, dtype, inputs)
    if workspace is not None:
        arrays = [*inputs, ("dx", dx), ("dweight", dweight), ("out[2]", out_bias)]
        least = max((call.workspace_bytes for call in (data, weights) if call is not None), default=0)
        workspace = workspace_buffer(workspace, least, arrays)

    if data is not None and data.plan is not None:
        first, last = (dy, dx) if transposed else (dx, dy)
        data.plan.execute(first, weight, last, None, None, workspace, threads)
    bias_alone = needs_bias
    if weights is not None and weights.plan is None:
        dweight.fill(0)
    elif weights is not None:
        first, last = (dy, x) if transposed else (x, dy)
        bias_alone = needs_bias and transposed
        with_bias = dbias if needs_bias and not transposed else None
        weights.plan.execute(first, dweight, last, with_bias, None, workspace, threads)
    if bias_alone:
        dbias = _channel_sum(dy, problem.letters)
    return deliver(dx, out_x), deliver(dweight, out_weight), deliver(dbias, out_bias)
