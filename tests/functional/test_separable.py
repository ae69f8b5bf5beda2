"""Kernels that are a column times a row: found where they are, never where they are not, and the same results."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import filters
from fastconv.functional._separable import choose_factors, factors

RNG = np.random.default_rng(7)
IMAGE = RNG.standard_normal((61, 47)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kernel", [filters.gaussian(17, 2), filters.gaussian((5, 9), 1.3), filters.box((3, 8)), filters.get("sobel_x")]
)
def test_factors(kernel, dtype):
    exact = np.outer(RNG.standard_normal(9), RNG.standard_normal(4))
    for one in (kernel.astype(dtype) if dtype == np.float32 else exact, exact.astype(dtype), -exact.astype(dtype)):
        column, row = factors(one)
        assert column.dtype == row.dtype == dtype
        error = np.abs(np.multiply.outer(column.astype(np.float64), row) - one).sum()
        assert error <= 2 * np.finfo(dtype).eps * np.abs(one).sum()


@pytest.mark.parametrize("name", ["laplacian", "sharpen", "edge_detection", "emboss", "identity"])
def test_what_does_not_separate(name):
    assert (factors(filters.get(name)) is None) == (name != "identity")


def test_almost_separable_is_not_separable():
    kernel = filters.gaussian(9, 1.5)
    kernel[4, 4] *= 1 + 1e-4
    assert factors(kernel) is None
    assert factors(np.zeros((3, 3), np.float32)) is None
    assert factors(np.full((3, 3), np.nan)) is None
    assert factors(np.full((3, 3), np.inf)) is None


@pytest.mark.parametrize("border", ["zeros", 1.5, "reflect", "symmetric", "edge", "wrap"])
@pytest.mark.parametrize("padding", ["same", "valid", "full", ((1, 2), (0, 3))])
@pytest.mark.parametrize("flip", [False, True])
def test_apply_filter_in_two_passes(border, padding, flip):
    kernel = np.outer([1, 2, 4, -1], [3, 1, 0.5]).astype(np.float32)
    keywords = {"border": border, "padding": padding, "flip": flip}
    for image in (IMAGE, RNG.standard_normal((2, 20, 21, 3)), IMAGE.astype(np.uint8)):
        whole = fastconv.apply_filter(image, kernel, separable=False, **keywords)
        passes = fastconv.apply_filter(image, kernel, separable=True, **keywords)
        assert passes.dtype == whole.dtype
        np.testing.assert_allclose(passes, whole, atol=2e-5 * np.abs(whole).max())


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_signal_in_two_passes(name, mode):
    kernel = np.outer([1, 2, 4, -1], [3, 1, 0.5]).astype(np.float32)
    call = getattr(fastconv, name)
    for x, w in ((IMAGE, kernel), (kernel, np.ascontiguousarray(IMAGE))):
        if x is kernel and mode == "same":
            continue
        whole = call(x, w, mode, separable=False)
        np.testing.assert_allclose(call(IMAGE, kernel, mode, separable=True).shape, call(IMAGE, kernel, mode).shape)
        if x is IMAGE:
            np.testing.assert_allclose(call(x, w, mode, separable=True), whole, atol=2e-5 * np.abs(whole).max())


def test_where_it_pays():
    kernel = filters.gaussian(17, 2)
    assert choose_factors(kernel, 1 << 20, "auto", "default") is not None
    assert choose_factors(kernel, 1 << 20, "auto", "strict") is None
    assert choose_factors(kernel, 1 << 20, False, "default") is None
    assert choose_factors(kernel, 16, "auto", "default") is None
    assert choose_factors(kernel, 16, True, "default") is not None
    assert choose_factors(filters.gaussian(3), 1 << 20, "auto", "default") is None


def test_error_stays_that_of_the_whole_kernel():
    """Rms error against float64 at most 2.5 times that of one sequential sum of products per output."""
    image = RNG.standard_normal((300, 310)).astype(np.float32)
    kernel = filters.gaussian(17, 2)
    exact = fastconv.apply_filter(image.astype(np.float64), kernel, separable=False, accuracy="strict")
    sums = fastconv.apply_filter(image, kernel, separable=False, accuracy="strict") - exact
    passes = fastconv.apply_filter(image, kernel, separable=True) - exact
    assert np.sqrt(np.mean(passes**2)) <= 2.5 * np.sqrt(np.mean(sums**2))


def test_errors_speak():
    with pytest.raises(ValueError, match=r"separable \(=True\) asks for two passes, but the kernel"):
        fastconv.apply_filter(IMAGE, "laplacian", separable=True)
    with pytest.raises(ValueError, match="kernel size"):
        fastconv.apply_filter(IMAGE[:4, :4], filters.box(9), padding="valid", separable=True)


@pytest.mark.parametrize("axes", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("call", [fastconv.convolve, fastconv.correlate])
def test_separable_is_checked_whatever_the_kernel(call, axes):
    x, kernel = np.ones((6,) * axes), np.ones((3,) * axes)
    for bad in ("yes", 1, None, [True]):
        with pytest.raises(ValueError, match=r"separable \(=.*\) must be"):
            call(x, kernel, separable=bad)
    with pytest.raises(ValueError, match=r"separable \(='yes'\)"):
        call(x[:0] if axes else x, kernel, separable="yes")
    np.testing.assert_array_equal(call(x, kernel, separable=False), call(x, kernel, separable="auto"))
    if axes == 2:
        np.testing.assert_allclose(call(x, kernel, separable=True), call(x, kernel))
    else:
        with pytest.raises(
            ValueError, match=rf"separable \(=True\) is for arrays with two axes, but these have {axes}"
        ):
            call(x, kernel, separable=True)
    with pytest.raises(ValueError, match=r"separable \(='yes'\)"):
        fastconv.apply_filter(IMAGE, "sobel", separable="yes")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_look_refuses_nothing_that_separates(dtype):
    """Four elements are looked at before all: of products, also of tiny, huge and vanishing ones, none is refused."""
    for size, sigma in ((3, 0.3), (9, 0.4), (31, 1.5), (65, 4), (41, 0.9)):
        assert factors(filters.gaussian(size, sigma, dtype)) is not None, (size, sigma)
    for scale in (1e-30, 1.0, 1e30):
        for column, row in ((RNG.standard_normal(7), RNG.standard_normal(5)), ([0, 1, 0, 1], [1, 0, 1])):
            assert factors((np.outer(column, row) * scale).astype(dtype)) is not None
    disk = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4
    assert factors(disk.astype(dtype)) is None


def test_scratch_is_given_back():
    fastconv.apply_filter(IMAGE, filters.box(9), separable=True)
    from fastconv import _engine

    held = _engine.scratch_bytes()
    for _ in range(20):
        fastconv.apply_filter(IMAGE, filters.box(9), separable=True)
    assert _engine.scratch_bytes() == held


@pytest.mark.parametrize("shape", [(60, 70), (600, 700)])
@pytest.mark.parametrize("kernel", ["sobel", np.ones((15, 15), np.float32)])
def test_out_may_not_be_the_image(shape, kernel):
    """Two passes and stacks of kernels read the image again after their first result."""
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    before = image.copy()
    with pytest.raises(ValueError, match="out"):
        fastconv.apply_filter(image, kernel, out=image)
    assert (image == before).all()


def almost(kernel, place, change):
    kernel = kernel.copy()
    kernel[place] += np.float32(change)
    return kernel


@pytest.mark.parametrize(
    "kernel",
    [almost(np.ones((31, 31), np.float32), (0, 0), 2e-5), almost(filters.gaussian(31, 3), (0, 0), -3e-8)],
    ids=["box", "gaussian"],
)
def test_no_tap_is_lost(kernel):
    """One small tap beside many large ones does not vanish in a product."""
    assert factors(kernel) is None
    image = np.zeros((700, 700), np.float32)
    image[350, 350] = 1
    y = fastconv.convolve(image, kernel, "same", accuracy="default")
    assert y[335, 335] == pytest.approx(kernel[0, 0], rel=2e-6, abs=2e-7)


@pytest.mark.parametrize("size", [1e160, 1e-200, 1.0])
def test_factors_of_any_size(size):
    kernel = np.full((5, 7), size)
    column, row = factors(kernel)
    np.testing.assert_allclose(np.multiply.outer(column, row), kernel, rtol=1e-15)
