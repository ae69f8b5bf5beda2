"""Add, Concat, Multiply and Reparametrize: values, gradients, shapes; what does not fit together."""

import numpy as np
import pytest

from fastconv import nn


def parts(*shapes):
    return tuple(np.random.default_rng(seed).standard_normal(shape) for seed, shape in enumerate(shapes))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_add(count):
    layer, xs = nn.Add(), parts(*[(2, 3, 4)] * count)
    y = layer(xs, training=True)
    np.testing.assert_allclose(y, sum(xs), rtol=1e-15)
    assert all(not np.shares_memory(y, x) for x in xs)
    dy = np.cos(y)
    gradients = layer.backward(dy)
    assert len(gradients) == count
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, dy)
    assert layer.operations(tuple(x.shape[1:] for x in xs)) == (count - 1) * 12


@pytest.mark.parametrize(("dim", "shapes"), [(1, [(2, 3, 4), (2, 1, 4)]), (-1, [(2, 3, 4), (2, 3, 1), (2, 3, 2)])])
def test_concat(dim, shapes):
    layer, xs = nn.Concat(dim), parts(*shapes)
    y = layer(xs, training=True)
    np.testing.assert_array_equal(y, np.concatenate(xs, axis=dim))
    assert layer.output_shape(tuple(shape[1:] for shape in shapes)) == y.shape[1:]
    gradients = layer.backward(y)
    for gradient, x in zip(gradients, xs, strict=True):
        np.testing.assert_array_equal(gradient, x)
        assert gradient.flags.c_contiguous


@pytest.mark.parametrize("gate", [(2, 3, 1, 1), (2, 3, 4, 5), (2, 1, 4, 5), (2, 1, 1, 5)])
def test_multiply(gate):
    layer, (x, weights) = nn.Multiply(), parts((2, 3, 4, 5), gate)
    y = layer((x, weights), training=True)
    np.testing.assert_array_equal(y, x * weights)
    assert layer.output_shape((x.shape[1:], gate[1:])) == y.shape[1:]
    dy = np.cos(y)
    dx, dweights = layer.backward(dy)
    np.testing.assert_allclose(dx, dy * weights, rtol=1e-15)
    axes = tuple(axis for axis, n in enumerate(gate) if n == 1)
    np.testing.assert_allclose(dweights, (dy * x).sum(axes, keepdims=True), rtol=1e-12, atol=1e-12)
    assert layer.operations((x.shape[1:], gate[1:])) == 60


@pytest.mark.parametrize("gate", [(2, 4, 1, 1), (2, 4, 3, 2)])
def test_multiply_trains_and_compiles(gate):
    """The product stands between parameters, in reused arrays, as in a squeeze-and-excite block."""
    model = nn.Graph(
        {
            "conv": (nn.Conv2d(2, 4, 1, dtype="float64", rng=0), "x"),
            "gate": (nn.Sigmoid(), "weights"),
            "multiply": (nn.Multiply(), "conv", "gate"),
            "relu": nn.ReLU(),
        },
        inputs=("x", "weights"),
    )
    x = parts((2, 2, 3, 2), gate)
    first = model(x, training=True).copy()
    gradients = [gradient.copy() for gradient in model.backward(np.cos(first))]
    model.reuse_buffers()
    for _ in range(2):
        np.testing.assert_array_equal(model(x, training=True), first)
        for a, b in zip(model.backward(np.cos(first)), gradients, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(model.compile(tuple(part.shape for part in x))(x), first, rtol=1e-12, atol=1e-12)


def test_reparametrize():
    mean, logvar = parts((4, 3), (4, 3))
    layer = nn.Reparametrize(rng=0)
    assert layer((mean, logvar)) is mean
    drawn = np.random.default_rng(0).standard_normal((4, 3))
    y = layer((mean, logvar), training=True)
    np.testing.assert_allclose(y, mean + np.exp(logvar / 2) * drawn)
    dy = np.cos(mean)
    dmean, dlogvar = layer.backward(dy)
    np.testing.assert_array_equal(dmean, dy)
    np.testing.assert_allclose(dlogvar, dy * drawn * np.exp(logvar / 2) / 2)


@pytest.mark.parametrize("layer", [nn.Add(), nn.Concat(), nn.Multiply(), nn.Reparametrize()], ids=repr)
def test_backward_may_be_skipped_and_needs_a_forward(layer):
    xs = parts((1, 2), (1, 2))
    layer(xs, training=True)
    assert layer.backward(layer(xs), needs_input=False) is None
    with pytest.raises(RuntimeError, match="training=True"):
        layer.backward(xs[0])


@pytest.mark.parametrize(
    ("layer", "shapes", "match"),
    [
        (nn.Add(), ((3, 4), (3, 5)), r"one shape can be added, got .*\(1, 3, 4\)|\(3, 4\)"),
        (nn.Concat(), ((3, 4), (3, 5)), "axis 1 only"),
        (nn.Concat(), ((3, 4), (3,)), "axis 1 only"),
        (nn.Multiply(), ((3, 4), (3, 2)), "does not fit"),
        (nn.Multiply(), ((3, 1), (3, 4)), "does not fit"),
        (nn.Multiply(), ((3, 4), (4,)), "does not fit"),
        (nn.Multiply(), ((3, 4),), "two inputs"),
        (nn.Reparametrize(), ((3, 4), (3, 5)), "of one shape"),
        (nn.Concat(3), ((3, 4), (3, 4)), r"dim \(=3\)"),
    ],
)
def test_inputs_that_do_not_fit(layer, shapes, match):
    with pytest.raises(ValueError, match=match):
        layer.output_shape(shapes)
    with pytest.raises(ValueError, match=match):
        layer(parts(*((1, *shape) for shape in shapes)))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"dim \(=0\)"):
        nn.Concat(0)
    with pytest.raises(TypeError, match="dim"):
        nn.Concat("C")
