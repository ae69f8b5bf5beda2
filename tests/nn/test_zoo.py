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
    "airbench94": 1_972_504,
    "resnet9": 6_573_120,
    "resnet9_half": 1_646_112,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "mobilenet_v2": 3_504_872,
    "efficientnet_lite0": 4_652_008,
    "lenet5_1998": 60_000,
    "zfnet": 62_357_608,
    "googlenet_lrn": 6_998_552,
    "resnet20": 269_722,
    "resnet56": 853_018,
    "se_resnet50": 28_088_024,
    "all_cnn_c": 1_369_738,
    "localizer": 11_821_868,
    "unet": 31_030_658,
    "conv_autoencoder": 210_369,
    "conv_vae": 258_025,
    "dcgan_generator": 3_576_704,
    "dcgan_discriminator": 2_765_568,
}
#: what a network gives for a picture of its own size, where that is something else than scores
OUTPUTS = {
    "localizer": ((1000,), (4,)),
    "unet": (2, 512, 512),
    "conv_autoencoder": (1, 28, 28),
    "conv_vae": ((1, 28, 28), (20,), (20,)),
    "dcgan_generator": (3, 64, 64),
    "dcgan_discriminator": (1,),
}
#: the volumes that papers and textbooks name, by layer
VOLUMES = {
    "lenet5_1998": {"c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5), "c5": (120, 1, 1),
                    "f6": (84,), "output": (10,)},
    "alexnet": {"features.2": (64, 27, 27), "features.5": (192, 13, 13), "features.12": (256, 6, 6)},
    "zfnet": {"features.0": (96, 110, 110), "features.2": (96, 55, 55), "features.4": (256, 26, 26),
              "features.6": (256, 13, 13), "features.14": (256, 6, 6)},
    "vgg16": {"features.4": (64, 112, 112), "features.30": (512, 7, 7)},
    "googlenet_lrn": {"conv1": (64, 112, 112), "maxpool1": (64, 56, 56), "norm2": (192, 56, 56),
                      "inception3b": (480, 28, 28), "inception4e": (832, 14, 14), "inception5b": (1024, 7, 7)},
    "resnet50": {"maxpool": (64, 56, 56), "layer1": (256, 56, 56), "layer4": (2048, 7, 7)},
    "resnet56": {"layer1": (16, 32, 32), "layer2": (32, 16, 16), "layer3": (64, 8, 8)},
    "se_resnet50": {"layer1.0.se_module.avgpool": (256, 1, 1), "layer1.0.se_module.fc1": (16, 1, 1),
                    "layer4": (2048, 7, 7)},
    "all_cnn_c": {"conv2": (96, 32, 32), "conv3": (96, 16, 16), "conv6": (192, 8, 8), "conv7": (192, 6, 6),
                  "conv9": (10, 6, 6)},
    "unet": {"down0": (64, 512, 512), "down4": (1024, 32, 32), "join0": (128, 512, 512)},
    "conv_autoencoder": {"encoder": (64, 1, 1)},
    "conv_vae": {"encoder": (3136,), "sample": (20,)},
    "dcgan_generator": {"main.2": (512, 4, 4), "main.11": (64, 32, 32)},
    "dcgan_discriminator": {"main.1": (64, 32, 32), "main.10": (512, 4, 4)},
}  # fmt: skip
#: keys of the state as the networks' best known weights have them
KEYS = {
    "alexnet": ["features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.6.bias"],
    "vgg16": ["features.28.weight", "classifier.0.weight", "classifier.6.bias"],
    "googlenet": ["conv1.conv.weight", "inception3a.branch2.1.bn.running_var", "inception5b.branch4.1.conv.weight"],
    "resnet18": ["conv1.weight", "layer2.0.downsample.1.num_batches_tracked", "layer4.1.bn2.bias", "fc.weight"],
    "googlenet_lrn": ["conv1.conv.bias", "inception5b.branch4.1.conv.weight"],
    "se_resnet50": ["layer1.0.se_module.fc1.weight", "layer4.2.se_module.fc2.bias", "layer2.0.downsample.0.weight"],
    "dcgan_generator": ["main.0.weight", "main.1.running_mean", "main.12.weight"],
    "dcgan_discriminator": ["main.0.weight", "main.3.num_batches_tracked", "main.11.weight"],
    "resnet50": ["layer1.0.conv3.weight", "layer1.0.downsample.0.weight", "layer4.2.bn3.running_mean", "fc.bias"],
    "mobilenet_v2": ["features.0.0.weight", "features.1.conv.0.1.weight", "features.18.1.bias", "classifier.1.weight"],
    "efficientnet_lite0": ["_conv_stem.weight", "_blocks.15._expand_conv.weight", "_bn1.running_var", "_fc.bias"],
}
SMALL = [network for network in nn.zoo.NETWORKS.values() if PARAMETERS[network.name] < 5e6]
#: larger ones that bring something new
LARGE = ("resnet18", "googlenet", "googlenet_lrn", "se_resnet50", "localizer", "unet")
#: of a difference quotient: no kink of a rectifier lies so near
STEP = 1e-9
TIED = ("airbench94",)  # starts with identities: what a ReLU set to 0 ties in the max-pool behind
by_name = {"ids": lambda network: network.name}


