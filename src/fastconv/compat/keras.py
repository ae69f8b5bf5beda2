"""Keras 3 with its NumPy backend, without JAX: convolutions and pools by fastconv.

In place of ``import keras``: ``from fastconv.compat.keras import keras``, before anything else imports Keras. This
selects the NumPy backend, makes it importable where JAX is not installed, and replaces its conv, depthwise_conv,
separable_conv, conv_transpose, max_pool and average_pool. Where JAX is installed it is left alone, and Keras may have
been imported before.

float32 and float64 are computed as what they are (Keras' own makes float64 float32); float16 and bfloat16 are computed
in float32 and handed back as what they were; integers are computed exactly up to 53 bits and wrap as NumPy's do.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np

from fastconv import geometry
from fastconv.compat._hosts import host_module
from fastconv.compat._without_jax import importable_without_jax
from fastconv.functional import conv as _conv
from fastconv.functional import conv_transpose as _transposed
from fastconv.functional import pool_avg, pool_max

__all__ = ["average_pool", "conv", "conv_transpose", "depthwise_conv", "max_pool", "separable_conv"]

_CONV = {1: _conv.conv1d, 2: _conv.conv2d, 3: _conv.conv3d}
_TRANSPOSED = {1: _transposed.conv_transpose1d, 2: _transposed.conv_transpose2d, 3: _transposed.conv_transpose3d}
_MAX = {1: pool_max.max_pool1d, 2: pool_max.max_pool2d, 3: pool_max.max_pool3d}
_AVG = {1: pool_avg.avg_pool1d, 2: pool_avg.avg_pool2d, 3: pool_avg.avg_pool3d}
_LAYOUTS = {
    "channels_last": {1: "NWC", 2: "NHWC", 3: "NDHWC"},
    "channels_first": {1: "NCW", 2: "NCHW", 3: "NCDHW"},
}
_WEIGHTS = {1: "WIO", 2: "HWIO", 3: "DHWIO"}
_TRANSPOSED_WEIGHTS = {1: "WOI", 2: "HWOI", 3: "DHWOI"}


def _import_host() -> Any:
    """Import Keras with the NumPy backend."""
    chosen = os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "numpy"
    settled = sys.modules.get("keras.src.backend.config")
    if settled is not None:
        chosen = settled.backend()
    if chosen != "numpy":
        raise ImportError(
            f"fastconv.compat.keras needs Keras' NumPy backend, but {chosen!r} is selected: import it before keras, "
            "with KERAS_BACKEND unset or 'numpy'"
        )
    with importable_without_jax():
        return host_module("keras", "keras")


keras = _import_host()
_backend = host_module("keras.src.backend", "keras")
_checks = host_module("keras.src.backend.common.backend_utils", "keras")


def _array(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else _backend.convert_to_tensor(value)


def _computed(*arrays: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Return the arrays in a type that the engine computes, and the name of the result's type."""
    kinds = {array.dtype.name for array in arrays}
    result = kinds.pop() if len(kinds) == 1 else str(_backend.result_type(*kinds))
    if "complex" in result:
        raise TypeError(f"inputs of dtype {result}: convolutions and pools compute real numbers")
    narrow = _backend.is_float_dtype(result) and result != "float64"
    computed = np.float32 if narrow else np.float64
    return [array.astype(computed, copy=False) for array in arrays], result


def _delivered(y: np.ndarray, dtype: str) -> np.ndarray:
    if y.dtype.name == dtype:
        return y
    if not _backend.is_float_dtype(dtype):
        y = y.astype(np.int64)
    return y.astype(dtype)


def _rank(inputs: np.ndarray) -> int:
    ndim = inputs.ndim - 2
    if ndim not in _CONV:
        raise ValueError(f"inputs of shape {inputs.shape} have {ndim} spatial axes: 1, 2 or 3 are computed")
    return ndim


def _per_axis(value: Any, ndim: int) -> tuple[int, ...]:
    return (int(value),) * ndim if isinstance(value, (int, np.integer)) else tuple(value)


