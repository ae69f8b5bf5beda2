"""U-Net: a path that halves the picture, a path that doubles it again, and at each size the maps of both side by side.

After O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015 (its
figure 1), without its dropout. 31,030,658 parameters for grey pictures and two classes. The paper's convolutions are
not padded: ``padded=False`` makes maps of 388 pixels of pictures of 572. Padded, every pixel gets its scores.
"""

from __future__ import annotations

from typing import Any

from fastconv.geometry import canonical_integer
from fastconv.nn.layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Graph,
    MaxPool2d,
    ReLU,
    Sequential,
    ZeroPad2d,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "unet"]

#: how often the picture is halved
DEPTH = 4


def _double(in_channels: int, width: int, padding: int, batch_norm: bool, rng: Rng) -> Sequential:
    """Two 3x3 convolutions."""
    layers: dict[str, Module] = {}
    for index, channels in enumerate((in_channels, width), 1):
        layers[f"conv{index}"] = Conv2d(channels, width, 3, padding=padding, bias=not batch_norm, rng=rng)
        if batch_norm:
            layers[f"bn{index}"] = BatchNorm2d(width)
        layers[f"relu{index}"] = ReLU()
    return Sequential(layers)


def unet(
    rng: Rng = 0,
    input_shape: tuple[int, ...] = (1, 512, 512),
    num_classes: int = 2,
    *,
    width: int = 64,
    padded: bool = True,
    batch_norm: bool = False,
) -> Graph:
    """Build U-Net, padded for pictures whose sides are multiples of 16.

    `width` is the number of filters at full size, which doubles where the picture is halved. `batch_norm` puts a batch
    norm behind each 3x3 convolution, in place of its bias.
    """
    rng = generator(rng)
    width = canonical_integer("width", width, 1)
    if padded and any(size % 2**DEPTH for size in input_shape[1:]):
        raise ValueError(f"input_shape (={input_shape}) must have sides that are multiples of {2**DEPTH}")
    padding = 1 if padded else 0
    layers: dict[str, Any] = {"down0": _double(input_shape[0], width, padding, batch_norm, rng)}
    for level in range(1, DEPTH + 1):
        layers[f"pool{level}"] = MaxPool2d(2)
        layers[f"down{level}"] = _double(width << (level - 1), width << level, padding, batch_norm, rng)
    lost = 0  # pixels by which maps on the way up are narrower than those on the way down, on either side
    for level in reversed(range(DEPTH)):
        channels = width << level
        layers[f"up{level}"] = ConvTranspose2d(2 * channels, channels, 2, stride=2, rng=rng)
        skip = f"down{level}"
        if not padded:
            lost = 2 * (lost + 2)
            layers[f"crop{level}"] = (ZeroPad2d(-lost), skip)
            skip = f"crop{level}"
            lost += 2
        layers[f"join{level}"] = (Concat(), skip, f"up{level}")
        layers[f"out{level}"] = _double(2 * channels, channels, padding, batch_norm, rng)
    return Graph({**layers, "scores": Conv2d(width, num_classes, 1, rng=rng)})


NETWORK = Network("unet", "U-Net (2015), padded", (1, 512, 512), 2, unet, "segmentation")
