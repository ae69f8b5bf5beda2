"""ConvNetJS's CIFAR-10 network, which trains in a browser: 5x5 convolutions of 16, 20 and 20 filters, each pooled.

After A. Karpathy's demonstration of ConvNetJS, 2014. 22,466 parameters for 32x32 colour pictures of ten classes.
"""

from __future__ import annotations

import math

from fastconv.nn.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "convnetjs_cifar10"]


def convnetjs_cifar10(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build it for pictures from 8x8 pixels up."""
    rng = generator(rng)
    layers: dict[str, Module] = {}
    channels = input_shape[0]
    for stage, width in enumerate((16, 20, 20), 1):
        layers[f"conv{stage}"] = Conv2d(channels, width, 5, padding=2, rng=rng)
        layers[f"relu{stage}"] = ReLU()
        layers[f"pool{stage}"] = MaxPool2d(2)
        channels = width
    layers["flatten"] = Flatten()
    features = math.prod(Sequential(layers).output_shape(input_shape))
    return Sequential({**layers, "fc": Linear(features, num_classes, rng=rng)})


NETWORK = Network("convnetjs_cifar10", "ConvNetJS's CIFAR-10 network (2014)", (3, 32, 32), 10, convnetjs_cifar10)
