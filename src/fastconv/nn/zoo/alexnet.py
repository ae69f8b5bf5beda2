"""AlexNet in its one-tower form: convolutions of 64, 192, 384, 256 and 256 filters, then 4096, 4096 and the classes.

After A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012,
and A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014. 61,100,840 parameters for
1,000 classes; keys of the state as torchvision has them.
"""

from __future__ import annotations

from fastconv.nn.layers import AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "alexnet"]


def alexnet(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build AlexNet for pictures from 63x63 pixels up."""
    rng = generator(rng)
    features = Sequential(
        Conv2d(input_shape[0], 64, 11, stride=4, padding=2, rng=rng),
        ReLU(),
        MaxPool2d(3, 2),
        Conv2d(64, 192, 5, padding=2, rng=rng),
        ReLU(),
        MaxPool2d(3, 2),
        Conv2d(192, 384, 3, padding=1, rng=rng),
        ReLU(),
        Conv2d(384, 256, 3, padding=1, rng=rng),
        ReLU(),
        Conv2d(256, 256, 3, padding=1, rng=rng),
        ReLU(),
        MaxPool2d(3, 2),
    )
    classifier = Sequential(
        Dropout(0.5),
        Linear(256 * 6 * 6, 4096, rng=rng),
        ReLU(),
        Dropout(0.5),
        Linear(4096, 4096, rng=rng),
        ReLU(),
        Linear(4096, num_classes, rng=rng),
    )
    return Sequential(
        {"features": features, "avgpool": AdaptiveAvgPool2d(6), "flatten": Flatten(), "classifier": classifier}
    )


NETWORK = Network("alexnet", "AlexNet (2012) in its one-tower form", (3, 224, 224), 1000, alexnet)
