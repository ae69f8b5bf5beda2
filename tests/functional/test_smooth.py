"""Smooth activations, PReLU: values against scalar formulas, gradients, places for results, what is not finite."""

import math

import numpy as np
import pytest

import fastconv
from fastconv.functional._blocks import BLOCK


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def normal(x):
    """The distribution function of the normal law, without cancellation in its tail."""
    return math.erfc(-x / math.sqrt(2)) / 2


def by_tanh(x):
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


#: forward, backward, what backward reads, the scalar formula
FUNCTIONS = {
    "sigmoid": (fastconv.sigmoid, fastconv.sigmoid_backward, "y", sigmoid),
    "tanh": (fastconv.tanh, fastconv.tanh_backward, "y", math.tanh),
    "silu": (fastconv.silu, fastconv.silu_backward, "x", lambda x: x * sigmoid(x)),
    "hardsigmoid": (fastconv.hardsigmoid, fastconv.hardsigmoid_backward, "x", lambda x: min(max(x + 3, 0), 6) / 6),
    "hardswish": (fastconv.hardswish, fastconv.hardswish_backward, "x", lambda x: x * min(max(x + 3, 0), 6) / 6),
    "gelu": (fastconv.gelu, fastconv.gelu_backward, "x", lambda x: x * normal(x)),
    "gelu-tanh": (
        lambda x, out=None: fastconv.gelu(x, "tanh", out=out),
        lambda dy, x, out=None: fastconv.gelu_backward(dy, x, "tanh", out=out),
        "x",
        by_tanh,
    ),
}
each_function = pytest.mark.parametrize(("forward", "backward", "reads", "formula"), FUNCTIONS.values(), ids=FUNCTIONS)


@each_function
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(forward, backward, reads, formula, dtype):
    x = np.concatenate([np.linspace(-12, 12, BLOCK + 77), [-100, -88.9, 0, 90, 800, -800]]).astype(dtype)
    y = forward(x)
    assert y.dtype == dtype
    expected = np.array([formula(float(value)) for value in x])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, expected, rtol=8 * eps, atol=16 * eps)


@each_function
def test_gradients_are_difference_quotients(forward, backward, reads, formula):
    x = np.random.default_rng(0).uniform(-6, 6, 500)
    dy = np.cos(x)
    step = 1e-6
    expected = dy * (forward(x + step) - forward(x - step)) / (2 * step)
    np.testing.assert_allclose(backward(dy, forward(x) if reads == "y" else x), expected, rtol=1e-7, atol=1e-8)


