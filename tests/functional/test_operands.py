"""What the operations take for an array, a shape, a flag: forms that look alike are told apart, errors name them."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv

X = np.random.default_rng(0).standard_normal((2, 3, 6, 7))
W = np.random.default_rng(1).standard_normal((4, 3, 3, 3))
DY = np.ones((2, 4, 4, 5))


def test_a_list_of_arrays_is_an_array_and_no_shape():
    expected = fastconv.conv2d_backward(DY, X, W)
    for got, one in zip(fastconv.conv2d_backward(DY, list(X), tuple(W)), expected, strict=True):
        np.testing.assert_array_equal(got, one)
    dy, x, weight = np.ones((2, 4)), np.ones((2, 3)), np.ones((4, 3))
    expected = fastconv.linear_backward(dy, x, weight)
    for got, one in zip(fastconv.linear_backward(dy, list(x), list(weight)), expected, strict=True):
        np.testing.assert_array_equal(got, one)


def test_names_of_numpys_string_type_are_names():
    expected = fastconv.conv2d(X, W, padding="same")
    np.testing.assert_array_equal(fastconv.conv2d(X, W, padding=np.str_("same")), expected)


def test_flags_are_bools():
    expected = fastconv.conv2d(X, W, flip=True)
    np.testing.assert_array_equal(fastconv.conv2d(X, W, flip=np.bool_(True)), expected)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: fastconv.conv2d(None, W), TypeError, "x has dtype object (from NoneType)"),
        (lambda: fastconv.conv2d(X, "weights"), TypeError, "weight has dtype <U7 (from str)"),
        (lambda: fastconv.conv2d([[1.0], [1.0, 2.0]], W), ValueError, "x (list) is no array"),
        (lambda: fastconv.conv2d(X, W, flip="no"), TypeError, "flip (='no') must be True or False"),
        (lambda: fastconv.conv2d(X, W, flip=1), TypeError, "flip (=1)"),
        (lambda: fastconv.conv2d_backward(DY, X, W, flip=None), TypeError, "flip (=None)"),
        (lambda: fastconv.conv2d(X, W, padding=("same", 1)), TypeError, "write padding='same'"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
