"""Where the hosts only sum, what is whole stays whole, zeros stay zeros, and flat areas stay flat."""

from __future__ import annotations

import numpy as np
import pytest

signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")

from scipy import ndimage  # noqa: E402

from fastconv.compat import ndimage as our_ndimage  # noqa: E402
from fastconv.compat import numpy as our_numpy  # noqa: E402
from fastconv.compat import scipy_signal as our_signal  # noqa: E402


@pytest.mark.parametrize("taps", [50, 200])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_runs_of_ones(name, dtype, taps):
    x = np.zeros(100_000, dtype)
    x[500:3000] = x[50_000] = 1
    kernel = np.ones(taps, dtype)
    found = getattr(our_numpy, name)(x, kernel, "full")
    np.testing.assert_array_equal(found, getattr(np, name)(x, kernel, "full"))


def test_an_impulse_has_as_many_answers_as_taps():
    x = np.zeros((256, 256))
    x[100, 100] = 1
    for name in ("convolve2d", "correlate2d"):
        assert np.count_nonzero(getattr(our_signal, name)(x, np.eye(11))) == 11


def test_a_hot_pixel_spoils_its_own_window_only():
    x = np.random.default_rng(0).standard_normal((300, 300)).astype("f4")
    x[50, 50] = 1e8
    kernel = np.ones((21, 21), "f4")
    kernel[0, 0] = 0
    expected = signal.convolve2d(x.astype("f8"), kernel.astype("f8"), "same")
    away = np.abs(expected) < 1e5
    np.testing.assert_allclose(our_signal.convolve2d(x, kernel, "same")[away], expected[away], atol=1e-3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [8, 9, 11, 15, 21])
def test_boxes_over_zeros_and_ones(size, dtype):
    x = np.zeros((256, 256), dtype)
    x[50:200, 60:220] = 1
    box = np.ones((size, size), dtype)
    np.testing.assert_array_equal(our_ndimage.convolve(x, box), ndimage.convolve(x, box))
    np.testing.assert_array_equal(our_signal.convolve2d(x, box, "same"), signal.convolve2d(x, box, "same"))


@pytest.mark.parametrize(
    "call",
    [
        lambda host, x: host.laplace(x),
        lambda host, x: host.convolve(x, [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
        lambda host, x: host.gaussian_filter1d(x, 4, order=1),
        lambda host, x: host.gaussian_filter1d(x, 6, axis=0, order=2),
    ],
)
def test_derivatives_of_bright_pictures(call):
    flat = np.full((200, 200), 1000.3, "f4")
    np.testing.assert_allclose(call(our_ndimage, flat), call(ndimage, flat), atol=1e-9)
    y, x = np.mgrid[:200, :200]
    slow = (1e5 + 50 * np.sin(x / 30) + 50 * np.cos(y / 40)).astype("f4")
    exact = call(ndimage, slow.astype("f8"))
    np.testing.assert_allclose(call(our_ndimage, slow), exact, atol=1e-6 * np.abs(exact).max())


def test_casts_of_what_does_not_fit_are_scipys():
    x = np.ones((80, 80))
    for value in (np.nan, 1e12):
        x[3, 3] = value
        for dtype in ("i1", "u2", "i4"):
            with np.errstate(invalid="ignore"):
                expected = ndimage.correlate1d(x, [1.0], output=dtype)
            np.testing.assert_array_equal(our_ndimage.correlate1d(x, [1.0], output=dtype), expected)


def test_weights_that_float32_cannot_hold():
    x = np.full((80, 80), 2e-5, "f4")
    for weights in ([[np.inf, 1, 1]], [[1e39, 1, 1]]):
        np.testing.assert_allclose(our_ndimage.convolve(x, weights), ndimage.convolve(x, weights), rtol=1e-6)


def test_arguments_in_unusual_forms():
    x = np.arange(6400.0).reshape(80, 80) ** 2
    for axes in ((1, 0), (0, 1), None):
        found, expected = (host.gaussian_laplace(x, (1.0, 2.0), axes=axes) for host in (our_ndimage, ndimage))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    found, expected = (host.convolve1d(x, [1, 2, 1], origin=np.array(1)) for host in (our_ndimage, ndimage))
    np.testing.assert_array_equal(found, expected)
    for options in ({"cval": "3"}, {"cval": None}, {"sigma": "1"}, {"truncate": "3"}):
        arguments = {"sigma": 1.0, **options}
        with pytest.raises(TypeError):
            our_ndimage.gaussian_filter(x, **arguments)
    np.testing.assert_allclose(
        our_signal.convolve2d(x, np.ones((3, 3)), "full", "symm", 2**70),
        signal.convolve2d(x, np.ones((3, 3)), "full", "symm"),
    )