def _spatial(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
    return shape[1:-1] if data_format == "channels_last" else shape[2:]


def _with_spatial(shape: tuple[int, ...], size: tuple[int, ...], channels: int, data_format: str) -> tuple[int, ...]:
    return (shape[0], *size, channels) if data_format == "channels_last" else (shape[0], channels, *size)


def _output(size: Any, kernel: Any, strides: Any, dilation: Any, padding: Any) -> tuple[int, ...]:
    """Output size, nought where the kernel does not fit."""
    found = geometry.resolve_padding(geometry.canonical_padding("padding", padding, len(size)), size, kernel, strides,
                                     dilation)  # fmt: skip
    spans = geometry.effective_kernel(kernel, dilation)
    return tuple(
        max(0, (n + sum(pair) - span) // s + 1) for n, pair, span, s in zip(size, found, spans, strides, strict=True)
    )


def _padding(padding: Any) -> Any:
    """Padding as fastconv names it; Keras takes any case."""
    return padding.lower() if isinstance(padding, str) else padding


def _convolution(
    inputs: np.ndarray, kernel: np.ndarray, strides: Any, padding: Any, data_format: str, dilation: Any, groups: int
) -> np.ndarray:
    ndim = _rank(inputs)
    strides, dilation, padding = _per_axis(strides, ndim), _per_axis(dilation, ndim), _padding(padding)
    size = _output(_spatial(inputs.shape, data_format), kernel.shape[:-2], strides, dilation, padding)
    (x, weight), dtype = _computed(inputs, kernel)
    if 0 in size:
        return np.empty(_with_spatial(inputs.shape, size, kernel.shape[-1], data_format), dtype)
    y = _CONV[ndim](
        x, weight, None, strides, padding, dilation, groups, layout=_LAYOUTS[data_format][ndim],
        weight_layout=_WEIGHTS[ndim],
    )  # fmt: skip
    return _delivered(y, dtype)


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """Convolution; kernels are (*k, C / groups, O), and their shape tells the number of groups.

    Examples
    --------
    >>> conv(np.ones((1, 4, 4, 2), np.float32), np.ones((3, 3, 2, 5), np.float32), padding="same").shape
    (1, 4, 4, 5)
    """
    data_format = _backend.standardize_data_format(data_format)
    inputs, kernel = _array(inputs), _array(kernel)
    channels = inputs.shape[-1] if data_format == "channels_last" else inputs.shape[1]
    if channels % kernel.shape[-2] > 0:
        raise ValueError(
            "The number of input channels must be evenly divisible by kernel's in_channels. Received input channels "
            f"{channels} and kernel in_channels {kernel.shape[-2]}."
        )
    groups = channels // kernel.shape[-2]
    y = _convolution(inputs, kernel, strides, padding, data_format, dilation_rate, groups)
    if y.size == 0 and inputs.size != 0:
        raise ValueError(
            "The convolution operation resulted in an empty output. This can happen if the input is too small for the "
            "given kernel size, strides, dilation rate, and padding mode. Please check the input shape (="
            f"{inputs.shape}) and convolution parameters (kernel of shape {kernel.shape})."
        )
    return y


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """Convolution of every channel by its own kernels, (*k, C, multiplier).

    Examples
    --------
    >>> depthwise_conv(np.ones((1, 4, 4, 2), np.float32), np.ones((3, 3, 2, 3), np.float32)).shape
    (1, 2, 2, 6)
    """
    data_format = _backend.standardize_data_format(data_format)
    inputs, kernel = _array(inputs), _array(kernel)
    _check("check_conv_input_channels", inputs, kernel, data_format)
    channels = kernel.shape[-2]
    kernel = kernel.reshape(*kernel.shape[:-2], 1, channels * kernel.shape[-1])
    return _convolution(inputs, kernel, strides, padding, data_format, dilation_rate, channels)


def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """`depthwise_conv`, then a convolution by kernels of one element.

    Examples
    --------
    >>> separable_conv(np.ones((1, 4, 4, 2)), np.ones((3, 3, 2, 3)), np.ones((1, 1, 6, 5))).shape
    (1, 2, 2, 5)
    """
    maps = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(maps, pointwise_kernel, data_format=data_format)


def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> np.ndarray:
    """Transposed convolution; kernels are (*k, O, C).

    Examples
    --------
    >>> conv_transpose(np.ones((1, 4, 4, 2), np.float32), np.ones((3, 3, 5, 2), np.float32), 2, "same").shape
    (1, 8, 8, 5)
    """
    data_format = _backend.standardize_data_format(data_format)
    inputs, kernel = _array(inputs), _array(kernel)
    _check("check_conv_transpose_input_channels", inputs, kernel, data_format)
    ndim = _rank(inputs)
    # Zeros on both sides of the spread input, over which the kernel slides: one less than its span crops nothing.
    pads = _checks.compute_conv_transpose_padding_args_for_jax(
        input_shape=inputs.shape, kernel_shape=kernel.shape, strides=strides, padding=padding,
        output_padding=output_padding, dilation_rate=dilation_rate,
    )  # fmt: skip
    strides, dilation = _per_axis(strides, ndim), _per_axis(dilation_rate, ndim)
    spans = geometry.effective_kernel(kernel.shape[:-2], dilation)
    crop = tuple((span - 1 - left, max(0, span - 1 - right)) for span, (left, right) in zip(spans, pads, strict=True))
    more = tuple(max(0, right - span + 1) for span, (_, right) in zip(spans, pads, strict=True))
    (x, weight), dtype = _computed(inputs, kernel)
    size = tuple(
        (n - 1) * s + span - sum(pair)
        for n, s, span, pair in zip(_spatial(inputs.shape, data_format), strides, spans, crop, strict=True)
    )
    if min(size) < 1:
        empty = tuple(max(0, n) for n in size)
        y = np.zeros(_with_spatial(inputs.shape, empty, kernel.shape[-2], data_format), x.dtype)
    else:
        y = _TRANSPOSED[ndim](
            x, weight, None, strides, crop, 0, 1, dilation, layout=_LAYOUTS[data_format][ndim],
            weight_layout=_TRANSPOSED_WEIGHTS[ndim],
        )  # fmt: skip
    if any(more):
        ends = [(0, extra) for extra in more]
        outer = [(0, 0)]
        y = np.pad(y, outer + ends + outer if data_format == "channels_last" else 2 * outer + ends)
    return _delivered(y, dtype)


def _check(name: str, inputs: np.ndarray, kernel: np.ndarray, data_format: str) -> None:
    """Keras' own check, which not every version has; fastconv's names the shapes as well."""
    check = getattr(_checks, name, None)
    if check is not None:
        check(inputs, kernel, data_format)


def _pool(inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None, kind: str) -> np.ndarray:
    if _padding(padding) not in ("same", "valid"):
        raise ValueError(f"Invalid padding '{padding}', must be 'same' or 'valid'.")
    data_format = _backend.standardize_data_format(data_format)
    inputs, padding = _array(inputs), _padding(padding)
    ndim = _rank(inputs)
    pool_size = _per_axis(pool_size, ndim)
    strides = pool_size if strides is None else _per_axis(strides, ndim)
    (x,), dtype = _computed(inputs)
    if kind == "average" and not _backend.is_float_dtype(dtype):
        dtype = "float64"
    size = _output(_spatial(inputs.shape, data_format), pool_size, strides, (1,) * ndim, padding)
    shape = _with_spatial(inputs.shape, size, inputs.shape[-1 if data_format == "channels_last" else 1], data_format)
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    layout = _LAYOUTS[data_format][ndim]
    if kind == "max":
        y = _MAX[ndim](x, pool_size, strides, padding, layout=layout)
    else:
        y = _AVG[ndim](x, pool_size, strides, padding, count_include_pad=False, layout=layout)
    return _delivered(y, dtype)


def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> np.ndarray:
    """Largest element of every window.

    Examples
    --------
    >>> max_pool(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _pool(inputs, pool_size, strides, padding, data_format, "max")


def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> np.ndarray:
    """Mean of every window; of the elements that lie in the input, with padding "same".

    Examples
    --------
    >>> average_pool(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return _pool(inputs, pool_size, strides, padding, data_format, "average")


def _put_in_place() -> None:
    for name in __all__:
        setattr(_backend.nn, name, globals()[name])


_put_in_place()
