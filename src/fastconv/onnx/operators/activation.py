"""Activations: rectifiers, smooth functions, softmax and its relatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.functional.activation import activate
from fastconv.functional.softmax import log_softmax, prepare_softmax
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, axis_of, in_float, of_elements

__all__ = ["ROWS"]

_FLOATS = "fd"


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _rectifier(activation: Callable[[Call], Any]) -> Operator:
    """A row of an `activation=` of convolutions."""

    def emit(program: Program, call: Call, x: Any) -> Node | None:
        if x.dtype.char not in _FLOATS:
            return None
        return program.add("activation", (x,), call.name, activation=activation(call))

    def evaluate(call: Call, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind in "iu":
            return np.maximum(x, 0)
        return in_float(lambda call, x: activate(x, activation(call)))(call, x)

    return Operator(evaluate, emit)


def _smooth(function: Callable[..., np.ndarray], name: Callable[[Call], str | None]) -> Operator:
    """A row of a smooth function that the engine has, for the attributes for which `name` gives its name."""

    def emit(program: Program, call: Call, x: Any) -> Node | None:
        found = name(call)
        if x.dtype.char not in _FLOATS or found is None:
            return None
        return program.add("smooth", (x,), call.name, activation=found)

    return Operator(in_float(function), emit)


def _hard_sigmoid(call: Call, x: np.ndarray) -> np.ndarray:
    alpha, beta = x.dtype.type(_or(call["alpha"], 0.2)), x.dtype.type(_or(call["beta"], 0.5))
    return np.clip(x * alpha + beta, 0, 1)


def _hard_sigmoid_name(call: Call) -> str | None:
    """The engine has a slope of one sixth; files hold it in float32."""
    exact = abs(_or(call["alpha"], 0.2) - 1 / 6) < 1e-7 and _or(call["beta"], 0.5) == 0.5
    return "hardsigmoid" if exact else None


def _swish(call: Call, x: np.ndarray) -> np.ndarray:
    alpha = _or(call["alpha"], 1.0)
    return F.silu(x) if alpha == 1 else x * F.sigmoid(x * x.dtype.type(alpha))


def _swiglu(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.shape != b.shape:
        raise ValueError(f"both inputs must have one shape, got {a.shape} and {b.shape}")
    return _swish(call, a) * b


def _gelu_name(call: Call) -> str:
    return "gelu_tanh" if call["approximate"] == "tanh" else "gelu"


def _gelu(call: Call, x: np.ndarray) -> np.ndarray:
    return F.gelu(x, call["approximate"] or "none")


def _falling(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1 below zero, 0 above, by the engine's tanh: with t of half the argument it is 2t / (1 - t)."""
    t = F.tanh(np.minimum(x, 0) * x.dtype.type(0.5))
    return (t + t) / (1 - t)


def _exponential(call: Call, x: np.ndarray) -> np.ndarray:
    """Elu."""
    return np.maximum(x, 0) + x.dtype.type(_or(call["alpha"], 1.0)) * _falling(x)


def _celu(call: Call, x: np.ndarray) -> np.ndarray:
    alpha = x.dtype.type(_or(call["alpha"], 1.0))
    return np.maximum(x, 0) + np.minimum(0, alpha * _falling(x / alpha))


def _selu(call: Call, x: np.ndarray) -> np.ndarray:
    alpha, gamma = _or(call["alpha"], 1.6732632423543772), _or(call["gamma"], 1.0507009873554805)
    return x.dtype.type(gamma) * (np.maximum(x, 0) + x.dtype.type(alpha) * _falling(x))


