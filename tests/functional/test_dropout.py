"""Dropout: what is kept, how it is scaled, and that the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import reference

TYPES = (np.float32, np.float64)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("p", [0, 0.1, 0.5, 0.9, 1])
def test_values(p, dtype):
    x = np.random.default_rng(0).standard_normal((40, 50)).astype(dtype) + 5
    y, mask = fastconv.dropout(x, p, np.random.default_rng(1))
    assert y.dtype == dtype and mask.dtype == bool and mask.shape == x.shape
    np.testing.assert_allclose(y[mask], x[mask] / (1 - p) if p < 1 else [], rtol=4 * np.finfo(dtype).eps)
    assert (y[~mask] == 0).all()
    spread = 5 * np.sqrt(p * (1 - p) * x.size)
    assert abs(mask.sum() - (1 - p) * x.size) <= spread
    np.testing.assert_array_equal(fastconv.dropout_backward(x, mask, p), y)


def test_reference_agrees():
    x = np.random.default_rng(0).standard_normal((5, 8))
    y, mask = fastconv.dropout(x, 0.25, np.random.default_rng(1))
    np.testing.assert_allclose(y, reference.dropout(x, 0.25, mask))


def test_mean_is_kept():
    y, _ = fastconv.dropout(np.ones(100_000), 0.3, np.random.default_rng(0))
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_the_seed_decides():
    masks = [
        fastconv.dropout(np.ones((30, 4), dtype), 0.5, np.random.default_rng(seed))[1]
        for seed, dtype in ((3, np.float32), (3, np.float64), (4, np.float32))
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()
    rng = np.random.default_rng(3)
    first, second = (fastconv.dropout(np.ones((30, 4)), 0.5, rng)[1] for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (2, 3, 4)], ids=str)
def test_any_shape(shape):
    y, mask = fastconv.dropout(np.ones(shape, np.float32), 0.5, np.random.default_rng(0))
    assert isinstance(y, np.ndarray) and y.shape == mask.shape == shape
    dx = fastconv.dropout_backward(np.ones(shape, np.float32), mask, 0.5)
    np.testing.assert_array_equal(dx, y)


def test_backward_is_the_adjoint():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 9, 7))
    y, mask = fastconv.dropout(x.T, 0.4, rng)
    assert (y * dy.T).sum() == pytest.approx((x.T * fastconv.dropout_backward(dy.T, mask, 0.4)).sum())


ONES, RNG, MASK = np.ones(4, np.float32), np.random.default_rng(0), np.ones(4, bool)
BAD = [
    (lambda: fastconv.dropout(ONES, -0.1, RNG), ValueError, r"p \(=-0\.1\) must lie in 0\.\.1"),
    (lambda: fastconv.dropout(ONES, 1.5, RNG), ValueError, r"p \(=1\.5\)"),
    (lambda: fastconv.dropout(ONES, np.nan, RNG), ValueError, r"p \(=nan\)"),
    (lambda: fastconv.dropout(ONES, "half", RNG), TypeError, r"p \(='half'\)"),
    (lambda: fastconv.dropout(ONES, 0.5, 7), TypeError, r"rng \(=7\).*default_rng"),
    (lambda: fastconv.dropout(ONES.astype(int), 0.5, RNG), TypeError, "x has dtype int64"),
    (lambda: fastconv.dropout_backward(ONES, ONES, 0.5), TypeError, "mask has dtype float32"),
    (lambda: fastconv.dropout_backward(ONES, MASK[:3], 0.5), ValueError, r"mask has shape \(3,\)"),
    (lambda: fastconv.dropout_backward(ONES, MASK, 2), ValueError, r"p \(=2\)"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_places_for_results():
    x = np.random.default_rng(0).standard_normal((3, 5, 7), np.float32)
    y, mask = fastconv.dropout(x, 0.4, np.random.default_rng(1))
    out = np.empty_like(x), np.empty(x.shape, bool)
    found = fastconv.dropout(x, 0.4, np.random.default_rng(1), out=out)
    assert all(a is b for a, b in zip(found, out, strict=True))
    np.testing.assert_array_equal(out[0], y)
    np.testing.assert_array_equal(out[1], mask)
    dy = np.cos(x)
    dx = fastconv.dropout_backward(dy, mask, 0.4)
    assert fastconv.dropout_backward(dy, mask, 0.4, out=dy) is dy
    np.testing.assert_array_equal(dy, dx)
    with pytest.raises(TypeError, match="tuple of two arrays"):
        fastconv.dropout(x, 0.4, np.random.default_rng(1), out=x)
    with pytest.raises(ValueError, match=r"out\[1\] has shape"):
        fastconv.dropout(x, 0.4, np.random.default_rng(1), out=(y, mask[0]))


def test_blocks_draw_one_mask():
    """What is drawn block by block is what one call draws."""
    _, mask = fastconv.dropout(np.ones(100_001), 0.3, np.random.default_rng(1))
    np.testing.assert_array_equal(mask, np.random.default_rng(1).random(100_001, np.float32) >= 0.3)
