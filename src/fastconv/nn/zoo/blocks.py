"""What several networks are built of: a convolution with batch normalization; where weights are drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.nn import init
from fastconv.nn.layers import BatchNorm2d, Conv2d, Sequential
from fastconv.nn.module import Module

__all__ = ["Rng", "conv_norm", "generator"]

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
