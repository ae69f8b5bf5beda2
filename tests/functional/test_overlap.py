"""No result goes where an argument lies, also where the engine reads a copy of that argument."""

from __future__ import annotations

import functools
import inspect
import itertools
import re

import numpy as np
import pytest

import fastconv

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def places(*shape):
    return np.zeros(shape, np.int64)


def small(*shape):
    return rng.integers(-9, 9, shape).astype(np.int8)


X, DY, Y = normal(2, 4, 6), normal(2, 4, 3), normal(2, 4, 3)
SAME = {"dy": normal(2, 4, 6), "x": X}
CONV, DCONV = {"x": X, "weight": normal(3, 4, 3), "bias": normal(3)}, {"dy": normal(2, 3, 4), "x": X}
UPCONV, UPDCONV = {"x": X, "weight": normal(4, 3, 3), "bias": normal(3)}, {"dy": normal(2, 3, 8), "x": X}
CHANNELS = {name: normal(4) for name in ("weight", "bias")}
RELU = {"activation": "relu"}
STEPS = {"a_scale": 0.5, "b_scale": 0.5, "y_scale": 1.0}

# Name, arrays, other arguments. Families with a number of axes in their names stand here with one axis.
CALLS = [
    ("conv1d", {**CONV, "residual": normal(2, 3, 4)}, {}),
    ("conv1d_backward", {**DCONV, "weight": normal(3, 4, 3)}, {}),
    ("conv1d_backward", {**DCONV, "weight": normal(3, 4, 3), "y": normal(2, 3, 4)}, RELU),
    ("conv_transpose1d", {**UPCONV, "residual": normal(2, 3, 8)}, {}),
    ("conv_transpose1d_backward", {**UPDCONV, "weight": normal(4, 3, 3)}, {}),
    ("conv_transpose1d_backward", {**UPDCONV, "weight": normal(4, 3, 3), "y": normal(2, 3, 8)}, RELU),
    ("conv_integer", {"x": small(2, 4, 6), "weight": small(3, 4, 3), "bias": np.ones(3, np.int32)}, {}),
    ("quantize", {"x": X.astype(np.float32)}, {"scale": 0.5}),
    ("dequantize", {"x": small(2, 9)}, {"scale": 0.5}),
    ("quantized_add", {"a": small(2, 9), "b": small(2, 9)}, STEPS),
    ("quantized_mul", {"a": small(2, 9), "b": small(2, 9)}, STEPS),
    ("max_pool1d", {"x": X}, {"kernel_size": 2}),
    ("max_pool1d", {"x": X}, {"kernel_size": 2, "return_indices": True}),
    ("max_pool1d_backward", {"dy": DY, "x": X}, {"kernel_size": 2}),
    ("max_pool1d_backward", {"dy": DY, "indices": places(2, 4, 3)}, {"kernel_size": 2, "x": X.shape}),
    ("max_pool1d_backward", {"dy": DY, "indices": places(2, 4, 3).astype(np.int32)}, {"kernel_size": 2, "x": X.shape}),
    ("max_unpool1d", {"x": DY, "indices": places(2, 4, 3)}, {"kernel_size": 2}),
    ("max_unpool1d_backward", {"dy": X, "indices": places(2, 4, 3)}, {}),
    ("avg_pool1d", {"x": X}, {"kernel_size": 2}),
    ("avg_pool1d_backward", {"dy": DY}, {"kernel_size": 2, "x": X.shape}),
    ("lp_pool1d", {"x": X}, {"kernel_size": 2, "norm_type": 2}),
    ("lp_pool1d_backward", {"dy": DY, "x": X, "y": Y}, {"kernel_size": 2, "norm_type": 2}),
    ("adaptive_avg_pool1d", {"x": X}, {"output_size": 3}),
    ("adaptive_avg_pool1d_backward", {"dy": DY}, {"output_size": 3, "x": X.shape}),
    ("adaptive_max_pool1d", {"x": X}, {"output_size": 3}),
    ("adaptive_max_pool1d_backward", {"dy": DY, "x": X}, {"output_size": 3}),
    ("global_avg_pool1d", {"x": X}, {}),
    ("global_avg_pool1d_backward", {"dy": normal(2, 4, 1)}, {"x": X.shape}),
    ("global_max_pool1d", {"x": X}, {}),
    ("global_max_pool1d_backward", {"dy": normal(2, 4, 1), "x": X}, {}),
    ("linear", {"x": X, "weight": normal(5, 6), "bias": normal(5)}, {}),
    ("linear_backward", {"dy": normal(2, 4, 5), "x": X, "weight": normal(5, 6)}, {}),
    ("linear_backward", {"dy": normal(2, 4, 5), "x": X, "weight": normal(5, 6), "y": normal(2, 4, 5)}, RELU),
    ("batch_norm", {"x": X, **CHANNELS}, {"training": True}),
    ("batch_norm", {"x": X, **CHANNELS, "running_mean": normal(4), "running_var": np.ones(4)}, {}),
    ("batch_norm_backward", {**SAME, "mean": normal(4), "var": np.ones(4), "weight": normal(4)}, {}),
    ("batch_norm_backward", {**SAME, "y": normal(2, 4, 6)}, {"mean": normal(4), "var": np.ones(4), **RELU}),
    ("scale_shift", {"x": X, "scale": normal(4), "shift": normal(2, 4), "residual": normal(2, 4, 6)}, {}),
    ("local_response_norm", {"x": X}, {"size": 3}),
    ("local_response_norm_backward", SAME, {"size": 3}),
    ("channel_shuffle", {"x": X}, {"groups": 2}),
    ("channel_shuffle_backward", {"dy": X}, {"groups": 2}),
    ("dropout", {"x": X}, {"p": 0.5, "rng": rng}),
    ("dropout_backward", {"dy": X, "mask": np.ones(X.shape, bool)}, {"p": 0.5}),
    ("interpolate", {"x": X}, {"scale_factor": 2}),
    ("interpolate_backward", {"dy": X}, {"x_shape": (2, 4, 3), "scale_factor": 2}),
    ("pad", {"x": X}, {"pad": (1, 2)}),
    ("pad_backward", {"dy": X}, {"x_shape": (2, 4, 3), "pad": (1, 2)}),
    ("prelu", {"x": X, "weight": normal(4)}, {}),
    ("prelu_backward", {**SAME, "weight": normal(4)}, {}),
    ("softmax", {"x": X}, {"axis": 1}),
    ("softmax_backward", {"dy": X, "y": normal(2, 4, 6)}, {}),
    ("apply_filter", {"image": normal(5, 6), "kernel": normal(3, 3)}, {}),
    ("apply_filter", {"image": small(5, 6), "kernel": normal(3, 3)}, {}),
    *((name, {"x": X}, {}) for name in ("relu", "gelu", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish")),
    *((f"{name}_backward", SAME, {}) for name in ("gelu", "silu", "hardsigmoid", "hardswish")),
    *((f"{name}_backward", {"dy": X, "y": normal(2, 4, 6)}, {}) for name in ("relu", "sigmoid", "tanh")),
]
# `out` is for the first of their results only.
FIRST = ("batch_norm", "prelu_backward")
IN_PLACE = ("relu", "gelu", "sigmoid", "silu", "hardswish", "softmax", "scale_shift")


def call_of(name, options):
    return functools.partial(getattr(fastconv, name), **options)


def laid_over(array, shape, dtype):
    """The same values a byte behind the start of memory, and an array of a result there."""
    memory = np.zeros(max(array.nbytes + 1, np.empty(shape, dtype).nbytes), np.uint8)
    moved = memory[1 : 1 + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved, memory[: np.empty(shape, dtype).nbytes].view(dtype).reshape(shape), memory


@pytest.mark.parametrize("name, arrays, options", CALLS, ids=[f"{i}-{call[0]}" for i, call in enumerate(CALLS)])
def test_a_result_where_an_argument_lies_is_refused(name, arrays, options):
    call = call_of(name, options)
    found = call(**arrays)
    results = found if isinstance(found, tuple) else (found,)
    if name in FIRST:
        results = results[:1]
    for (argument, array), (place, result) in itertools.product(arrays.items(), enumerate(results)):
        moved, out, memory = laid_over(array, result.shape, result.dtype)
        before = memory.copy()
        entries = tuple(out if index == place else None for index in range(len(results)))
        with pytest.raises(ValueError, match=rf"out(\[{place}\])? overlaps {argument}"):
            call(**{**arrays, argument: moved}, out=entries if len(results) > 1 else out)
        np.testing.assert_array_equal(memory, before)


def test_the_table_has_every_function_that_takes_out():
    def family(name):
        return re.sub("[123]d", "", name)

    functions = {name for name in dir(fastconv) if inspect.isfunction(getattr(fastconv, name))}
    taking = {family(name) for name in functions if "out" in inspect.signature(getattr(fastconv, name)).parameters}
    assert taking == {family(name) for name, *_ in CALLS}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_may_be_in_place_is_so_for_any_byte_order(name):
    x = X.astype(X.dtype.newbyteorder())
    expected = getattr(fastconv, name)(X)
    assert getattr(fastconv, name)(x, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_byte_swapped_input_and_its_own_memory():
    """The case that was found: the engine reads a converted copy, which overlaps nothing."""
    x = normal(1, 2, 5, 5).astype(">f8")
    weight = normal(2, 2, 1, 1)
    operation = fastconv.prepare_conv2d(x.shape, weight)
    before = x.copy()
    for call in (functools.partial(fastconv.conv2d, x, weight), functools.partial(operation, x)):
        with pytest.raises(ValueError, match="out overlaps x"):
            call(out=x)
        with pytest.raises(ValueError, match="workspace overlaps x"):
            call(workspace=x.view(np.uint8).reshape(-1))
    np.testing.assert_array_equal(x, before)


def test_gradients_of_batch_norm_do_not_share_an_array():
    both = np.zeros(4)
    with pytest.raises(ValueError, match=r"out\[2\] overlaps out\[1\]"):
        fastconv.batch_norm_backward(X, X, normal(4), np.ones(4), out=(None, both, both))
