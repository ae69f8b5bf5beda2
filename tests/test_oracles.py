"""The quick oracle says what the naive loops say, and the naive loops say what the written-out sums say."""

from __future__ import annotations

import math

import cases_pool
import numpy as np
import oracles
import pytest
from cases import EDGES, GROUPS, LAYERS, RANKS, by_id, transposed_cases

from fastconv import reference

SMALL = [c for c in LAYERS + GROUPS + EDGES + RANKS if np.prod(c.weight_shape) * np.prod(c.size) < 40_000]
POOLS = [case for case in cases_pool.CASES if np.prod(case.shape) < 400 and "spp" not in case.id]
BORDERS = ["zeros", 0.5, "reflect", "symmetric", "edge", "wrap"]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_conv_oracle_equals_reference(case):
    x, weight, bias = case.arrays(np.float64)
    o = case.oracle_options
    y = oracles.conv(x, weight, bias, o)
    np.testing.assert_allclose(reference.conv(x, weight, bias, **case.options), y, rtol=1e-12, atol=1e-12)
    dy = np.random.default_rng(3).standard_normal(y.shape)
    dx, dweight, dbias = reference.conv_backward(dy, x, weight, **case.options)
    np.testing.assert_allclose(dx, oracles.conv_backward_data(dy, x.shape, weight, o), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dweight, oracles.conv_backward_weights(dy, x, weight.shape, o), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dbias, oracles.conv_backward_bias(dy), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name, x_shape, weight_shape, size, options", transposed_cases()[:-1])
def test_conv_transpose_oracle_equals_reference(name, x_shape, weight_shape, size, options):
    rng = np.random.default_rng(4)
    x, weight = rng.standard_normal(x_shape), rng.standard_normal(weight_shape)
    bias = rng.standard_normal(weight_shape[1] * options.get("groups", 1))
    o = oracles.options(len(size), **{k: v for k, v in options.items() if k != "output_padding"})
    y = oracles.conv_transpose(x, weight, bias, size, o)
    np.testing.assert_allclose(reference.conv_transpose(x, weight, bias, **options), y, rtol=1e-12, atol=1e-12)
    dy = rng.standard_normal(y.shape)
    dx, dweight, dbias = reference.conv_transpose_backward(dy, x, weight, **options)
    np.testing.assert_allclose(dx, oracles.conv(dy, weight, None, o), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dweight, oracles.conv_backward_weights(x, dy, weight.shape, o), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dbias, oracles.conv_backward_bias(dy), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(1, 1, 1), (2, 1, 3), (3, 4, 2)])
def test_pad_is_numpy_pad(border, size):
    x = np.random.default_rng(5).standard_normal((2, 1, *size))
    pairs = ((3, 0), (2, 5), (1, 4))
    mode, keywords = (border, {}) if border not in ("zeros", 0.5) else ("constant", {})
    if border == 0.5:
        keywords = {"constant_values": 0.5}
    expected = np.pad(x, ((0, 0), (0, 0), *pairs), mode=mode, **keywords)
    o = oracles.options(3, padding=pairs, border=border)
    np.testing.assert_array_equal(reference.pad(x, pairs, border), expected)
    np.testing.assert_array_equal(oracles.pad(x, o), expected)
    wide = np.random.default_rng(6).standard_normal(expected.shape)
    constant = oracles.pad(np.zeros_like(x), o)
    folded = reference.pad_backward(wide, size, pairs, border)
    np.testing.assert_allclose(np.vdot(folded, x), np.vdot(wide, expected - constant), rtol=1e-11)
    np.testing.assert_allclose(oracles._fold(wide, size, o), folded, rtol=1e-12, atol=1e-12)


def test_unknown_border_is_refused():
    with pytest.raises(ValueError, match="mirror"):
        reference.pad(np.zeros((1, 1, 1, 1, 2)), ((0, 0), (0, 0), (1, 1)), "mirror")


def test_conv_against_the_sum_written_out():
    x = np.array([[[1.0, 2.0, 4.0, 8.0]]])
    weight = np.array([[[1.0, 10.0, 100.0]]])
    assert reference.conv(x, weight).tolist() == [[[421.0, 842.0]]]
    assert reference.conv(x, weight, flip=True).tolist() == [[[124.0, 248.0]]]
    assert reference.conv(x, weight, np.array([0.5])).tolist() == [[[421.5, 842.5]]]