def small_picture(network, batch=2):
    """As large as the network needs; ImageNet's networks take less than 224 pixels."""
    channels, height, width = network.input_shape
    shape = (channels, min(height, 64), min(width, 96 if network.name != "dcgan_discriminator" else 64))
    return np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)


def test_every_network_has_its_count_here():
    assert set(PARAMETERS) == set(nn.zoo.NETWORKS)


@pytest.mark.parametrize("network", nn.zoo.NETWORKS.values(), **by_name)
def test_parameters_and_shapes(network):
    model = network.build(init.UNSET)
    assert sum(parameter.data.size for parameter in model.parameters()) == PARAMETERS[network.name]
    assert model.output_shape(network.input_shape) == OUTPUTS.get(network.name, (network.num_classes,))
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
    drawn = [start for start in starts if start not in (0, 1)]
    assert len(set(drawn)) == len(drawn), "two layers start alike"


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes(name):
    """The layers give what the papers say, within networks and at their top."""
    network, found = nn.zoo.NETWORKS[name], {}

    def visit(key, layer, shape):
        found[key] = shape = layer.output_shape(shape)
        for end in (key.rsplit(".", 1)[0], key.split(".", 1)[0]):
            found[end] = shape
        return shape

    network.build(init.UNSET).flow(visit, network.input_shape)
    assert {key: found[key] for key in VOLUMES[name]} == VOLUMES[name]


def given_classes(network, count=7):
    return {} if network.num_classes is None else {"num_classes": count}


def listed(y):
    return list(y) if isinstance(y, tuple) else [y]


