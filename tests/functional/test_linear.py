"""Fully connected layers against NumPy in float64, on every instruction set and number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv import reference

TYPES = (np.float32, np.float64)
# (batch, inputs, outputs)
SHAPES = [
    (64, 400, 120),
    (64, 120, 84),
    (64, 84, 10),
    (1, 1, 1),
    (1, 37, 5),
    (2, 16, 16),
    (3, 15, 17),
    (5, 33, 31),
    (9, 49, 25),
    (7, 2, 65),
    (1, 2100, 70),
    (6, 2500, 9),
    (130, 1030, 13),
    (300, 31, 12),
    (11, 7, 600),
    (20, 3, 280),
    (0, 4, 3),
    (4, 0, 3),
    (4, 3, 0),
]


def operands(shape, dtype, seed=0):
    n, inputs, outputs = shape
    rng = np.random.default_rng(seed)
    arrays = (rng.standard_normal(s) for s in ((n, inputs), (outputs, inputs), (outputs,), (n, outputs)))
    return tuple(a.astype(dtype) for a in arrays)


def assert_product(got, left, right, dtype, extra=None):
    """`got` is left @ right [+ extra] with an error of a few roundings of the sum of magnitudes."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    expected, magnitude = left @ right, np.abs(left) @ np.abs(right)
    if extra is not None:
        expected, magnitude = expected + extra, magnitude + np.abs(extra)
    assert got.dtype == dtype and got.shape == expected.shape and got.flags.c_contiguous
    units = np.finfo(dtype).eps * (2 + np.sqrt(left.shape[1]) / 2)
    assert (np.abs(got - expected) <= units * magnitude).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values(shape, dtype, isa):
    x, weight, bias, dy = operands(shape, dtype)
    assert_product(fastconv.linear(x, weight), x, weight.T, dtype)
    y = fastconv.linear(x, weight, bias)
    assert_product(y, x, weight.T, dtype, bias.astype(np.float64))
    np.testing.assert_array_equal(fastconv.linear(x, weight, bias, activation="relu"), np.maximum(y, 0))
    dx, dweight, dbias = fastconv.linear_backward(dy, x, weight)
    assert_product(dx, dy, weight, dtype)
    assert_product(dweight, dy.T, x, dtype)
    assert_product(dbias[None], np.ones((1, len(dy)), dtype), dy, dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(64, 400, 120), (130, 1030, 13), (11, 2100, 600)], ids=str)
