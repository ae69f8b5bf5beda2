"""LeNet-5 in its modern form: conv 6@5x5, ReLU, max 2, conv 16@5x5, ReLU, max 2, then 120, 84 and the classes.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998. For
28x28 grey pictures of ten classes it has 61,706 parameters.
"""

from __future__ import annotations

import math

from fastconv.nn.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "lenet5"]


def lenet5(rng: Rng = 0, input_shape: tuple[int, ...] = (1, 28, 28), num_classes: int = 10) -> Sequential:
    """Build LeNet-5 for pictures of `input_shape`, from 12x12 pixels up, and `num_classes` classes."""
    rng = generator(rng)
    features = {
        "conv1": Conv2d(input_shape[0], 6, 5, padding=2, rng=rng),
        "relu1": ReLU(),
        "pool1": MaxPool2d(2),
        "conv2": Conv2d(6, 16, 5, rng=rng),
        "relu2": ReLU(),
        "pool2": MaxPool2d(2),
        "flatten": Flatten(),
    }
    features_out = math.prod(Sequential(features).output_shape(input_shape))
    classifier = {
        "fc1": Linear(features_out, 120, rng=rng),
        "relu3": ReLU(),
        "fc2": Linear(120, 84, rng=rng),
        "relu4": ReLU(),
        "fc3": Linear(84, num_classes, rng=rng),
    }
    return Sequential({**features, **classifier})


NETWORK = Network("lenet5", "LeNet-5 (1998) in its modern form", (1, 28, 28), 10, lenet5)
