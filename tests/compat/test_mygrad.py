"""MyGrad's conv_nd and max_pool on fastconv: its own layers are the oracle, values, gradients and errors."""

from __future__ import annotations

import numpy as np
import pytest

mygrad = pytest.importorskip("mygrad", reason="mygrad is not installed")
layers = pytest.importorskip("mygrad.nnet.layers", reason="mygrad is not installed")
compat = pytest.importorskip("fastconv.compat.mygrad", reason="mygrad is not installed")


def rng():
    return np.random.default_rng(5)


def tell(layer, arrays, *arguments, **options):
    """Value and gradients of a layer, through a square and with given weights on its result."""
    tensors = [mygrad.tensor(array) for array in arrays]
    y = layer(*tensors, *arguments, **options)
    scale = np.linspace(-1, 1, y.data.size).reshape(y.shape).astype(y.dtype)
    (y * y * scale).sum().backward()
    return [y.data, *(tensor.grad for tensor in tensors)]


CONVOLUTIONS = [
    ((2, 3, 8), (4, 3, 3), {"stride": 1}),
    ((2, 3, 9), (4, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 3, 8, 7), (4, 3, 2, 3), {"stride": (2, 1)}),
    ((2, 3, 8, 7), (4, 3, 3, 3), {"stride": 1, "padding": (1, 2), "dilation": 2}),
    ((1, 1, 5, 5), (1, 1, 5, 5), {"stride": 1}),
    ((2, 2, 4, 5, 6), (3, 2, 2, 2, 3), {"stride": (1, 1, 3)}),
    ((1, 2, 3, 3, 3, 3), (2, 2, 2, 2, 2, 2), {"stride": 1}),
]


@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_convolution_is_the_hosts(x, w, options, dtype):
    arrays = [rng().standard_normal(shape).astype(dtype) for shape in (x, w)]
    for mine, theirs in zip(
        tell(compat.conv_nd, arrays, **options), tell(layers.conv_nd, arrays, **options), strict=True
    ):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype == dtype
        atol = 1e-11 if dtype == np.float64 else 2e-5 * np.abs(theirs).max()
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)


POOLS = [
    ((2, 3, 8), (2,), 2),
    ((3, 3), (2, 2), 1),
    ((2, 3, 8, 6), (2, 3), (2, 1)),
    ((2, 3, 9, 9), (3, 3), 3),
    ((2, 4, 4, 6), (2, 2, 2), 2),
    ((2, 3, 8, 6), (3,), 1),
    ((2, 2, 3, 3, 3), (2, 2, 2, 2), 1),
]


@pytest.mark.parametrize(("x", "pool", "stride"), POOLS)
@pytest.mark.parametrize("ties", [False, True])
def test_pool_is_the_hosts(x, pool, stride, ties):
    """Ties give the gradient to the first."""
    x = rng().integers(-2, 3, x).astype(float) if ties else rng().standard_normal(x)
    found, wanted = tell(compat.max_pool, [x], pool, stride), tell(layers.max_pool, [x], pool, stride)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-13)


def test_gradients_of_float32_stay_float32():
    (_, gradient) = tell(compat.max_pool, [rng().standard_normal((2, 8)).astype(np.float32)], (2,), 2)
    assert gradient.dtype == np.float32


def test_integers_and_constants_are_the_hosts():
    x, w = rng().integers(-3, 4, (1, 2, 6)), rng().integers(-3, 4, (3, 2, 2))
    found, wanted = (f(mygrad.tensor(x), mygrad.tensor(w), stride=1) for f in (compat.conv_nd, layers.conv_nd))
    assert found.dtype == wanted.dtype and np.array_equal(found.data, wanted.data)
    assert compat.max_pool(mygrad.tensor(x), (2,), 2).dtype == x.dtype
    x, w = mygrad.tensor(x.astype(float)), mygrad.tensor(w.astype(float))
    assert compat.conv_nd(x, w, stride=1, constant=True).constant
    assert not compat.conv_nd(x, w, stride=1).constant
    assert compat.conv_nd(mygrad.tensor(x.data, constant=True), mygrad.tensor(w.data, constant=True), stride=1).constant


MISTAKES = [
    # layer, shapes, arguments, options
    ("conv_nd", ((2, 3), (4, 3)), (), {"stride": 1}),
    ("conv_nd", ((2, 3, 8), (4, 3, 3, 3)), (), {"stride": 1}),
    ("conv_nd", ((2, 3, 8), (4, 2, 3)), (), {"stride": 1}),
    ("conv_nd", ((2, 3, 8), (4, 3, 3)), (), {"stride": 2}),
    ("conv_nd", ((2, 3, 8), (4, 3, 9)), (), {"stride": 1}),
    ("conv_nd", ((2, 3, 8), (4, 3, 3)), (), {"stride": 0}),
    ("conv_nd", ((2, 3, 8), (4, 3, 3)), (), {"stride": 1, "padding": -1}),
    ("conv_nd", ((2, 3, 8, 8), (4, 3, 3, 3)), (), {"stride": (1, 1, 1)}),
    ("conv_nd", ((2, 3, 8), (4, 3, 3)), (), {}),
    ("max_pool", ((2, 3, 8),), ((3,), 2), {}),
    ("max_pool", ((2, 3, 8),), ((9,), 1), {}),
    ("max_pool", ((2, 3, 8),), (2, 2), {}),
    ("max_pool", ((2, 3, 8),), ((0,), 1), {}),
    ("max_pool", ((8,),), ((2, 2), 1), {}),
    ("max_pool", ((2, 3, 8),), ((2,), 0), {}),
]


@pytest.mark.parametrize(("layer", "shapes", "arguments", "options"), MISTAKES)
def test_mistakes_are_the_hosts(layer, shapes, arguments, options):
    tensors = [mygrad.tensor(np.ones(shape)) for shape in shapes]
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - any of the host's
        getattr(layers, layer)(*tensors, *arguments, **options)
    with pytest.raises(theirs.type):
        getattr(compat, layer)(*tensors, *arguments, **options)
