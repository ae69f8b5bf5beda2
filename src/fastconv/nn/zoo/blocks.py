"""What several networks are built of: a convolution with batch norm, squeeze-and-excite; where weights come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.nn import init
from fastconv.nn.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Graph, Multiply, ReLU, Sequential, Sigmoid
from fastconv.nn.module import Module

__all__ = ["Rng", "conv_norm", "generator", "squeeze_excite"]

#: where a network's weights are drawn from: a seed, a Generator, or `init.UNSET` for none
Rng = Any


def generator(rng: Rng) -> Rng:
    """One source for all layers of a network, so that no two of them start alike."""
    return rng if rng is init.UNSET else np.random.default_rng(rng)


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: Any,
    stride: int = 1,
    *,
    padding: Any = None,
    groups: int = 1,
    eps: float = 1e-5,
    names: tuple[str, str] = ("0", "1"),
    rng: Rng,
    activation: Module | None = None,
) -> Sequential:
    """A convolution without bias, its batch normalization and, if given, an activation; padded to keep the size."""
    padding = kernel_size // 2 if padding is None else padding
    layers: dict[str, Module] = {
        names[0]: Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False, rng=rng),
        names[1]: BatchNorm2d(out_channels, eps=eps),
    }
    if activation is not None:
        layers["activation"] = activation
    return Sequential(layers)


def squeeze_excite(channels: int, reduction: int, rng: Rng) -> Graph:
    """Weigh the channels of a map: their means, through two 1x1 layers and a sigmoid, multiply the map."""
    return Graph(
        {
            "avgpool": AdaptiveAvgPool2d(1),
            "fc1": Conv2d(channels, channels // reduction, 1, rng=rng),
            "relu": ReLU(),
            "fc2": Conv2d(channels // reduction, channels, 1, rng=rng),
            "sigmoid": Sigmoid(),
            "multiply": (Multiply(), "input", "sigmoid"),
        }
    )
