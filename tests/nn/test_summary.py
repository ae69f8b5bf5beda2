"""summary(): the textbook's numbers, and the figures of LeNet-5."""

import json
import math

import numpy as np
import pytest

from fastconv import nn


def only(layer, shape):
    return nn.summary(layer, shape).layers[0]


def test_edge_detection_against_a_matrix_product():
    row = only(nn.Conv2d(1, 1, (1, 2), bias=False), (1, 280, 320))
    assert row.output_shape == (1, 280, 319)
    assert row.operations == 319 * 280 * 3 == 267_960
    assert row.connected_operations > 16_000_000_000
    assert row.connected_parameters == 320 * 280 * 319 * 280
    assert row.parameters == 2


def test_filter_on_a_colour_picture():
    layer = nn.Conv2d(3, 1, 5)
    assert (layer.weight.data.size, layer.bias.data.size) == (75, 1)


def test_neuron_on_a_large_picture():
    assert nn.Linear(1000 * 1000 * 3, 1, bias=False).parameter_count() == 3_000_000


def test_six_filters_stack_into_a_volume():
    assert only(nn.Conv2d(3, 6, 5), (3, 32, 32)).output_shape == (6, 28, 28)


@pytest.mark.parametrize(("f", "channels", "filters"), [(1, 7, 5), (3, 2, 8), (5, 3, 6)])
def test_weights_and_biases_of_a_layer(f, channels, filters):
    layer = nn.Conv2d(channels, filters, f)
    assert layer.weight.data.size == f * f * channels * filters
    assert layer.bias.data.size == filters
    assert only(layer, (channels, 9, 9)).parameters == f * f * channels * filters + filters


@pytest.mark.parametrize(
    ("m", "k", "s", "p"), [(7, 3, 1, 0), (7, 3, 2, 0), (7, 3, 3, 0), (32, 5, 1, 2), (227, 11, 4, 0), (10, 4, 3, 1)]
)
def test_output_size(m, k, s, p):
    size = (m + 2 * p - k) // s + 1
    assert nn.Conv2d(1, 1, k, stride=s, padding=p).output_shape((1, m, m)) == (1, size, size)
    assert nn.MaxPool2d(k, s, padding=p).output_shape((1, m, m)) == (1, size, size)


def test_max_pooling_discards_three_quarters():
    row = only(nn.MaxPool2d(2, 2), (5, 8, 8))
    assert math.prod(row.output_shape) == math.prod(row.input_shape) // 4
    assert row.output_shape[0] == row.input_shape[0]
    assert row.operations == 3 * math.prod(row.output_shape)


def test_unused_pixels_of_a_stride_that_does_not_fit():
    for layer in (nn.Conv2d(1, 1, 3, stride=3), nn.MaxPool2d(3)):
        figures = nn.summary(layer, (1, 7, 8))
        assert figures.layers[0].output_shape == (1, 2, 2)
        assert figures.layers[0].unused_input == {"height": [6], "width": [6, 7]}
        assert "never used" in str(figures) and "height 6; width 6-7" in str(figures)
    fitting = nn.summary(nn.Conv2d(1, 1, 3, stride=2), (1, 7, 7))
    assert fitting.layers[0].unused_input == {}
    assert "never used" not in str(fitting)


def test_stride_larger_than_the_kernel_jumps_over_pixels():
    figures = nn.summary(nn.Conv1d(1, 1, 1, stride=2), (1, 41))
    assert figures.layers[0].unused_input == {"width": list(range(1, 41, 2))}
    assert "(20 in all)" in str(figures)


def test_kinds():
    figures = nn.summary(nn.zoo.build("lenet5"), (1, 28, 28))
    assert figures.kinds == {
        "CONV": {"parameters": True, "hyperparameters": True},
        "RELU": {"parameters": False, "hyperparameters": False},
        "POOL": {"parameters": False, "hyperparameters": True},
        "FC": {"parameters": True, "hyperparameters": True},
    }
    for row in figures.layers:
        if row.kind in figures.kinds:
            assert bool(row.parameters) == figures.kinds[row.kind]["parameters"]
            assert bool(row.hyperparameters) == figures.kinds[row.kind]["hyperparameters"]


