"""What batch-norm layers do beyond the table of layers: running statistics, fused ReLUs, checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import nn


def batches(count, shape=(4, 3, 5, 5)):
    rng = np.random.default_rng(0)
    return [rng.normal(2, 3, shape) for _ in range(count)]


def test_running_statistics_follow_the_batches():
    layer = nn.BatchNorm2d(3, momentum=0.25, dtype="float64")
    mean, var = np.zeros(3), np.ones(3)
    for count, x in enumerate(batches(3), 1):
        layer(x, training=True)
        mean = 0.75 * mean + 0.25 * x.mean((0, 2, 3))
        var = 0.75 * var + 0.25 * x.var((0, 2, 3), ddof=1)
        assert layer.num_batches_tracked.data == count
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-12)
    before = layer.state_dict()
    layer(x)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_no_momentum_averages_all_batches():
    layer = nn.BatchNorm2d(3, momentum=None, dtype="float64")
    taken = batches(4)
    for x in taken:
        layer(x, training=True)
    np.testing.assert_allclose(layer.running_mean.data, np.mean([x.mean((0, 2, 3)) for x in taken], 0), rtol=1e-12)
    np.testing.assert_allclose(
        layer.running_var.data, np.mean([x.var((0, 2, 3), ddof=1) for x in taken], 0), rtol=1e-12
    )


def test_a_relu_runs_inside():
    [x] = batches(1)
    joined = nn.Sequential(nn.BatchNorm2d(3, dtype="float64"), nn.ReLU())
    norm, relu = nn.BatchNorm2d(3, dtype="float64"), nn.ReLU()
    for layer in (joined[0], norm):
        layer.weight.data[...], layer.bias.data[...] = (0.5, -1, 2), (0.1, 0.2, -0.3)
    y = joined(x, training=True)
    np.testing.assert_array_equal(y, relu(norm(x, training=True), training=True))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    np.testing.assert_array_equal(joined.backward(dy), norm.backward(relu.backward(dy)))
    np.testing.assert_array_equal(joined[0].weight.grad, norm.weight.grad)
    np.testing.assert_array_equal(joined(x), relu(norm(x)))


@pytest.mark.parametrize("name", ["model.npz", "model.safetensors"])
def test_checkpoints_hold_the_running_statistics(name, tmp_path):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    model = nn.Sequential(nn.Conv2d(3, 3, 3, dtype="float64", rng=0), nn.BatchNorm2d(3, dtype="float64"))
    for x in batches(2):
        model(x, training=True)
    path = nn.save_checkpoint(tmp_path / name, model)
    found = nn.load_checkpoint(path).model
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(found.state_dict()[key], value)
    np.testing.assert_array_equal(found(x), model(x))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("tracking", [True, False])
def test_compiled_it_is_part_of_the_convolution(layout, tracking):
    options = {"layout": layout, "dtype": "float64"}
    norms = [nn.BatchNorm2d(3, track_running_stats=tracking, **options) for _ in range(2)]
    model = nn.Sequential(norms[0], nn.Conv2d(3, 3, 3, rng=0, **options), norms[1], nn.ReLU())
    for norm in norms:
        norm.weight.data[...], norm.bias.data[...] = (0.5, -1, 2), (0.1, 0.2, -0.3)
    taken = [np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout == "NHWC" else x for x in batches(2)]
    for x in taken:
        model(x, training=True)
    compiled = model.compile(taken[0].shape)
    np.testing.assert_allclose(compiled(taken[0]), model(taken[0]), rtol=1e-10, atol=1e-12)
    assert (len(compiled.program().nodes) == 2) == tracking


def test_one_element_of_a_channel_has_no_variance():
    with pytest.raises(ValueError, match=r"x has shape \(1, 3\), 1 elements of each channel"):
        nn.BatchNorm1d(3)(np.zeros((1, 3), np.float32), training=True)


def test_reset_forgets_everything():
    layer = nn.BatchNorm2d(3, dtype="float64")
    fresh = layer.state_dict()
    layer(batches(1)[0], training=True)
    layer.weight.data[...] = 5
    layer.reset_parameters()
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, fresh[name])
