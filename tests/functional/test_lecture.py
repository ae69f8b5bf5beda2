"""The textbook chapter, line by line: every formula, table and number of it that an operation stands for."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastconv
from fastconv import filters, geometry, reference


def rng():
    return np.random.default_rng(2024)


# ---- convolution ---------------------------------------------------------------------------------------------------


def test_sensor_smoothed_by_a_weighted_average():
    """s(t) = sum_a x(a) w(t - a), with weights that favour recent measurements and see nothing of the future."""
    t = np.arange(400)
    position = 1000 + 2.5 * t
    measured = position + rng().normal(0, 30, t.size)
    age = np.arange(8)
    w = 0.7**age / np.sum(0.7**age)
    s = fastconv.convolve(measured, w)[: t.size]
    written_out = [sum(measured[a] * w[now - a] for a in range(max(0, now - 7), now + 1)) for now in t]
    np.testing.assert_allclose(s, written_out, rtol=1e-12)
    lag = 2.5 * np.sum(age * w)
    assert np.std(s[8:] + lag - position[8:]) < 0.6 * np.std(measured[8:] - position[8:])
    assert np.all(np.diff(w) < 0)
    later = measured.copy()
    later[200:] += 1e6
    np.testing.assert_array_equal(fastconv.convolve(later, w)[:200], s[:200])


def test_true_convolution_in_one_dimension():
    x, w = rng().standard_normal(11), rng().standard_normal(4)
    np.testing.assert_allclose(fastconv.convolve(x, w), reference.convolve1d(x, w), atol=1e-14)
    np.testing.assert_allclose(
        fastconv.conv1d(x[None, None], w[None, None], padding="full", flip=True)[0, 0],
        reference.convolve1d(x, w),
        atol=1e-14,
    )


def test_true_convolution_in_two_dimensions():
    """S(i,j) = sum_m sum_n I(m,n) K(i-m, j-n): the kernel is rotated by 180 degrees."""
    image, kernel = rng().standard_normal((6, 7)), rng().standard_normal((3, 2))
    expected = reference.convolve2d(image, kernel)
    np.testing.assert_allclose(fastconv.convolve(image, kernel), expected, atol=1e-14)
    by_flag = fastconv.conv2d(image[None, None], kernel[None, None], padding="full", flip=True)
    np.testing.assert_allclose(by_flag[0, 0], expected, atol=1e-14)
    rotated = np.rot90(kernel, 2)
    by_hand = fastconv.conv2d(image[None, None], rotated[None, None], padding="full")
    np.testing.assert_allclose(by_hand[0, 0], expected, atol=1e-14)


def test_convolution_commutes_and_correlation_does_not():
    image, kernel = rng().standard_normal((6, 7)), rng().standard_normal((3, 2))
    np.testing.assert_allclose(fastconv.convolve(image, kernel), fastconv.convolve(kernel, image), atol=1e-14)
    one, other = fastconv.correlate(image, kernel), fastconv.correlate(kernel, image)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(one, other[::-1, ::-1], atol=1e-14)


def test_cross_correlation_does_not_flip():
    """S(i,j) = sum_m sum_n I(i+m, j+n) K(m,n), which is what layers use."""
    image, kernel = rng().standard_normal((6, 7)), rng().standard_normal((3, 2))
    expected = reference.correlate2d(image, kernel)
    np.testing.assert_allclose(fastconv.correlate(image, kernel), expected, atol=1e-14)
    layer = fastconv.conv2d(image[None, None], kernel[None, None])[0, 0]
    np.testing.assert_allclose(layer, expected[2:-2, 1:-1], atol=1e-14)


@pytest.mark.parametrize("size", [(20,), (9, 8), (5, 6, 4)], ids=["time series", "image", "video"])
def test_one_two_and_three_dimensions(size):
    rank = len(size)
    x, weight = rng().standard_normal((2, 3, *size)), rng().standard_normal((4, 3, *(3,) * rank))
    y = getattr(fastconv, f"conv{rank}d")(x, weight)
    np.testing.assert_allclose(y, reference.conv(x, weight), atol=1e-13)


def test_convolution_over_volumes():
    """Z[i,j,k] = sum_{l,m,n} V[l, j+m, k+n] K[i,l,m,n]."""
    volume, kernels = rng().standard_normal((3, 7, 8)), rng().standard_normal((5, 3, 3, 2))
    np.testing.assert_allclose(fastconv.conv2d(volume, kernels), reference.feature_maps(volume, kernels), atol=1e-13)


def test_six_filters_stack_into_an_output_volume():
    """Six 5x5 filters on a 32x32x3 image give 28x28x6."""
    image = rng().standard_normal((1, 32, 32, 3)).astype(np.float32)
    kernels = rng().standard_normal((6, 3, 5, 5)).astype(np.float32)
    y = fastconv.conv2d(image, kernels, layout="NHWC")
    assert y.shape == (1, 28, 28, 6)
    for i in range(6):
        alone = fastconv.conv2d(image, kernels[i : i + 1], layout="NHWC")[..., 0]
        np.testing.assert_allclose(alone, y[..., i], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="in_channels"):
        fastconv.conv2d(image, kernels[:, :2], layout="NHWC")


# ---- hand-designed filters -----------------------------------------------------------------------------------------

CHAPTER_FILTERS = {
    "identity": 1,
    "box": 1,
    "gaussian": 1,
    "sharpen": 1,
    "edge_detection": 0,
    "sobel_x": 0,
    "sobel_y": 0,
    "prewitt_x": 0,
    "prewitt_y": 0,
    "scharr_x": 0,
    "scharr_y": 0,
    "laplacian": 0,
    "emboss": 1,
    "vertical_edge": 0,
    "horizontal_edge": 0,
}


@pytest.mark.parametrize("name, total", CHAPTER_FILTERS.items())
def test_hand_designed_filters(name, total):
    """Filters that keep an even area sum to 1, those that look for edges to 0."""
    kernel = filters.get(name)
    np.testing.assert_allclose(kernel.sum(), total, atol=1e-6)
    flat = np.full((6, 5), 7.0, np.float32)
    np.testing.assert_allclose(fastconv.apply_filter(flat, name), flat * total, atol=1e-4)


def test_identity_filter_changes_nothing():
    image = rng().standard_normal((8, 9, 3)).astype(np.float32)
    np.testing.assert_array_equal(fastconv.apply_filter(image, "identity"), image)


@pytest.mark.parametrize(
    "name", ["sobel", "prewitt", "scharr", "vertical_edge", "horizontal_edge", "laplacian", "edge_detection"]
)
def test_edge_filters_answer_at_edges_only(name):
    step = np.zeros((12, 12), np.float32)
    step[:, 6:] = 1
    if name == "horizontal_edge":
        step = step.T.copy()
    response = np.abs(fastconv.apply_filter(step, name))
    at_edge = response if name != "horizontal_edge" else response.T
    assert np.all(at_edge[:, 5:7] > 0)
    assert np.all(at_edge[:, :5] == 0) and np.all(at_edge[:, 7:] == 0)


@pytest.mark.parametrize("name", ["sobel", "prewitt", "scharr"])
def test_gradient_filters_know_the_direction(name):
    ramp = np.tile(np.arange(9, dtype=np.float32), (9, 1))
    inside = np.s_[1:-1, 1:-1]
    assert np.all(fastconv.apply_filter(ramp, f"{name}_x")[inside] > 0)
    assert np.all(fastconv.apply_filter(ramp, f"{name}_y")[inside] == 0)
    assert np.all(fastconv.apply_filter(ramp.T.copy(), f"{name}_y")[inside] > 0)


@pytest.mark.parametrize("name", ["box", "gaussian"])
def test_blurs_smooth(name):
    noise = rng().standard_normal((40, 40)).astype(np.float32)
    assert np.std(fastconv.apply_filter(noise, name)) < 0.5 * np.std(noise)


# ---- sparse interactions, parameter sharing, equivariance ----------------------------------------------------------


def test_edge_detection_takes_267960_operations():
    """320x280 image, kernel 1x2, output 319x280: two multiplications and one addition each; a matrix needs 16e9."""
    image = rng().uniform(0, 255, (280, 320))
    kernel = np.array([[-1.0, 1.0]])
    edges = fastconv.conv2d(image[None, None], kernel[None, None])[0, 0]
    np.testing.assert_array_equal(edges, np.diff(image, axis=1))
    assert edges.shape == (280, 319)
    k = kernel.size
    assert edges.size * (k + (k - 1)) == 267_960
    matrix = image.size * edges.size
    assert 2 * matrix > 16_000_000_000
    report = fastconv.explain_conv2d((1, 1, 280, 320), (1, 1, 1, 2), algorithm="reference")
    assert report.macs == 2 * edges.size


def test_interactions_are_sparse():
    """An output looks at k x k x C inputs, so only these get a gradient from it."""
    weight = rng().uniform(0.5, 1, (1, 3, 3, 3))
    dy = np.zeros((1, 1, 8, 8))
    dy[0, 0, 4, 2] = 1
    dx = fastconv.conv2d_backward(dy, (1, 3, 10, 10), weight, needs=("x",))[0]
    assert np.count_nonzero(dx) == 3 * 3 * 3
    assert np.all(dx[0, :, 4:7, 2:5] != 0)


def test_parameters_are_shared():
    """One filter serves every position: its gradient is the sum of the gradients of copies at each position."""
    x, dy = rng().standard_normal((1, 2, 6, 6)), rng().standard_normal((1, 3, 4, 4))
    together = fastconv.conv2d_backward(dy, x, (3, 2, 3, 3), needs=("weight",))[1]
    apart = np.zeros_like(together)
    for i, j in np.ndindex(4, 4):
        apart += dy[0, :, i, j][:, None, None, None] * x[0, :, i : i + 3, j : j + 3]
    np.testing.assert_allclose(together, apart, atol=1e-13)


@pytest.mark.parametrize("shift", [(1, 0), (0, 2), (3, 1)])
def test_equivariance_to_translation(shift):
    """Moving an object in the input moves its feature map by as much."""
    image = np.zeros((1, 2, 20, 20))
    image[:, :, 5:9, 6:10] = rng().standard_normal((2, 4, 4))
    weight = rng().standard_normal((3, 2, 3, 3))
    moved = np.roll(image, shift, (2, 3))
    there = np.roll(fastconv.conv2d(image, weight, padding=1), shift, (2, 3))
    np.testing.assert_allclose(fastconv.conv2d(moved, weight, padding=1), there, atol=1e-13)


def test_backward_for_data_is_a_convolution_with_flipped_filters():
    """dx is the full convolution of dy with the filters turned by 180 degrees, in and out channels exchanged."""
    weight, dy = rng().standard_normal((4, 3, 3, 2)), rng().standard_normal((2, 4, 5, 6))
    dx = fastconv.conv2d_backward(dy, (2, 3, 7, 7), weight, needs=("x",))[0]
    swapped = weight.transpose(1, 0, 2, 3)
    np.testing.assert_allclose(dx, fastconv.conv2d(dy, swapped, padding="full", flip=True), atol=1e-13)
    np.testing.assert_allclose(dx, fastconv.conv2d(dy, np.flip(swapped, (2, 3)), padding="full"), atol=1e-13)


def test_backward_for_weights_is_a_convolution():
    """dw is the correlation of the input with dy, samples taking the part of channels."""
    x, dy = rng().standard_normal((2, 3, 7, 7)), rng().standard_normal((2, 4, 5, 6))
    dweight = fastconv.conv2d_backward(dy, x, (4, 3, 3, 2), needs=("weight",))[1]
    as_conv = fastconv.conv2d(x.transpose(1, 0, 2, 3), dy.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(dweight, as_conv, atol=1e-13)


# ---- spatial arrangement -------------------------------------------------------------------------------------------

# m, k, p, s -> floor((m + 2p - k)/s) + 1
SIZES = [
    (32, 5, 0, 1, 28),
    (32, 5, 2, 1, 32),
    (7, 3, 0, 1, 5),
    (7, 3, 0, 2, 3),
    (7, 3, 0, 3, 2),
    (227, 11, 0, 4, 55),
    (224, 11, 2, 4, 55),
    (28, 5, 2, 1, 28),
    (14, 5, 0, 1, 10),
    (28, 2, 0, 2, 14),
    (5, 5, 0, 1, 1),
    (10, 3, 1, 4, 3),
]


@pytest.mark.parametrize("m, k, p, s, expected", SIZES)
def test_output_size(m, k, p, s, expected):
    assert math.floor((m + 2 * p - k) / s) + 1 == expected
    x, weight = np.ones((1, 1, m), np.float32), np.ones((1, 1, k), np.float32)
    assert fastconv.conv1d(x, weight, stride=s, padding=p).shape == (1, 1, expected)
    assert geometry.conv_output_size((m,), (k,), (s,), (1,), ((p, p),)) == (expected,)
    if p <= k // 2:
        assert fastconv.max_pool1d(x, k, s, p).shape == (1, 1, expected)


def test_stride_that_does_not_fit_names_the_unused_pixels():
    """7 pixels, kernel 3, stride 3: two windows, and the last pixel of each axis is never read."""
    report = fastconv.explain_conv2d((1, 1, 7, 7), (1, 1, 3, 3), stride=3)
    assert report.output_shape == (1, 1, 2, 2)
    assert [positions.tolist() for positions in report.unused_input.values()] == [[6], [6]]
    assert report.unused_pixels == 49 - 36
    x = rng().standard_normal((1, 1, 7, 7))
    weight = rng().standard_normal((1, 1, 3, 3))
    y = fastconv.conv2d(x, weight, stride=3)
    x[:, :, 6], x[:, :, :, 6] = np.nan, np.nan
    np.testing.assert_array_equal(fastconv.conv2d(x, weight, stride=3), y)


@pytest.mark.parametrize("m", [6, 7])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_padding_schemes(m, k):
    """full, same and valid at stride 1, even kernels with the odd zero on the side the caller names."""
    x, weight = rng().standard_normal((1, 1, m)), rng().standard_normal((1, 1, k))
    small, large = (k - 1) // 2, (k - 1) - (k - 1) // 2
    schemes = {
        "full": (k - 1, k - 1, m + (k - 1)),
        "valid": (0, 0, m - (k - 1)),
        "same": (small, large, m),
        "same_upper": (small, large, m),
        "same_lower": (large, small, m),
    }
    for name, (before, after, size) in schemes.items():
        y = fastconv.conv1d(x, weight, padding=name)
        assert y.shape[-1] == size, name
        by_hand = fastconv.conv1d(np.pad(x, ((0, 0), (0, 0), (before, after))), weight)
        np.testing.assert_allclose(y, by_hand, atol=1e-14, err_msg=name)
        np.testing.assert_array_equal(y, fastconv.conv1d(x, weight, padding=((before, after),)), err_msg=name)
    if k % 2:
        assert schemes["same"][:2] == ((k - 1) // 2, (k - 1) // 2)
    else:
        assert schemes["same"][:2] == (math.floor((k - 1) / 2), math.floor((k - 1) / 2) + 1)


def test_explicit_asymmetric_padding():
    x, weight = rng().standard_normal((1, 2, 5, 6)), rng().standard_normal((3, 2, 3, 3))
    wide = np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 3)))
    np.testing.assert_allclose(
        fastconv.conv2d(x, weight, padding=((1, 2), (0, 3))), fastconv.conv2d(wide, weight), atol=1e-13
    )


def test_both_orders_of_a_minibatch():
    """m x n_H x n_W x n_C and channels first hold the same activations."""
    x, weight = rng().standard_normal((4, 3, 9, 8)), rng().standard_normal((5, 3, 3, 3))
    first = fastconv.conv2d(x, weight)
    last = fastconv.conv2d(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), weight, layout="NHWC")
    assert first.shape == (4, 5, 7, 6) and last.shape == (4, 7, 6, 5)
    np.testing.assert_allclose(last.transpose(0, 3, 1, 2), first, atol=1e-13)


def test_numbers_of_weights():
    """A 5x5 filter on 32x32x3 has 75 weights and 1 bias; layer l has f f n_C n_C' weights and n_C' biases."""
    from fastconv import nn

    def count(layer):
        return [
            p.data.size if hasattr(p, "data") and isinstance(p.data, np.ndarray) else p.size for p in layer.parameters()
        ]

    assert count(nn.Conv2d(3, 1, 5)) == [75, 1]
    assert count(nn.Conv2d(16, 32, 3)) == [3 * 3 * 16 * 32, 32]
    assert count(nn.Linear(1000 * 1000 * 3, 1)) == [3_000_000, 1]


# ---- layers --------------------------------------------------------------------------------------------------------


def test_pooling_discards_three_quarters():
    """2x2 with stride 2: of every four activations one is left; depth stays, and each slice is pooled alone."""
    x = rng().standard_normal((2, 5, 12, 10))
    y = fastconv.max_pool2d(x, 2)
    assert y.shape == (2, 5, 6, 5)
    assert y.size == x.size * (1 - 0.75)
    windows = x.reshape(2, 5, 6, 2, 5, 2)
    np.testing.assert_array_equal(y, windows.max((3, 5)))
    np.testing.assert_allclose(fastconv.avg_pool2d(x, 2), windows.mean((3, 5)), atol=1e-15)
    np.testing.assert_allclose(fastconv.lp_pool2d(x, 2, 2), np.sqrt((windows**2).sum((3, 5))), atol=1e-14)
    np.testing.assert_array_equal(fastconv.max_pool2d(x[:, 3:4], 2), y[:, 3:4])


def test_overlapping_windows():
    """3x3 with stride 2, as in AlexNet: 55 -> 27 -> 13 -> 6."""
    x = rng().standard_normal((1, 1, 55, 55))
    for expected in (27, 13, 6):
        x = fastconv.max_pool2d(x, 3, 2)
        assert x.shape[-2:] == (expected, expected)


def test_pooling_is_invariant_to_small_shifts():
    """A strong activation that moves inside its window leaves the pooled map as it is; far moves do not."""
    x = np.zeros((1, 1, 12, 12))
    x[0, 0, 4, 8] = 1
    y = fastconv.max_pool2d(x, 4)
    for shift in ((1, 0), (0, 3), (3, 2)):
        np.testing.assert_array_equal(fastconv.max_pool2d(np.roll(x, shift, (2, 3)), 4), y)
    assert not np.array_equal(fastconv.max_pool2d(np.roll(x, (4, 0), (2, 3)), 4), y)
    smooth = fastconv.avg_pool2d(rng().standard_normal((1, 1, 40, 40)), 5, 1)
    moved = np.roll(smooth, 1, 3)
    pooled = np.abs(fastconv.max_pool2d(moved, 6, 6) - fastconv.max_pool2d(smooth, 6, 6)).mean()
    assert pooled < np.abs(moved - smooth).mean()


def test_strided_convolution_instead_of_pooling():
    """A depthwise filter of quarters with stride 2 is average pooling; learned ones take its place."""
    x = rng().standard_normal((2, 3, 8, 10))
    quarters = np.full((3, 1, 2, 2), 0.25)
    np.testing.assert_allclose(fastconv.conv2d(x, quarters, stride=2, groups=3), fastconv.avg_pool2d(x, 2), atol=1e-15)
    learned = fastconv.conv2d(x, rng().standard_normal((3, 3, 3, 3)), stride=2, padding=1)
    assert learned.shape == fastconv.max_pool2d(x, 2).shape


def test_transposed_convolution_makes_volumes_larger():
    """A generator's layer: 4x4, stride 2, padding 1 doubles each side, and undoes the shape of the strided layer."""
    x, weight = rng().standard_normal((1, 6, 7, 7)), rng().standard_normal((6, 4, 4, 4))
    y = fastconv.conv_transpose2d(x, weight, stride=2, padding=1)
    assert y.shape == (1, 4, 14, 14)
    assert fastconv.conv2d(y, weight, stride=2, padding=1).shape == x.shape
    apart = np.zeros((1, 4, 16, 16))
    for i, j in np.ndindex(7, 7):
        apart[0, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += np.tensordot(x[0, :, i, j], weight, 1)
    np.testing.assert_allclose(y, apart[:, :, 1:-1, 1:-1], atol=1e-12)


def test_layers_stack_and_are_differentiable():
    """CONV, RELU, POOL, FC, softmax: backpropagation gives the slope of the loss along any direction."""
    generator = rng()
    x = generator.standard_normal((3, 2, 8, 8))
    weight, bias = generator.standard_normal((4, 2, 3, 3)), generator.standard_normal(4)
    full, offset = generator.standard_normal((5, 4 * 3 * 3)) / 6, generator.standard_normal(5)
    labels = np.array([0, 4, 2])

    def forward(weight, full):
        volume = fastconv.conv2d(x, weight, bias)
        active = fastconv.relu(volume)
        pooled = fastconv.max_pool2d(active, 2)
        logits = fastconv.linear(pooled.reshape(3, -1), full, offset)
        return volume, active, pooled, logits

    volume, active, pooled, logits = forward(weight, full)
    assert volume.shape == (3, 4, 6, 6) and pooled.shape == (3, 4, 3, 3) and logits.shape == (3, 5)
    _, dlogits = fastconv.softmax_cross_entropy(logits, labels)
    dpooled, dfull, _ = fastconv.linear_backward(dlogits, pooled.reshape(3, -1), full)
    dactive = fastconv.max_pool2d_backward(dpooled.reshape(pooled.shape), active, 2)
    dvolume = fastconv.relu_backward(dactive, active)
    dweight = fastconv.conv2d_backward(dvolume, x, weight, needs=("weight",))[1]

    def loss(weight, full):
        return float(fastconv.softmax_cross_entropy(forward(weight, full)[3], labels)[0])

    step = 1e-6
    one, other = generator.standard_normal(weight.shape), generator.standard_normal(full.shape)
    slope = (loss(weight + step * one, full + step * other) - loss(weight - step * one, full - step * other)) / (
        2 * step
    )
    np.testing.assert_allclose(np.vdot(dweight, one) + np.vdot(dfull, other), slope, rtol=1e-6)
    after = [loss(weight - 0.002 * dweight, full - 0.002 * dfull), loss(weight, full)]
    assert after[0] < after[1]


def test_fully_connected_layer_is_a_convolution_with_a_filter_as_large_as_its_input():
    x, weight = rng().standard_normal((2, 3, 5, 4)), rng().standard_normal((7, 3, 5, 4))
    dense = fastconv.linear(x.reshape(2, -1), weight.reshape(7, -1))
    np.testing.assert_allclose(fastconv.conv2d(x, weight)[..., 0, 0], dense, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 16), (23, 31), (64, 40)])
def test_network_without_fully_connected_layers_takes_any_size(size):
    weight, head = rng().standard_normal((4, 3, 3, 3)), rng().standard_normal((10, 4, 1, 1))
    x = fastconv.conv2d(rng().standard_normal((2, 3, *size)), weight, padding=1, activation="relu")
    x = fastconv.conv2d(fastconv.max_pool2d(x, 2), head)
    assert fastconv.adaptive_avg_pool2d(x, 1).shape == (2, 10, 1, 1)


def test_dropout_keeps_the_mean_and_softmax_sums_to_one():
    y, mask = fastconv.dropout(np.ones((200, 200)), 0.4, np.random.default_rng(1))
    assert abs(y.mean() - 1) < 0.02 and set(np.unique(y)) == {0.0, 1 / 0.6}
    p = fastconv.softmax(rng().standard_normal((5, 10)) * 50)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert np.all(p >= 0)
