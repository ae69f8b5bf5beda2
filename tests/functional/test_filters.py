"""Hand-designed filters and their application to pictures, against NumPy's own padding and scipy.ndimage."""

import numpy as np
import pytest

import fastconv
from fastconv import filters

MAGNITUDES = ("sobel", "prewitt", "scharr")
BORDERS = {"zeros": "constant", "reflect": "reflect", "symmetric": "symmetric", "edge": "edge", "wrap": "wrap"}


def picture(shape, dtype=np.float64, seed=0):
    return (np.random.default_rng(seed).random(shape) * 200).astype(dtype)


def correlated(plane, kernel, border="symmetric", value=0.0):
    """Definition: S(i, j) = sum over m, n of I(i + m, j + n) K(m, n), the kernel's centre on the pixel."""
    height, width = kernel.shape
    before = [(k - 1) // 2 for k in kernel.shape]
    pads = [(b, k - 1 - b) for b, k in zip(before, kernel.shape, strict=True)]
    options = {"constant_values": value} if BORDERS.get(border, "constant") == "constant" else {}
    padded = np.pad(plane.astype(np.float64), pads, mode=BORDERS.get(border, "constant"), **options)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width))
    return np.einsum("ijmn,mn->ij", windows, kernel.astype(np.float64))


def test_the_names():
    assert set(filters.names()) == {
        "identity", "box", "gaussian", "sharpen", "edge_detection", "sobel", "sobel_x", "sobel_y", "prewitt",
        "prewitt_x", "prewitt_y", "scharr", "scharr_x", "scharr_y", "laplacian", "emboss", "vertical_edge",
        "horizontal_edge",
    }  # fmt: skip


@pytest.mark.parametrize("name", filters.names())
def test_kernels(name):
    kernel = filters.get(name)
    assert kernel.dtype == np.float32 and filters.get(name, np.float64).dtype == np.float64
    total = {"identity": 1, "box": 1, "gaussian": 1, "sharpen": 1, "emboss": 1}.get(name, 0)
    assert kernel.sum() == pytest.approx(total, abs=1e-6)
    kernel[...] = 7
    assert not np.array_equal(kernel, filters.get(name)), "get must return a new array"


@pytest.mark.parametrize("name", ["sobel", "prewitt", "scharr"])
def test_derivatives_are_each_others_transpose(name):
    x, y = filters.get(f"{name}_x"), filters.get(f"{name}_y")
    assert np.array_equal(x, y.T) and np.array_equal(filters.get(name), [x, y])
    ramp = np.tile(np.arange(8.0), (8, 1))
    slope = fastconv.apply_filter(ramp, f"{name}_x")[:, 1:-1]
    assert (slope > 0).all() and (fastconv.apply_filter(ramp, f"{name}_y") == 0).all()


def test_gaussian_and_box():
    kernel = filters.gaussian((5, 7), 1.5, np.float64)
    offsets = np.exp(-((np.arange(5)[:, None] - 2) ** 2 + (np.arange(7) - 3) ** 2) / (2 * 1.5**2))
    np.testing.assert_allclose(kernel, offsets / offsets.sum(), rtol=1e-14)
    assert np.array_equal(filters.box((2, 4)), np.full((2, 4), 0.125, np.float32))


@pytest.mark.parametrize("border", [*BORDERS, 12.5])
@pytest.mark.parametrize("name", ["sharpen", "sobel_x", "emboss", "gaussian"])
def test_against_the_definition(name, border):
    image = picture((9, 11))
    value = border if isinstance(border, float) else 0.0
    wanted = correlated(image, filters.get(name, np.float64), border, value)
    np.testing.assert_allclose(fastconv.apply_filter(image, name, border=border), wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MAGNITUDES)
@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3), (2, 8, 9, 3)], ids=str)
def test_gradient_magnitude(name, shape):
    image = picture(shape)
    x, y = fastconv.apply_filter(image, f"{name}_x"), fastconv.apply_filter(image, f"{name}_y")
    np.testing.assert_allclose(fastconv.apply_filter(image, name), np.sqrt(x**2 + y**2), rtol=1e-13)


