"""The zoo: every network builds, runs and says its size; LeNet-5 is the textbook's."""

import numpy as np
import pytest

from fastconv import nn


@pytest.mark.parametrize("network", nn.zoo.NETWORKS.values(), ids=lambda network: network.name)
def test_every_network(network):
    model = nn.zoo.build(network.name, seed=0)
    x = np.random.default_rng(0).standard_normal((2, *network.input_shape)).astype(np.float32)
    assert model(x).shape == (2, network.num_classes)
    assert nn.summary(model, network.input_shape).parameters == model.parameter_count()
    assert network.description
    for a, b in zip(model.parameters(), nn.zoo.build(network.name, seed=0).parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_lenet5():
    model = nn.zoo.build("lenet5")
    assert model.parameter_count() == 61_706
    assert [
        f"{name}.{part}" for name in ("conv1", "conv2", "fc1", "fc2", "fc3") for part in ("weight", "bias")
    ] == list(model.state_dict())


def test_lenet5_for_other_pictures():
    model = nn.zoo.build("lenet5", input_shape=(3, 32, 32), num_classes=7)
    assert model(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 7)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "lenet6"}, r"network \(='lenet6'\) must be one of .*lenet5"),
        ({"name": "lenet5", "input_shape": (28, 28)}, "input_shape"),
        ({"name": "lenet5", "input_shape": (1, 4, 4)}, r"lenet5 cannot be built for input_shape \(=\(1, 4, 4\)\)"),
        ({"name": "lenet5", "input_shape": 28}, r"input_shape \(=28\)"),
        ({"name": "lenet5", "num_classes": 0}, "num_classes"),
        ({"name": ["lenet5"]}, "network"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        nn.zoo.build(**arguments)
