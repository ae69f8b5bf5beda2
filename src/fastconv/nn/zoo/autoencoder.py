"""A convolutional autoencoder: strided convolutions make a short code of a picture, their transposes a picture again.

Nothing is pooled: strides halve and transposed convolutions double. 64 numbers stand for a picture by default, and
28x28 grey ones take 210,369 parameters.
"""

from __future__ import annotations

from fastconv.geometry import canonical_integer
from fastconv.nn.layers import Conv2d, ConvTranspose2d, ReLU, Sequential, Sigmoid
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "conv_autoencoder", "quarter"]


def quarter(input_shape: tuple[int, ...]) -> tuple[int, int]:
    """A quarter of the sides of a picture, which must be multiples of 4."""
    _, height, width = input_shape
    if height % 4 or width % 4:
        raise ValueError(f"input_shape (={input_shape}) must have sides that are multiples of 4")
    return height // 4, width // 4


def conv_autoencoder(rng: Rng = 0, input_shape: tuple[int, ...] = (1, 28, 28), *, code: int = 64) -> Sequential:
    """Build it for pictures with pixels 0..1: the parts "encoder" and "decoder", and between them `code` numbers."""
    rng = generator(rng)
    code = canonical_integer("code", code, 1)
    size, channels = quarter(input_shape), input_shape[0]
    encoder = {
        "conv1": Conv2d(channels, 16, 3, stride=2, padding=1, rng=rng),
        "relu1": ReLU(),
        "conv2": Conv2d(16, 32, 3, stride=2, padding=1, rng=rng),
        "relu2": ReLU(),
        "conv3": Conv2d(32, code, size, rng=rng),
    }
    decoder = {
        "conv1": ConvTranspose2d(code, 32, size, rng=rng),
        "relu1": ReLU(),
        "conv2": ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1, rng=rng),
        "relu2": ReLU(),
        "conv3": ConvTranspose2d(16, channels, 3, stride=2, padding=1, output_padding=1, rng=rng),
        "sigmoid": Sigmoid(),
    }
    return Sequential({"encoder": Sequential(encoder), "decoder": Sequential(decoder)})


NETWORK = Network(
    "conv_autoencoder", "Convolutional autoencoder", (1, 28, 28), None, conv_autoencoder, "reconstruction"
)
