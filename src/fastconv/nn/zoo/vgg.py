"""VGG-11, VGG-16 and VGG-19: 3x3 convolutions only, five times halved, then 4096, 4096 and the classes.

After K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014 (columns A,
D and E of its table 1). VGG-16 has 138,357,544 parameters for 1,000 classes; keys of the state as torchvision has them.
"""

from __future__ import annotations

from fastconv.nn.layers import AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORKS", "vgg11", "vgg16", "vgg19"]

#: filters of each stage
WIDTHS = (64, 128, 256, 512, 512)


def _vgg(depths: tuple[int, ...], rng: Rng, input_shape: tuple[int, ...], num_classes: int) -> Sequential:
    """A network with depths[i] convolutions in stage i."""
    rng = generator(rng)
    layers: list[Module] = []
    channels = input_shape[0]
    for depth, width in zip(depths, WIDTHS, strict=True):
        for _ in range(depth):
            layers += [Conv2d(channels, width, 3, padding=1, rng=rng), ReLU()]
            channels = width
        layers.append(MaxPool2d(2))
    classifier = Sequential(
        Linear(512 * 7 * 7, 4096, rng=rng),
        ReLU(),
        Dropout(0.5),
        Linear(4096, 4096, rng=rng),
        ReLU(),
        Dropout(0.5),
        Linear(4096, num_classes, rng=rng),
    )
    return Sequential(
        {
            "features": Sequential(*layers),
            "avgpool": AdaptiveAvgPool2d(7),
            "flatten": Flatten(),
            "classifier": classifier,
        }
    )


def vgg11(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build VGG-11 for pictures from 32x32 pixels up."""
    return _vgg((1, 1, 2, 2, 2), rng, input_shape, num_classes)


def vgg16(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build VGG-16 for pictures from 32x32 pixels up."""
    return _vgg((2, 2, 3, 3, 3), rng, input_shape, num_classes)


def vgg19(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build VGG-19 for pictures from 32x32 pixels up."""
    return _vgg((2, 2, 4, 4, 4), rng, input_shape, num_classes)


NETWORKS = (
    Network("vgg11", "VGG-11 (2014)", (3, 224, 224), 1000, vgg11),
    Network("vgg16", "VGG-16 (2014)", (3, 224, 224), 1000, vgg16),
    Network("vgg19", "VGG-19 (2014)", (3, 224, 224), 1000, vgg19),
)