def _softplus(call: Call, x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)); what 1 + exp loses is made good by the quotient of what was added and what arrived."""
    small = np.exp(-np.abs(x))
    total = 1 + small
    arrived = total - 1
    rest = np.where(arrived == 0, small, np.log(total) * (small / np.where(arrived == 0, 1, arrived)))
    return np.maximum(x, 0) + rest


def _mish(call: Call, x: np.ndarray) -> np.ndarray:
    return x * F.tanh(_softplus(call, x))


def _softsign(call: Call, x: np.ndarray) -> np.ndarray:
    return x / (1 + np.abs(x))


def _thresholded(call: Call, x: np.ndarray) -> np.ndarray:
    return np.where(x > _or(call["alpha"], 1.0), x, 0).astype(x.dtype)


def _shrink(call: Call, x: np.ndarray) -> np.ndarray:
    bias, threshold = _or(call["bias"], 0.0), _or(call["lambd"], 0.5)
    return np.where(x < -threshold, x + bias, np.where(x > threshold, x - bias, 0)).astype(x.dtype)


def _prelu(call: Call, x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    if call.since < 7 and slope.size > 1:
        slope = slope.reshape(-1, *(1,) * (x.ndim - 2))
    return np.where(x < 0, x * slope, x).astype(x.dtype)


def _emit_prelu(program: Program, call: Call, x: Any, slope: Any) -> Node | None:
    """A slope of each channel, or one for all."""
    by_channel = (slope.size == 1 or slope.shape == (x.shape[1], *(1,) * (len(x.shape) - 2))) if (
        isinstance(slope, np.ndarray) and isinstance(x, Node) and 2 <= len(x.shape)
    ) else False  # fmt: skip
    if not by_channel or x.dtype.char not in _FLOATS or slope.dtype != x.dtype:
        return None
    flat = np.ascontiguousarray(slope.reshape(-1))

    def function(x: np.ndarray, out: np.ndarray) -> None:
        F.prelu(x, flat, out=out)

    return program.add("call", (x,), call.name, function=function, out=True, shape=x.shape)


def _lines(call: Call, x: Any) -> tuple[int, tuple[int, ...]]:
    """The axis of a softmax and the shape to see `x` in: before opset 13, all axes behind it are one line."""
    if call.since >= 13:
        return axis_of(call, len(x.shape), -1), x.shape
    axis = axis_of(call, len(x.shape), 1)
    return 1, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _softmax(logarithm: bool) -> Operator:
    """A row of probabilities, or of their logarithms."""

    def evaluate(call: Call, x: np.ndarray) -> np.ndarray:
        axis, shape = _lines(call, x)
        return (log_softmax if logarithm else F.softmax)(x.reshape(shape), axis).reshape(x.shape) if x.size else x

    def emit(program: Program, call: Call, x: Any) -> Node | None:
        if x.dtype.char not in _FLOATS or 0 in x.shape:
            return None
        axis, shape = _lines(call, x)
        run = prepare_softmax(shape, axis, logarithm)

        def function(x: np.ndarray, out: np.ndarray) -> None:
            run(x.reshape(shape), out=out.reshape(shape))

        return program.add("call", (x,), call.name, function=function, out=True, shape=x.shape)

    return Operator(in_float(evaluate), emit)


def _hardmax(call: Call, x: np.ndarray) -> np.ndarray:
    axis, shape = _lines(call, x)
    if not x.size:
        return x
    lines = x.reshape(shape)
    y = np.zeros_like(lines)
    np.put_along_axis(y, lines.argmax(axis=axis, keepdims=True), 1, axis)
    return y.reshape(x.shape)


ROWS: dict[str, Operator] = {
    **of_elements(
        {
            "Relu": _rectifier(lambda call: "relu"),
            "LeakyRelu": _rectifier(lambda call: ("leaky_relu", float(_or(call["alpha"], 0.01)))),
            "Sigmoid": _smooth(lambda call, x: F.sigmoid(x), lambda call: "sigmoid"),
            "Tanh": _smooth(lambda call, x: F.tanh(x), lambda call: "tanh"),
            "Gelu": _smooth(_gelu, _gelu_name),
            "HardSwish": _smooth(lambda call, x: F.hardswish(x), lambda call: "hardswish"),
            "HardSigmoid": _smooth(_hard_sigmoid, _hard_sigmoid_name),
            "Swish": _smooth(_swish, lambda call: "silu" if _or(call["alpha"], 1.0) == 1 else None),
            "Elu": Operator(in_float(_exponential)),
            "Celu": Operator(in_float(_celu)),
            "Selu": Operator(in_float(_selu)),
            "Softplus": Operator(in_float(_softplus)),
            "Softsign": Operator(in_float(_softsign)),
            "Mish": Operator(in_float(_mish)),
            "ThresholdedRelu": Operator(_thresholded),
            "Shrink": Operator(_shrink),
        }
    ),
    "SwiGLU": Operator(in_float(_swiglu)),
    "PRelu": Operator(_prelu, _emit_prelu),
    "Softmax": _softmax(logarithm=False),
    "LogSoftmax": _softmax(logarithm=True),
    "Hardmax": Operator(_hardmax),
}
