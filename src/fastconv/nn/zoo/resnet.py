"""ResNet-18, 34, 50, 101 and 152: blocks of convolutions whose result is added to their input.

After K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2015, with the stride of a
bottleneck in its 3x3 convolution, as torchvision has it, whose keys the state carries. ResNet-50 has 25,557,032
parameters for 1,000 classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Graph,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, conv_norm, generator
from fastconv.nn.zoo.network import Network

__all__ = [
    "NETWORKS",
    "add_shortcut",
    "basic_block",
    "bottleneck",
    "resnet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
]

WIDTHS = (64, 128, 256, 512)


def add_shortcut(layers: dict[str, Any], last: str, channels: tuple[int, int], stride: int, rng: Rng) -> Graph:
    """Add the input, projected where its shape is another, to the layer `last`."""
    shortcut = "input"
    if stride != 1 or channels[0] != channels[1]:
        layers["downsample"] = (conv_norm(*channels, 1, stride, rng=rng), "input")
        shortcut = "downsample"
    layers["add"] = (Add(), last, shortcut)
    layers["relu"] = ReLU()
    return Graph(layers)


def basic_block(in_channels: int, width: int, stride: int, rng: Rng) -> tuple[Graph, int]:
    """Two 3x3 convolutions; the block and its number of outputs."""
    layers: dict[str, Any] = {
        "conv1": Conv2d(in_channels, width, 3, stride, 1, bias=False, rng=rng),
        "bn1": BatchNorm2d(width),
        "relu1": ReLU(),
        "conv2": Conv2d(width, width, 3, padding=1, bias=False, rng=rng),
        "bn2": BatchNorm2d(width),
    }
    return add_shortcut(layers, "bn2", (in_channels, width), stride, rng), width


def bottleneck(in_channels: int, width: int, stride: int, rng: Rng) -> tuple[Graph, int]:
    """1x1, 3x3 and 1x1 convolutions, the last of four times the width; the block and its number of outputs."""
    layers: dict[str, Any] = {
        "conv1": Conv2d(in_channels, width, 1, bias=False, rng=rng),
        "bn1": BatchNorm2d(width),
        "relu1": ReLU(),
        "conv2": Conv2d(width, width, 3, stride, 1, bias=False, rng=rng),
        "bn2": BatchNorm2d(width),
        "relu2": ReLU(),
        "conv3": Conv2d(width, 4 * width, 1, bias=False, rng=rng),
        "bn3": BatchNorm2d(4 * width),
    }
    return add_shortcut(layers, "bn3", (in_channels, 4 * width), stride, rng), 4 * width


def resnet(
    block: Callable[[int, int, int, Rng], tuple[Module, int]],
    depths: tuple[int, ...],
    rng: Rng,
    input_shape: tuple[int, ...],
    num_classes: int,
) -> Sequential:
    """A network with depths[i] blocks in stage i."""
    rng = generator(rng)
    layers: dict[str, Module] = {
        "conv1": Conv2d(input_shape[0], 64, 7, 2, 3, bias=False, rng=rng),
        "bn1": BatchNorm2d(64),
        "relu": ReLU(),
        "maxpool": MaxPool2d(3, 2, 1),
    }
    channels = 64
    for stage, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True), 1):
        blocks = []
        for index in range(depth):
            made, channels = block(channels, width, 2 if stage > 1 and index == 0 else 1, rng)
            blocks.append(made)
        layers[f"layer{stage}"] = Sequential(*blocks)
    layers |= {"avgpool": AdaptiveAvgPool2d(1), "flatten": Flatten(), "fc": Linear(channels, num_classes, rng=rng)}
    return Sequential(layers)


def resnet18(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build ResNet-18 for pictures of any size."""
    return resnet(basic_block, (2, 2, 2, 2), rng, input_shape, num_classes)


def resnet34(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build ResNet-34 for pictures of any size."""
    return resnet(basic_block, (3, 4, 6, 3), rng, input_shape, num_classes)


def resnet50(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build ResNet-50 for pictures of any size."""
    return resnet(bottleneck, (3, 4, 6, 3), rng, input_shape, num_classes)


def resnet101(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build ResNet-101 for pictures of any size."""
    return resnet(bottleneck, (3, 4, 23, 3), rng, input_shape, num_classes)


def resnet152(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build ResNet-152 for pictures of any size."""
    return resnet(bottleneck, (3, 8, 36, 3), rng, input_shape, num_classes)


NETWORKS = (
    Network("resnet18", "ResNet-18 (2015)", (3, 224, 224), 1000, resnet18),
    Network("resnet34", "ResNet-34 (2015)", (3, 224, 224), 1000, resnet34),
    Network("resnet50", "ResNet-50 (2015)", (3, 224, 224), 1000, resnet50),
    Network("resnet101", "ResNet-101 (2015)", (3, 224, 224), 1000, resnet101),
    Network("resnet152", "ResNet-152 (2015)", (3, 224, 224), 1000, resnet152),
)
