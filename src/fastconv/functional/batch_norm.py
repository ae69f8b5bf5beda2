"""Batch normalisation: every channel gets mean 0 and variance 1, then a scale and a shift of its own."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from fastconv import _engine
from fastconv._arguments import flag, number
from fastconv.functional._arrays import deliver, dense, result_buffer, same_dtype, same_shape, thread_count
from fastconv.functional._channels import channels_last, volume
from fastconv.functional._gradients import GRADIENTS, needed, out_entries, values_or_shape
from fastconv.functional._operands import checked_out, operand
from fastconv.functional.activation import activation_code

__all__ = ["batch_norm", "batch_norm_backward"]


def batch_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *,
    eps: float = 1e-5,
    layout: str | None = None,
    activation: Any = None,
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> Any:
    """Batch normalisation, ``y = activation((x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c])``.

    Parameters
    ----------
    x : ndarray, shape (N, C) or (N, C, ...) with up to three spatial axes, float32 or float64
    running_mean, running_var : ndarray, shape (C,), dtype of x
        Mean and variance to use; None when `training`, where they are those of `x`.
    weight, bias : ndarray, shape (C,), dtype of x, optional
        1 and 0 where they are not given.
    training : bool
    eps : float
        Added to the variance; at least 0.
    layout : {"NCW", "NWC", "NCHW", "NHWC", "NCDHW", "NDHWC"}, optional
        Axis order of `x` and the result; channels first where it is None.
    activation : None, "relu", "relu6" or ("leaky_relu", slope)
        Applied to the result before it is stored.
    out : ndarray, shape of x, dtype of x, optional
        Where the result goes; `x` itself is allowed.
    num_threads : int, optional

    Returns
    -------
    y : ndarray, shape of x, dtype of x
    mean, var : ndarray, shape (C,), dtype of x
        When `training` only: what `batch_norm_backward` takes, and running statistics are made of. The variance is the
        mean squared distance; one of a sample is ``m / (m - 1)`` times as large, m the elements of a channel.

    Raises
    ------
    ValueError
        If shapes do not fit, an option is unknown, running statistics are missing or given when `training`, or a
        channel has a single element then.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> y, mean, var = fastconv.batch_norm(np.array([[1.0, 5.0], [3.0, 5.0]]), training=True)
    >>> y.round(4), mean, var
    (array([[-1.,  0.],
           [ 1.,  0.]]), array([2., 5.]), array([1., 0.]))
    """
    x = operand("x", x)
    training = flag("training", training)
    last = channels_last(layout, x.shape, "batch normalisation")
    size = volume(x.shape, last)
    weight, bias = _by_channel("weight", weight, x, size), _by_channel("bias", bias, x, size)
    if training:
        for name, given in (("running_mean", running_mean), ("running_var", running_var)):
            if given is not None:
                raise ValueError(
                    f"{name} is given, but training=True uses the statistics of x and returns them: leave it out"
                )
        mean, var = np.empty(size[1], x.dtype), np.empty(size[1], x.dtype)
        _check_enough(x.shape, size)
    else:
        mean = _needed_by_channel("running_mean", running_mean, x, size)
        var = _needed_by_channel("running_var", running_var, x, size)
    code, slope = activation_code(activation)
    others = (("running_mean", mean), ("running_var", var), ("weight", weight), ("bias", bias))
    y = result_buffer("out", out, x.shape, x.dtype, (("x", x),), in_place=True)
    if out is not None:
        checked_out("out", out, x.shape, x.dtype, others)
    _engine.batch_norm_forward(
        size, last, training, _epsilon(eps), code, slope, dense(x), weight, bias, mean, var, y,
        thread_count(num_threads),
    )  # fmt: skip
    y = deliver(y, out)
    return (y, mean, var) if training else y


def batch_norm_backward(
    dy: Any,
    x: Any,
    mean: Any,
    var: Any,
    weight: Any = None,
    training: bool = True,
    *,
    eps: float = 1e-5,
    needs: Collection[str] = GRADIENTS,
    layout: str | None = None,
    activation: Any = None,
    y: Any = None,
    out: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] | None = None,
    num_threads: int | None = None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Gradients of `batch_norm` for its input, its weight and its bias.

    With ``d = dy * activation'`` and ``xhat = (x - mean) / sqrt(var + eps)``: ``dbias = sum d``,
    ``dweight = sum d * xhat``, both over the elements of a channel, and
    ``dx = weight / sqrt(var + eps) * (d - mean(d) - xhat * mean(d * xhat))``, or ``weight / sqrt(var + eps) * d`` where
    the statistics were given.

    Parameters
    ----------
    dy : ndarray, shape of x, float32 or float64
        Gradient for the output.
    x : ndarray, dtype of dy; or its shape as a tuple
        The input; its values are needed when `training` and for the weight's gradient.
    mean, var : ndarray, shape (C,), dtype of dy
        What the forward pass returned when `training`, else what it was given.
    weight : ndarray, shape (C,), dtype of dy, optional
    training : bool
        As in the forward pass.
    eps, layout
        As in the forward pass.
    needs : tuple of {"x", "weight", "bias"}
        The gradients wanted.
    activation : None, "relu", "relu6" or ("leaky_relu", slope)
        What the forward pass applied; `y` is then needed.
    y : ndarray, shape of dy, dtype of dy, optional
        What the forward pass returned.
    out : tuple of three arrays or None, optional
        Where (dx, dweight, dbias) go; dx may be `dy`, `x` or `y` itself.
    num_threads : int, optional

    Returns
    -------
    dx : ndarray, shape of x, or None
    dweight, dbias : ndarray, shape (C,), or None

    Raises
    ------
    ValueError
        If the shapes do not fit, an option is unknown, `y` is missing, or values are needed where a shape was given.
    TypeError
        If an array is neither float32 nor float64, or types are mixed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> x = np.array([[1.0], [3.0], [3.0], [1.0]])
    >>> y, mean, var = fastconv.batch_norm(x, training=True, eps=0)
    >>> dy = np.array([[1.0], [0.0], [0.0], [0.0]])
    >>> dx, dweight, dbias = fastconv.batch_norm_backward(dy, x, mean, var, eps=0)
    >>> dx.ravel(), dweight, dbias
    (array([ 0.5,  0. ,  0. , -0.5]), array([-1.]), array([1.]))
    """
    dy = operand("dy", dy)
    training = flag("training", training)
    wanted = needed(needs)
    reader = "weight" if wanted[1] else "x" if training and wanted[0] else None
    x, shape = values_or_shape("x", x, reader)
    same_shape("dy", dy, "x", shape)
    last = channels_last(layout, shape, "batch normalisation")
    size = volume(shape, last)
    if training:
        _check_enough(shape, size)
    mean, var = _needed_by_channel("mean", mean, dy, size), _needed_by_channel("var", var, dy, size)
    weight = _by_channel("weight", weight, dy, size)
    name, slope = activation_code(activation)
    if slope < 0:
        raise ValueError(f"activation (={activation!r}): the gradient needs a slope of at least 0")
    if name is None:
        y = None
    elif y is None:
        raise ValueError(f"y is missing: the gradient through activation (={activation!r}) is read off the output")
    arrays = {"x": x, "y": None if y is None else operand("y", y)}
    for other, array in arrays.items():
        if array is not None:
            same_dtype(other, array, "dy", dy)
            same_shape(other, array, "dy", dy.shape)
    inputs = (("dy", dy), *arrays.items())
    others = [("mean", mean), ("var", var), ("weight", weight)]
    entries = out_entries(out, wanted)
    results: list[np.ndarray | None] = [None, None, None]
    for index, (entry, want, result) in enumerate(zip(entries, wanted, (shape, size[1:2], size[1:2]), strict=True)):
        if want:
            results[index] = result_buffer(f"out[{index}]", entry, result, dy.dtype, inputs, in_place=index == 0)
            if entry is not None:
                checked_out(f"out[{index}]", entry, result, dy.dtype, others)
                others.append((f"out[{index}]", entry))
    x, y = (None if array is None else dense(array) for array in arrays.values())
    if reader is None:
        x = None
    _engine.batch_norm_backward(
        size, last, training, _epsilon(eps), name, slope, dense(dy), x, weight, mean, var, y, *results,
        thread_count(num_threads),
    )  # fmt: skip
    dx, dweight, dbias = (
        None if result is None else deliver(result, entry) for result, entry in zip(results, entries, strict=True)
    )
    return dx, dweight, dbias


def _check_enough(shape: tuple[int, ...], size: tuple[int, int, int]) -> None:
    if size[0] * size[2] < 2:
        raise ValueError(
            f"x has shape {shape}, {size[0] * size[2]} elements of each channel: a variance, in training, needs two"
        )


def _by_channel(name: str, value: Any, x: np.ndarray, size: tuple[int, int, int]) -> np.ndarray | None:
    if value is None:
        return None
    array = operand(name, value)
    same_dtype(name, array, "x", x)
    same_shape(name, array, "the number of channels", size[1:2])
    return dense(array)


def _needed_by_channel(name: str, value: Any, x: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    array = _by_channel(name, value, x, size)
    if array is None:
        raise ValueError(f"{name} is missing: without training=True the statistics are given")
    return array


def _epsilon(eps: Any) -> float:
    value = number("eps", eps)
    if not 0 <= value < math.inf:
        raise ValueError(f"eps (={eps}) must be finite and at least 0")
    return value
