"""DCGAN: a generator that makes pictures of 64x64 pixels of noise, and a discriminator that tells them from real ones.

After A. Radford, L. Metz, S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", 2015, with the 4x4 kernels and 512 to 64 filters of PyTorch's example of it: 3,576,704 and
2,765,568 parameters for colour pictures. Weights start normal with a deviation of 0.02. The discriminator ends in a
score; train it with `BCEWithLogitsLoss`.
"""

from __future__ import annotations

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn import init
from fastconv.nn.layers import BatchNorm2d, Conv2d, ConvTranspose2d, Flatten, LeakyReLU, ReLU, Sequential, Tanh
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORKS", "dcgan_discriminator", "dcgan_generator"]

DEVIATION = 0.02


def _started(model: Sequential, rng: Rng) -> Sequential:
    """The model with its weights around 0, those of batch norms around 1."""
    if isinstance(rng, np.random.Generator):
        for module in (module for _, module in model.named_modules() if module.PARAMETERS):
            center = 1.0 if isinstance(module, BatchNorm2d) else 0.0
            weight = getattr(module, "weight").data  # noqa: B009
            weight[...] = rng.normal(center, DEVIATION, weight.shape)
    return model


def dcgan_generator(
    rng: Rng = 0, input_shape: tuple[int, ...] = (100, 1, 1), *, channels: int = 3, width: int = 64
) -> Sequential:
    """Build the generator: noise of `input_shape` becomes pictures of 64x64 pixels, -1..1."""
    rng = generator(rng)
    channels, width = canonical_integer("channels", channels, 1), canonical_integer("width", width, 1)
    layers: list[Module] = []
    inputs = input_shape[0]
    for index, factor in enumerate((8, 4, 2, 1)):
        stride, padding = (1, 0) if index == 0 else (2, 1)
        outputs = factor * width
        layers += [
            ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False, rng=init.UNSET),
            BatchNorm2d(outputs),
            ReLU(),
        ]
        inputs = outputs
    layers += [ConvTranspose2d(inputs, channels, 4, 2, 1, bias=False, rng=init.UNSET), Tanh()]
    return _started(Sequential({"main": Sequential(*layers)}), rng)


def dcgan_discriminator(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 64, 64), *, width: int = 64) -> Sequential:
    """Build the discriminator for pictures of 64x64 pixels: one score each, above 0 for real ones."""
    rng = generator(rng)
    width = canonical_integer("width", width, 1)
    if tuple(input_shape[1:]) != (64, 64):
        raise ValueError(f"input_shape (={input_shape}) must be of 64x64 pixels")
    layers: list[Module] = []
    inputs = input_shape[0]
    for index, factor in enumerate((1, 2, 4, 8)):
        outputs = factor * width
        layers.append(Conv2d(inputs, outputs, 4, 2, 1, bias=False, rng=init.UNSET))
        if index > 0:
            layers.append(BatchNorm2d(outputs))
        layers.append(LeakyReLU(0.2))
        inputs = outputs
    layers.append(Conv2d(inputs, 1, 4, bias=False, rng=init.UNSET))
    return _started(Sequential({"main": Sequential(*layers), "flatten": Flatten()}), rng)


NETWORKS = (
    Network("dcgan_generator", "DCGAN (2015): the generator", (100, 1, 1), None, dcgan_generator, "generation"),
    Network(
        "dcgan_discriminator", "DCGAN (2015): the discriminator", (3, 64, 64), None, dcgan_discriminator, "generation"
    ),
)
