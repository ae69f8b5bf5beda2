"""Normalizations: of batches, channels, neighbourhoods, layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.functional.layer_norm import layer_norm, prepare_layer_norm
from fastconv.functional.scale_shift import cut_for
from fastconv.graph import Node, Program
from fastconv.onnx.operators.operator import Call, Operator, axis_of, in_float

__all__ = ["ROWS"]


def _over_channels(values: np.ndarray, ndim: int) -> np.ndarray:
    return values.reshape(-1, *(1,) * (ndim - 2))


def _coefficients(call: Call, given: tuple[np.ndarray, ...], ndim: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of each channel: trained batch normalization is no more."""
    scale, bias, mean, var = (_over_channels(values.astype(np.float64), ndim) for values in given)
    factor = scale / np.sqrt(var + _epsilon(call))
    return factor, bias - mean * factor


def _epsilon(call: Call) -> float:
    return 1e-5 if call["epsilon"] is None else call["epsilon"]


def _trains(call: Call) -> bool:
    """Whether the statistics are those of the batch, which an attribute says, or in old versions the outputs."""
    if call.since >= 14:
        return bool(call["training_mode"])
    return any(call.wants(index) for index in (1, 2)) or (call.since < 7 and not call["is_test"])


def _batch_norm(call: Call, x: np.ndarray, *given: np.ndarray) -> Any:
    if call["spatial"] == 0:
        raise ValueError("spatial=0, statistics of every element, is not supported")
    if x.ndim < 2 or any(values.shape != x.shape[1:2] for values in given):
        raise ValueError(
            f"scale, bias, mean and variance of shapes {[values.shape for values in given]} do not fit {x.shape}"
        )
    scale, bias, mean, var = given
    exact = x if x.dtype.char in "fd" else x.astype(np.float32)
    if not _trains(call):
        factor, shift = _coefficients(call, (scale, bias, mean, var), x.ndim)
        return (exact * factor.astype(exact.dtype) + shift.astype(exact.dtype)).astype(x.dtype)
    axes = (0, *range(2, x.ndim))
    batch_mean, batch_var = exact.mean(axis=axes, dtype=np.float64), exact.var(axis=axes, dtype=np.float64)
    factor, shift = _coefficients(call, (scale, bias, batch_mean, batch_var), x.ndim)
    y = (exact * factor.astype(exact.dtype) + shift.astype(exact.dtype)).astype(x.dtype)
    keep = 0.9 if call["momentum"] is None else call["momentum"]
    running = [
        (old.astype(np.float64) * keep + new * (1 - keep)).astype(old.dtype)
        for old, new in ((mean, batch_mean), (var, batch_var))
    ]
    return (y, *running)[: len(call.outputs)]


def _emit_batch_norm(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    if not isinstance(x, Node):
        return None
    constant = all(isinstance(values, np.ndarray) and values.shape == x.shape[1:2] for values in given)
    if not constant or _trains(call) or call["spatial"] == 0 or x.dtype.char not in "fd":
        return None
    scale, shift = (values.astype(x.dtype) for values in _coefficients(call, given, len(x.shape)))
    if cut_for(x.shape, scale.shape) is None:
        return None
    return program.add("scale", (x,), call.name, scale=scale, shift=shift)


_LRN = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}