def test_lenet5():
    figures = nn.summary(nn.zoo.build("lenet5"), (1, 28, 28))
    volumes = {row.name: row.output_shape for row in figures.layers}
    assert volumes == {
        "conv1": (6, 28, 28), "relu1": (6, 28, 28), "pool1": (6, 14, 14),
        "conv2": (16, 10, 10), "relu2": (16, 10, 10), "pool2": (16, 5, 5), "flatten": (400,),
        "fc1": (120,), "relu3": (120,), "fc2": (84,), "relu4": (84,), "fc3": (10,),
    }  # fmt: skip
    parameters = {row.name: row.parameters for row in figures.layers if row.parameters}
    assert parameters == {"conv1": 156, "conv2": 2416, "fc1": 48120, "fc2": 10164, "fc3": 850}
    assert figures.parameters == 61_706
    assert parameters["fc1"] + parameters["fc2"] + parameters["fc3"] > 0.9 * figures.parameters
    operations = {row.name: row.operations for row in figures.layers}
    assert operations["conv1"] == 6 * 28 * 28 * 50
    assert operations["pool1"] == 6 * 14 * 14 * 3
    assert operations["relu1"] == 6 * 28 * 28
    assert operations["fc3"] == 10 * 168
    assert figures.operations == sum(operations.values()) == nn.zoo.build("lenet5").operations((1, 28, 28))
    connected = {row.name: row.connected_parameters for row in figures.layers}
    assert connected["conv1"] == 784 * 4704 + 4704
    assert connected["fc1"] == 48120
    assert connected["relu1"] is None


def test_transposed_convolution():
    row = only(nn.ConvTranspose2d(2, 3, 2, stride=2, bias=False), (2, 4, 5))
    assert row.output_shape == (3, 8, 10)
    assert row.operations == 2 * (2 * 4 * 5) * 3 * 4
    assert row.kind == "CONV"


def test_adaptive_pool_counts_its_windows():
    assert only(nn.AdaptiveAvgPool1d(3), (2, 5)).operations == 2 * (2 + 3 + 2)
    assert only(nn.AdaptiveMaxPool1d(3), (2, 5)).operations == 2 * (1 + 2 + 1)


def test_text_and_data():
    figures = nn.summary(nn.zoo.build("lenet5"), (1, 28, 28))
    lines = str(figures).splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert any(line.startswith("total") and "61,706" in line for line in lines)
    assert any(line.split() == ["POOL", "no", "yes"] for line in lines)
    assert any(line.startswith("  conv1: out_channels=6, kernel_size=5, stride=1, padding=2") for line in lines)
    assert max(map(len, lines)) <= 120
    data = json.loads(json.dumps(figures.as_dict()))
    assert data["parameters"] == 61_706
    assert data["layers"][0]["hyperparameters"]["kernel_size"] == [5, 5]


@pytest.mark.parametrize(
    ("shape", "match"),
    [((1, 28), "layer 'conv1'"), ((3, 28, 28), "layer 'conv1'"), ((1, 32, 32), "layer 'fc1'"), ((), "input_shape"),
     ((1, 0, 28), "input_shape"), (28, "input_shape")],
)  # fmt: skip
def test_bad_shapes(shape, match):
    with pytest.raises(ValueError, match=match):
        nn.summary(nn.zoo.build("lenet5"), shape)


def test_shapes_are_ints_of_any_kind():
    assert nn.summary(nn.ReLU(), [np.int64(3), 4]).input_shape == (3, 4)
    with pytest.raises(TypeError, match="input_shape"):
        nn.summary(nn.ReLU(), (1, 28.0))
