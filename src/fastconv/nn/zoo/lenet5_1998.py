"""LeNet-5 as published: trainable sub-sampling, a table of connections, squashed sums, and codes of the classes.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998: C1
156, S2 12, C3 1,516 (its table 1), S4 32, C5 48,120 and F6 10,164 parameters, 60,000 in all, and an output layer of
radial basis functions with fixed codes. Pictures of 28x28 pixels lie in a field of 32x32, as in the paper, here by
padding. The coefficient of a sub-sampling multiplies the mean of four pixels, not their sum. The codes are drawn,
which the paper names as a choice; its own are pictures of characters.
Distances to codes are large: SGD with momentum learns at a rate of about 0.003.
"""

from __future__ import annotations

from fastconv.nn.layers import RBF, AvgPool2d, Conv2d, Flatten, Linear, Scale, ScaledTanh, Sequential, TableConv2d
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "lenet5_1998"]

#: which maps of S2 the filters of C3 see
CONNECTIONS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def _subsampling(channels: int) -> Sequential:
    return Sequential({"mean": AvgPool2d(2), "scale": Scale(channels), "squash": ScaledTanh()})


def lenet5_1998(rng: Rng = 0, input_shape: tuple[int, ...] = (1, 28, 28), num_classes: int = 10) -> Sequential:
    """Build it for pictures from 12x12 pixels up."""
    rng = generator(rng)
    layers: dict[str, Module] = {
        "c1": Conv2d(input_shape[0], 6, 5, padding=2, rng=rng),
        "squash1": ScaledTanh(),
        "s2": _subsampling(6),
        "c3": TableConv2d(6, CONNECTIONS, 5, rng=rng),
        "squash3": ScaledTanh(),
        "s4": _subsampling(16),
    }
    _, height, width = Sequential(layers).output_shape(tuple(input_shape))
    layers |= {
        "c5": Conv2d(16, 120, (height, width), rng=rng),
        "squash5": ScaledTanh(),
        "flatten": Flatten(),
        "f6": Linear(120, 84, rng=rng),
        "squash6": ScaledTanh(),
        "output": RBF(84, num_classes, rng=rng),
    }
    return Sequential(layers)


NETWORK = Network("lenet5_1998", "LeNet-5 (1998) as published", (1, 28, 28), 10, lenet5_1998)
