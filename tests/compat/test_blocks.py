"""Filters and convolutions of any type and any view, in one block and in many: SciPy's bits."""

from __future__ import annotations

import functools
import itertools
import math
import types

import numpy as np
import pytest

signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")

from scipy import ndimage  # noqa: E402

from fastconv.compat import _blocks, _casting, _long  # noqa: E402
from fastconv.compat import ndimage as our_ndimage  # noqa: E402
from fastconv.compat import numpy as our_numpy  # noqa: E402
from fastconv.compat import scipy_signal as our_signal  # noqa: E402
from fastconv.compat.ndimage import _extrema, _passes, _windows  # noqa: E402
from fastconv.functional import _lines  # noqa: E402
from fastconv.functional.pool_max import max_pool2d  # noqa: E402

DTYPES = ["u1", "i2", "u4", "i4", "i8", "f4", "f8"]
SHAPES = [(90, 110), (9001,), (7, 33, 40), (4, 500, 3), (2000, 5)]
MODES = ["reflect", "mirror", "nearest", "wrap", "constant"]


def picture(dtype, shape):
    rng, dtype = np.random.default_rng(len(shape)), np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -(2**40)), min(limits.max, 2**40)
    return rng.integers(low, high, shape, np.int64, endpoint=True).astype(dtype)


VIEWS = {
    "dense": picture,
    "transposed": lambda dtype, shape: picture(dtype, shape[::-1]).T,
    "every other": lambda dtype, shape: picture(dtype, [2 * n for n in shape])[(slice(None, None, 2),) * len(shape)],
    "reversed": lambda dtype, shape: picture(dtype, shape)[::-1],
    "other byte order": lambda dtype, shape: picture(dtype, shape).astype(np.dtype(dtype).newbyteorder()),
    "unaligned": lambda dtype, shape: (
        np.frombuffer(b"_" + picture(dtype, shape).tobytes(), np.uint8)[1:].view(dtype).reshape(shape)
    ),
}


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        for module in (_passes, _windows, _extrema, _casting):
            monkeypatch.setattr(module, "BLOCK_BYTES", 1 << 13)


def kernel_of(x):
    return np.arange(3**x.ndim).reshape((3,) * x.ndim) % 5


FILTERS = {
    "gaussian": lambda host, x, mode: host.gaussian_filter(x, 2, mode=mode, cval=3.7),
    "uniform": lambda host, x, mode: host.uniform_filter(x, 4, mode=mode, cval=3),
    "sobel": lambda host, x, mode: host.sobel(x, 0, mode=mode),
    "sobel of floats": lambda host, x, mode: host.sobel(x, output="f8", mode=mode),
    "first axis to float64": lambda host, x, mode: host.correlate1d(x, [1.5, 2, -3], 0, "f8", mode, 0.7),
    "longer than the axis": lambda host, x, mode: host.correlate1d(
        x, np.arange(599.0, 0, -1) / 1e5, -1, "f8" if x.dtype.kind == "f" else "i4", mode
    ),
    "convolve": lambda host, x, mode: host.convolve(x, kernel_of(x), mode=mode, cval=2),
    "maximum": lambda host, x, mode: host.maximum_filter(x, 4, mode=mode, cval=2, origin=-1),
    "minimum": lambda host, x, mode: host.minimum_filter(x, 15, mode=mode, cval=2),
    "maximum of lines": lambda host, x, mode: host.maximum_filter1d(x, 31, 0, mode=mode),
}


def same(found, wanted, exact):
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    if exact or wanted.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, wanted)
    else:
        scale, digits = float(np.abs(wanted).max()), 1e-5 if wanted.dtype.char in "fF" else 1e-12
        np.testing.assert_allclose(found, wanted, rtol=0, atol=digits * scale)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_filters(blocks, dtype, view, name):
    for shape, mode in list(zip(SHAPES, MODES, strict=True))[len(view) % 2 :: 2]:
        x = VIEWS[view](dtype, shape)
        with np.errstate(all="ignore"):
            wanted, found = (FILTERS[name](host, x, mode) for host in (ndimage, our_ndimage))
        same(found, wanted, name not in ("convolve", "uniform", "sobel of floats"))


MANY_AXES = {
    "turned": lambda dtype: picture(dtype, (5, 4, 3, 6, 2, 7)).transpose(3, 1, 5, 0, 4, 2),
    "every other": lambda dtype: picture(dtype, (10, 6, 8, 6, 4, 6))[(slice(None, None, -2),) * 6],
    "last first": lambda dtype: np.asfortranarray(picture(dtype, (5, 4, 3, 6, 2, 7))),
    "other byte order": lambda dtype: picture(dtype, (7, 6, 5, 4, 3)).T.astype(np.dtype(dtype).newbyteorder()),
}


