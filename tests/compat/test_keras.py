"""Keras' NumPy backend on fastconv: against the oracle in float64, and against JAX where that is installed."""

from __future__ import annotations

import importlib
import importlib.util
import os

import numpy as np
import oracles
import pytest
from host_runs import python

if importlib.util.find_spec("keras") is None:
    pytest.skip("keras is not installed", allow_module_level=True)

os.environ.setdefault("KERAS_BACKEND", "numpy")
HAS_JAX = importlib.util.find_spec("jax") is not None
NAMES = ("conv", "depthwise_conv", "separable_conv", "conv_transpose", "max_pool", "average_pool")
HOST = {}
if HAS_JAX:
    HOST = {name: getattr(importlib.import_module("keras.src.backend").nn, name) for name in NAMES}
compat = importlib.import_module("fastconv.compat.keras")
keras = importlib.import_module("keras")
nn = importlib.import_module("keras.src.backend").nn

FORMATS = ("channels_last", "channels_first")


def rng():
    return np.random.default_rng(7)


def arranged(x, data_format):
    """An array with its channels second, in the order of `data_format`."""
    return np.moveaxis(x, 1, -1) if data_format == "channels_last" else x


CONVOLUTIONS = [
    # size, channels, kernel, channels of the result, strides, padding, dilation, groups
    ((9,), 4, (3,), 6, 2, "same", 1, 1),
    ((9,), 4, (3,), 6, 1, "valid", 2, 2),
    ((8, 7), 3, (3, 2), 5, 1, "same", 1, 1),
    ((8, 7), 3, (3, 2), 5, (2, 3), "same", 1, 1),
    ((9, 9), 4, (3, 3), 8, 1, "SAME", (2, 1), 4),
    ((8, 7), 6, (1, 1), 4, 2, "valid", 1, 2),
    ((5, 6, 4), 2, (2, 3, 2), 4, (1, 2, 1), "same", 1, 1),
    ((5, 6, 4), 2, (2, 2, 2), 4, 1, "valid", (2, 1, 1), 2),
]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_against_the_oracle(case, data_format):
    size, channels, kernel, filters, strides, padding, dilation, groups = case
    x, w = rng().standard_normal((2, channels, *size)), rng().standard_normal((*kernel, channels // groups, filters))
    o = oracles.options(len(size), strides, padding.lower(), dilation, groups, size=size, kernel=kernel)
    wanted = oracles.conv(x, np.moveaxis(w, (-1, -2), (0, 1)), None, o)
    found = nn.conv(arranged(x, data_format), w, strides, padding, data_format, dilation)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, arranged(wanted, data_format), rtol=0, atol=1e-12)


@pytest.mark.parametrize("data_format", FORMATS)
def test_depthwise_and_separable(data_format):
    x, w, p = (rng().standard_normal(shape) for shape in ((2, 3, 8, 7), (3, 3, 3, 2), (1, 1, 6, 4)))
    o = oracles.options(2, 2, "same", 1, 3, size=(8, 7), kernel=(3, 3))
    wanted = oracles.conv(x, w.reshape(3, 3, 1, 6).transpose(3, 2, 0, 1), None, o)
    found = nn.depthwise_conv(arranged(x, data_format), w, 2, "same", data_format)
    np.testing.assert_allclose(found, arranged(wanted, data_format), rtol=0, atol=1e-12)
    found = nn.separable_conv(arranged(x, data_format), w, p, 2, "same", data_format)
    wanted = np.einsum("nchw,co->nohw", wanted, p[0, 0])
    np.testing.assert_allclose(found, arranged(wanted, data_format), rtol=0, atol=1e-12)


def transposed_naive(x, w, strides, size, before, dilation):
    """Every element adds its multiple of the kernel; what falls outside of `size` is dropped."""
    y = np.zeros((len(x), w.shape[-2], *size))
    for at in np.ndindex(*x.shape[2:]):
        for tap in np.ndindex(*w.shape[:-2]):
            place = tuple(i * s + k * d - b for i, s, k, d, b in zip(at, strides, tap, dilation, before, strict=True))
            if all(0 <= p < n for p, n in zip(place, size, strict=True)):
                y[(..., *place)] += np.einsum("nc,oc->no", x[(..., *at)], w[tap])
    return y


TRANSPOSED = [
    # size, kernel, strides, padding, output_padding, dilation -> size, cropped before
    ((5,), (3,), 2, "valid", None, 1, (11,), (0,)),
    ((5,), (2,), 3, "valid", None, 1, (15,), (0,)),
    ((5,), (3,), 2, "same", None, 1, (10,), (0,)),
    ((4, 5), (3, 3), 1, "same", None, 1, (4, 5), (1, 1)),
    ((4, 5), (3, 4), (2, 3), "same", None, 1, (8, 15), (0, 0)),
    ((4, 5), (3, 3), 2, "same", 1, 1, (8, 10), (0, 0)),
    ((4, 5), (3, 3), 1, "valid", None, 2, (8, 9), (0, 0)),
    ((4, 5), (3, 3), 2, "valid", 5, 1, (14, 16), (0, 0)),
    ((3, 4, 3), (2, 3, 2), 2, "valid", None, 1, (6, 9, 6), (0, 0, 0)),
]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", TRANSPOSED)
def test_transposed_convolution_against_loops(case, data_format):
    size, kernel, strides, padding, output_padding, dilation, out, before = case
    x, w = rng().standard_normal((2, 3, *size)), rng().standard_normal((*kernel, 4, 3))
    found = nn.conv_transpose(arranged(x, data_format), w, strides, padding, output_padding, data_format, dilation)
    steps = [(value,) * len(size) if isinstance(value, int) else value for value in (strides, dilation)]
    wanted = transposed_naive(x, w, steps[0], out, before, steps[1])
    np.testing.assert_allclose(found, arranged(wanted, data_format), rtol=0, atol=1e-12)


POOLS = [
    # size, pool, strides, padding
    ((9,), 2, None, "valid"),
    ((9,), 3, 2, "same"),
    ((8, 7), 2, None, "same"),
    ((8, 7), (3, 2), (2, 1), "same"),
    ((8, 7), 3, 2, "valid"),
    ((5, 6, 4), 2, 1, "same"),
    ((2, 3), 4, 1, "valid"),
]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("case", POOLS)
def test_pools_against_loops(case, data_format):
    """TensorFlow's "same": the mean is of the elements there are. A pool that does not fit gives nothing."""
    size, pool, strides, padding = case
    rank = len(size)
    kernel = (pool,) * rank if isinstance(pool, int) else pool
    steps = kernel if strides is None else (strides,) * rank if isinstance(strides, int) else strides
    o = oracles.options(rank, steps, padding, 1, size=size, kernel=kernel)
    x = rng().standard_normal((2, 3, *size))
    out = [max(0, (n + sum(p) - k) // s + 1) for n, p, k, s in zip(size, o.pad, kernel, steps, strict=True)]
    wanted = {"max_pool": np.empty((2, 3, *out)), "average_pool": np.empty((2, 3, *out))}
    for at in np.ndindex(*out):
        starts = [i * s - p[0] for i, s, p in zip(at, steps, o.pad, strict=True)]
        part = x[(..., *(slice(max(0, i), i + k) for i, k in zip(starts, kernel, strict=True)))].reshape(2, 3, -1)
        wanted["max_pool"][(..., *at)], wanted["average_pool"][(..., *at)] = part.max(-1), part.mean(-1)
    for name, array in wanted.items():
        found = getattr(nn, name)(arranged(x, data_format), pool, strides, padding, data_format)
        np.testing.assert_allclose(found, arranged(array, data_format), rtol=0, atol=1e-12)


@pytest.mark.skipif(not HAS_JAX, reason="jax is not installed")
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_everything_against_the_host_with_jax(data_format, dtype):
    def draw(*shape):
        return keras.ops.cast(rng().standard_normal(shape), dtype)

    bound = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}[dtype]
    calls = [("conv", (arranged(draw(2, ch, *n), data_format), draw(*k, ch // g, f), s, p.lower(), data_format, d))
             for n, ch, k, f, s, p, d, g in CONVOLUTIONS]  # fmt: skip
    calls += [("depthwise_conv", (arranged(draw(2, 4, 8, 7), data_format), draw(3, 2, 4, 2), 1, p, data_format, d))
              for p in ("same", "valid") for d in (1, 2)]  # fmt: skip
    calls += [("conv_transpose", (arranged(draw(2, 3, *n), data_format), draw(*k, 4, 3), s, p, op, data_format, d))
              for n, k, s, p, op, d, _, _ in TRANSPOSED]  # fmt: skip
    calls += [(name, (arranged(draw(2, 3, *n), data_format), k, k if s is None else s, p, data_format))
              for n, k, s, p in POOLS for name in ("max_pool", "average_pool")]  # fmt: skip
    for name, arguments in calls:
        found, wanted = getattr(compat, name)(*arguments), HOST[name](*arguments)
        assert found.shape == wanted.shape and found.dtype == wanted.dtype, (name, found.dtype, wanted.dtype)
        scale = np.abs(np.asarray(wanted, np.float64)).max(initial=1)
        np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=0, atol=bound * scale)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "int32", "uint8"])
def test_element_types_come_back(dtype):
    x, w = keras.ops.cast(np.ones((1, 4, 4, 2)), dtype), keras.ops.cast(np.ones((2, 2, 2, 3)), dtype)
    found = [nn.conv(x, w), nn.depthwise_conv(x, w), nn.conv_transpose(x, w.swapaxes(2, 3)), nn.max_pool(x, 2)]
    assert {array.dtype.name for array in found} == {dtype}
    assert np.all(found[0].astype(float) == 8)


def test_nan_reaches_the_windows_that_hold_it():
    x = np.ones((1, 4, 4, 1), np.float32)
    x[0, 1, 1, 0] = np.nan
    for name in ("max_pool", "average_pool"):
        assert np.isnan(getattr(nn, name)(x, 2)[0, :, :, 0]).tolist() == [[True, False], [False, False]]


X = np.ones((1, 4, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nn.conv(X, np.ones((3, 3, 3, 5), np.float32)), "evenly divisible"),
        (lambda: nn.conv(X, np.ones((5, 5, 4, 5), np.float32)), "empty output"),
        (lambda: nn.depthwise_conv(X, np.ones((3, 3, 3, 1), np.float32)), "input channels"),
        (lambda: nn.conv_transpose(X, np.ones((3, 3, 5, 3), np.float32)), "input channels"),
        (lambda: nn.max_pool(X, 2, padding="full"), "Invalid padding"),
        (lambda: nn.conv(X, np.ones((3, 3, 4, 5), np.float32), padding="nonsense"), "padding"),
        (lambda: nn.conv(X, np.ones((3, 3, 4, 5), np.float32), data_format="NHWC"), "data_format"),
    ],
)
def test_mistakes_are_value_errors(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_an_empty_batch_stays_empty():
    assert nn.conv(X[:0], np.ones((3, 3, 4, 5), np.float32)).shape == (0, 2, 2, 5)
    assert nn.max_pool(X[:0], 2).shape == (0, 2, 2, 4)


def predicted(data_format):
    """What a network of every kind of layer, with seeded weights, makes of seeded pictures."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(8, 3, padding="same", activation="relu", data_format=data_format),
        keras.layers.MaxPooling2D(data_format=data_format),
        keras.layers.SeparableConv2D(6, 3, data_format=data_format),
        keras.layers.DepthwiseConv2D(3, 2, padding="same", data_format=data_format),
        keras.layers.Conv2DTranspose(4, 3, 2, data_format=data_format),
        keras.layers.AveragePooling2D(2, padding="same", data_format=data_format),
        keras.layers.GlobalAveragePooling2D(data_format=data_format),
        keras.layers.Dense(5, activation="softmax"),
    ]
    x = rng().standard_normal((3, 2, 16, 16)).astype(np.float32)
    return keras.Sequential(layers).predict(arranged(x, data_format), verbose=0)


def test_a_model_predicts_the_same_in_both_layouts():
    first, last = (predicted(data_format) for data_format in FORMATS)
    assert first.shape == last.shape == (3, 5) and first.dtype == np.float32
    np.testing.assert_allclose(first.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(first, last, rtol=0, atol=1e-6)


WITHOUT_JAX = """
import sys, numpy as np
import fastconv.compat.keras
assert not [name for name in sys.modules if name.partition(".")[0] == "jax" or "backend.jax" in name]
from fastconv.compat.keras import keras
y = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.MaxPool2D()]).predict(np.ones((1, 8, 8, 3)), verbose=0)
assert y.shape == (1, 3, 3, 4)
real, imaginary = keras.ops.fft((np.arange(4, dtype="float32"), np.zeros(4, "float32")))
assert real.dtype == np.float32 and np.allclose(real + 1j * imaginary, np.fft.fft(np.arange(4)))
from keras.src.backend.numpy import nn
try:
    nn.lax.sort
except ImportError as error:
    assert "jax.lax.sort" in str(error) and "pip install jax" in str(error)
try:
    import jax
except ModuleNotFoundError as error:
    print("no module", error.name)
"""


@pytest.mark.skipif(HAS_JAX, reason="jax is installed")
def test_without_jax_nothing_of_it_is_left_behind():
    done = python("-c", WITHOUT_JAX, KERAS_BACKEND="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "no module jax"


@pytest.mark.skipif(not HAS_JAX, reason="jax is not installed")
def test_an_installed_jax_is_never_shadowed():
    done = python(
        "-c", "import fastconv.compat.keras, jax; from keras.src.backend.numpy import nn; print(nn.jax is jax)"
    )
    assert done.returncode == 0 and done.stdout.startswith("True"), done.stderr


def test_another_backend_is_refused():
    done = python("-c", "import fastconv.compat.keras", KERAS_BACKEND="torch")
    assert done.returncode == 1 and "'torch' is selected" in done.stderr.splitlines()[-1]