@pytest.mark.parametrize("name", [*(network.name for network in SMALL), *LARGE])
def test_runs_trains_and_compiles(name):
    network = nn.zoo.NETWORKS[name]
    x = small_picture(network)
    model = nn.zoo.build(name, input_shape=x.shape[1:], **given_classes(network))
    y = model(x)
    for found, expected in zip(listed(model.compile(x.shape)(x)), listed(y), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    trained = listed(model(x, training=True))
    assert [part.shape for part in trained] == [part.shape for part in listed(y)]
    gradient = tuple(np.cos(part) for part in trained)
    model.backward(gradient if isinstance(y, tuple) else gradient[0], needs_input=False)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and np.isfinite(parameter.grad).all(), key


def drawn_again(model):
    """Let what is random draw the same in the next training call."""
    for _, module in model.named_modules():
        if hasattr(module, "rng"):
            module.rng = np.random.default_rng(5)


@pytest.mark.parametrize("name", [*(network.name for network in SMALL), *LARGE])
def test_gradients_are_difference_quotients(name):
    """Along one direction in the space of all parameters, in float64."""
    network, rng = nn.zoo.NETWORKS[name], np.random.default_rng(3)
    x = small_picture(network).astype(np.float64)
    model = nn.zoo.build(name, input_shape=x.shape[1:], **given_classes(network))
    for _, entry in model.named_state():
        if entry.data.dtype.kind == "f":
            entry.data = entry.data.astype(np.float64)
    if name in TIED:
        for parameter in model.parameters():
            parameter.data += rng.standard_normal(parameter.data.shape) * 0.05
    drawn_again(model)
    outputs = model(x, training=True)
    weights = [rng.standard_normal(part.shape) / part.size**0.5 for part in listed(outputs)]
    model.backward(tuple(weights) if isinstance(outputs, tuple) else weights[0], needs_input=False)
    parameters = list(model.parameters())
    directions = [rng.standard_normal(p.data.shape) * (0.01 + p.data.std()) for p in parameters]
    expected = sum(np.vdot(p.grad, d) for p, d in zip(parameters, directions, strict=True))
    values = []
    for sign in (1, -2):
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.data += sign * STEP * direction
        drawn_again(model)
        parts = listed(model(x, training=True))
        values.append(sum(np.vdot(part, weight) for part, weight in zip(parts, weights, strict=True)))
    assert (values[0] - values[1]) / (2 * STEP) == pytest.approx(expected, rel=2e-3)


def test_unet_as_published():
    model = nn.zoo.unet(init.UNSET, (1, 572, 572), padded=False)
    assert model.output_shape((1, 572, 572)) == (2, 388, 388)
    small = nn.zoo.unet(0, (1, 188, 204), 3, width=2, padded=False, batch_norm=True)
    x = np.random.default_rng(0).standard_normal((1, 1, 188, 204), np.float32)
    assert small(x, training=True).shape == (1, 3, 4, 20)
    small.backward(np.ones((1, 3, 4, 20), np.float32), needs_input=False)


def test_localizer_on_another_backbone():
    backbone = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, rng=0), nn.ReLU())
    model = nn.zoo.localizer(0, (1, 32, 32), 10, backbone=backbone, grid=4)
    scores, box = model(np.zeros((2, 1, 32, 32), np.float32))
    assert scores.shape == (2, 10) and box.shape == (2, 4)
    assert ((box > 0) & (box < 1)).all()


def test_variational_autoencoder_learns():
    model = nn.zoo.conv_vae(0, (1, 8, 8), code=4)
    x = np.random.default_rng(0).integers(0, 2, (8, 1, 8, 8)).astype(np.float32)
    optimizer, loss = nn.Adam(model.parameters(), lr=3e-3), nn.VAELoss()
    values = []
    for _ in range(60):
        value, gradient = loss.with_gradient(model(x, training=True), x)
        model.backward(gradient, needs_input=False)
        optimizer.step()
        values.append(value)
    assert np.mean(values[-5:]) < 0.8 * values[0]
    assert model["decoder"](np.zeros((3, 4), np.float32)).shape == (3, 1, 8, 8)


def test_generator_learns_from_the_discriminator():
    """One step of each, gradients of the pictures passed on."""
    generator = nn.zoo.dcgan_generator(0, (8, 1, 1), channels=1, width=4)
    discriminator = nn.zoo.dcgan_discriminator(1, (1, 64, 64), width=4)
    loss, z = nn.BCEWithLogitsLoss(), np.random.default_rng(0).standard_normal((4, 8, 1, 1), np.float32)
    optimizer = nn.Adam(generator.parameters(), lr=2e-3)
    values = []
    for _ in range(8):
        value, gradient = loss.with_gradient(
            discriminator(generator(z, training=True), training=True), np.ones((4, 1), np.float32)
        )
        generator.backward(discriminator.backward(gradient), needs_input=False)
        optimizer.step()
        values.append(value)
    assert values[-1] < values[0]


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
        ({"name": "conv_vae", "num_classes": 10}, r"num_classes \(=10\): conv_vae is for reconstruction"),
        ({"name": "conv_autoencoder", "input_shape": (1, 30, 30)}, "multiples of 4"),
        ({"name": "unet", "input_shape": (1, 100, 96)}, "multiples of 16"),
        ({"name": "dcgan_discriminator", "input_shape": (3, 32, 32)}, "64x64"),
        ({"name": "lenet5_1998", "input_shape": (1, 8, 8)}, "lenet5_1998 cannot be built"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        nn.zoo.build(**arguments)