def test_each_channel_and_each_image_by_itself():
    images = picture((2, 7, 8, 3))
    result = fastconv.apply_filter(images, "laplacian")
    assert result.shape == images.shape
    for image in range(2):
        assert np.array_equal(fastconv.apply_filter(images[image], "laplacian"), result[image])
        for channel in range(3):
            wanted = correlated(images[image, ..., channel], filters.get("laplacian"))
            np.testing.assert_allclose(result[image, ..., channel], wanted, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool, np.int64])
def test_integer_images_are_computed_in_float32(dtype):
    image = (picture((6, 7)) > 100) if dtype is bool else picture((6, 7), dtype)
    result = fastconv.apply_filter(image, "edge_detection")
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, correlated(image, filters.get("edge_detection")), atol=1e-3)
    assert result.min() < 0, "nothing is clipped"


def test_own_kernels_padding_flip_and_out():
    image = picture((6, 7))
    kernel = np.arange(6).reshape(2, 3)
    np.testing.assert_allclose(fastconv.apply_filter(image, kernel), correlated(image, kernel), atol=1e-10)
    flipped = fastconv.apply_filter(image, kernel, flip=True)
    np.testing.assert_allclose(flipped, correlated(image, kernel[::-1, ::-1]), atol=1e-10)
    assert fastconv.apply_filter(image, kernel, padding="valid").shape == (5, 5)
    out = np.empty((6, 7))
    for name in ("sobel", "sharpen"):
        assert fastconv.apply_filter(image, name, out=out) is out
        assert np.array_equal(out, fastconv.apply_filter(image, name))


def test_ndimage_agrees():
    ndimage = pytest.importorskip("scipy.ndimage")
    image = picture((12, 10))
    for name in ("sobel_x", "gaussian", "emboss"):
        wanted = ndimage.correlate(image, filters.get(name, np.float64), mode="reflect")
        np.testing.assert_allclose(fastconv.apply_filter(image, name), wanted, atol=1e-10)


def test_translating_the_picture_translates_the_result():
    image = picture((10, 10))
    moved = np.roll(image, (2, 3), (0, 1))
    result = fastconv.apply_filter(image, "sharpen", border="wrap")
    np.testing.assert_allclose(
        fastconv.apply_filter(moved, "sharpen", border="wrap"), np.roll(result, (2, 3), (0, 1)), atol=1e-10
    )


@pytest.mark.parametrize(
    "image, kernel, options, error, words",
    [
        (np.ones((4, 4)), "sobol", {}, ValueError, "filter name (='sobol') must be one of identity"),
        (np.ones(4), "box", {}, ValueError, "image of shape (4,)"),
        (np.ones((0, 4)), "box", {}, ValueError, "image of shape (0, 4) holds no pixels"),
        (np.ones((4, 4)), "box", {"flip": "yes"}, TypeError, "flip (='yes')"),
        (np.ones((1, 2, 3, 4, 5)), "box", {}, ValueError, "(N, H, W, C)"),
        (np.ones((4, 4), np.float16), "box", {}, TypeError, "image.astype(np.float32)"),
        (np.ones((4, 4), complex), "box", {}, TypeError, "image has dtype complex128"),
        (np.ones((4, 4)), np.ones(3), {}, ValueError, "kernel of shape (3,)"),
        (np.ones((4, 4)), np.ones((0, 3)), {}, ValueError, "not be empty"),
        (np.ones((4, 4)), np.ones((3, 3), complex), {}, TypeError, "kernel has dtype complex128"),
        (np.ones((4, 4)), "box", {"border": "mirror"}, ValueError, "border (='mirror')"),
        (np.ones((4, 4)), "box", {"out": np.ones((4, 3))}, ValueError, "out has shape"),
    ],
)
def test_bad_input(image, kernel, options, error, words):
    with pytest.raises(error) as caught:
        fastconv.apply_filter(image, kernel, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("sigma", [0, -1.0, 1e-200, float("nan"), float("inf")])
def test_gaussian_needs_a_positive_sigma(sigma):
    with pytest.raises(ValueError, match="sigma"):
        filters.gaussian(3, sigma)


def test_gaussian_of_the_least_sigma_is_a_kernel_still():
    for size in (3, 4):
        kernel = filters.gaussian(size, 0.02)
        assert kernel.sum() == 1 and np.count_nonzero(kernel) == (1 if size % 2 else 4)


def test_gaussian_needs_a_number():
    with pytest.raises(TypeError, match="sigma .='wide'. must be a number"):
        filters.gaussian(3, "wide")