@pytest.mark.parametrize("piece", [1 << 18, 100, 1])
@pytest.mark.parametrize("view", MANY_AXES)
@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8"])
def test_views_of_many_axes(monkeypatch, dtype, view, piece):
    monkeypatch.setattr(_lines, "_PIECE", piece)
    x = MANY_AXES[view](dtype)
    for axis, mode in zip(range(x.ndim), itertools.cycle(MODES)):
        weights = [0.25, 0.5, 0.125]
        wanted = ndimage.correlate1d(x, weights, axis, mode=mode, cval=3)
        np.testing.assert_array_equal(our_ndimage.correlate1d(x, weights, axis, mode=mode, cval=3), wanted)
        out = np.zeros([2 * n for n in x.shape], x.dtype.newbyteorder("="))[(slice(None, None, 2),) * x.ndim]
        our_ndimage.correlate1d(x, weights, axis, out, mode, 3)
        np.testing.assert_array_equal(out, wanted)


def test_pieces_of_views_are_bounded(monkeypatch):
    sizes = []
    monkeypatch.setattr(_lines, "_PIECE", 500)
    monkeypatch.setattr(
        _lines, "scratch", lambda shape, dtype: sizes.append(math.prod(shape)) or np.empty(shape, dtype)
    )
    our_ndimage.correlate1d(np.zeros((6, 7, 8, 9, 10)).T, [1, 2, 1], 2)
    assert sizes and max(sizes) <= 500


@pytest.mark.parametrize("shape", [(3000, 2), (2000, 3), (500, 2, 3), (70, 17), (300, 1)])
@pytest.mark.parametrize("taps", [1, 3, 4, 9, 31])
def test_many_short_lines(taps, shape):
    weights = np.random.default_rng(taps).standard_normal(taps)
    for dtype, mode in zip(["u1", "i2", "f4", "f8", ">f8"], MODES, strict=True):
        x = picture(dtype, shape)
        for array in (x, x[::-1], np.asfortranarray(x)):
            wanted, found = (
                host.correlate1d(array, weights, 1, "f8", mode, 0.5) for host in (ndimage, our_ndimage)
            )  # fmt: skip
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["gaussian", "uniform", "convolve", "maximum", "minimum"])
def test_into_the_callers_array(blocks, name):
    for shape in SHAPES:
        x = picture("u1", shape)
        for out in (
            np.zeros(shape, "u1"),
            np.zeros(shape[::-1], "u1").T,
            np.zeros((*shape, 2), "u1")[..., 1],
            x.copy(),
        ):
            source = x if out.any() == 0 else out
            into = types.SimpleNamespace(
                **{
                    called: functools.partial(getattr(our_ndimage, called), output=out)
                    for called in our_ndimage.__all__
                }
            )
            wanted = FILTERS[name](ndimage, x, "mirror")
            assert FILTERS[name](into, source, "mirror") is out
            np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", ["f4", ">f8"])
def test_maxima_with_nan_are_scipys(blocks, dtype):
    x = picture("f4", (90, 110)).astype(dtype)
    x[70, 100] = np.nan
    for name in ("maximum_filter", "minimum_filter"):
        np.testing.assert_array_equal(getattr(our_ndimage, name)(x, 5), getattr(ndimage, name)(x, 5))


@pytest.mark.parametrize("dtype", ["u1", "f4", ">f8"])
@pytest.mark.parametrize("shape", [(3200, 2), (500, 15), (50, 60, 3), (1100, 3, 2), (30, 40, 2, 3)])
def test_extrema_where_the_last_axes_are_short(blocks, monkeypatch, shape, dtype):
    rows = []

    def pool(x, *arguments, layout, **options):
        rows.append(x.shape[-1] * (x.shape[-2] if layout == "NHWC" else 1))
        return max_pool2d(x, *arguments, layout=layout, **options)

    monkeypatch.setattr(_extrema, "max_pool2d", pool)
    x = picture(dtype, shape)
    for name, axis in itertools.product(("maximum_filter1d", "minimum_filter1d"), range(x.ndim)):
        for size, mode in ((3, "reflect"), (9, "constant")):
            out = np.zeros(shape[::-1], x.dtype.newbyteorder("=")).T
            getattr(our_ndimage, name)(x, size, axis, out, mode, 1, 1)
            np.testing.assert_array_equal(out, getattr(ndimage, name)(x, size, axis, None, mode, 1, 1))
    size = (5,) * (x.ndim - 1) + (1,)
    np.testing.assert_array_equal(our_ndimage.maximum_filter(x, size), ndimage.maximum_filter(x, size))
    assert min(rows) >= 16