def test_conv_options_against_sums_written_out():
    x = np.array([[[1.0, 2.0, 4.0, 8.0]]])
    weight = np.array([[[1.0, 10.0, 100.0]]])
    assert reference.conv(x, weight, padding=((2, 1),), stride=2).tolist() == [[[100.0, 421.0, 84.0]]]
    assert reference.conv(x, np.array([[[1.0, 10.0]]]), dilation=3).tolist() == [[[81.0]]]
    two = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    assert reference.conv(two, np.array([[[2.0]], [[5.0]]]), groups=2).tolist() == [[[2.0, 4.0], [15.0, 20.0]]]
    assert reference.conv(two, np.array([[[2.0], [5.0]]])).tolist() == [[[17.0, 24.0]]]


@pytest.mark.parametrize(
    "case", by_id("strided-unequal", "grouped", "3d-unequal", "border-reflect"), ids=lambda c: c.id
)
def test_reference_gradients_by_finite_differences(case):
    x, weight, bias = case.arrays(np.float64)
    o = case.oracle_options
    dy = np.random.default_rng(7).standard_normal(oracles.conv(x, weight, None, o).shape)
    dx, dweight, _ = reference.conv_backward(dy, x, weight, **case.options)
    for array, gradient in ((x, dx), (weight, dweight)):
        flat = array.reshape(-1)
        for index in np.random.default_rng(8).integers(0, flat.size, 12):
            kept = flat[index]
            high, low = (np.vdot(dy, oracles.conv(x, weight, bias, o)) for flat[index] in (kept + 0.5, kept - 0.5))
            flat[index] = kept
            np.testing.assert_allclose(gradient.reshape(-1)[index], high - low, rtol=1e-9, atol=1e-9)


def test_pools_against_windows_written_out():
    x = np.array([[[[1.0, 5.0, 2.0], [4.0, 3.0, 6.0], [9.0, 8.0, 7.0]]]])
    y, indices = reference.max_pool(x, 2, 1)
    assert y.tolist() == [[[[5.0, 6.0], [9.0, 8.0]]]]
    assert indices.tolist() == [[[[1, 5], [6, 7]]]]
    assert reference.avg_pool(x, 2, 1).tolist() == [[[[3.25, 4.0], [6.0, 6.0]]]]
    assert reference.avg_pool(x, 2, 2, ceil_mode=True).tolist() == [[[[3.25, 4.0], [8.5, 7.0]]]]
    assert reference.avg_pool(x, 2, 2, divisor_override=1).tolist() == [[[[13.0]]]]
    np.testing.assert_allclose(reference.lp_pool(x, 2, (1, 3)), np.sqrt([[[[30.0], [61.0], [194.0]]]]))
    assert reference.max_unpool(y[..., :1, :1], indices[..., :1, :1], (3, 3))[0, 0].tolist() == [
        [0, 5, 0],
        [0] * 3,
        [0] * 3,
    ]


@pytest.mark.parametrize("case", POOLS, ids=lambda case: case.id)
def test_pool_oracle_equals_reference(case):
    sliding = "output_size" not in case.options
    prefix = "" if sliding else "adaptive_"
    for values in ("tied", "wild"):
        for ties in ("first", "split", "all"):
            x, dy, dx = cases_pool.expected(case, "max_pool_backward", values, ties)
            backward = getattr(reference, f"{prefix}max_pool_backward")
            np.testing.assert_allclose(backward(dy, x, **case.options, ties=ties), dx, rtol=1e-12, atol=1e-12)
        y, indices = getattr(reference, f"{prefix}max_pool")(x, **case.options)
        for found, wanted in zip((y, indices), cases_pool.expected(case, "max_pool", values)[1], strict=True):
            np.testing.assert_array_equal(found, wanted)
    x, y = cases_pool.expected(case, "avg_pool", "random")
    np.testing.assert_allclose(getattr(reference, f"{prefix}avg_pool")(x, **case.options), y, rtol=1e-12)
    _, dy, dx = cases_pool.expected(case, "avg_pool_backward", "random")
    backward = getattr(reference, f"{prefix}avg_pool_backward")
    np.testing.assert_allclose(backward(dy, case.shape, **case.options), dx, rtol=1e-11, atol=1e-12)
    for p in (1, 2.5, math.inf) if sliding else ():
        x, y = cases_pool.expected(case, "lp_pool", "sparse", p)
        np.testing.assert_allclose(reference.lp_pool(x, p, **case.options), y, rtol=1e-12)
        _, dy, dx = cases_pool.expected(case, "lp_pool_backward", "sparse", p)
        np.testing.assert_allclose(reference.lp_pool_backward(dy, x, p, **case.options), dx, rtol=1e-11, atol=1e-12)


