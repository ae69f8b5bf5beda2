"""conv_integer against the specification's loops: dimensions, layouts, types, zero points, scales; and its errors."""

from __future__ import annotations

import functools
import itertools
import pickle

import numpy as np
import pytest

import fastconv
from fastconv import reference

#: x without its batch, weight, options
SHAPES = {
    "one dimension": ((3, 50), (5, 3, 4), {"stride": 2, "padding": ((1, 2),), "dilation": 3}),
    "3x3": ((16, 9, 11), (19, 16, 3, 3), {"padding": 1}),
    "odd channels, strides": ((7, 12, 13), (33, 7, 5, 2), {"stride": (2, 3), "padding": ((0, 3), 1)}),
    "1x1, stride 2": ((24, 8, 9), (8, 24, 1, 1), {"stride": 2}),
    "groups of odd channels": ((15, 6, 7), (12, 5, 3, 3), {"groups": 3, "padding": "same"}),
    "first layer": ((3, 17, 18), (10, 3, 7, 7), {"stride": 2, "padding": 3}),
    "depthwise": ((21, 10, 9), (21, 1, 3, 3), {"groups": 21, "padding": 1, "stride": (1, 2)}),
    "two filters a channel": ((4, 6, 7), (8, 1, 2, 3), {"groups": 4}),
    "three dimensions": ((3, 4, 6, 7), (6, 3, 2, 3, 3), {"padding": "full", "dilation": (1, 1, 2)}),
}  # fmt: skip
KINDS = list(itertools.product((np.uint8, np.int8), repeat=2))


def integers(rng, kind, shape):
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, shape).astype(kind)


@functools.cache
def problems(name):
    """Operands of every type, and what the loops make of them: sums, and requantized to each type."""
    x_shape, w_shape, options = SHAPES[name]
    rng, made = np.random.default_rng(len(name)), []
    for x_kind, w_kind in KINDS:
        x, weight = integers(rng, x_kind, (2, *x_shape)), integers(rng, w_kind, w_shape)
        x_zero, weight_zero = int(integers(rng, x_kind, ())), integers(rng, w_kind, w_shape[:1])
        bias = rng.integers(-5000, 5000, w_shape[0]).astype(np.int32)
        zeros = {"x_zero_point": x_zero, "weight_zero_point": weight_zero}
        sums = reference.conv_integer(x, weight, bias, **options, **zeros)
        scale, scaled = rng.random(w_shape[0]) * 1e-2, []
        for y_kind in (np.uint8, np.int8):
            y_zero = int(integers(rng, y_kind, ()))
            expected = reference.requantize(sums, scale, y_zero, y_kind)
            scaled.append(({"scale": scale, "y_zero_point": y_zero, "y_dtype": y_kind}, expected))
        made.append((x, weight, bias, {**options, **zeros}, sums, scaled))
    return made


@pytest.mark.parametrize("name", SHAPES)
def test_against_loops(isa, name):
    for x, weight, bias, options, sums, scaled in problems(name):
        found = fastconv.conv_integer(x, weight, bias, **options)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, sums)
        for scaling, expected in scaled:
            prepared = fastconv.prepare_conv_integer(x.shape, weight, bias, x_dtype=x.dtype, **options, **scaling)
            for threads in (1, 2, 3):
                y = prepared(x, num_threads=threads)
                assert y.dtype == expected.dtype
                np.testing.assert_array_equal(y, expected)


#: largest weight of either sign, channels, stride; sums grow to the ends of what tiles hold, and beyond int32
TILES = {
    "tiles of 4x4": (127, 64, 1),
    "tiles of 2x2": (255, 64, 1),
    "ends of 4x4": (227, 64, 1),
    "stride 2": (255, 64, 2),
    "direct, sums wrap": (255, 3700, 1),
}


