"""compile(): what runs then gives what the model gives, for any layer, shape, batch and network."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fastconv import nn


def sibling(name):
    """Another file of these tests, whose tables serve here too."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"compiled_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LAYERS = sibling("test_layers").CASES
GRAPHS = sibling("test_graph").NETWORKS


def listed(y):
    return list(y) if isinstance(y, tuple) else [y]


def types(case):
    """A model's type is that of its parameters; without any it is float32."""
    return [np.float32, np.float64] if nn.layers.LAYERS[case.type].PARAMETERS else [np.float32]


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, dtype) for case in LAYERS for dtype in types(case)],
    ids=lambda value: getattr(value, "id", None) or value.__name__,
)
def test_every_layer(case, dtype):
    layer, x = case.make(dtype), case.input(dtype)
    model = nn.Sequential({"layer": layer, "relu": nn.ReLU()})
    compiled = model.compile(x.shape)
    found = compiled(x)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, model(x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("make", "shapes"), GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("memory", ["fast", "lean"])
def test_graphs_and_ragged_batches(make, shapes, memory):
    model = make()
    compiled = model.compile(tuple((3, *shape) for shape in shapes) if len(shapes) > 1 else (3, *shapes[0]), memory)
    for batch in (3, 1, 3, 2):
        parts = tuple(np.random.default_rng(batch).standard_normal((batch, *shape)) for shape in shapes)
        x = parts if len(parts) > 1 else parts[0]
        for a, b in zip(listed(compiled(x)), listed(model(x)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_other_picture_sizes_and_the_last_four_kept():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, rng=0), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    compiled = model.compile((1, 3, 16, 16))
    for size in (16, 20, 9, 30, 12, 16):
        x = np.random.default_rng(size).standard_normal((1, 3, size, size + 1), np.float32)
        np.testing.assert_allclose(compiled(x), model(x), rtol=1e-5, atol=1e-5)
    assert len(compiled._executables) == 4


def test_weights_are_those_of_the_moment():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3, rng=1))
    x = np.random.default_rng(0).standard_normal((2, 1, 4, 4), np.float32)
    compiled = model.compile(x.shape)
    before = compiled(x)
    for parameter in model.parameters():
        parameter.data += 1
    np.testing.assert_array_equal(compiled(x), before)
    assert not np.allclose(model(x), before)


def norm(layer, seed=0):
    """A batch norm whose statistics and weights differ from channel to channel."""
    rng = np.random.default_rng(seed)
    for entry in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
        entry.data[...] = rng.uniform(0.5, 2, entry.data.shape)
    return layer


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(5, 4, rng=0), norm(nn.BatchNorm1d(4))], (2, 4, 5)),
        ([nn.Linear(5, 4, rng=0), norm(nn.BatchNorm1d(3))], (2, 3, 5)),
        ([nn.Conv2d(3, 6, 3, padding=1, layout="NHWC", rng=0), norm(nn.BatchNorm2d(6))], (2, 6, 6, 3)),
        ([nn.Conv2d(3, 6, 3, padding=1, rng=0), nn.MaxPool2d(2, layout="NHWC")], (2, 3, 6, 6)),
    ],
    ids=["linear-rows", "linear-other-rows", "norm-of-rows", "pool-over-channels"],
)
def test_layers_that_see_other_axes_are_not_fused(layers, shape):
    model = nn.Sequential(*layers)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    np.testing.assert_allclose(model.compile(shape)(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dim", [1, 2, 3, -1, -2, -3])
@pytest.mark.parametrize("batch", [1, 2])
def test_concatenations_along_any_axis(dim, batch):
    layers = {"a": (nn.ReLU(), "input"), "b": (nn.LeakyReLU(), "input"), "c": (nn.Concat(dim), "a", "b")}
    model = nn.Graph({**layers, "d": nn.ReLU6()})
    x = np.random.default_rng(0).standard_normal((batch, 3, 1, 5)).astype(np.float32)
    np.testing.assert_array_equal(model.compile(x.shape)(x), model(x))


def test_two_pools_behind_a_convolution():
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.MaxPool2d(2))
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(model.compile(x.shape)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("make", [nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d])
def test_pads_become_padding(make, layout):
    conv = nn.Conv2d(3, 6, 3, stride=2, layout=layout, rng=0)
    model = nn.Sequential({"pad": make((1, 2, 0, 1), layout=layout), "conv": conv, "relu": nn.ReLU()})
    shape = (2, 3, 6, 7) if layout == "NCHW" else (2, 6, 7, 3)
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    compiled = model.compile(shape)
    assert [node.operation for node in compiled.program().nodes] == ["conv"]
    np.testing.assert_allclose(compiled(x), model(x), rtol=1e-5, atol=1e-5)


def test_layers_that_are_called_keep_their_weights_too():
    layer = nn.ConvTranspose2d(2, 3, 3, rng=0)
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4), np.float32)
    compiled = layer.compile(x.shape)
    before = compiled(x)
    layer.weight.data *= 2
    np.testing.assert_array_equal(compiled(x), before)


def test_lean_keeps_no_larger_weights():
    model = nn.Sequential({"conv": nn.Conv2d(64, 64, 3, padding=1, rng=0)})
    x = np.random.default_rng(0).standard_normal((1, 64, 56, 56), np.float32)
    fast, lean = model.compile(x.shape), model.compile(x.shape, memory="lean")
    np.testing.assert_allclose(fast(x), lean(x), rtol=1e-3, atol=1e-4)
    assert lean.packed_bytes <= 1.25 * model["conv"].weight.data.nbytes < fast.packed_bytes


def test_bad_arguments():
    model = nn.Sequential({"conv": nn.Conv2d(3, 8, 3, rng=0)})
    with pytest.raises(ValueError, match=r"shape \(=224\).*batch axis"):
        model.compile(224)
    with pytest.raises(ValueError, match="layer 'conv'"):
        model.compile((1, 4, 8, 8))
    with pytest.raises(ValueError, match="layer 'conv'"):
        model.compile((1, 3, 8, 8))(np.zeros((1, 3, 2, 2), np.float32))
    with pytest.raises(TypeError, match="float64 but the network was compiled for float32"):
        model.compile((1, 3, 8, 8))(np.zeros((1, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"memory \(='small'\)"):
        model.compile((1, 3, 8, 8), memory="small")
    with pytest.raises(ValueError, match=r"takes 2 inputs \(a, b\), got 1 shapes"):
        GRAPHS["branches"][0]().compile((1, 2, 4, 4))