def test_pool_reference_refuses_windows_of_padding_and_keeps_nan():
    x = np.array([[[[1.0, np.nan], [3.0, 2.0]]]])
    assert np.isnan(reference.lp_pool(x, math.inf, 2)).all()
    assert reference.adaptive_avg_pool(x, None).shape == x.shape
    for pool in (reference.max_pool, reference.avg_pool):
        with pytest.raises(ValueError, match="wholly in the padding"):
            pool(x, 2, padding=2)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pool_gradients_by_finite_differences(rank):
    rng = np.random.default_rng(rank)
    x = rng.permutation(2 * 2 * 5**rank).reshape(2, 2, *(5,) * rank) / 10 - 3.0
    window = {"kernel_size": 3, "stride": 2, "padding": 1}
    pools = [
        (lambda v: reference.max_pool(v, **window)[0], lambda dy: reference.max_pool_backward(dy, x, **window)),
        (lambda v: reference.avg_pool(v, **window), lambda dy: reference.avg_pool_backward(dy, x.shape, **window)),
        (lambda v: reference.lp_pool(v, 3, **window), lambda dy: reference.lp_pool_backward(dy, x, 3, **window)),
        (
            lambda v: reference.adaptive_avg_pool(v, 3),
            lambda dy: reference.adaptive_avg_pool_backward(dy, x.shape, 3),
        ),
        (lambda v: reference.adaptive_max_pool(v, 3)[0], lambda dy: reference.adaptive_max_pool_backward(dy, x, 3)),
    ]
    step = 1e-5
    for forward, backward in pools:
        dy = rng.standard_normal(forward(x).shape)
        direction = rng.standard_normal(x.shape)
        slope = np.vdot(dy, forward(x + step * direction) - forward(x - step * direction)) / (2 * step)
        np.testing.assert_allclose(np.vdot(backward(dy), direction), slope, rtol=1e-5)


def test_layers_by_finite_differences():
    rng = np.random.default_rng(11)
    x, weight, bias, dy = (rng.standard_normal(s) for s in ((3, 5), (4, 5), (4,), (3, 4)))
    dx, dweight, dbias = reference.linear_backward(dy, x, weight)
    logits, labels = rng.standard_normal((3, 4)), np.array([0, 3, 1])
    target = rng.standard_normal((3, 4))
    checks = [
        (lambda v: np.vdot(dy, reference.linear(v, weight, bias)), x, dx),
        (lambda v: np.vdot(dy, reference.linear(x, v, bias)), weight, dweight),
        (lambda v: np.vdot(dy, reference.linear(x, weight, v)), bias, dbias),
        (lambda v: np.vdot(dy, reference.relu(v)), logits, reference.relu_backward(dy, reference.relu(logits))),
        (
            lambda v: np.vdot(dy, reference.softmax(v)),
            logits,
            reference.softmax_backward(dy, reference.softmax(logits)),
        ),
        (
            lambda v: reference.softmax_cross_entropy(v, labels)[0],
            logits,
            reference.softmax_cross_entropy(logits, labels)[1],
        ),
        (lambda v: reference.mse_loss(v, target), logits, reference.mse_loss_backward(logits, target)),
    ]
    step = 1e-6
    for function, at, gradient in checks:
        direction = rng.standard_normal(at.shape)
        slope = (function(at + step * direction) - function(at - step * direction)) / (2 * step)
        np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-7)


def test_signal_formulas_are_the_ones_numpy_knows():
    rng = np.random.default_rng(12)
    x, w = rng.standard_normal(9), rng.standard_normal(4)
    np.testing.assert_allclose(reference.convolve1d(x, w), np.convolve(x, w))
    np.testing.assert_allclose(reference.correlate1d(x, w), np.correlate(x, w, "full"))
    image, kernel = rng.standard_normal((5, 6)), rng.standard_normal((3, 2))
    by_conv = oracles.conv(image[None, None], kernel[None, None], None, oracles.options(2, padding=(2, 1), flip=True))
    np.testing.assert_allclose(reference.convolve2d(image, kernel), by_conv[0, 0])
    np.testing.assert_allclose(reference.correlate2d(image, kernel), reference.convolve2d(image, kernel[::-1, ::-1]))
    volume, kernels = rng.standard_normal((3, 5, 6)), rng.standard_normal((4, 3, 2, 3))
    np.testing.assert_allclose(reference.feature_maps(volume, kernels), reference.conv(volume[None], kernels)[0])
