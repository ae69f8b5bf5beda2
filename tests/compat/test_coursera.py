"""The course's functions: its published means, its own loops as the oracle, its tie rule, no padding."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv.compat import coursera


def window(i, j, f, stride):
    return slice(i * stride, i * stride + f), slice(j * stride, j * stride + f)


def conv_loops(A_prev, W, b, stride, pad, dZ):
    """Z, dA_prev, dW, db as the notebook tells to compute them, one position at a time."""
    f, n_C = W.shape[0], W.shape[3]
    padded = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = ((n + 2 * pad - f) // stride + 1 for n in A_prev.shape[1:3])
    Z = np.zeros((len(A_prev), height, width, n_C))
    dA, dW, db = np.zeros_like(padded), np.zeros_like(W), np.zeros((1, 1, 1, n_C))
    for m, i, j, c in np.ndindex(*Z.shape):
        at = (m, *window(i, j, f, stride))
        Z[m, i, j, c] = np.sum(padded[at] * W[..., c]) + b[0, 0, 0, c]
        dA[at] += W[..., c] * dZ[m, i, j, c]
        dW[..., c] += padded[at] * dZ[m, i, j, c]
        db[..., c] += dZ[m, i, j, c]
    inside = slice(pad, pad + A_prev.shape[1]), slice(pad, pad + A_prev.shape[2])
    return Z, dA[:, inside[0], inside[1]], dW, db


def pool_loops(A_prev, f, stride, mode, dA):
    """A and dA_prev; a maximum's mask is true at every element that equals it."""
    A, dA_prev = np.zeros(dA.shape), np.zeros_like(A_prev)
    for m, i, j, c in np.ndindex(*dA.shape):
        at = (m, *window(i, j, f, stride), c)
        part = A_prev[at]
        A[m, i, j, c] = part.max() if mode == "max" else part.mean()
        share = part == part.max() if mode == "max" else np.full((f, f), 1 / f**2)
        dA_prev[at] += share * dA[m, i, j, c]
    return A, dA_prev


def test_the_published_numbers_of_the_course():
    """What the notebook prints for seed 1."""
    np.random.seed(1)
    A_prev, W, b = np.random.randn(10, 4, 4, 3), np.random.randn(2, 2, 3, 8), np.random.randn(1, 1, 1, 8)
    Z, cache = coursera.conv_forward(A_prev, W, b, {"pad": 2, "stride": 2})
    assert Z.mean() == pytest.approx(0.0489952035289, rel=1e-9)
    assert cache[0] is A_prev and cache[1] is W and cache[2] is b
    dA, dW, db = coursera.conv_backward(Z, cache)
    assert dA.mean() == pytest.approx(1.4524377, rel=1e-7)
    assert dW.mean() == pytest.approx(1.7269914, rel=1e-7)
    assert db.mean() == pytest.approx(7.8392325, rel=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("f", "stride", "pad"), [(2, 1, 0), (3, 1, 1), (3, 2, 2), (2, 2, 0), (4, 3, 1), (1, 1, 0)])
def test_convolution_against_the_loops(f, stride, pad, dtype):
    rng = np.random.default_rng(f + stride)
    arrays = [rng.standard_normal(shape) for shape in ((2, 7, 6, 3), (f, f, 3, 4), (1, 1, 1, 4))]
    arrays = [array.astype(dtype) for array in arrays]
    Z, cache = coursera.conv_forward(*arrays, {"stride": stride, "pad": pad})
    dZ = rng.standard_normal(Z.shape).astype(dtype)
    found = (Z, *coursera.conv_backward(dZ, cache))
    wanted = conv_loops(*(array.astype(np.float64) for array in arrays), stride, pad, dZ)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.dtype == dtype and mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12 if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("mode", ["max", "average"])
@pytest.mark.parametrize(("f", "stride"), [(2, 2), (3, 1), (3, 2), (2, 3)])
def test_pools_against_the_loops(f, stride, mode):
    """Small integers make ties: each of them gets the whole gradient."""
    rng = np.random.default_rng(f)
    A_prev = rng.integers(0, 3, (2, 7, 6, 3)).astype(float)
    A, cache = coursera.pool_forward(A_prev, {"f": f, "stride": stride}, mode=mode)
    dA = rng.standard_normal(A.shape)
    wanted = pool_loops(A_prev, f, stride, mode, dA)
    np.testing.assert_allclose(A, wanted[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(coursera.pool_backward(dA, cache, mode=mode), wanted[1], rtol=0, atol=1e-13)
    assert cache[0] is A_prev


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_become_float64(dtype):
    image = np.ones((1, 3, 3, 1), dtype)
    Z, _ = coursera.conv_forward(image, np.ones((2, 2, 1, 1)), np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})
    A, cache = coursera.pool_forward(image, {"f": 2, "stride": 1}, "average")
    assert Z.dtype == A.dtype == coursera.pool_backward(A, cache, "average").dtype == np.float64


IMAGE = np.ones((1, 4, 4, 1))
WINDOW = {"f": 2, "stride": 2}


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: coursera.pool_forward(IMAGE, WINDOW, "mean"), ValueError, "mode"),
        (lambda: coursera.pool_forward(IMAGE, {"f": 2}), KeyError, "stride"),
        (lambda: coursera.pool_forward(IMAGE, {"f": 5, "stride": 1}), ValueError, "does not fit"),
        (lambda: coursera.pool_forward(IMAGE.astype(complex), WINDOW), TypeError, "A_prev"),
        (lambda: coursera.conv_forward(IMAGE, np.ones((2, 2, 3, 1)), [0], {"stride": 1, "pad": 0}),
         ValueError, "weight"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, error, said):
    with pytest.raises(error, match=said):
        call()
