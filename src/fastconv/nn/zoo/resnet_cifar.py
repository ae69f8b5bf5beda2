"""ResNet-20 and ResNet-56 for 32x32 pictures, with shortcuts that have no parameters.

After K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2015, section 4.2: three stages
of 16, 32 and 64 filters; where the size changes, the shortcut takes every second pixel and pads channels of zeros (its
option A). 269,722 and 853,018 parameters for ten classes: 3x3 kernels without biases, two numbers a channel for each
batch norm, a last layer with biases; the paper rounds to 0.27 and 0.85 million.
"""

from __future__ import annotations

from typing import Any

from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    ChannelPad,
    Conv2d,
    Flatten,
    Graph,
    Linear,
    ReLU,
    Sequential,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORKS", "resnet20", "resnet56"]


def _block(in_channels: int, width: int, stride: int, rng: Rng) -> Graph:
    layers: dict[str, Any] = {
        "conv1": Conv2d(in_channels, width, 3, stride, 1, bias=False, rng=rng),
        "bn1": BatchNorm2d(width),
        "relu1": ReLU(),
        "conv2": Conv2d(width, width, 3, padding=1, bias=False, rng=rng),
        "bn2": BatchNorm2d(width),
    }
    shortcut = "input"
    if stride != 1 or width != in_channels:
        more = width - in_channels
        layers["shortcut"] = (Sequential(AvgPool2d(1, stride), ChannelPad((more // 2, more - more // 2))), "input")
        shortcut = "shortcut"
    return Graph({**layers, "add": (Add(), "bn2", shortcut), "relu": ReLU()})


def _resnet(depth: int, rng: Rng, input_shape: tuple[int, ...], num_classes: int) -> Sequential:
    """A network with `depth` blocks in each stage: 6 depth + 2 layers."""
    rng = generator(rng)
    layers: dict[str, Module] = {
        "conv1": Conv2d(input_shape[0], 16, 3, padding=1, bias=False, rng=rng),
        "bn1": BatchNorm2d(16),
        "relu": ReLU(),
    }
    channels = 16
    for stage, width in enumerate((16, 32, 64), 1):
        blocks = []
        for index in range(depth):
            blocks.append(_block(channels, width, 2 if stage > 1 and index == 0 else 1, rng))
            channels = width
        layers[f"layer{stage}"] = Sequential(*blocks)
    layers |= {"avgpool": AdaptiveAvgPool2d(1), "flatten": Flatten(), "fc": Linear(channels, num_classes, rng=rng)}
    return Sequential(layers)


def resnet20(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build ResNet-20 for small pictures of any size."""
    return _resnet(3, rng, input_shape, num_classes)


def resnet56(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build ResNet-56 for small pictures of any size."""
    return _resnet(9, rng, input_shape, num_classes)


NETWORKS = (
    Network("resnet20", "ResNet-20 (2015) for CIFAR", (3, 32, 32), 10, resnet20),
    Network("resnet56", "ResNet-56 (2015) for CIFAR", (3, 32, 32), 10, resnet56),
)
