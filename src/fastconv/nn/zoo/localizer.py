"""A network that says what a picture shows and where: one backbone, a head for the classes and a head for a box.

The regression head of P. Sermanet et al., "OverFeat", 2013, in the small: it works on the same maps as the classifier
and gives one box. By default the backbone is ResNet-18, which makes 11,821,868 parameters for 1,000 classes.
"""

from __future__ import annotations

from typing import Any

from fastconv.nn.layers import AdaptiveAvgPool2d, Flatten, Graph, Linear, ReLU, Sequential, Sigmoid
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network
from fastconv.nn.zoo.resnet import resnet18

__all__ = ["NETWORK", "localizer"]

#: features of the layer between the maps and the box
HIDDEN = 256


def localizer(
    rng: Rng = 0,
    input_shape: tuple[int, ...] = (3, 224, 224),
    num_classes: int = 1000,
    *,
    backbone: Module | None = None,
    grid: int = 1,
) -> Graph:
    """Build it: the outputs are scores, and boxes (centre x, centre y, width, height) in parts of the picture, 0..1.

    `backbone` makes maps of pictures; ResNet-18 without its last layers where it is not given. The head of the box sees
    them as `grid` x `grid` means: a mean over the whole map (1) tells less about places.
    """
    rng = generator(rng)
    if backbone is None:
        layers = resnet18(rng, input_shape, 1).named_children()
        backbone = Sequential({name: layer for name, layer in layers if name not in ("avgpool", "flatten", "fc")})
    channels = backbone.output_shape(tuple(input_shape))[0]
    box: dict[str, Module] = {
        "pool": AdaptiveAvgPool2d(grid),
        "flatten": Flatten(),
        "fc1": Linear(channels * grid * grid, HIDDEN, rng=rng),
        "relu": ReLU(),
        "fc2": Linear(HIDDEN, 4, rng=rng),
        "sigmoid": Sigmoid(),
    }
    scores = {"pool": AdaptiveAvgPool2d(1), "flatten": Flatten(), "fc": Linear(channels, num_classes, rng=rng)}
    heads: dict[str, Any] = {
        "backbone": backbone,
        "scores": (Sequential(scores), "backbone"),
        "box": (Sequential(box), "backbone"),
    }
    return Graph(heads, outputs=("scores", "box"))


NETWORK = Network("localizer", "Classes and a box from one backbone", (3, 224, 224), 1000, localizer, "localization")
