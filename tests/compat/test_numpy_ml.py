"""numpy-ml's functions and layers on fastconv: its own are the oracle over a table of cases."""

from __future__ import annotations

import collections
import importlib
import importlib.util

import numpy as np
import pytest

from fastconv.compat import install, uninstall, use

if importlib.util.find_spec("numpy_ml") is None:
    pytest.skip("numpy_ml is not installed", allow_module_level=True)

# The adapter first: with it the host can be imported on this Python
compat = importlib.import_module("fastconv.compat.numpy_ml")
utils = importlib.import_module("numpy_ml.neural_nets.utils")
layers = importlib.import_module("numpy_ml.neural_nets.layers")

HOST = {name: getattr(utils, name) for name in ("conv1D", "conv2D", "deconv2D_naive")}


def rng():
    return np.random.default_rng(11)


CALLS = [
    # function, X, W, stride, pad, dilation
    *(
        ("conv2D", (2, 8, 7, 3), (3, 2, 3, 4), stride, pad, dilation)
        for stride, pad, dilation in [
            (1, 0, 0), (2, 0, 0), (1, 1, 0), (2, (1, 2), 0), (1, (0, 1, 2, 0), 0), (1, "same", 0), (2, "same", 0),
            (1, 2, 1), (2, "same", 2), (1, (2, 3), 1),
        ]
    ),
    *(
        ("conv1D", (2, 9, 3), (3, 3, 4), stride, pad, dilation)
        for stride, pad, dilation in [
            (1, 0, 0), (2, 1, 0), (1, (0, 2), 0), (1, "same", 0), (1, "causal", 0), (2, "same", 0), (1, "causal", 1),
            (1, 2, 2),
        ]
    ),
    *(
        ("deconv2D_naive", (2, 4, 5, 3), (3, 4, 3, 2), stride, pad, dilation)
        for stride, pad, dilation in [
            (1, 0, 0), (2, 0, 0), (3, 0, 0), (1, 1, 0), (2, 1, 0), (2, (1, 2), 0), (1, "same", 0), (2, "same", 0),
            (1, 1, 1), (1, (0, 2, 1, 1), 0),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "w", "stride", "pad", "dilation"), CALLS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_functions_are_the_hosts(name, x, w, stride, pad, dilation, dtype):
    x, w = (rng().standard_normal(shape).astype(dtype) for shape in (x, w))
    found, wanted = (f(x, w, stride, pad, dilation) for f in (getattr(compat, name), HOST[name]))
    assert found.shape == wanted.shape and found.dtype == wanted.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 if dtype == np.float64 else 2e-5)


def run(layer, options, x):
    """Forward and backward of a new layer, twice over, with weights that are always the same."""
    made = getattr(layers, layer)(**options)
    np.random.seed(3)
    found = []
    for part in (x, x[::-1]):
        found.append(made.forward(part))
    scale = [np.linspace(-1, 1, y.size).reshape(y.shape) for y in found]
    found += made.backward(scale)
    return [*found, *(made.gradients[name] for name in sorted(made.parameters))]


LAYERS = [
    ("Conv2D", {"out_ch": 4, "kernel_shape": (3, 2), "pad": 1, "act_fn": "ReLU"}),
    ("Conv2D", {"out_ch": 4, "kernel_shape": (3, 2), "pad": "same", "dilation": 1, "act_fn": "Tanh"}),
    ("Conv2D", {"out_ch": 4, "kernel_shape": (2, 2), "pad": (0, 1, 1, 0), "stride": 2}),
    ("Conv1D", {"out_ch": 4, "kernel_width": 3, "pad": "causal", "act_fn": "Sigmoid"}),
    ("Conv1D", {"out_ch": 4, "kernel_width": 3, "pad": 1, "stride": 2, "dilation": 1}),
    ("Deconv2D", {"out_ch": 4, "kernel_shape": (3, 3), "stride": 2, "act_fn": "Tanh"}),
    ("Deconv2D", {"out_ch": 4, "kernel_shape": (3, 4), "pad": 1}),
    ("Deconv2D", {"out_ch": 4, "kernel_shape": (3, 3), "pad": 1, "stride": 3}),
    ("Pool2D", {"kernel_shape": (2, 2), "stride": 2, "mode": "max"}),
    ("Pool2D", {"kernel_shape": (3, 2), "stride": 1, "mode": "max"}),
    ("Pool2D", {"kernel_shape": (3, 2), "stride": 2, "mode": "average"}),
    ("Pool2D", {"kernel_shape": (2, 2), "stride": 2, "pad": 1, "mode": "average"}),
]


@pytest.mark.parametrize(("layer", "options"), LAYERS)
@pytest.mark.parametrize("ties", [False, True])
def test_layers_are_the_hosts(layer, options, ties):
    shape = (2, 9, 3) if layer == "Conv1D" else (2, 8, 7, 3)
    x = rng().integers(-1, 2, shape).astype(float) if ties else rng().standard_normal(shape)
    wanted = run(layer, options, x)
    with use("numpy_ml"):
        found = run(layer, options, x)
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-11)


def test_a_padded_maximum_gives_its_gradient_to_where_it_was_found():
    """numpy-ml itself looks at the padded place of the unpadded input. Its zeros count as elements."""
    x = -1 - rng().random((1, 4, 4, 1))
    x[0, 1, 1, 0] = 5
    with use("numpy_ml"):
        layer = layers.Pool2D((2, 2), 2, 1, "max")
        y = layer.forward(x)
        dx = layer.backward(np.ones_like(y))
    wanted = layers.Pool2D((2, 2), 2, 1, "max").forward(x)
    np.testing.assert_array_equal(y, wanted)
    assert y[0, 0, 0, 0] == 0 and y[0, 1, 1, 0] == 5
    assert dx[0, 1, 1, 0] == 1 and dx[0, 0, 0, 0] == 0 and dx.sum() == 1


def test_nothing_of_the_import_is_left_behind():
    assert not hasattr(collections, "Hashable")


def test_use_and_install_are_counted_and_undone():
    places = [(utils, "conv2D"), (layers.Conv2D, "_bwd"), (layers.Pool2D, "forward")]
    own = [getattr(place, name) for place, name in places]

    def replaced():
        return {getattr(place, name) is not before for (place, name), before in zip(places, own, strict=True)}

    with use("numpy_ml"), use("numpy_ml"):
        assert replaced() == {True}
        install("numpy_ml")
        install("numpy_ml")
    assert replaced() == {True} and utils.conv2D is compat.conv2D
    uninstall("numpy_ml")
    assert replaced() == {False}

    @use("numpy_ml")
    def inside():
        return replaced()

    assert inside() == {True} and replaced() == {False}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: compat.conv2D(np.ones((1, 4, 4, 1)), np.ones((5, 5, 1, 1)), 1, 0), "does not fit"),
        (lambda: compat.conv2D(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), 1, "valid"), "pad"),
        (lambda: compat.conv2D(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), 1, (1, 2, 3)), "pad"),
        (lambda: compat.conv1D(np.ones((1, 4, 1)), np.ones((2, 1, 1)), 1, (1, 2, 3)), "pad"),
        (lambda: compat.deconv2D_naive(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), 1, 3), "Padding cannot be"),
    ],
)
def test_mistakes_are_value_errors(call, said):
    with pytest.raises(ValueError, match=said):
        call()