def test_threads_give_the_same_bits(shape, dtype, isa):
    x, weight, bias, dy = operands(shape, dtype)

    def passes(threads):
        y = fastconv.linear(x, weight, bias, num_threads=threads)
        return y, *fastconv.linear_backward(dy, x, weight, num_threads=threads)

    for threads in (2, 3):
        for got, expected in zip(passes(threads), passes(1), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_reference_agrees():
    x, weight, bias, dy = operands((3, 7, 5), np.float64)
    np.testing.assert_allclose(fastconv.linear(x, weight, bias), reference.linear(x, weight, bias))
    gradients = fastconv.linear_backward(dy, x, weight)
    for got, expected in zip(gradients, reference.linear_backward(dy, x, weight), strict=True):
        np.testing.assert_allclose(got, expected)


@given(shape=st.tuples(*[st.integers(0, 70)] * 3), seed=st.integers(0, 99), dtype=st.sampled_from(TYPES))
def test_any_shape(shape, seed, dtype):
    x, weight, bias, dy = operands(shape, dtype, seed)
    assert_product(fastconv.linear(x, weight, bias), x, weight.T, dtype, bias.astype(np.float64))
    dx, dweight, _ = fastconv.linear_backward(dy, x, weight)
    assert_product(dx, dy, weight, dtype)
    assert_product(dweight, dy.T, x, dtype)


def test_gradient_is_the_difference_quotient():
    x, weight, bias, dy = operands((3, 5, 4), np.float64)
    for activation in (None, "relu", "relu6", ("leaky_relu", 0.1)):

        def loss(x=x, weight=weight, bias=bias, activation=activation):
            return float((dy * fastconv.linear(x, weight, bias, activation=activation)).sum())

        y = fastconv.linear(x, weight, bias, activation=activation)
        gradients = fastconv.linear_backward(dy, x, weight, activation=activation, y=y)
        for name, value, gradient in zip(("x", "weight", "bias"), (x, weight, bias), gradients, strict=True):
            for index in np.ndindex(value.shape):
                step = np.zeros_like(value)
                step[index] = 1e-6
                quotient = (loss(**{name: value + step}) - loss(**{name: value - step})) / 2e-6
                assert abs(gradient[index] - quotient) < 1e-6


def test_adjoint_identities():
    x, weight, _, dy = operands((6, 30, 20), np.float64)
    dx, dweight, _ = fastconv.linear_backward(dy, x, weight)
    inner = (fastconv.linear(x, weight) * dy).sum()
    assert inner == pytest.approx((x * dx).sum()) == pytest.approx((weight * dweight).sum())


@pytest.mark.parametrize("lead", [(), (1,), (2, 3), (2, 0, 3), (2, 1, 4)], ids=str)
def test_leading_axes(lead):
    rng = np.random.default_rng(0)
    x, weight, dy = rng.standard_normal((*lead, 6)), rng.standard_normal((5, 6)), rng.standard_normal((*lead, 5))
    np.testing.assert_allclose(fastconv.linear(x, weight), x @ weight.T)
    dx, dweight, dbias = fastconv.linear_backward(dy, x, weight)
    np.testing.assert_allclose(dx, dy @ weight)
    np.testing.assert_allclose(dweight, dy.reshape(-1, 5).T @ x.reshape(-1, 6), atol=1e-14)
    np.testing.assert_allclose(dbias, dy.reshape(-1, 5).sum(0), atol=1e-14)


@pytest.mark.parametrize(
    "needs", [(), "x", ("x",), ("weight",), ("bias",), ["bias", "x"], {"x", "weight", "bias"}], ids=str
)
def test_needs(needs):
    x, weight, _, dy = operands((4, 6, 5), np.float64)
    complete = dict(zip(("x", "weight", "bias"), fastconv.linear_backward(dy, x, weight), strict=True))
    given_x = x if "weight" in needs else x.shape
    given_weight = weight if "x" in needs else weight.shape
    gradients = fastconv.linear_backward(dy, given_x, given_weight, needs=needs)
    for name, gradient in zip(("x", "weight", "bias"), gradients, strict=True):
        if name in needs:
            np.testing.assert_array_equal(gradient, complete[name])
        else:
            assert gradient is None


@pytest.mark.parametrize("dtype", TYPES)
def test_views_and_out(dtype, isa):
    x, weight, bias, dy = operands((6, 21, 10), dtype)
    y = fastconv.linear(x, weight, bias)
    gradients = fastconv.linear_backward(dy, x, weight)
    wide, tall = np.repeat(x, 2, 1)[:, ::2], np.asfortranarray(weight)
    np.testing.assert_array_equal(fastconv.linear(wide, tall, np.repeat(bias, 3)[::3]), y)
    for got, expected in zip(fastconv.linear_backward(dy.T.copy().T, wide, tall), gradients, strict=True):
        np.testing.assert_array_equal(got, expected)

    guarded = np.full(6 * 10 + 2, 9, dtype)
    out = guarded[1:-1].reshape(6, 10)
    assert fastconv.linear(x, weight, bias, out=out) is out
    np.testing.assert_array_equal(guarded, np.r_[9, y.ravel(), 9])
    strided = np.full((10, 6), 9, dtype).T
    assert fastconv.linear(x, weight, bias, out=strided) is strided
    np.testing.assert_array_equal(strided, y)
    outs = tuple(np.full(g.size + 2, 9, dtype) for g in gradients)
    views = tuple(o[1:-1].reshape(g.shape) for o, g in zip(outs, gradients, strict=True))
    results = fastconv.linear_backward(dy, x, weight, out=views)
    for whole, view, result, gradient in zip(outs, views, results, gradients, strict=True):
        assert result is view
        np.testing.assert_array_equal(whole, np.r_[9, gradient.ravel(), 9])
    transposed = np.empty((21, 10), dtype).T
    results = fastconv.linear_backward(dy, x, weight, out=(None, transposed, None))
    assert results[1] is transposed
    for got, expected in zip(results, gradients, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_nan_and_inf_stay_in_their_row(isa):
    x, weight, bias, _ = operands((5, 40, 9), np.float32)
    clean = fastconv.linear(x, weight, bias)
    x[1, 39], x[3, 0] = np.nan, np.inf
    y = fastconv.linear(x, weight, bias, activation="relu")
    assert np.isnan(y[1]).all()
    np.testing.assert_array_equal(y[3], np.where(weight[:, 0] > 0, np.inf, 0))
    np.testing.assert_array_equal(y[[0, 2, 4]], np.maximum(clean[[0, 2, 4]], 0))


X, WEIGHT, BIAS, DY = operands((4, 6, 5), np.float32)
BAD = [
    (lambda: fastconv.linear(X, WEIGHT[:, :5]), ValueError, r"shape \(4, 6\).*in_features \(=5\)"),
    (lambda: fastconv.linear(X, BIAS), ValueError, r"weight has shape \(5,\)"),
    (lambda: fastconv.linear(np.float32(1), WEIGHT), ValueError, r"x \(shape \(\)\)"),
    (lambda: fastconv.linear(X, WEIGHT, BIAS[:4]), ValueError, r"bias has shape \(4,\)"),
    (lambda: fastconv.linear(X, WEIGHT, BIAS[None]), ValueError, r"bias has shape \(1, 5\)"),
    (lambda: fastconv.linear(X, WEIGHT.astype(float)), TypeError, "weight is float64 but x is float32"),
    (lambda: fastconv.linear(X, WEIGHT, BIAS.astype(float)), TypeError, "bias is float64 but x is float32"),
    (lambda: fastconv.linear(X.astype(int), WEIGHT), TypeError, "x has dtype int64"),
    (lambda: fastconv.linear(X, WEIGHT, activation="gelu"), ValueError, r"activation \(='gelu'\)"),
    (lambda: fastconv.linear(X, WEIGHT, out=DY.T), ValueError, r"out has shape \(5, 4\)"),
    (lambda: fastconv.linear(X[:, :5], WEIGHT[:, :5], out=X[:, :5]), ValueError, "out overlaps x"),
    (lambda: fastconv.linear_backward(DY[:3], X, WEIGHT), ValueError, r"dy has shape \(3, 5\)"),
    (lambda: fastconv.linear_backward(DY, X.astype(float), WEIGHT), TypeError, "x is float64 but dy is float32"),
    (lambda: fastconv.linear_backward(DY, X.shape, WEIGHT), ValueError, "gradient of weight needs its values"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT.shape), ValueError, "gradient of x needs its values"),
    (lambda: fastconv.linear_backward(DY, (-4, 6), WEIGHT, needs=("x",)), ValueError, r"x \(=\(-4, 6\)\)"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT, needs=5), TypeError, r"needs \(=5\)"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT, needs="x", out=(None, None, BIAS)), ValueError, r"hold 'bias'"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT, needs=("w",)), ValueError, r"needs \(=\('w',\)\)"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT, activation="relu"), ValueError, "y is missing"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT, out=X), TypeError, "out must be a tuple"),
    (lambda: fastconv.linear_backward(DY, X, WEIGHT, out=(X, None, None)), ValueError, r"out\[0\] overlaps x"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_outputs_may_not_overlap_each_other():
    x, weight, _, dy = operands((6, 6, 6), np.float32)
    shared = np.empty((6, 6), np.float32)
    with pytest.raises(ValueError, match=r"out\[1\] overlaps out\[0\]"):
        fastconv.linear_backward(dy, x, weight, out=(shared, shared, None))


@pytest.mark.parametrize("dtype", TYPES)
def test_torch_agrees(dtype):
    torch = pytest.importorskip("torch")
    x, weight, bias, dy = operands((64, 84, 10), dtype)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    y = torch.nn.functional.linear(*leaves)
    tolerance = {"rtol": 0, "atol": 200 * np.finfo(dtype).eps}
    np.testing.assert_allclose(fastconv.linear(x, weight, bias), y.detach().numpy(), **tolerance)
    expected = torch.autograd.grad(y, leaves, torch.tensor(dy))
    for got, gradient in zip(fastconv.linear_backward(dy, x, weight), expected, strict=True):
        np.testing.assert_allclose(got, gradient.numpy(), **tolerance)
