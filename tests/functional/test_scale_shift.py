"""Scales and shifts of channels against the naive loops, in every layout, with every combination of operands."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import fastconv
from fastconv import reference
from fastconv.functional.scale_shift import cut_for, scaled

TYPES = (np.float32, np.float64)
# (N, C, ...): no spatial axes, planes below and above a vector, few channels, more than a task, three axes
SHAPES = [(5, 3), (40, 17), (3, 4, 7), (2, 17, 5, 5), (3, 2, 9, 30), (2, 3, 2, 3, 4), (2, 5, 61, 67), (2, 0, 3), (0, 2)]
LAYOUTS = {3: ("NCW", "NWC"), 4: ("NCHW", "NHWC"), 5: ("NCDHW", "NDHWC")}
ACTIVATIONS = {None: lambda y: y, "relu": lambda y: np.maximum(y, 0), "relu6": lambda y: np.clip(y, 0, 6),
               ("leaky_relu", 0.2): lambda y: np.where(y > 0, y, 0.2 * y)}  # fmt: skip


def arrays(shape, dtype, by_image, seed=0):
    """x, residual, scale and shift."""
    rng = np.random.default_rng(seed)
    sizes = (shape, shape, shape[:2] if by_image else shape[1:2], shape[1:2])
    return tuple((3 * rng.standard_normal(size)).astype(dtype) for size in sizes)


def moved(x, last):
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x


@functools.cache
def problem(shape, dtype, by_image):
    """Operands, and what the loops make of each choice of them."""
    x, residual, scale, shift = arrays(shape, dtype, by_image)
    one, zero = np.ones(shape[1], dtype), np.zeros(shape[1], dtype)
    chosen = itertools.product((one, scale), (zero, shift), (None, residual))
    return x, residual, scale, shift, [reference.scale_shift(x, *operands) for operands in chosen]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("by_image", [False, True], ids=["channel", "image"])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_as_the_naive_loops(shape, dtype, last, by_image, activation, isa):
    x, residual, scale, shift, answers = problem(shape, dtype, by_image)
    layout = None if len(shape) == 2 else LAYOUTS[len(shape)][last]
    last = last and len(shape) > 2
    for (scaling, shifting, adding), expected in zip(itertools.product((False, True), repeat=3), answers, strict=True):
        y = fastconv.scale_shift(
            moved(x, last), scale if scaling else None, shift if shifting else None,
            moved(residual, last) if adding else None, layout=layout, activation=activation,
        )  # fmt: skip
        assert y.dtype == dtype
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(y, moved(ACTIVATIONS[activation](expected), last), rtol=4 * eps, atol=64 * eps)


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("dtype", TYPES)
def test_any_number_of_threads_and_any_place_gives_the_same_bits(dtype, last):
    x, residual, scale, shift = arrays((3, 19, 41, 43), dtype, True)
    x, residual = moved(x, last), moved(residual, last)
    options = {"layout": LAYOUTS[4][last], "activation": "relu"}
    y = fastconv.scale_shift(x, scale, shift, residual, num_threads=1, **options)
    for threads in (2, 3, 4):
        again = fastconv.scale_shift(x, scale, shift, residual, num_threads=threads, **options)
        assert again.tobytes() == y.tobytes()
    for place in (0, 1):
        taken = [x.copy(), residual.copy()]
        result = fastconv.scale_shift(taken[0], scale, shift, taken[1], out=taken[place], **options)
        assert result is taken[place]
        assert result.tobytes() == y.tobytes()


def test_views_and_numbers_that_are_not_finite():
    x, residual, scale, shift = arrays((2, 4, 6, 6), np.float32, False)
    x[0, 0, 0, 0], x[1, 1, 2, 2] = np.nan, -np.inf
    expected = x[:, ::2, 1:] * scale[::2, None, None] + shift[1::2, None, None] + residual[:, 1::2, 1:]
    y = fastconv.scale_shift(x[:, ::2, 1:], scale[::2], shift[1::2], residual[:, 1::2, 1:])
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    out = np.zeros((2, 2, 5, 12), np.float32)[..., ::2]
    assert fastconv.scale_shift(x[:, ::2, 1:], scale[::2], shift[1::2], residual[:, 1::2, 1:], out=out) is out
    np.testing.assert_array_equal(out, y)
    np.testing.assert_array_equal(fastconv.scale_shift(x), x)


def test_zeros_keep_their_sign_where_nothing_is_added():
    x = np.full((1, 2, 9), -0.0, np.float32)
    assert np.signbit(fastconv.scale_shift(x, np.array([1, 2], np.float32))).all()


REFUSED = {
    "shape of scale": ({"scale": np.ones(3)}, ValueError, r"scale has shape \(3,\).*\(2,\).*\(4, 2\)"),
    "type of shift": ({"shift": np.ones(2, np.float32)}, TypeError, "shift is float32"),
    "shape of residual": ({"residual": np.ones((4, 2))}, ValueError, "residual has shape"),
    "layout": ({"layout": "NCHW"}, ValueError, "layout"),
    "activation": ({"activation": "swish"}, ValueError, "activation"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case):
    options, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        fastconv.scale_shift(np.ones((4, 2, 3)), **options)


def test_refuses_to_write_over_its_coefficients():
    scale = np.ones((2, 3))
    with pytest.raises(ValueError, match="overlaps scale"):
        fastconv.scale_shift(np.ones((2, 3)), scale, out=scale)


#: shapes of coefficients for an array of shape (2, 3, 4, 5)
BROADCAST = [(), (5,), (3, 1, 1), (2, 3, 1, 1), (2, 1, 1, 5), (2, 1, 4, 5), (1, 3, 4, 1), (2, 3, 4, 5), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", BROADCAST, ids=str)
def test_coefficients_that_broadcast(shape):
    rng = np.random.default_rng(0)
    x, scale, shift = (rng.standard_normal(size) for size in ((2, 3, 4, 5), shape, shape))
    np.testing.assert_allclose(scaled(x, scale, shift, x), x * scale + shift + x, rtol=1e-12, atol=1e-12)


def test_coefficients_of_separated_axes_are_left_to_others():
    assert cut_for((2, 3, 4, 5), (2, 1, 4, 1)) is None
    assert cut_for((2, 3, 4, 5), (1, 3, 1, 5)) is None
    assert cut_for((2, 3), (4, 3)) is None
