"""GoogLeNet: nine Inception modules, each four branches side by side, with batch normalization and without helpers.

After C. Szegedy et al., "Going Deeper with Convolutions", 2014 (its table 1). As torchvision has it, the "5x5" branch
is a 3x3 convolution: 6,624,904 parameters for 1,000 classes. ``five_by_five=True`` gives the published kernels,
7,005,832. `googlenet_lrn` is the network as published, with biases, local response normalization and 5x5 kernels, and
no batch norm: 6,998,552. Keys of the state as torchvision has them.
"""

from __future__ import annotations

from typing import Any

from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Graph,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sequential,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, conv_norm, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORKS", "googlenet", "googlenet_lrn"]

#: stage, letter, filters: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, after the pool
MODULES = (
    ("3a", 64, 96, 128, 16, 32, 32), ("3b", 128, 128, 192, 32, 96, 64),
    ("4a", 192, 96, 208, 16, 48, 64), ("4b", 160, 112, 224, 24, 64, 64), ("4c", 128, 128, 256, 24, 64, 64),
    ("4d", 112, 144, 288, 32, 64, 64), ("4e", 256, 160, 320, 32, 128, 128),
    ("5a", 256, 160, 320, 32, 128, 128), ("5b", 384, 192, 384, 48, 128, 128),
)  # fmt: skip


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int, norm: bool, rng: Rng) -> Sequential:
    if norm:
        names = ("conv", "bn")
        return conv_norm(in_channels, out_channels, kernel, stride, eps=1e-3, names=names, rng=rng, activation=ReLU())
    conv = Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, rng=rng)
    return Sequential({"conv": conv, "activation": ReLU()})


def _inception(channels: int, filters: tuple[int, ...], five: int, norm: bool, rng: Rng) -> tuple[Graph, int]:
    """The four branches, joined; the module and its number of outputs."""
    one, reduced3, three, reduced5, wide, pooled = filters

    def narrowed(reduced: int, width: int, kernel: int) -> Sequential:
        return Sequential(_conv(channels, reduced, 1, 1, norm, rng), _conv(reduced, width, kernel, 1, norm, rng))

    layers: dict[str, Any] = {
        "branch1": _conv(channels, one, 1, 1, norm, rng),
        "branch2": (narrowed(reduced3, three, 3), "input"),
        "branch3": (narrowed(reduced5, wide, five), "input"),
        "branch4": (Sequential(MaxPool2d(3, 1, 1, ceil_mode=True), _conv(channels, pooled, 1, 1, norm, rng)), "input"),
        "concat": (Concat(), "branch1", "branch2", "branch3", "branch4"),
    }
    return Graph(layers), one + three + wide + pooled


def _googlenet(
    rng: Rng, input_shape: tuple[int, ...], num_classes: int, five: int, norm: bool, dropout: float
) -> Sequential:
    """With batch norms, or with biases and two local response normalizations."""
    rng = generator(rng)
    layers: dict[str, Module] = {
        "conv1": _conv(input_shape[0], 64, 7, 2, norm, rng),
        "maxpool1": MaxPool2d(3, 2, ceil_mode=True),
        "norm1": LocalResponseNorm(5),
        "conv2": _conv(64, 64, 1, 1, norm, rng),
        "conv3": _conv(64, 192, 3, 1, norm, rng),
        "norm2": LocalResponseNorm(5),
        "maxpool2": MaxPool2d(3, 2, ceil_mode=True),
    }
    if norm:
        del layers["norm1"], layers["norm2"]
    channels = 192
    for name, *filters in MODULES:
        layers[f"inception{name}"], channels = _inception(channels, tuple(filters), five, norm, rng)
        if name == "3b":
            layers["maxpool3"] = MaxPool2d(3, 2, ceil_mode=True)
        elif name == "4e":
            layers["maxpool4"] = MaxPool2d(2 if norm else 3, 2, ceil_mode=True)
    layers |= {
        "avgpool": AdaptiveAvgPool2d(1),
        "flatten": Flatten(),
        "dropout": Dropout(dropout),
        "fc": Linear(channels, num_classes, rng=rng),
    }
    return Sequential(layers)


def googlenet(
    rng: Rng = 0,
    input_shape: tuple[int, ...] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    five_by_five: bool = False,
) -> Sequential:
    """Build GoogLeNet with batch norms for pictures of any size."""
    return _googlenet(rng, input_shape, num_classes, 5 if five_by_five else 3, True, 0.2)


def googlenet_lrn(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build GoogLeNet as published for pictures of any size."""
    return _googlenet(rng, input_shape, num_classes, 5, False, 0.4)


NETWORKS = (
    Network("googlenet", "GoogLeNet (2014) with batch normalization", (3, 224, 224), 1000, googlenet),
    Network("googlenet_lrn", "GoogLeNet (2014) as published", (3, 224, 224), 1000, googlenet_lrn),
)
