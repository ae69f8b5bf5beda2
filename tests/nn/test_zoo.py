"""The zoo: every network builds, runs, compiles and has the published number of parameters."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.nn import init

#: parameters that training changes, for the classes the network was published with
PARAMETERS = {
    "lenet5": 61_706,
    "convnetjs_cifar10": 22_466,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 6_624_904,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "mobilenet_v2": 3_504_872,
    "efficientnet_lite0": 4_652_008,
}
#: keys of the state as the networks' best known weights have them
KEYS = {
    "alexnet": ["features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.6.bias"],
    "vgg16": ["features.28.weight", "classifier.0.weight", "classifier.6.bias"],
    "googlenet": ["conv1.conv.weight", "inception3a.branch2.1.bn.running_var", "inception5b.branch4.1.conv.weight"],
    "resnet18": ["conv1.weight", "layer2.0.downsample.1.num_batches_tracked", "layer4.1.bn2.bias", "fc.weight"],
    "resnet50": ["layer1.0.conv3.weight", "layer1.0.downsample.0.weight", "layer4.2.bn3.running_mean", "fc.bias"],
    "mobilenet_v2": ["features.0.0.weight", "features.1.conv.0.1.weight", "features.18.1.bias", "classifier.1.weight"],
    "efficientnet_lite0": ["_conv_stem.weight", "_blocks.15._expand_conv.weight", "_bn1.running_var", "_fc.bias"],
}
SMALL = [network for network in nn.zoo.NETWORKS.values() if PARAMETERS[network.name] < 5e6]
by_name = {"ids": lambda network: network.name}


def small_picture(network, batch=2):
    """As large as the network needs; ImageNet's networks take less than 224 pixels."""
    channels, height, width = network.input_shape
    shape = (channels, min(height, 64), min(width, 96))
    return np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)


def test_every_network_has_its_count_here():
    assert set(PARAMETERS) == set(nn.zoo.NETWORKS)


@pytest.mark.parametrize("network", nn.zoo.NETWORKS.values(), **by_name)
def test_parameters_and_shapes(network):
    model = network.build(init.UNSET)
    assert sum(parameter.data.size for parameter in model.parameters()) == PARAMETERS[network.name]
    assert model.output_shape(network.input_shape) == (network.num_classes,)
    figures = nn.summary(model, network.input_shape)
    assert figures.parameters == model.parameter_count()
    assert figures.operations == model.operations(network.input_shape)
    assert network.description
    assert getattr(nn.zoo, network.name) is network.build
    assert set(KEYS.get(network.name, ())) <= set(model.state_dict())


@pytest.mark.parametrize("network", SMALL, **by_name)
def test_seeds(network):
    first, again, other = (nn.zoo.build(network.name, seed=seed) for seed in (0, 0, 1))
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    for a, b, _ in pairs:
        np.testing.assert_array_equal(a.data, b.data)
    assert any((a.data != c.data).any() for a, _, c in pairs)
    starts = [parameter.data.reshape(-1)[0] for name, parameter in first.named_parameters() if name.endswith("weight")]
    drawn = [start for start in starts if start != 1]
    assert len(set(drawn)) == len(drawn), "two layers start alike"


@pytest.mark.parametrize("name", [*(network.name for network in SMALL), "resnet18", "googlenet"])
def test_runs_trains_and_compiles(name):
    network = nn.zoo.NETWORKS[name]
    model, x = nn.zoo.build(name, num_classes=7), small_picture(network)
    y = model(x)
    assert y.shape == (2, 7)
    np.testing.assert_allclose(model.compile(x.shape)(x), y, rtol=1e-3, atol=1e-3 * np.abs(y).max())
    trained = model(x, training=True)
    loss, gradient = nn.CrossEntropyLoss().with_gradient(trained, np.array([1, 2]))
    model.backward(gradient, needs_input=False)
    assert np.isfinite(loss)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and np.isfinite(parameter.grad).all(), key


def test_googlenet_as_published():
    assert nn.zoo.googlenet(init.UNSET, five_by_five=True).parameter_count() == 7_005_832


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
        ({"name": "vgg11", "input_shape": (3, 28, 28)}, "vgg11 cannot be built for input_shape"),
        ({"name": "lenet5", "input_shape": 28}, r"input_shape \(=28\)"),
        ({"name": "lenet5", "num_classes": 0}, "num_classes"),
        ({"name": ["lenet5"]}, "network"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        nn.zoo.build(**arguments)
