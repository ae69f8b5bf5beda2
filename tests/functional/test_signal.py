"""convolve and correlate against the definition, the textbook's example, and SciPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv

MODES = ("full", "same", "valid")
SHAPES = [
    ((7,), (3,)),
    ((6,), (4,)),
    ((3,), (5,)),
    ((1,), (1,)),
    ((5, 6), (2, 3)),
    ((2, 3), (5, 6)),
    ((5, 2), (2, 6)),
    ((4, 5, 6), (2, 3, 2)),
    ((3, 4, 5, 6), (2, 2, 3, 4)),
    ((2, 1, 3), (3, 2, 4)),
    ((2, 3, 2, 3), (4, 3, 5, 3)),
    ((2, 3, 4, 3, 5), (2, 1, 2, 3, 2)),
]


def full_convolution(x, kernel):
    """The definition: s(t) = sum over a of x(a) w(t - a), along every axis."""
    y = np.zeros([n + k - 1 for n, k in zip(x.shape, kernel.shape, strict=True)])
    for place in np.ndindex(*kernel.shape):
        window = tuple(slice(at, at + n) for at, n in zip(place, x.shape, strict=True))
        y[window] += kernel[place] * x.astype(np.float64)
    return y


def expected(x, kernel, mode, flip):
    other = kernel if flip else np.flip(kernel)
    y = full_convolution(x, other)
    swapped = mode == "valid" and any(n < k for n, k in zip(x.shape, kernel.shape, strict=True))
    sizes, taps = (kernel.shape, x.shape) if swapped else (x.shape, kernel.shape)
    for axis, (n, k) in enumerate(zip(sizes, taps, strict=True)):
        first, length = {"full": (0, n + k - 1), "same": ((k - 1) // 2, n), "valid": (k - 1, n - k + 1)}[mode]
        y = np.take(y, range(first, first + length), axis)
    return y


def fits(shape, other, mode):
    pairs = list(zip(shape, other, strict=True))
    return mode != "valid" or all(n >= k for n, k in pairs) or all(n <= k for n, k in pairs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_against_the_definition_and_scipy(shapes, mode, dtype):
    rng = np.random.default_rng(0)
    x, kernel = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    tolerance = {"rtol": 0, "atol": 200 * np.finfo(dtype).eps}
    for name, flip in (("convolve", True), ("correlate", False)):
        function = getattr(fastconv, name)
        if not fits(*shapes, mode):
            with pytest.raises(ValueError, match="at least as large"):
                function(x, kernel, mode)
            continue
        y = function(x, kernel, mode)
        assert y.dtype == dtype and y.flags.c_contiguous
        np.testing.assert_allclose(y, expected(x, kernel, mode, flip), **tolerance)
        signal = pytest.importorskip("scipy.signal")
        np.testing.assert_allclose(y, getattr(signal, name)(x, kernel, mode, "direct"), **tolerance)


def test_a_noisy_sensor_is_smoothed_by_a_weighted_average():
    positions = np.array([1.0, 2.0, 4.0, 7.0, 11.0])
    weights = np.array([0.5, 0.3, 0.2])
    smoothed = fastconv.convolve(positions, weights, "valid")
    by_hand = [sum(positions[t - age] * weights[age] for age in range(3)) for t in range(2, 5)]
    np.testing.assert_allclose(smoothed, by_hand, rtol=1e-15)


@given(
    st.integers(1, 4).flatmap(lambda ndim: st.tuples(*[st.tuples(*[st.integers(1, 5)] * ndim)] * 2)),
    st.integers(0, 2**31),
)
def test_convolution_commutes_and_correlation_reverses(shapes, seed):
    rng = np.random.default_rng(seed)
    x, kernel = (rng.standard_normal(shape) for shape in shapes)
    np.testing.assert_allclose(fastconv.convolve(x, kernel), fastconv.convolve(kernel, x), atol=1e-13)
    np.testing.assert_allclose(fastconv.correlate(x, kernel), np.flip(fastconv.correlate(kernel, x)), atol=1e-13)
    np.testing.assert_allclose(fastconv.convolve(x, np.flip(kernel)), fastconv.correlate(x, kernel), atol=1e-13)


def test_views_are_read_in_place_and_never_written():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 8))[::-2, 1::3]
    kernel = np.asfortranarray(rng.standard_normal((2, 2)))
    x.flags.writeable = kernel.flags.writeable = False
    np.testing.assert_allclose(fastconv.convolve(x, kernel), full_convolution(x, kernel), atol=1e-14)


def test_scalars_and_empty_arrays():
    assert fastconv.convolve(3.0, 4.0) == 12 and fastconv.correlate(np.float32(3), np.float32(4)).dtype == np.float32
    for shapes in (((0,), (3,)), ((2, 3), (0, 2))):
        assert fastconv.convolve(*map(np.zeros, shapes)).shape == (0,)
        assert fastconv.correlate(*map(np.zeros, shapes)).shape == (0,)


@pytest.mark.parametrize(
    "x, kernel, mode, error, words",
    [
        (np.ones(3), np.ones((3, 1)), "full", ValueError, "x has 1 axes and kernel has 2"),
        (np.ones(3), np.ones(2), "Full", ValueError, "mode (='Full') must be one of full, same, valid"),
        (np.ones(3), np.ones(2), None, ValueError, "mode (=None)"),
        (np.ones(3, int), np.ones(2), "full", TypeError, "x.astype(np.float32)"),
        (np.ones(3), np.ones(2, np.float32), "full", TypeError, "kernel.astype(np.float64)"),
        (np.ones(3), np.ones(2, complex), "full", TypeError, "kernel has dtype complex128"),
        (np.ones(3), np.ones(2, np.float16), "full", TypeError, "kernel has dtype float16"),
    ],
)
def test_bad_input(x, kernel, mode, error, words):
    for function in (fastconv.convolve, fastconv.correlate):
        with pytest.raises(error) as caught:
            function(x, kernel, mode)
        assert words in str(caught.value)


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(2)
    x, kernel = rng.standard_normal((3, 40, 50)), rng.standard_normal((2, 5, 4))
    one, two, three = (fastconv.convolve(x, kernel, num_threads=threads) for threads in (1, 2, 3))
    assert np.array_equal(one, two) and np.array_equal(one, three)


def test_the_offsets_of_even_kernels():
    x, kernel = np.array([1.0, 2, 3, 4]), np.array([1.0, 10])
    assert fastconv.convolve(x, kernel, "same").tolist() == [1, 12, 23, 34]
    assert fastconv.correlate(x, kernel, "same").tolist() == [10, 21, 32, 43]
    sizes = itertools.product(MODES, (x[:1], x))
    assert [len(fastconv.convolve(x, other, mode)) for mode, other in sizes] == [4, 7, 4, 4, 4, 1]