def exact_3x3(x, weight, padding, stride):
    """The sums of 3x3 kernels, exact in float64, as int32."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *padding))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    sums = np.tensordot(windows, weight.astype(np.float64), ((1, 4, 5), (1, 2, 3)))
    return np.moveaxis(sums, -1, 1).astype(np.int64).astype(np.int32)


@pytest.mark.parametrize("name", TILES)
def test_winograd_tiles_are_exact(isa, name):
    most, channels, stride = TILES[name]
    rng = np.random.default_rng(most)
    size, filters = ((9 * stride, 14 * stride), 34) if channels < 100 else ((4, 4), 8)
    # a zero point at an end of the weights makes them as large as they can be
    zero = min(127, most - 128)
    weight = (rng.integers(0, 2, (filters, channels, 3, 3)) * 2 - 1) * min(most, 128 + zero)
    weight[::3] = -most
    weight = np.clip(weight + zero, -128, 127).astype(np.int8)
    for x_kind, x_zero in ((np.uint8, 255), (np.int8, -128), (np.uint8, 128)):
        x = integers(rng, x_kind, (2, channels, *size))
        x[0, :, ::2] = np.iinfo(x_kind).min if x_zero > 0 else np.iinfo(x_kind).max
        options = {"stride": stride, "padding": ((1, 2), (1, 1)), "x_zero_point": x_zero, "weight_zero_point": zero}
        expected = exact_3x3(x.astype(int) - x_zero, weight.astype(int) - zero, options["padding"], stride)
        prepared = fastconv.prepare_conv_integer(x.shape, weight, x_dtype=x_kind, **options)
        for threads in (1, 2, 3):
            np.testing.assert_array_equal(prepared(x, num_threads=threads), expected)
        last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
        y = fastconv.conv_integer(last, weight, layout="NHWC", **options)
        np.testing.assert_array_equal(y, np.moveaxis(expected, 1, -1))


@pytest.mark.parametrize("out", [False, True])
def test_layouts_and_views(out):
    rng = np.random.default_rng(0)
    x, weight = integers(rng, np.uint8, (2, 6, 9, 8)), integers(rng, np.int8, (10, 6, 3, 3))
    expected = reference.conv_integer(x, weight)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    given = np.empty((2, 7, 6, 10), np.int32) if out else None
    y = fastconv.conv_integer(last, weight.transpose(2, 3, 1, 0), layout="NHWC", weight_layout="HWIO", out=given)
    np.testing.assert_array_equal(y, np.moveaxis(expected, 1, -1))
    assert y is given or not out
    wide = integers(rng, np.uint8, (2, 12, 18, 24))
    wide[:, ::-2, ::2, ::-3] = x
    view = wide[:, ::-2, ::2, ::-3]
    strided = np.empty((2, 10, 7, 12), np.int32)[..., ::2] if out else None
    y = fastconv.conv_integer(view, weight, out=strided)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(fastconv.conv_integer(x[0], weight), expected[0])
    assert fastconv.conv_integer(x[:0], weight).shape == (0, 10, 7, 6)


def test_sums_wrap():
    x, weight = np.full((1, 1, 2), 255, np.uint8), np.full((1, 1, 2), -128, np.int8)
    bias = np.array([-(2**31)], np.int32)
    assert fastconv.conv_integer(x, weight, bias).item() == 2**31 - 2 * 255 * 128
    assert reference.conv_integer(x, weight, bias).item() == 2**31 - 2 * 255 * 128


def test_halves_go_to_even():
    x = np.arange(8, dtype=np.uint8).reshape(1, 1, 8)
    y = fastconv.conv_integer(x, np.ones((1, 1, 1), np.int8), scale=0.5, y_zero_point=1)
    assert y.ravel().tolist() == [1, 1, 2, 3, 3, 3, 4, 5]


X, W = np.zeros((1, 4, 5, 5), np.uint8), np.zeros((6, 4, 3, 3), np.int8)
BAD = [
    (TypeError, r"x has dtype float32.*x.astype\(np.int8\)", (X.astype(np.float32), W), {}),
    (TypeError, "weight has dtype int64", (X, W.astype(int)), {}),
    (TypeError, "bias has dtype float64", (X, W, np.zeros(6)), {}),
    (ValueError, r"bias of shape \(5,\)", (X, W, np.zeros(5, np.int32)), {}),
    (ValueError, r"x_zero_point \(=256\).*0 to 255", (X, W), {"x_zero_point": 256}),
    (ValueError, r"x_zero_point \(=10{30}\).*0 to 255", (X, W), {"x_zero_point": 10**30}),
    (TypeError, r"x_zero_point \(=0.5\).*float64", (X, W), {"x_zero_point": 0.5}),
    (TypeError, r"x_zero_point \(='q'\)", (X, W), {"x_zero_point": "q"}),
    (TypeError, r"x_zero_point \(=True\).*bool", (X, W), {"x_zero_point": True}),
    (TypeError, r"scale \(='a'\)", (X, W), {"scale": "a"}),
    (ValueError, r"scale \(=nan\) must be finite", (X, W), {"scale": np.nan}),
    (ValueError, r"scale \(=\[1.0.*inf\]\) must be finite", (X, W), {"scale": [1.0] * 5 + [np.inf]}),
    (TypeError, r"y_dtype \(='foo'\) must be int8 or uint8", (X, W), {"scale": 1.0, "y_dtype": "foo"}),
    (ValueError, r"x \(list\) is no array", ([[1], [2, 3]], W), {}),
    (TypeError, "x has dtype object .from NoneType.: give", (None, W), {}),
    (TypeError, r"cast it with x.astype\(np.uint8\)", (X.astype(int) + 200, W), {}),
    (TypeError, "its values do not fit", (X + 0.5, W), {}),
    (ValueError, r"y_dtype \(='foo'\) needs a scale", (X, W), {"y_dtype": "foo"}),
    (ValueError, r"weight_zero_point has shape \(4,\)", (X, W), {"weight_zero_point": np.zeros(4, int)}),
    (ValueError, "y_zero_point.*needs a scale", (X, W), {"y_zero_point": 3}),
    (ValueError, "y_dtype.*needs a scale", (X, W), {"y_dtype": np.int8}),
    (TypeError, r"y_dtype \(=int16\)", (X, W), {"scale": 1.0, "y_dtype": np.int16}),
    (ValueError, r"scale has shape \(2,\)", (X, W), {"scale": [1.0, 2.0]}),
    (ValueError, r"groups \(=3\) must divide", (X, W), {"groups": 3}),
    (ValueError, "layout", (X, W), {"layout": "NCW"}),
    (ValueError, "weight of shape", (X, W[0, 0]), {}),
    (TypeError, "out has dtype", (X, W), {"out": np.zeros((1, 6, 3, 3))}),
]


@pytest.mark.parametrize(("error", "message", "arrays", "options"), BAD)
def test_refuses(error, message, arrays, options):
    with pytest.raises(error, match=message):
        fastconv.conv_integer(*arrays, **options)


def test_prepared_keeps_to_its_kind():
    weight = W.copy()
    weight[...] = 1
    operation = fastconv.prepare_conv_integer(X.shape, weight)
    weight[...] = 0
    assert operation(X + 1).max() == 36
    assert repr(operation) == "<prepared conv_integer 1x4x5x5 uint8 -> 1x6x3x3 int32, weight 6x4x3x3>"
    with pytest.raises(ValueError, match="prepared for"):
        operation(X[:, :, 1:])
    with pytest.raises(TypeError, match="x has dtype int8"):
        operation(X.astype(np.int8))
    with pytest.raises(ValueError, match=r"x has shape \(\)"):
        operation(np.uint8(3))
    for x_dtype, shown in ((float, "float64"), ("zz", "'zz'"), (None, "None")):
        with pytest.raises(TypeError, match=rf"x_dtype \(={shown}\) must be int8 or uint8"):
            fastconv.prepare_conv_integer(X.shape, W, x_dtype=x_dtype)
    with pytest.raises(ValueError, match=r"x_shape\[1\] \(=-5\)"):
        fastconv.prepare_conv_integer((1, -5, 5, 5), W)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(operation)


def test_out_may_not_overlap_x():
    weight = np.ones((4, 4, 1, 1), np.int8)
    wide = np.ones((1, 4, 5, 10), np.uint8)
    view = wide[..., ::2]
    operation = fastconv.prepare_conv_integer(view.shape, weight, scale=1.0)
    for call in (operation, lambda x, out: fastconv.conv_integer(x, weight, scale=1.0, out=out)):
        with pytest.raises(ValueError, match="out overlaps x"):
            call(view, out=view)
    assert (wide == 1).all()
    assert (operation(view, out=wide[..., 1::2]) == 4).all() and (view == 1).all()


def test_profile_shows_it():
    operation = fastconv.prepare_conv_integer(X.shape, W)
    with fastconv.profile() as seen:
        operation(X, num_threads=1)
        fastconv.conv_integer(X, W, scale=1.0)
    first, second = seen.records
    assert (first.operation, first.prepared, first.dtype, first.threads) == ("conv_integer", True, "uint8", 1)
    assert first.flops == 2 * 6 * 9 * 36 and first.percent_of_peak is None and first.seconds > 0
    assert first.moved_bytes == X.size + W.size + 4 * 54
    assert not second.prepared and second.moved_bytes == X.size + W.size + 54
    assert "conv_integer forward" in seen.table()
