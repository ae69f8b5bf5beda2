"""Batch normalisation against the naive loops, difference quotients and PyTorch, in every layout and shape."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import reference

TYPES = (np.float32, np.float64)
# (N, C, ...): no spatial axes, planes below and above a vector, few channels, many pixels, three axes
SHAPES = [(5, 3), (40, 17), (3, 4, 7), (2, 17, 5, 5), (3, 2, 9, 30), (2, 16, 6, 3), (2, 3, 2, 3, 4), (2, 33, 70, 70)]
SMALL = SHAPES[:-1]
LAYOUTS = {3: ("NCW", "NWC"), 4: ("NCHW", "NHWC"), 5: ("NCDHW", "NDHWC")}
ACTIVATIONS = (None, "relu", "relu6", ("leaky_relu", 0.2))


def arrays(shape, dtype=np.float64, seed=0):
    """x, dy, weight, bias, with channels of different means and scales."""
    rng = np.random.default_rng(seed)
    per_channel = (1, shape[1], *[1] * (len(shape) - 2))
    x = rng.standard_normal(shape) * rng.uniform(0.5, 4, per_channel) + rng.normal(0, 5, per_channel)
    channels = shape[1]
    numbers = (x, rng.standard_normal(shape), rng.uniform(0.5, 2, channels), rng.standard_normal(channels))
    return tuple(array.astype(dtype) for array in numbers)


def activate(y, activation):
    if isinstance(activation, tuple):
        return np.where(y > 0, y, y * activation[1])
    return y if activation is None else np.clip(y, 0, 6 if activation == "relu6" else None)


def derivative(y, activation):
    if isinstance(activation, tuple):
        return np.where(y > 0, 1, activation[1])
    return np.ones_like(y) if activation is None else ((y > 0) & ((y < 6) | (activation == "relu"))).astype(y.dtype)


def moved(x, last):
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if last else x


def back(y, last):
    return np.moveaxis(y, -1, 1) if last else y


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_same_as_the_naive_loops(shape, dtype, last, activation, isa):
    x, dy, weight, bias = arrays(shape, dtype)
    layout = None if len(shape) == 2 else LAYOUTS[len(shape)][last]
    last = last and len(shape) > 2
    options = {"layout": layout, "activation": activation}
    near = {"rtol": 100 * np.finfo(dtype).eps, "atol": 100 * np.finfo(dtype).eps}
    statistics = reference.channel_statistics(x)
    y, mean, var = fastconv.batch_norm(moved(x, last), None, None, weight, bias, True, **options)
    assert y.dtype == mean.dtype == var.dtype == dtype
    np.testing.assert_allclose(mean, statistics[0], **near)
    np.testing.assert_allclose(var, statistics[1], **near)
    expected = activate(reference.batch_norm(x, *statistics, weight, bias), activation)
    np.testing.assert_allclose(back(y, last), expected, **near)
    given = fastconv.batch_norm(moved(x, last), mean, var, weight, bias, **options)
    np.testing.assert_array_equal(given, y)
    for training in (True, False):
        through = dy * derivative(back(y, last), activation)
        wanted = reference.batch_norm_backward(through, x, mean, var, weight, training)
        found = fastconv.batch_norm_backward(
            moved(dy, last), moved(x, last), mean, var, weight, training, y=y, **options
        )
        np.testing.assert_allclose(back(found[0], last), wanted[0], **near)
        for one, other in zip(found[1:], wanted[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=near["rtol"], atol=near["atol"] * np.sqrt(x.size))


@pytest.mark.parametrize("training", [True, False])
def test_gradient_is_the_difference_quotient(training):
    x, dy, weight, bias = arrays((3, 2, 2, 2))
    mean, var = np.array([0.3, -2.0]), np.array([2.0, 0.5])

    def forward():
        if training:
            return fastconv.batch_norm(x, None, None, weight, bias, True, activation="relu")
        return fastconv.batch_norm(x, mean, var, weight, bias, activation="relu"), mean, var

    y, *statistics = forward()
    found = fastconv.batch_norm_backward(dy, x, *statistics, weight, training, activation="relu", y=y)
    for array, gradient in zip((x, weight, bias), found, strict=True):
        for index in np.ndindex(array.shape):
            value, step, losses = array[index], 1e-6, []
            for near in (value + step, value - step):
                array[index] = near
                losses.append((dy * forward()[0]).sum())
            array[index] = value
            assert abs(gradient[index] - (losses[0] - losses[1]) / (2 * step)) < 1e-7


@pytest.mark.parametrize("shape", [(9, 64, 17, 19), (40, 3, 33, 35), (3000, 50)], ids=str)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_any_number_of_threads_gives_the_same_bits(shape, last, dtype):
    x, dy, weight, bias = arrays(shape, dtype)
    last = last and len(shape) > 2
    layout = LAYOUTS[4][last] if len(shape) == 4 else None
    results = []
    for threads in (1, 2, 3, 4):
        options = {"layout": layout, "activation": "relu", "num_threads": threads}
        y, mean, var = fastconv.batch_norm(moved(x, last), None, None, weight, bias, True, **options)
        gradients = fastconv.batch_norm_backward(moved(dy, last), moved(x, last), mean, var, weight, y=y, **options)
        given = fastconv.batch_norm(moved(x, last), mean, var, weight, bias, **options)
        results.append([array.tobytes() for array in (y, mean, var, given, *gradients)])
    assert all(result == results[0] for result in results[1:])


def test_weight_and_bias_default_to_one_and_zero():
    x, dy, weight, bias = arrays((4, 3, 5))
    one, zero = np.ones_like(weight), np.zeros_like(bias)
    y, mean, var = fastconv.batch_norm(x, training=True)
    np.testing.assert_array_equal(y, fastconv.batch_norm(x, None, None, one, zero, True)[0])
    plain = fastconv.batch_norm_backward(dy, x, mean, var)
    for a, b in zip(plain, fastconv.batch_norm_backward(dy, x, mean, var, one), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("last", [False, True])
def test_constant_channel_becomes_the_bias(dtype, last, isa):
    x, _, weight, bias = arrays((3, 20, 9, 11), dtype)
    x[:, 4] = 0.3
    x[:, 7] = -12345.678
    y, mean, var = fastconv.batch_norm(moved(x, last), None, None, weight, bias, True, layout=LAYOUTS[4][last])
    for c in (4, 7):
        assert mean[c] == x[0, c, 0, 0]
        assert var[c] < 1e-12 * mean[c] ** 2
        np.testing.assert_array_equal(back(y, last)[:, c], bias[c])


@pytest.mark.parametrize("last", [False, True])
def test_large_means_cost_no_more_than_the_rounding_of_x(last):
    """One pass over sums of squares would lose everything here."""
    x = (np.random.default_rng(0).standard_normal((8, 16, 40, 40)) + 3e4).astype(np.float32)
    _, mean, var = fastconv.batch_norm(moved(x, last), training=True, layout=LAYOUTS[4][last])
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(var, exact.var((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("last", [False, True])
def test_non_finite_values_stay_in_their_channel(bad, last, isa):
    x, dy, weight, bias = arrays((2, 21, 5, 5), np.float32)
    options = {"layout": LAYOUTS[4][last]}

    def run(x):
        y, mean, var = fastconv.batch_norm(moved(x, last), None, None, weight, bias, True, **options)
        gradients = fastconv.batch_norm_backward(moved(dy, last), moved(x, last), mean, var, weight, **options)
        return [back(y, last), mean[None], var[None], back(gradients[0], last), gradients[1][None]]

    clean = run(x)
    x[1, 19, 2, 3] = bad
    for before, after in zip(clean, run(x), strict=True):
        np.testing.assert_array_equal(np.delete(after, 19, 1), np.delete(before, 19, 1))
        assert np.isnan(after[:, 19]).any() or bad == np.inf


def test_views_and_places_for_results():
    x, dy, weight, bias = arrays((4, 6, 8, 10))
    y, mean, var = fastconv.batch_norm(x, None, None, weight, bias, True)
    gradients = fastconv.batch_norm_backward(dy, x, mean, var, weight)
    wide = np.zeros((4, 12, 8, 20))
    view = wide[:, ::2, ::-1, ::2]
    view[...] = x
    np.testing.assert_array_equal(fastconv.batch_norm(view, None, None, weight, bias, True)[0], y)
    for out in (np.empty_like(x), np.empty((8, 6, 8, 10))[::2], x.copy()):
        source = out if out.base is None and (out == x).all() else x
        assert fastconv.batch_norm(source, None, None, weight, bias, True, out=out)[0] is out
        np.testing.assert_array_equal(out, y)
    places = (dy.copy(), np.empty(6), np.empty(12)[::2])
    found = fastconv.batch_norm_backward(places[0], x, mean, var, weight, out=places)
    for result, place, expected in zip(found, places, gradients, strict=True):
        assert result is place
        np.testing.assert_array_equal(place, expected)


def test_needs_leave_the_others_out():
    x, dy, weight, _ = arrays((4, 6, 8))
    _, mean, var = fastconv.batch_norm(x, training=True)
    for training in (True, False):
        every = fastconv.batch_norm_backward(dy, x, mean, var, weight, training)
        for index, name in enumerate(("x", "weight", "bias")):
            found = fastconv.batch_norm_backward(dy, x, mean, var, weight, training, needs=(name,))
            assert [array is None for array in found] == [other != index for other in range(3)]
            np.testing.assert_array_equal(found[index], every[index])
    dx, _, dbias = fastconv.batch_norm_backward(dy, x.shape, mean, var, weight, False, needs=("x", "bias"))
    np.testing.assert_array_equal(dx, every[0])
    np.testing.assert_array_equal(dbias, every[2])


def test_empty_batches_have_results_where_statistics_are_given():
    y = fastconv.batch_norm(np.empty((0, 3, 4)), np.zeros(3), np.ones(3))
    assert y.shape == (0, 3, 4)
    dx, dweight, dbias = fastconv.batch_norm_backward(y, y, np.zeros(3), np.ones(3), None, False)
    assert dx.shape == (0, 3, 4)
    assert not dweight.any() and not dbias.any()


X = np.ones((4, 3, 2), np.float32)
C = np.ones(3, np.float32)
forward, backward = fastconv.batch_norm, fastconv.batch_norm_backward
BAD = [
    (lambda: forward(X), ValueError, "running_mean is missing"),
    (lambda: forward(X, C), ValueError, "running_var is missing"),
    (lambda: forward(X, C, C, training=True), ValueError, "running_mean is given, but training=True"),
    (lambda: forward(X[:1, :, :1], training=True), ValueError, r"x has shape \(1, 3, 1\), 1 elements of each channel"),
    (lambda: forward(X[:0], training=True), ValueError, "0 elements of each channel"),
    (lambda: forward(X, C[:2], C), ValueError, r"running_mean has shape \(2,\)"),
    (lambda: forward(X, C, C, C[:2]), ValueError, r"weight has shape \(2,\)"),
    (lambda: forward(X, C, C, C, C.astype(float)), TypeError, "bias is float64 but x is float32"),
    (lambda: forward(X, C, C, layout="NWC"), ValueError, "running_mean has shape"),
    (lambda: forward(X, C, C, layout="NCHW"), ValueError, r"layout \(='NCHW'\) is that of 4 axes"),
    (lambda: forward(X, C, C, layout="CHWN"), ValueError, r"layout \(='CHWN'\)"),
    (lambda: forward(C, C, C), ValueError, r"x has shape \(3,\)"),
    (lambda: forward(X, C, C, eps=-1), ValueError, r"eps \(=-1\)"),
    (lambda: forward(X, C, C, eps="small"), TypeError, r"eps \(='small'\)"),
    (lambda: forward(X, C, C, training="no"), TypeError, r"training \(='no'\)"),
    (lambda: forward(X, C, C, activation="tanh"), ValueError, r"activation \(='tanh'\)"),
    (lambda: forward(X.astype(int), C, C), TypeError, "x has dtype int64"),
    (lambda: forward(X, C, C, out=X[:2]), ValueError, r"out has shape \(2, 3, 2\)"),
    (lambda: backward(X, X[:2], C, C), ValueError, r"dy has shape \(4, 3, 2\)"),
    (lambda: backward(X, X.shape, C, C), ValueError, "x is a shape .* but the gradient of weight"),
    (lambda: backward(X, X.shape, C, C, needs="x"), ValueError, "x is a shape .* but the gradient of x"),
    (lambda: backward(X, X, C, C, activation="relu"), ValueError, "y is missing"),
    (lambda: backward(X, X, C, C, activation=("leaky_relu", -1), y=X), ValueError, "slope of at least 0"),
    (lambda: backward(X, X, None, C), ValueError, "mean is missing"),
    (lambda: backward(X, X, C, C, needs="y"), ValueError, "needs"),
]


@pytest.mark.parametrize("call, error, message", BAD)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_torch_agrees(shape, dtype):
    torch = pytest.importorskip("torch")
    x, dy, weight, bias = arrays(shape, dtype)
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    peer = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True)
    gradients = torch.autograd.grad(peer, leaves, torch.tensor(dy))
    y, mean, var = fastconv.batch_norm(x, None, None, weight, bias, True)
    found = fastconv.batch_norm_backward(dy, x, mean, var, weight)
    near = 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, peer.detach().numpy(), rtol=near, atol=near)
    for one, other in zip(found, gradients, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=near, atol=near * np.sqrt(x.size))
