"""quantize, dequantize, quantized_add, quantized_mul against NumPy step by step, on every instruction set; errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import fastconv
from fastconv import reference
from fastconv.functional.quantized import prepare_lookup, prepare_quantized

BYTES = (np.uint8, np.int8)
SHAPES = ((), (1,), (3, 5), (2, 7, 33, 9), (70001,), (0, 4))


def every(kind, shape):
    """Bytes, each of which occurs where there is room."""
    return np.resize(np.arange(256, dtype=np.uint8).view(kind) * 37, shape)


def quantized(x, scale, zero, kind):
    limits = np.iinfo(kind)
    return np.clip(np.rint(x / np.float32(scale)) + np.float32(zero), limits.min, limits.max).astype(kind)


def real(q, scale, zero):
    return (q.astype(np.float32) - np.float32(zero)) * np.float32(scale)


@pytest.mark.parametrize("kind", BYTES)
def test_against_numpy(isa, kind):
    """To the bit: each step rounds as NumPy's does."""
    limits = np.iinfo(kind)
    for shape, zero in itertools.product(SHAPES, (limits.min, 7, limits.max)):
        x = np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)
        np.testing.assert_array_equal(fastconv.quantize(x, 0.03, zero, kind), quantized(x, 0.03, zero, kind))
        q = every(kind, shape)
        y = fastconv.dequantize(q, 0.03, zero)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, real(q, 0.03, zero))
        np.testing.assert_array_equal(fastconv.quantize(y, 0.03, zero, kind), q)


@pytest.mark.parametrize("kind", BYTES)
def test_against_loops(kind):
    x = np.array([[0.5, 1.5, -2.5, np.nan, np.inf, -np.inf], [1e30, -1e30, 3.3, 0, -0.0, 7]], np.float32)
    for scale, zero in ((1.0, 3), (0.3, -1 if kind is np.int8 else 255), (-2.0, 0)):
        np.testing.assert_array_equal(fastconv.quantize(x, scale, zero, kind), reference.quantize(x, scale, zero, kind))
        q = every(kind, (7, 40))
        np.testing.assert_array_equal(fastconv.dequantize(q, scale, zero), reference.dequantize(q, scale, zero))


def test_ties_and_ends(isa):
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e30, -1e30, np.inf, -np.inf, 254.5, 255.5], np.float32)
    np.testing.assert_array_equal(fastconv.quantize(x, 1.0), [0, 2, 2, 0, 0, 255, 0, 255, 0, 254, 255])
    np.testing.assert_array_equal(fastconv.quantize(x, -1.0, 1, np.int8)[:5], [1, -1, -1, 1, 3])
    nothing = np.full(9, np.nan, np.float32)  # the lowest integer, as ONNX Runtime has it
    np.testing.assert_array_equal(fastconv.quantize(nothing, 1.0, 7), np.zeros(9))
    np.testing.assert_array_equal(fastconv.quantize(nothing, 1.0, 7, np.int8), np.full(9, -128))


@pytest.mark.parametrize("kinds", list(itertools.product(BYTES, repeat=3)))
def test_sums_and_products(isa, kinds):
    scales = {"a_scale": 0.02, "b_scale": 0.3, "y_scale": 0.27}
    zeros = dict(zip(("a_zero_point", "b_zero_point", "y_zero_point"), (3, 100, 21), strict=True))
    for shape in SHAPES:
        a, b = every(kinds[0], shape), every(kinds[1], shape)[..., ::-1] if shape else every(kinds[1], shape)
        left, right = real(a, 0.02, 3), real(b, 0.3, 100)
        for function, exact in ((fastconv.quantized_add, left + right), (fastconv.quantized_mul, left * right)):
            expected = quantized(np.asarray(exact), 0.27, 21, kinds[2])
            y = function(a, b, **scales, **zeros, y_dtype=kinds[2], num_threads=1)
            assert y.dtype == kinds[2]
            np.testing.assert_array_equal(y, expected)
            again = function(a, b, **scales, **zeros, y_dtype=kinds[2], num_threads=2)
            np.testing.assert_array_equal(again, expected)


