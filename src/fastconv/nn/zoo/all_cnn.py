"""All-CNN-C: convolutions only; strides stand for pools, a mean over the maps of the classes for full connections.

After J. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, "Striving for Simplicity: The All Convolutional Net",
2014 (its tables 1 and 2). 1,369,738 parameters for 32x32 colour pictures of ten classes.
"""

from __future__ import annotations

from fastconv.nn.layers import AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, ReLU, Sequential
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "all_cnn_c"]

#: filters (None: the classes), kernel, stride, padding, dropout behind
LAYERS = (
    (96, 3, 1, 1, 0.0), (96, 3, 1, 1, 0.0), (96, 3, 2, 1, 0.5),
    (192, 3, 1, 1, 0.0), (192, 3, 1, 1, 0.0), (192, 3, 2, 1, 0.5),
    (192, 3, 1, 0, 0.0), (192, 1, 1, 0, 0.0), (None, 1, 1, 0, 0.0),
)  # fmt: skip


def all_cnn_c(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> Sequential:
    """Build All-CNN-C for pictures from 9x9 pixels up."""
    rng = generator(rng)
    layers: dict[str, Module] = {"dropout0": Dropout(0.2)}
    channels = input_shape[0]
    for index, (filters, kernel, stride, padding, dropout) in enumerate(LAYERS, 1):
        width = num_classes if filters is None else filters
        layers[f"conv{index}"] = Conv2d(channels, width, kernel, stride, padding, rng=rng)
        layers[f"relu{index}"] = ReLU()
        if dropout:
            layers[f"dropout{index}"] = Dropout(dropout)
        channels = width
    del layers[f"relu{len(LAYERS)}"]
    return Sequential({**layers, "avgpool": AdaptiveAvgPool2d(1), "flatten": Flatten()})


NETWORK = Network("all_cnn_c", "All-CNN-C (2014), without pools", (3, 32, 32), 10, all_cnn_c)
