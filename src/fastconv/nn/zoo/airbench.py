"""The network of K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, made for short trainings.

2x2 whitening filters with both signs, then three blocks of two 3x3 convolutions with batch norm; each block halves the
map behind its first convolution. The convolutions start as identities as far as their inputs reach. ReLU stands in for
GELU, and the mean of the last map for its maximum, which needs scores scaled down. 1,972,504 parameters and the 288
fixed weights of the filters.
"""

from __future__ import annotations

import numpy as np

from fastconv.nn import init
from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
    Whiten2d,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "airbench94"]


def _conv(in_channels: int, out_channels: int, rng: Rng) -> Conv2d:
    layer = Conv2d(in_channels, out_channels, 3, padding=1, bias=False, rng=rng)
    if rng is not init.UNSET:
        layer.weight.data[:in_channels] = 0
        same = np.arange(min(in_channels, out_channels))
        layer.weight.data[same, same, 1, 1] = 1
    return layer


def _block(in_channels: int, out_channels: int, rng: Rng) -> Sequential:
    layers: dict[str, Module] = {
        "conv1": _conv(in_channels, out_channels, rng),
        "pool": MaxPool2d(2),
        "norm1": BatchNorm2d(out_channels),
        "relu1": ReLU(),
        "conv2": _conv(out_channels, out_channels, rng),
        "norm2": BatchNorm2d(out_channels),
        "relu2": ReLU(),
    }
    return Sequential(layers)


def airbench94(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build it for pictures from 9x9 pixels up; ``net.whiten.fit(pictures)`` before the training."""
    rng = generator(rng)
    whiten = Whiten2d(input_shape[0], 2, rng=rng)
    layers: dict[str, Module] = {"whiten": whiten, "relu": ReLU()}
    channels = whiten.out_channels
    for block, width in enumerate((64, 256, 256), 1):
        layers[f"block{block}"] = _block(channels, width, rng)
        channels = width
    layers |= {
        "avgpool": AdaptiveAvgPool2d(1),
        "flatten": Flatten(),
        "fc": Linear(channels, num_classes, bias=False, rng=rng),
    }
    return Sequential(layers)


NETWORK = Network("airbench94", "Whitening filters and three blocks (2024) for CIFAR", (3, 32, 32), 10, airbench94)
