"""ZFNet: AlexNet with smaller filters and strides in its first layers, found by looking at what they had learnt.

After M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", 2013 (its figure 3), with the local
response normalization and the dropout of AlexNet. Maps of 110, 55, 26, 13 and 6 pixels for pictures of 224; 62,357,608
parameters for 1,000 classes.
"""

from __future__ import annotations

from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sequential,
)
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "zfnet"]


def zfnet(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build ZFNet for pictures from 29x29 pixels up."""
    rng = generator(rng)
    features = Sequential(
        Conv2d(input_shape[0], 96, 7, stride=2, padding=1, rng=rng),
        ReLU(),
        MaxPool2d(3, 2, ceil_mode=True),
        LocalResponseNorm(5, 5e-4, 0.75, 2.0),
        Conv2d(96, 256, 5, stride=2, rng=rng),
        ReLU(),
        MaxPool2d(3, 2, ceil_mode=True),
        LocalResponseNorm(5, 5e-4, 0.75, 2.0),
        Conv2d(256, 384, 3, padding=1, rng=rng),
        ReLU(),
        Conv2d(384, 384, 3, padding=1, rng=rng),
        ReLU(),
        Conv2d(384, 256, 3, padding=1, rng=rng),
        ReLU(),
        MaxPool2d(3, 2),
    )
    classifier = Sequential(
        Linear(256 * 6 * 6, 4096, rng=rng),
        ReLU(),
        Dropout(0.5),
        Linear(4096, 4096, rng=rng),
        ReLU(),
        Dropout(0.5),
        Linear(4096, num_classes, rng=rng),
    )
    return Sequential(
        {"features": features, "avgpool": AdaptiveAvgPool2d(6), "flatten": Flatten(), "classifier": classifier}
    )


NETWORK = Network("zfnet", "ZFNet (2013)", (3, 224, 224), 1000, zfnet)
