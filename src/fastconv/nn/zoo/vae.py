"""A convolutional variational autoencoder: a picture becomes a normal distribution of codes, a code becomes a picture.

After D. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2013: training draws the code by a mean plus a deviation
times noise, through which gradients flow. The outputs are scores of the pixels (sigmoid gives their values), and mean
and logvar of the code; `VAELoss` takes all three.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn import init
from fastconv.nn.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Graph,
    Linear,
    ReLU,
    Reparametrize,
    Sequential,
    Unflatten,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.autoencoder import quarter
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "conv_vae"]

WIDTHS = (32, 64)


def conv_vae(rng: Rng = 0, input_shape: tuple[int, ...] = (1, 28, 28), *, code: int = 20) -> Graph:
    """Build it for pictures of `input_shape` with pixels 0..1; codes have `code` numbers.

    ``model["decoder"]`` makes pictures of codes, as from ``rng.standard_normal((n, code), np.float32)``.
    """
    rng = generator(rng)
    code = canonical_integer("code", code, 1)
    size, channels = quarter(input_shape), input_shape[0]
    features = WIDTHS[1] * size[0] * size[1]
    encoder: dict[str, Module] = {
        "conv1": Conv2d(channels, WIDTHS[0], 4, stride=2, padding=1, rng=rng),
        "relu1": ReLU(),
        "conv2": Conv2d(WIDTHS[0], WIDTHS[1], 4, stride=2, padding=1, rng=rng),
        "relu2": ReLU(),
        "flatten": Flatten(),
    }
    layers: dict[str, Any] = {
        "encoder": Sequential(encoder),
        "mean": (Linear(features, code, rng=rng), "encoder"),
        "logvar": (Linear(features, code, rng=rng), "encoder"),
    }
    decoder: dict[str, Module] = {
        "fc": Linear(code, features, rng=rng),
        "relu1": ReLU(),
        "unflatten": Unflatten(1, (WIDTHS[1], *size)),
        "conv1": ConvTranspose2d(WIDTHS[1], WIDTHS[0], 4, stride=2, padding=1, rng=rng),
        "relu2": ReLU(),
        "conv2": ConvTranspose2d(WIDTHS[0], channels, 4, stride=2, padding=1, rng=rng),
    }
    noise = np.random.default_rng() if rng is init.UNSET else rng.spawn(1)[0]
    layers |= {"sample": (Reparametrize(rng=noise), "mean", "logvar"), "decoder": Sequential(decoder)}
    return Graph(layers, outputs=("decoder", "mean", "logvar"))


NETWORK = Network(
    "conv_vae", "Convolutional variational autoencoder (2013)", (1, 28, 28), None, conv_vae, "reconstruction"
)
