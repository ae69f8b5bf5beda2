"""ResNet-9 for CIFAR, the network that D. Page trained in a minute for DAWNBench (2018), and one of half the width.

Eight 3x3 convolutions and a Linear: a stem, then three stages that each double the width and halve the map with a
max-pool; the first and the last have a block of two convolutions that is added to its input. The last map is averaged:
its maximum, as first published, makes scores so large that they had to be scaled down. 6,573,120 parameters for ten
classes; 1,646,112 at half the width, a quarter of the work.
"""

from __future__ import annotations

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
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORKS", "resnet9", "resnet9_half"]


def _conv(in_channels: int, out_channels: int, rng: Rng) -> dict[str, Module]:
    return {
        "conv": Conv2d(in_channels, out_channels, 3, padding=1, bias=False, rng=rng),
        "bn": BatchNorm2d(out_channels),
        "relu": ReLU(),
    }


def _residual(channels: int, rng: Rng) -> Graph:
    blocks = {f"conv{index}": Sequential(_conv(channels, channels, rng)) for index in (1, 2)}
    return Graph({**blocks, "add": (Add(), "conv2", "input")})


def _resnet9(width: int, rng: Rng, input_shape: tuple[int, ...], num_classes: int) -> Sequential:
    rng = generator(rng)
    layers: dict[str, Module] = {"stem": Sequential(_conv(input_shape[0], width, rng))}
    channels = width
    for stage in (1, 2, 3):
        inside = {**_conv(channels, 2 * channels, rng), "pool": MaxPool2d(2)}
        channels *= 2
        if stage != 2:
            inside["residual"] = _residual(channels, rng)
        layers[f"layer{stage}"] = Sequential(inside)
    layers |= {
        "avgpool": AdaptiveAvgPool2d(1),
        "flatten": Flatten(),
        "fc": Linear(channels, num_classes, bias=False, rng=rng),
    }
    return Sequential(layers)


def resnet9(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build ResNet-9 for pictures from 8x8 pixels up."""
    return _resnet9(64, rng, input_shape, num_classes)


def resnet9_half(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build ResNet-9 with half as many filters."""
    return _resnet9(32, rng, input_shape, num_classes)


NETWORKS = (
    Network("resnet9", "ResNet-9 (2018) for CIFAR", (3, 32, 32), 10, resnet9),
    Network("resnet9_half", "ResNet-9 of half the width", (3, 32, 32), 10, resnet9_half),
)
