"""MobileNetV2: blocks that widen, convolve each channel by itself and narrow again, added to their input.

After M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L. Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
2018 (its table 2). 3,504,872 parameters for 1,000 classes; keys of the state as torchvision has them.
"""

from __future__ import annotations

from typing import Any

from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Graph,
    Linear,
    ReLU6,
    Sequential,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, conv_norm, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "mobilenet_v2"]

#: how often the block widens, its outputs, repetitions, stride of the first
BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _block(channels: int, out_channels: int, stride: int, widening: int, rng: Rng) -> Module:
    width = channels * widening
    steps: list[Module] = []
    if widening != 1:
        steps.append(conv_norm(channels, width, 1, rng=rng, activation=ReLU6()))
    steps += [
        conv_norm(width, width, 3, stride, groups=width, rng=rng, activation=ReLU6()),
        Conv2d(width, out_channels, 1, bias=False, rng=rng),
        BatchNorm2d(out_channels),
    ]
    layers: dict[str, Any] = {"conv": Sequential(*steps)}
    if stride == 1 and channels == out_channels:
        layers["add"] = (Add(), "conv", "input")
    return Graph(layers)


def mobilenet_v2(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build MobileNetV2 for pictures of any size."""
    rng = generator(rng)
    features: list[Module] = [conv_norm(input_shape[0], 32, 3, 2, rng=rng, activation=ReLU6())]
    channels = 32
    for widening, out_channels, repetitions, stride in BLOCKS:
        for index in range(repetitions):
            features.append(_block(channels, out_channels, stride if index == 0 else 1, widening, rng))
            channels = out_channels
    features.append(conv_norm(channels, 1280, 1, rng=rng, activation=ReLU6()))
    return Sequential(
        {
            "features": Sequential(*features),
            "avgpool": AdaptiveAvgPool2d(1),
            "flatten": Flatten(),
            "classifier": Sequential(Dropout(0.2), Linear(1280, num_classes, rng=rng)),
        }
    )


NETWORK = Network("mobilenet_v2", "MobileNetV2 (2018)", (3, 224, 224), 1000, mobilenet_v2)
