"""Activations against NumPy in float64, on every instruction set and number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import reference
from fastconv.functional.activation import activate, activation_backward

TYPES = (np.float32, np.float64)
# Empty, below, at and above a vector of any width; more than one task of the engine, and more than one thread's worth.
COUNTS = (0, 1, 3, 7, 8, 15, 16, 17, 33, 100, 40_003, 150_001)
SLOPE = 0.125
ACTIVATIONS = {
    "none": (None, lambda x: x, lambda y: np.ones_like(y)),
    "relu": ("relu", lambda x: np.maximum(x, 0), lambda y: (y > 0) * 1.0),
    "relu6": ("relu6", lambda x: np.clip(x, 0, 6), lambda y: ((y > 0) & (y < 6)) * 1.0),
    "leaky": (("leaky_relu", SLOPE), lambda x: np.where(x > 0, x, SLOPE * x), lambda y: np.where(y > 0, 1, SLOPE)),
}


def numbers(count, dtype, seed=0):
    return (4 * np.random.default_rng(seed).standard_normal(count)).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values(name, dtype, isa):
    activation, function, derivative = ACTIVATIONS[name]
    for count in COUNTS:
        x, dy = numbers(count, dtype), numbers(count, dtype, 1)
        y = activate(x, activation)
        np.testing.assert_array_equal(y, function(x.astype(np.float64)))
        dx = activation_backward(dy, y, activation)
        np.testing.assert_array_equal(dx, dy.astype(np.float64) * derivative(y.astype(np.float64)))
        assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize("dtype", TYPES)
def test_threads_give_the_same_bits(dtype, isa):
    x, dy = numbers(300_007, dtype), numbers(300_007, dtype, 1)
    expected = fastconv.relu(x, num_threads=1), fastconv.relu_backward(dy, x, num_threads=1)
    for threads in (2, 3):
        np.testing.assert_array_equal(fastconv.relu(x, num_threads=threads), expected[0])
        np.testing.assert_array_equal(fastconv.relu_backward(dy, x, num_threads=threads), expected[1])


@pytest.mark.parametrize("dtype", TYPES)
def test_extremes(dtype, isa):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([np.nan, np.inf, -np.inf, tiny, -tiny, 0.0, -0.0] * 5, dtype)
    np.testing.assert_array_equal(fastconv.relu(x), np.array([np.nan, np.inf, 0, tiny, 0, 0, 0] * 5, dtype))
    np.testing.assert_array_equal(activate(x, "relu6"), np.array([np.nan, 6, 0, tiny, 0, 0, 0] * 5, dtype))
    dy = np.full_like(x, 3)
    np.testing.assert_array_equal(fastconv.relu_backward(dy, x), np.array([0, 3, 0, 3, 0, 0, 0] * 5, dtype))
    lost = np.array([np.nan, np.inf], dtype)
    np.testing.assert_array_equal(fastconv.relu_backward(lost, np.array([1, -1], dtype)), np.array([np.nan, 0]))


@pytest.mark.parametrize("dtype", TYPES)
def test_gradient_is_the_difference_quotient(dtype):
    x, dy = numbers(50, np.float64), numbers(50, np.float64, 1)
    x += np.copysign(0.01, x)
    for activation, _, _ in ACTIVATIONS.values():
        step = 1e-6
        quotient = dy * (activate(x + step, activation) - activate(x - step, activation)) / (2 * step)
        dx = activation_backward(dy.astype(dtype), activate(x.astype(dtype), activation), activation)
        np.testing.assert_allclose(dx, quotient, rtol=1e-5, atol=1e-5)


def test_reference_agrees():
    x, dy = numbers(40, np.float64), numbers(40, np.float64, 1)
    x[:3] = np.nan, np.inf, -np.inf
    y = reference.relu(x)
    np.testing.assert_array_equal(fastconv.relu(x), y)
    np.testing.assert_array_equal(fastconv.relu_backward(dy, y), reference.relu_backward(dy, y))


VIEWS = {
    "strided": lambda a: a[:, ::2],
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "scalar": lambda a: a[0, 0].reshape(()),
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "list": lambda a: a.astype(np.float64).tolist(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_any_array_is_read(view):
    x = VIEWS[view](numbers(24, np.float32).reshape(4, 6))
    expected = np.maximum(np.asarray(x), 0)
    y = fastconv.relu(x)
    assert y.shape == expected.shape and y.flags.c_contiguous and y.dtype.isnative
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(fastconv.relu_backward(x, y), expected)


@pytest.mark.parametrize("dtype", TYPES)
def test_out(dtype, isa):
    x, dy = numbers(37, dtype), numbers(37, dtype, 1)
    expected = fastconv.relu(x)
    guarded = np.full(40, 9, dtype)
    assert fastconv.relu(x, out=guarded[1:-2]).base is guarded
    np.testing.assert_array_equal(guarded, np.r_[9, expected, 9, 9])
    every_other = np.full(74, 9, dtype)
    fastconv.relu(x, out=every_other[::2])
    np.testing.assert_array_equal(every_other, np.stack([expected, np.full(37, 9)], 1).ravel())
    gradient = fastconv.relu_backward(dy, expected)
    kept = dy.copy()
    assert fastconv.relu_backward(kept, expected, out=kept) is kept
    np.testing.assert_array_equal(kept, gradient)
    assert fastconv.relu(x, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_input_is_not_written():
    x = numbers(10, np.float32)
    kept = x.copy()
    x.flags.writeable = False
    gradient = fastconv.relu_backward(x, fastconv.relu(x))
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(gradient, np.where(kept > 0, kept, 0))


F4 = numbers(6, np.float32)
READ_ONLY = np.broadcast_to(np.float32(0), 6)
BAD = [
    (lambda: fastconv.relu(np.arange(3)), TypeError, r"x has dtype int64.*x\.astype"),
    (lambda: fastconv.relu(F4.astype(np.float16)), TypeError, "x has dtype float16"),
    (lambda: fastconv.relu(F4.astype(complex)), TypeError, "x has dtype complex128"),
    (lambda: fastconv.relu("relu"), TypeError, "x has dtype"),
    (lambda: fastconv.relu_backward(F4, F4.astype(float)), TypeError, "dy is float32 but y is float64"),
    (lambda: fastconv.relu_backward(F4, F4[:5]), ValueError, r"dy has shape \(6,\).*\(5,\)"),
    (lambda: fastconv.relu(F4, out=[0.0] * 6), TypeError, "out must be an ndarray"),
    (lambda: fastconv.relu(F4, out=np.zeros(6)), TypeError, "out has dtype float64"),
    (lambda: fastconv.relu(F4, out=np.zeros(5, np.float32)), ValueError, r"out has shape \(5,\)"),
    (lambda: fastconv.relu(F4, out=READ_ONLY), ValueError, "out is read-only"),
    (lambda: fastconv.relu(F4[:-1], out=F4[1:]), ValueError, "out overlaps x"),
    (lambda: fastconv.relu(F4, num_threads=0), ValueError, r"num_threads \(=0\)"),
    (lambda: fastconv.relu(F4, num_threads=1.5), TypeError, r"num_threads \(=1\.5\)"),
    (lambda: activate(F4, "tanh"), ValueError, r"activation \(='tanh'\)"),
    (lambda: activate(F4, "leaky_relu"), ValueError, "needs its slope"),
    (lambda: activate(F4, ("leaky_relu", "steep")), TypeError, "slope must be a number"),
    (lambda: activate(F4, ("leaky_relu", np.nan)), ValueError, "slope must be finite"),
    (lambda: activate(F4, ("leaky_relu", 10**400)), ValueError, "slope must be finite"),
    (lambda: activate(F4, 3), TypeError, r"activation \(=3\)"),
    (lambda: activation_backward(F4, F4, ("leaky_relu", -0.5)), ValueError, "slope of at least 0"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", TYPES)
def test_torch_agrees(dtype):
    torch = pytest.importorskip("torch")
    x, dy = numbers(1000, dtype), numbers(1000, dtype, 1)
    leaf = torch.tensor(x, requires_grad=True)
    for activation, function in (
        ("relu", torch.relu),
        ("relu6", torch.nn.functional.relu6),
        (("leaky_relu", SLOPE), lambda t: torch.nn.functional.leaky_relu(t, SLOPE)),
    ):
        result = function(leaf)
        (gradient,) = torch.autograd.grad(result, leaf, torch.tensor(dy))
        y = activate(x, activation)
        np.testing.assert_array_equal(y, result.detach().numpy())
        np.testing.assert_array_equal(activation_backward(dy, y, activation), gradient.numpy())