def _local_response(call: Call, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    size = call["size"]
    values = {name: default if call[name] is None else call[name] for name, default in _LRN.items()}
    alpha, beta, bias = values.values()
    if size % 2:
        return F.local_response_norm(x, size, alpha, beta, bias, out=out)
    # An even window has its odd channel behind here and before in PyTorch.
    y = F.local_response_norm(x[:, ::-1], size, alpha, beta, bias)[:, ::-1]
    if out is None:
        return y
    out[...] = y
    return out


def _emit_local_response(program: Program, call: Call, x: Any) -> Node | None:
    if x.dtype.char not in "fd":
        return None

    def function(x: np.ndarray, out: np.ndarray) -> None:
        _local_response(call, x, out)

    return program.add("call", (x,), call.name, function=function, out=True, shape=x.shape)


@in_float
def _instance_norm(call: Call, x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    y, _, _ = layer_norm(x, 2, eps=_epsilon(call))
    return _by_channels(y, scale, bias)


@in_float
def _group_norm(call: Call, x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Scale and bias are one for each group in the first version, since then one for each channel."""
    groups = call["num_groups"]
    if groups < 1 or x.shape[1] % groups:
        raise ValueError(f"num_groups (={groups}) must divide the {x.shape[1]} channels")
    y, _, _ = layer_norm(x.reshape(x.shape[0], groups, -1), 2, eps=_epsilon(call))
    if len(scale) == groups and call.since < 21:
        scale, bias = (np.repeat(values, x.shape[1] // groups) for values in (scale, bias))
    return _by_channels(y.reshape(x.shape), scale, bias)


def _by_channels(y: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """y, in its own place, times a factor for each channel, plus another number."""
    y *= _over_channels(scale.astype(y.dtype), y.ndim)
    y += _over_channels(bias.astype(y.dtype), y.ndim)
    return y


def _layer_norm(call: Call, x: np.ndarray, scale: np.ndarray, bias: np.ndarray | None = None) -> Any:
    axis = axis_of(call, x.ndim, -1)
    exact = x if x.dtype.char in "fd" else x.astype(np.float32)
    y, mean, inverse = layer_norm(exact, axis, eps=_epsilon(call))
    y = y.astype(x.dtype, copy=False) * scale
    if bias is not None:
        y = y + bias
    kind = np.float32 if call["stash_type"] in (None, 1) else x.dtype
    kept = (*x.shape[:axis], *(1,) * (x.ndim - axis))
    statistics = (values.reshape(kept).astype(kind) for values in (mean, inverse))
    return (y.astype(x.dtype, copy=False), *statistics)[: len(call.outputs)]


def _emit_layer_norm(program: Program, call: Call, x: Any, *given: Any) -> Node | None:
    axis = axis_of(call, len(x.shape), -1)
    shape = x.shape[axis:]
    if not isinstance(x, Node) or x.dtype.char not in "fd" or 0 in x.shape:
        return None
    coefficients = [None if values is None else _spread(values, x.dtype, shape) for values in given]
    if any(values is not None and found is None for values, found in zip(given, coefficients, strict=True)):
        return None
    weight, bias = (*coefficients, None)[:2]
    run = prepare_layer_norm(x.shape, axis, weight, bias, _epsilon(call))
    return program.add("call", (x,), call.name, function=run, out=True, shape=x.shape)


def _spread(values: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray | None:
    """A constant broadcast to a shape; None where it is none, of another type, or of other sizes."""
    if not isinstance(values, np.ndarray) or values.dtype != dtype or values.ndim > len(shape):
        return None
    sizes = shape[len(shape) - values.ndim :]
    if any(size not in (1, wanted) for size, wanted in zip(values.shape, sizes, strict=True)):
        return None
    return np.ascontiguousarray(np.broadcast_to(values, shape))


def _rms_norm(call: Call, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    axes = tuple(range(axis_of(call, x.ndim, -1), x.ndim))
    exact = x if x.dtype.char in "fd" else x.astype(np.float32)
    mean = np.square(exact).mean(axis=axes, keepdims=True) + exact.dtype.type(_epsilon(call))
    return ((exact / np.sqrt(mean)).astype(x.dtype) * scale).astype(x.dtype)


@in_float
def _mean_variance(call: Call, x: np.ndarray) -> np.ndarray:
    axes = tuple((0, 2, 3) if call["axes"] is None else call["axes"]) or None
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / (np.sqrt(np.square(centred).mean(axis=axes, keepdims=True)) + x.dtype.type(1e-9))


@in_float
def _lp_norm(call: Call, x: np.ndarray) -> np.ndarray:
    p = 2 if call["p"] is None else call["p"]
    axis = axis_of(call, x.ndim, -1)
    norm = np.abs(x).sum(axis=axis, keepdims=True) if p == 1 else np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)


ROWS: dict[str, Operator] = {
    "BatchNormalization": Operator(_batch_norm, _emit_batch_norm),
    "LRN": Operator(in_float(_local_response), _emit_local_response),
    "InstanceNormalization": Operator(_instance_norm),
    "GroupNormalization": Operator(_group_norm),
    "LayerNormalization": Operator(_layer_norm, _emit_layer_norm),
    "RMSNormalization": Operator(_rms_norm),
    "MeanVarianceNormalization": Operator(_mean_variance),
    "LpNormalization": Operator(_lp_norm),
}