@each_function
def test_views_and_places_for_results(forward, backward, reads, formula):
    x = np.random.default_rng(1).standard_normal((6, 40, 4)).astype(np.float32)[::2, :, 1:3]
    expected = forward(np.ascontiguousarray(x))
    np.testing.assert_array_equal(forward(x), expected)
    out = np.empty((2, 40, 3), np.float32).T
    assert forward(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    saved = expected if reads == "y" else np.ascontiguousarray(x)
    dx = backward(np.cos(saved), saved)
    dy = np.cos(saved)
    assert backward(dy, saved, out=dy) is dy
    np.testing.assert_array_equal(dy, dx)
    again = np.ascontiguousarray(x)
    np.testing.assert_array_equal(forward(again, out=again), expected)
    assert forward(np.empty((0, 3))).shape == (0, 3)


@each_function
def test_non_finite(forward, backward, reads, formula):
    y = forward(np.array([np.nan, np.inf, 1.0]))
    assert np.isnan(y[0]) and y[1] in (1.0, np.inf) and np.isfinite(y[2])
    # no exponential overflows: what fades away ends in 0
    y = forward(np.array([-1e300, -1e30, -800.0]))
    assert np.all(np.abs(y) <= 1) and len(set(y)) == 1


@each_function
def test_bad_input(forward, backward, reads, formula):
    with pytest.raises(TypeError, match="x has dtype int64"):
        forward(np.arange(3))
    with pytest.raises(ValueError, match="out has shape"):
        forward(np.zeros(3), out=np.zeros(4))
    with pytest.raises(ValueError, match=f"{reads} has shape"):
        backward(np.zeros(3), np.zeros(4))
    with pytest.raises(TypeError, match="types are never mixed"):
        backward(np.zeros(3), np.zeros(3, np.float32))


#: the true values in extended precision, and how many units in the last place a result may be off, at x
TRUE = {
    "sigmoid": (fastconv.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: 4),
    "tanh": (fastconv.tanh, np.tanh, lambda x: 4),
    "silu": (fastconv.silu, lambda x: x / (1 + np.exp(-x)), lambda x: 4),
    "gelu": (fastconv.gelu, lambda x: x * np.array([normal(float(value)) for value in x]), lambda x: 5),
    "gelu-tanh": (
        lambda x: fastconv.gelu(x, "tanh"),
        lambda x: x / (1 + np.exp(-np.sqrt(8 / np.longdouble(np.pi)) * (x + np.longdouble("0.044715") * x**3))),
        lambda x: 4 + 8 * x**2,
    ),
}


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_units_in_the_last_place(dtype, name, isa):
    """Also in the negative tails, where 1 + erf(x) and 1 - exp(x) have no digits left, and next to 0."""
    function, true, allowed = TRUE[name]
    end = 12 if dtype == np.float32 or name == "gelu" else 37
    near = np.geomspace(1e-30, 1, 2001)
    x = np.concatenate([np.linspace(-end, end, 20001), near, -near]).astype(dtype)
    expected = true(x.astype(np.longdouble))
    digits = np.abs(expected) >= np.finfo(dtype).tiny
    error = np.abs(function(x) - expected)[digits] / np.spacing(np.abs(expected[digits]).astype(dtype))
    bound = allowed(x[digits].astype(np.float64))
    if name == "gelu" and (dtype == np.float64 or isa in ("scalar", "sse2")):
        bound = 5 + 2 * x[digits].astype(np.float64) ** 2  # the rounding of x^2 / 2, and of x / sqrt(2) in `normal`
    assert np.all(error <= bound), x[digits][np.argmax(error - bound)]


@each_function
def test_any_number_of_threads_gives_the_same_bits(forward, backward, reads, formula, isa):
    x = np.random.default_rng(2).normal(0, 5, 70001).astype(np.float32)
    before = fastconv.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        fastconv.set_num_threads(threads)
        results.append(forward(x).tobytes())
    fastconv.set_num_threads(before)
    assert results[0] == results[1] == results[2]
    parts = [forward(x[:5]), forward(x[5:12]), forward(x[12:])]
    assert np.concatenate(parts).tobytes() == results[0]


def test_gelu_knows_two_words():
    with pytest.raises(ValueError, match=r"approximate \(='erf'\)"):
        fastconv.gelu(np.zeros(3), "erf")
    with pytest.raises(ValueError, match="approximate"):
        fastconv.gelu_backward(np.zeros(3), np.zeros(3), None)


@pytest.mark.parametrize(("shape", "slopes", "axis"), [((2, 3, 4), 3, 1), ((2, 4, 3), 3, -1), ((5,), 1, 1), ((), 1, 1)])
def test_prelu(shape, slopes, axis):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(shape), rng.standard_normal(slopes)
    slope = weight if slopes == 1 else np.moveaxis(np.broadcast_to(weight, (2, 4, 3)), -1, axis)
    np.testing.assert_array_equal(fastconv.prelu(x, weight, axis=axis), np.where(x > 0, x, x * slope))
    dy = np.cos(x)
    dx, dweight = fastconv.prelu_backward(dy, x, weight, axis=axis)
    np.testing.assert_allclose(dx, np.where(x > 0, dy, dy * slope))
    lost = np.where(x > 0, 0, dy * x)
    wanted = lost.sum() if slopes == 1 else np.moveaxis(lost, axis, -1).reshape(-1, slopes).sum(0)
    np.testing.assert_allclose(dweight, np.reshape(wanted, slopes))


def test_prelu_bad_input():
    x = np.zeros((2, 3, 4))
    with pytest.raises(ValueError, match=r"weight has shape \(4,\), but x .* has 3 channels"):
        fastconv.prelu(x, np.zeros(4))
    with pytest.raises(TypeError, match="types are never mixed"):
        fastconv.prelu(x, np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="axis"):
        fastconv.prelu(x, np.zeros(3), axis=5)
    with pytest.raises(ValueError, match="dy has shape"):
        fastconv.prelu_backward(np.zeros((2, 3)), x, np.zeros(3))
