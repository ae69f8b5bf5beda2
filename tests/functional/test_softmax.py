"""Softmax against NumPy in float64, on every instruction set and number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import reference
from fastconv.functional.softmax import log_softmax

TYPES = (np.float32, np.float64)
# (rows, classes): one class, around every vector width, many classes, many rows, none
SHAPES = [(64, 10), (3, 1), (5, 2), (7, 3), (4, 7), (2, 8), (3, 9), (3, 15), (2, 16), (2, 17), (3, 33), (0, 5)]
SHAPES += [(3, 1000), (2, 5003), (2000, 10)]


def numbers(shape, dtype, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def softmax(x, axis=-1):
    x = np.asarray(x, np.float64)
    e = np.exp(x - x.max(axis=axis, keepdims=True)) if x.size else x
    return e / e.sum(axis=axis, keepdims=True)


def softmax_backward(dy, y, axis=-1):
    dy, y = dy.astype(np.float64), y.astype(np.float64)
    return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


def assert_ulps(got, expected, ulps):
    assert got.shape == expected.shape
    assert (np.abs(got - expected) <= ulps * np.spacing(np.abs(expected).astype(got.dtype))).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values(shape, dtype, isa):
    x, dy = numbers(shape, dtype), numbers(shape, dtype, 1)
    y = fastconv.softmax(x)
    assert y.dtype == dtype
    # x - max(x) is rounded before the exponential sees it: half an ulp of the difference is that much, relatively.
    depth = (x.max(-1, keepdims=True) - x).astype(np.float64) if x.size else 0
    assert (np.abs(y - softmax(x)) <= np.finfo(dtype).eps * (4 + depth) * softmax(x)).all()
    logarithm = log_softmax(x)
    assert logarithm.dtype == dtype
    assert (np.abs(logarithm - np.log(softmax(x))) <= np.finfo(dtype).eps * (4 + depth)).all()
    dx = fastconv.softmax_backward(dy, y)
    magnitude = np.abs(dy) + (np.abs(dy) * y).sum(-1, keepdims=True)
    assert (np.abs(dx - softmax_backward(dy, y)) <= 8 * np.finfo(dtype).eps * y * magnitude).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_exponential_is_exact_to_a_few_ulps(dtype, isa):
    """A row [0, -t] gives e / (1 + e): its second entry is exp(-t) itself once that is small, down to subnormals."""
    deepest = 103 if dtype == np.float32 else 744
    t = np.linspace(0, deepest, 20_001).astype(dtype)
    x = np.stack([np.zeros_like(t), -t], 1)
    e = np.exp(-t.astype(np.longdouble))
    assert_ulps(fastconv.softmax(x)[:, 1], (e / (1 + e)).astype(np.float64), 4)


def test_reference_agrees():
    x, dy = numbers((4, 6), np.float64), numbers((4, 6), np.float64, 1)
    y = reference.softmax(x)
    np.testing.assert_allclose(fastconv.softmax(x), y)
    np.testing.assert_allclose(fastconv.softmax_backward(dy, y), reference.softmax_backward(dy, y), atol=1e-15)


@pytest.mark.parametrize("dtype", TYPES)
def test_threads_give_the_same_bits(dtype, isa):
    for shape in ((2000, 10), (40, 1000)):
        x, dy = numbers(shape, dtype), numbers(shape, dtype, 1)
        y = fastconv.softmax(x, num_threads=1)
        logarithm = log_softmax(x, num_threads=1)
        dx = fastconv.softmax_backward(dy, y, num_threads=1)
        for threads in (2, 3):
            np.testing.assert_array_equal(fastconv.softmax(x, num_threads=threads), y)
            np.testing.assert_array_equal(log_softmax(x, num_threads=threads), logarithm)
            np.testing.assert_array_equal(fastconv.softmax_backward(dy, y, num_threads=threads), dx)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", [3, 20])
def test_extremes(classes, dtype, isa):
    top = np.finfo(dtype).max

    def row(*first):
        return fastconv.softmax(np.array([*first, *[-np.inf] * (classes - len(first))], dtype))

    zeros = [0.0] * (classes - 2)
    np.testing.assert_array_equal(row(1e4, 1e4), [0.5, 0.5, *zeros])
    np.testing.assert_array_equal(row(top, -top), [1, 0, *zeros])
    np.testing.assert_array_equal(row(-top, -np.inf), [1, 0, *zeros])
    np.testing.assert_array_equal(row(-1e4, -1e4 - 2e3), [1, 0, *zeros])
    for lost in ((np.nan, 1), (1, np.nan), (np.inf, 1), (-np.inf, -np.inf)):
        assert np.isnan(row(*lost)).all()
        assert np.isnan(log_softmax(np.array(lost, dtype))).all()
    far = log_softmax(np.array([0, -1e4, *[-np.inf] * (classes - 2)], dtype))
    np.testing.assert_array_equal(far, [0, -1e4, *[-np.inf] * (classes - 2)])
    both = fastconv.softmax(np.array([[np.nan] * classes, [0.0] * classes], dtype))
    assert np.isnan(both[0]).all()
    np.testing.assert_allclose(both[1], 1 / classes, rtol=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
def test_shift_changes_nothing(dtype):
    x = np.round(numbers((6, 11), dtype) * 8) / 8
    np.testing.assert_array_equal(fastconv.softmax(x + 64), fastconv.softmax(x))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_axis_and_views(axis):
    x, dy = numbers((4, 5, 6), np.float64), numbers((4, 5, 6), np.float64, 1)
    y = fastconv.softmax(x, axis)
    assert y.flags.c_contiguous
    np.testing.assert_allclose(y, softmax(x, axis), rtol=1e-14)
    dx = fastconv.softmax_backward(dy, y, axis)
    np.testing.assert_allclose(dx, softmax_backward(dy, y, axis), rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(fastconv.softmax(np.asfortranarray(x), axis), y)
    flipped = np.flip(np.flip(x, axis).copy(), axis)
    np.testing.assert_array_equal(fastconv.softmax(flipped, axis), y)
    for out in (np.empty_like(x), np.empty((8, 5, 6))[::2], x.copy()):
        source = out if out.base is None and out.strides == x.strides and (out == x).all() else x
        assert fastconv.softmax(source, axis, out=out) is out
        np.testing.assert_array_equal(out, y)
    for kept in (dy.copy(), np.asfortranarray(dy)):
        assert fastconv.softmax_backward(kept, y, axis, out=kept) is kept
        np.testing.assert_array_equal(kept, dx)


@pytest.mark.parametrize("dtype", TYPES)
def test_nothing_around_out_is_written(dtype, isa):
    x = numbers((3, 13), dtype)
    guarded = np.full(3 * 13 + 2, 9, dtype)
    fastconv.softmax(x, out=guarded[1:-1].reshape(3, 13))
    np.testing.assert_array_equal(guarded, np.r_[9, fastconv.softmax(x).ravel(), 9])


def test_gradient_is_the_difference_quotient():
    x, dy = numbers((3, 5), np.float64), numbers((3, 5), np.float64, 1)
    dx = fastconv.softmax_backward(dy, fastconv.softmax(x))
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = 1e-6
        quotient = (dy * (fastconv.softmax(x + step) - fastconv.softmax(x - step))).sum() / 2e-6
        assert abs(dx[index] - quotient) < 1e-8


X = numbers((3, 4), np.float32)
BAD = [
    (lambda: fastconv.softmax(X.astype(int)), TypeError, "x has dtype int64"),
    (lambda: fastconv.softmax(X, 2), ValueError, r"axis \(=2\) is out of range for an array with 2 axes"),
    (lambda: fastconv.softmax(X, 0.5), TypeError, r"axis \(=0\.5\) must be an int"),
    (lambda: fastconv.softmax(X[:, :0]), ValueError, r"axis \(=-1\) is empty"),
    (lambda: fastconv.softmax(np.float32(1)), ValueError, r"axis \(=-1\) is out of range"),
    (lambda: fastconv.softmax(X, out=X.T), ValueError, r"out has shape \(4, 3\)"),
    (lambda: fastconv.softmax(X[:-1], out=X[1:]), ValueError, "out overlaps x"),
    (lambda: fastconv.softmax(X, num_threads=-1), ValueError, r"num_threads \(=-1\)"),
    (lambda: fastconv.softmax_backward(X, X[:2]), ValueError, r"dy has shape \(3, 4\)"),
    (lambda: fastconv.softmax_backward(X, X.astype(float)), TypeError, "dy is float32 but y is float64"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", TYPES)
def test_torch_agrees(dtype):
    torch = pytest.importorskip("torch")
    x, dy = numbers((20, 30), dtype), numbers((20, 30), dtype, 1)
    leaf = torch.tensor(x, requires_grad=True)
    y = torch.softmax(leaf, 0)
    (gradient,) = torch.autograd.grad(y, leaf, torch.tensor(dy))
    ours = fastconv.softmax(x, 0)
    tolerance = {"rtol": 50 * np.finfo(dtype).eps, "atol": 50 * np.finfo(dtype).eps}
    np.testing.assert_allclose(ours, y.detach().numpy(), **tolerance)
    np.testing.assert_allclose(fastconv.softmax_backward(dy, ours, 0), gradient.numpy(), **tolerance)