BROADCAST = [
    ((2, 3, 4, 5), (2, 3, 1, 1)), ((2, 3, 4, 5), (3, 1, 1)), ((3, 1), (2, 3, 40)), ((6, 50), (50,)), ((4, 5), ()),
    ((2, 1, 4), (1, 3, 1)), ((2, 3, 4), (2, 1, 4)), ((0, 3), (3,)), ((1, 1), (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("a_shape", "b_shape"), BROADCAST)
def test_broadcasts(isa, a_shape, b_shape):
    a, b = every(np.uint8, a_shape), every(np.int8, b_shape)
    scales = {"a_scale": 0.02, "b_scale": 0.3, "y_scale": 0.27}
    left, right = real(a, 0.02, 0), real(b, 0.3, 0)
    for function, exact in ((fastconv.quantized_add, left + right), (fastconv.quantized_mul, left * right)):
        np.testing.assert_array_equal(function(a, b, **scales), quantized(np.asarray(exact), 0.27, 0, np.uint8))


def test_where_results_go():
    scales = {"a_scale": 1.0, "b_scale": 1.0, "y_scale": 2.0}
    a, b = every(np.uint8, (6, 50)), every(np.uint8, (6, 50))[::-1]
    expected = fastconv.quantized_add(a, b, **scales)
    strided = np.zeros((6, 100), np.uint8)[:, ::2]
    assert fastconv.quantized_add(a, b, **scales, out=strided) is strided
    np.testing.assert_array_equal(strided, expected)
    assert fastconv.quantized_add(a, b, **scales, out=a) is a
    np.testing.assert_array_equal(a, expected)
    x = np.ones((3, 4), np.float32)
    with pytest.raises(ValueError, match="out overlaps x"):
        fastconv.quantize(x, 1.0, out=x.reshape(-1).view(np.uint8)[:12].reshape(3, 4))
    with pytest.raises(TypeError, match="out"):
        fastconv.dequantize(a, 1.0, out=np.empty(a.shape, np.float64))
    swapped = x.astype(">f4")
    np.testing.assert_array_equal(fastconv.quantize(swapped, 0.5), np.full((3, 4), 2))


def test_prepared():
    """float32 stands for itself, on either side."""
    f4, u1 = np.dtype(np.float32), np.dtype(np.uint8)
    x, q = np.linspace(-1, 5, 40, dtype=np.float32), every(np.uint8, (40,))
    out = np.empty(40, np.uint8)
    prepare_quantized((None, 0.1, 0.2), (None, 5, 9), (f4, u1, u1))(x, q, out=out)
    np.testing.assert_array_equal(out, quantized(x + real(q, 0.1, 5), 0.2, 9, np.uint8))
    table = np.random.default_rng(0).integers(-128, 128, 256).astype(np.int8)
    found = np.empty(40, np.int8)
    prepare_lookup(table)(q, found)
    np.testing.assert_array_equal(found, table[q])
    prepare_lookup(table)(q.view(np.int8), found)
    np.testing.assert_array_equal(found, table[q])


X, Q = np.ones(3, np.float32), np.ones(3, np.uint8)
SCALES = {"a_scale": 1.0, "b_scale": 1.0, "y_scale": 1.0}
BAD = [
    (lambda: fastconv.quantize(X.astype(float), 1.0), TypeError, r"x has dtype float64.*astype\(np.float32\)"),
    (lambda: fastconv.quantize(X, 0.0), ValueError, r"scale \(=0.0\) must be finite and not 0"),
    (lambda: fastconv.quantize(X, np.nan), ValueError, r"scale \(=nan\)"),
    (lambda: fastconv.quantize(X, 1e-60), ValueError, r"scale \(=1e-60\) must be finite and not 0 in float32"),
    (lambda: fastconv.quantize(X, np.ones(3)), TypeError, r"scale .* must be a single real number"),
    (lambda: fastconv.quantize(X, "1"), TypeError, r"scale \(='1'\) must be a single real number"),
    (lambda: fastconv.quantize(X, 1.0, 256), ValueError, r"zero_point \(=256\) must lie in what uint8 holds"),
    (lambda: fastconv.quantize(X, 1.0, 0.5), TypeError, r"zero_point \(=0.5\) must be made of ints"),
    (lambda: fastconv.quantize(X, 1.0, 0, np.int16), TypeError, r"dtype \(=int16\) must be int8 or uint8"),
    (lambda: fastconv.dequantize(X, 1.0), TypeError, r"x has dtype float32, but takes int8 or uint8"),
    (lambda: fastconv.dequantize(Q, 1.0, -1), ValueError, r"zero_point \(=-1\) must lie in what uint8 holds"),
    (
        lambda: fastconv.quantized_add(Q, Q[:2], **SCALES),
        ValueError,
        r"b has shape \(2,\), which does not broadcast with that of a, \(3,\)",
    ),
    (lambda: fastconv.quantized_mul(Q, X, **SCALES), TypeError, r"b has dtype float32"),
    (lambda: fastconv.quantized_add(Q, Q, **{**SCALES, "b_scale": np.inf}), ValueError, r"b_scale \(=inf\)"),
    (lambda: fastconv.quantized_add(Q, Q, **SCALES, y_zero_point=300), ValueError, r"y_zero_point \(=300\)"),
    (lambda: fastconv.quantized_add(Q, Q, **SCALES, num_threads=0), ValueError, r"num_threads \(=0\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
