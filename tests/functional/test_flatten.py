"""Flatten: shapes, views and the way back."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv

CASES = [
    ((2, 16, 5, 5), {}, (2, 400)),
    ((2, 3), {}, (2, 3)),
    ((2, 3, 4), {"start_dim": 0}, (24,)),
    ((2, 3, 4), {"start_dim": -2}, (2, 12)),
    ((2, 3, 4, 5), {"start_dim": 1, "end_dim": 2}, (2, 12, 5)),
    ((2, 3, 4, 5), {"start_dim": 0, "end_dim": -3}, (6, 4, 5)),
    ((2, 3, 4), {"start_dim": 2, "end_dim": 2}, (2, 3, 4)),
    ((0, 3, 4), {}, (0, 12)),
    ((2, 0, 4), {}, (2, 0)),
    ((7,), {"start_dim": 0}, (7,)),
    ((), {}, (1,)),
]


@pytest.mark.parametrize("shape, axes, expected", CASES)
def test_shapes(shape, axes, expected):
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    y = fastconv.flatten(x, **axes)
    assert y.shape == expected
    np.testing.assert_array_equal(y.ravel(), x.ravel())
    back = fastconv.flatten_backward(y, shape)
    assert back.shape == shape
    np.testing.assert_array_equal(back, x)


def test_view_where_possible():
    x = np.zeros((2, 3, 4))
    assert np.shares_memory(fastconv.flatten(x), x)
    turned = np.arange(24.0).reshape(2, 3, 4).transpose(0, 2, 1)
    np.testing.assert_array_equal(fastconv.flatten(turned), turned.reshape(2, 12))


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    for start in range(-4, 4):
        for end in range(-4, 4):
            if start % 4 <= end % 4:
                expected = torch.flatten(torch.tensor(x), start, end).numpy()
                np.testing.assert_array_equal(fastconv.flatten(x, start, end), expected)


X = np.zeros((2, 3, 4))
BAD = [
    (lambda: fastconv.flatten(X, 3), ValueError, r"start_dim \(=3\) is out of range for an array with 3 axes"),
    (lambda: fastconv.flatten(X, 0, -4), ValueError, r"end_dim \(=-4\) is out of range"),
    (lambda: fastconv.flatten(X, 2, 1), ValueError, r"start_dim \(=2\) must not come after end_dim \(=1\)"),
    (lambda: fastconv.flatten(X, 1.0), TypeError, r"start_dim \(=1\.0\)"),
    (lambda: fastconv.flatten_backward(X, (2, 3, 5)), ValueError, r"\(2, 3, 4\) does not fit x_shape"),
    (lambda: fastconv.flatten_backward(X, (-2, -3, 4)), ValueError, "does not fit x_shape"),
    (lambda: fastconv.flatten_backward(X, 24), TypeError, r"x_shape \(=24\)"),
    (lambda: fastconv.flatten_backward(X, (2, 12.0)), TypeError, r"x_shape \(=\(2, 12\.0\)\)"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
