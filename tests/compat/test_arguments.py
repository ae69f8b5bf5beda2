"""Arguments of the adapters of SciPy and NumPy: those that are fastconv's own, and those that SciPy has to see."""

from __future__ import annotations

import numpy as np
import pytest

signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")

from scipy import ndimage  # noqa: E402

from fastconv.compat import ndimage as our_ndimage  # noqa: E402
from fastconv.compat import numpy as our_numpy  # noqa: E402
from fastconv.compat import scipy_signal as our_signal  # noqa: E402
from fastconv.compat.ndimage import _kernels  # noqa: E402

FILTERS = {
    "convolve": ([[1, 2], [3, 4]],),
    "correlate": ([[1, 2], [3, 4]],),
    "convolve1d": ([1, 2, 3],),
    "correlate1d": ([1, 2, 3],),
    "uniform_filter": (3,),
    "uniform_filter1d": (3,),
    "gaussian_filter": (1.0,),
    "gaussian_filter1d": (1.0,),
    "gaussian_laplace": (1.0,),
    "gaussian_gradient_magnitude": (1.0,),
    "sobel": (),
    "prewitt": (),
    "laplace": (),
    "maximum_filter": (3,),
    "minimum_filter": (3,),
    "maximum_filter1d": (3,),
    "minimum_filter1d": (3,),
}
# What fastconv computes, what is too small for it, and what is SciPy's by its type.
PICTURES = {
    "engine": np.ones((90, 90)),
    "small": np.ones((9, 9)),
    "complex": np.ones((90, 90), complex),
    "integers": np.ones((90, 90), int),
}
# SciPy has no order of complex numbers.
CALLS = [
    (name, picture)
    for name in FILTERS
    for picture in PICTURES
    if not (picture == "complex" and name.startswith(("maximum", "minimum")))
]
BAD_THREADS = [(0, ValueError), (-1, ValueError), (2.5, TypeError), ("x", TypeError), (True, TypeError)]


@pytest.mark.parametrize(("name", "picture"), CALLS)
@pytest.mark.parametrize(("threads", "error"), BAD_THREADS)
def test_numbers_of_threads_of_filters(name, picture, threads, error):
    with pytest.raises(error, match=r"num_threads \(="):
        getattr(our_ndimage, name)(PICTURES[picture], *FILTERS[name], num_threads=threads)


@pytest.mark.parametrize("n", [3, 300])
@pytest.mark.parametrize("dtype", ["f8", "i8", "O"])
@pytest.mark.parametrize(
    "name", ["convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d", "np"]
)
@pytest.mark.parametrize(("threads", "error"), BAD_THREADS)
def test_numbers_of_threads_of_convolutions(name, n, dtype, threads, error):
    x = np.full(n, 2**40).astype(dtype)
    for function in [our_numpy.convolve, our_numpy.correlate] if name == "np" else [getattr(our_signal, name)]:
        args = (x[None], x[None]) if name.endswith("2d") else (x, x)
        with pytest.raises(error, match=r"num_threads \(="):
            function(*args, num_threads=threads)


ITERATORS = [
    ("gaussian_filter", {"sigma": (1.0, 2.0)}),
    ("gaussian_filter", {"sigma": 1.0, "axes": (0,)}),
    ("gaussian_filter", {"sigma": 1.0, "mode": ("wrap", "mirror")}),
    ("uniform_filter", {"size": (3, 5)}),
    ("uniform_filter", {"size": 3, "origin": (0, 1)}),
    ("maximum_filter", {"size": (3, 5)}),
    ("minimum_filter", {"size": 3, "origin": (0, 1)}),
    ("correlate", {"weights": [[1, 2], [3, 4]], "origin": (0, -1)}),
    ("laplace", {"mode": ("wrap", "mirror")}),
    ("sobel", {"mode": ("wrap", "mirror")}),
    ("gaussian_laplace", {"sigma": (1.0, 2.0)}),
    ("gaussian_gradient_magnitude", {"sigma": (1.0, 2.0)}),
]


@pytest.mark.parametrize("shape", [(80, 90), (8, 9)])
@pytest.mark.parametrize(("name", "options"), ITERATORS)
def test_iterators_reach_whoever_computes(name, options, shape):
    x = np.random.default_rng(0).random(shape)
    last = list(options)[-1]
    found = getattr(our_ndimage, name)(x, **{**options, last: iter(options[last])})
    np.testing.assert_allclose(found, getattr(ndimage, name)(x, **options), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["f8", "O"])
def test_iterators_of_axes(dtype):
    x = np.arange(12.0).reshape(3, 4).astype(dtype)
    expected = signal.fftconvolve(x.astype("f8"), np.ones((3, 2)), axes=(1,))
    np.testing.assert_allclose(our_signal.convolve(x, np.ones((3, 2)), axes=iter([1])).astype("f8"), expected)


@pytest.mark.parametrize("name", ["convolve", "correlate", "fftconvolve", "oaconvolve", "convolve2d", "correlate2d"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("m8[s]", "m8[s]"), ("m8[s]", "f8"), ("f8", "M8[s]"), ("U3", "U3"), ("U3", "f8"), ("S2", "i4"), ("V4", "f4")],
)
def test_what_is_no_number_is_the_hosts(name, first, second):
    a, b = (np.ones((200, 3), "i4").astype(dtype, copy=False) if dtype[0] != "V" else np.zeros((200, 3), dtype)
            for dtype in (first, second))  # fmt: skip

    def outcome(host):
        try:
            return getattr(host, name)(a, b)
        except Exception as error:
            return type(error)

    wanted, found = outcome(signal), outcome(our_signal)
    if isinstance(wanted, type):
        assert found is wanted
    else:
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_the_cache_of_gaussians_is_bounded_in_bytes():
    for sigma in np.linspace(1000, 5000, 40):
        assert len(_kernels.gaussian_weights(float(sigma), 0, int(4 * sigma))) == 2 * int(4 * sigma) + 1
    info = _kernels._remembered.cache_info()
    assert info.maxsize * (2 * _kernels._LONGEST_REMEMBERED + 1) * 8 < 2e6