CONVOLUTIONS = {
    "convolve": lambda host, x, k, mode: host.convolve(x, k, mode, "direct"),
    "correlate": lambda host, x, k, mode: host.correlate(x, k, mode, "direct"),
    "fftconvolve": lambda host, x, k, mode: host.fftconvolve(x, k, mode),
    "the kernel first": lambda host, x, k, mode: host.convolve(k, x, mode, "direct"),
    "convolve2d symm": lambda host, x, k, mode: host.convolve2d(x, k, mode, "symm"),
    "correlate2d fill": lambda host, x, k, mode: host.correlate2d(x, k, mode, "fill", 3),
    "convolve2d wrap": lambda host, x, k, mode: host.convolve2d(x, k, mode, "wrap"),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_convolutions(blocks, dtype, view, name):
    for shape, mode in list(itertools.product(SHAPES, ("full", "same", "valid")))[len(view) % 2 :: 2]:
        if "2d" in name and len(shape) != 2:
            continue
        x = VIEWS[view](dtype, shape)
        kernel = kernel_of(x)[(slice(0, 3),) * x.ndim].astype(x.dtype.newbyteorder("="))
        with np.errstate(all="ignore"):
            wanted, found = (CONVOLUTIONS[name](host, x, kernel, mode) for host in (signal, our_signal))
        same(found, wanted, False)


@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if "fill" not in name])
@pytest.mark.parametrize("dtypes", ["Ff", "fF", "FF", "Di", "dD", "Dd"])
def test_complex_convolutions(blocks, dtypes, name):
    def complex_picture(dtype, shape):
        parts = [picture(dtype.lower(), [*shape[:-1], 2 * shape[-1]])[..., start::2] for start in (0, 1)]
        return (parts[0] + 1j * parts[1]).astype(dtype) if dtype.isupper() else parts[0]

    for shape, mode, view in zip(SHAPES, ("full", "same", "valid", "full", "same"), VIEWS, strict=False):
        if "2d" in name and len(shape) != 2:
            continue
        x = complex_picture(dtypes[0], shape)
        x = x[::-1] if view == "reversed" else np.asfortranarray(x) if view == "transposed" else x
        kernel = complex_picture(dtypes[1], (3,) * x.ndim)
        wanted, found = (CONVOLUTIONS[name](host, x, kernel, mode) for host in (signal, our_signal))
        same(found, wanted, False)
    if "2d" not in name:
        x, kernel = complex_picture(dtypes[0], (3, 70, 1, 50)), complex_picture(dtypes[1], (3, 4, 2, 1))
        wanted, found = (host.fftconvolve(x, kernel, axes=1) for host in (signal, our_signal))
        same(found, wanted, False)


def test_axes_that_are_not_convolved(blocks):
    x, kernel = picture("i2", (3, 70, 1, 50)), picture("i1", (3, 4, 2, 1))
    wanted = signal.fftconvolve(x.astype("f8"), kernel.astype("f8"), axes=1)
    found = our_signal.convolve(x, kernel, axes=1)
    np.testing.assert_array_equal(found, np.rint(wanted).astype("i8").astype("i2"))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(("n", "taps"), [(1071, 48), (1100, 60), (5003, 1000), (20_011, 101), (3000, 2000)])
def test_long_kernels(n, taps, mode, dtype):
    x, kernel = picture(dtype, (n,)), picture(dtype, (taps,))
    assert _long.wants_rows(x[None, None], kernel) == (n - taps + 1 >= 1024)
    for name in ("convolve", "correlate"):
        wanted = getattr(np, name)(x.astype("f8"), kernel.astype("f8"), mode)
        found = getattr(our_numpy, name)(x, kernel, mode)
        assert found.dtype == dtype
        digits = 1e-14 if dtype == "f8" else 1e-6
        np.testing.assert_allclose(found, wanted, rtol=0, atol=digits * np.abs(kernel).sum() * np.abs(x).max())
    both = our_signal.convolve(np.stack([x, 2 * x]), kernel[None], mode, "direct", axes=1)
    np.testing.assert_allclose(both[1], 2 * both[0], rtol=1e-6, atol=1e-3)


def test_long_kernels_keep_what_is_not_finite_under_their_windows():
    x, kernel = picture("f8", (5000,)), picture("f8", (100,))
    x[3], x[2500] = np.inf, np.nan
    for mode in ("full", "same", "valid"):
        wanted, found = np.convolve(x, kernel, mode), our_numpy.convolve(x, kernel, mode)
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(wanted))


@pytest.mark.parametrize("border", ["zeros", "edge", "wrap", "reflect", "symmetric", 2.5])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_borders_are_numpys(border, n):
    x = np.arange(3.0 * n).reshape(3, n)
    names = {"zeros": ("constant", {}), 2.5: ("constant", {"constant_values": 2.5})}
    mode, options = names.get(border, (border, {}))
    wide = np.pad(x, ((0, 0), (9, 9)), mode, **options)
    for start, stop in ((-9, n + 9), (0, n), (-3, 1), (n - 1, n + 4), (-8, -2), (n + 1, n + 5)):
        found = _blocks.with_border(x, 1, start, stop, border, np.empty((3, stop - start), "f4"))
        np.testing.assert_array_equal(found, wide[:, start + 9 : stop + 9])
