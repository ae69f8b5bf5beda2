"""Products of matrices and layer normalization, of arrays however they lie, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv.functional.layer_norm import layer_norm
from fastconv.functional.matmul import matmul

TYPES = (np.float32, np.float64)

#: ways an array lies in memory: dense, transposed, with gaps, backwards, one element for all of an axis
VIEWS = {
    "dense": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2),
    "apart": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "backwards": lambda x: np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1],
    "batch-last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0),
    "unaligned": lambda x: np.frombuffer(b"0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape) if x.size else x,
}
ROWS = np.ones((2, 4))

BATCHES = [((), ()), ((3,), ()), ((), (2,)), ((2, 1), (1, 3)), ((2, 3), (3,)), ((1, 2, 1, 2, 1, 3), (2, 1, 2, 1, 2, 1))]


def check(a, b, scale=1.0, **options):
    y = matmul(a, b, scale, **options)
    wide = [x.astype(np.float64) for x in (a, b)]
    expected, magnitude = scale * np.matmul(*wide), abs(scale) * np.matmul(*map(np.abs, wide))
    assert y.shape == expected.shape and y.dtype == a.dtype
    np.testing.assert_array_less(np.abs(y - expected), (a.shape[-1] + 4) * np.finfo(y.dtype).eps * magnitude + 1e-300)
    return y


@settings(max_examples=60)
@given(
    st.integers(0, 70), st.integers(0, 40), st.integers(0, 70), st.sampled_from(BATCHES), st.sampled_from(TYPES),
    st.sampled_from(sorted(VIEWS)), st.sampled_from(sorted(VIEWS)), st.sampled_from([1.0, 0.3, -2.0]),
)  # fmt: skip
def test_values(rows, depth, columns, batch, dtype, a_lies, b_lies, scale):
    rng = np.random.default_rng(rows + depth + columns)
    a = VIEWS[a_lies](rng.standard_normal((*batch[0], rows, depth)).astype(dtype))
    b = VIEWS[b_lies](rng.standard_normal((*batch[1], depth, columns)).astype(dtype))
    check(a, b, scale)


@pytest.mark.parametrize("dtype", TYPES)
def test_threads_give_the_same_bits(dtype, isa):
    rng = np.random.default_rng(0)
    for shape in ((3, 197, 64, 197), (1, 300, 20, 90), (20, 30, 7, 11)):
        a = rng.standard_normal((*shape[:2], shape[2])).astype(dtype)
        b = rng.standard_normal((shape[0], *shape[2:])).astype(dtype)
        y = check(a, b, num_threads=1)
        for threads in (2, 3):
            np.testing.assert_array_equal(matmul(a, b, num_threads=threads), y)
        norms = layer_norm(y, 2, num_threads=1)
        for one, again in zip(norms, layer_norm(y, 2, num_threads=3), strict=True):
            np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_its_row_and_column_alone(value):
    a, b = np.ones((2, 20, 9), np.float32), np.ones((2, 9, 30), np.float32)
    a[0, 3, 4] = b[1, 5, 17] = value
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(matmul(a, b), np.matmul(a, b))
        a[0, 3, 5] = -value
        np.testing.assert_array_equal(matmul(a, b), np.matmul(a, b))


def test_places_for_results():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 7, 5)), rng.standard_normal((5, 9))
    out = np.empty((2, 9, 7)).swapaxes(1, 2)
    assert matmul(a, b, out=out) is out
    np.testing.assert_allclose(out, a @ b, rtol=1e-13, atol=1e-13)
    assert layer_norm(a, 1, out=a)[0] is a


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: matmul(np.ones(3), np.ones((3, 2))), ValueError, "cannot be multiplied"),
        (lambda: matmul(np.ones((2, 3)), np.ones((2, 3))), ValueError, "cannot be multiplied"),
        (lambda: matmul(np.ones((2, 2, 3)), np.ones((3, 3, 2))), ValueError, "do not broadcast"),
        (lambda: matmul(np.ones((2, 3)), np.ones((3, 2), np.float32)), TypeError, "never mixed"),
        (lambda: matmul(np.ones((2, 3), int), np.ones((3, 2))), TypeError, "only float32 and float64"),
        (lambda: layer_norm(np.ones((2, 3)), 1, np.ones(2)), ValueError, "weight has shape"),
        (lambda: layer_norm(np.ones((2, 3)), 3), ValueError, r"axis \(=3\) must be at most 2"),
        (lambda: layer_norm(np.ones((2, 3)), -1), ValueError, r"axis \(=-1\)"),
        (lambda: layer_norm(np.ones((2, 3)), 1, eps="a"), TypeError, r"eps \(='a'\)"),
        (lambda: layer_norm(np.ones((2, 4)), 1, ROWS[0], out=ROWS), ValueError, "out overlaps weight"),
        (lambda: layer_norm(np.ones(4), 0, None, ROWS[1], out=ROWS[1]), ValueError, "out overlaps bias"),
        (lambda: layer_norm(np.ones((2, 3)), 1, None, np.ones(3, np.float32)), TypeError, "bias is float32"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("shape", "axis"), [((4, 5, 37), 2), ((4, 5, 37), 1), ((3, 9000), 1), ((3,), 0), ((0, 3), 1)])
def test_layer_norm(shape, axis, dtype, isa):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) + 100).astype(dtype)
    weight, bias = (rng.standard_normal(shape[axis:]).astype(dtype) for _ in range(2))
    axes = tuple(range(axis, len(shape)))
    wide = x.astype(np.float64)
    mean = wide.mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    found = layer_norm(x, axis, weight, bias)
    close = {"rtol": 2e-4 if dtype == np.float32 else 1e-11, "atol": 1e-4 if dtype == np.float32 else 1e-11}
    np.testing.assert_allclose(found[0], (wide - mean) * inverse * weight + bias, **close)
    np.testing.assert_allclose(found[1], mean.reshape(shape[:axis]), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(found[2], inverse.reshape(shape[:axis]), rtol=close["rtol"])


def test_layer_norm_of_what_is_not_finite_is_nan_in_its_row_alone():
    x = np.ones((3, 20), np.float32) * np.arange(20, dtype=np.float32)
    x[1, 4] = np.inf
    y, _, _ = layer_norm(x, 1)
    assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()
