"""SE-ResNet-50: ResNet-50 whose blocks weigh their channels by what the whole map says.

After J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", 2017, with a reduction of 16 and biases in both layers
of an excitation. 28,088,024 parameters for 1,000 classes; keys of the state as the authors' PyTorch ports have them,
stride in the 3x3 convolution as in `resnet50`.
"""

from __future__ import annotations

from typing import Any

from fastconv.nn.layers import BatchNorm2d, Conv2d, Graph, ReLU, Sequential
from fastconv.nn.zoo.blocks import Rng, squeeze_excite
from fastconv.nn.zoo.network import Network
from fastconv.nn.zoo.resnet import add_shortcut, resnet

__all__ = ["NETWORK", "se_resnet50"]


def _bottleneck(in_channels: int, width: int, stride: int, rng: Rng) -> tuple[Graph, int]:
    """A bottleneck whose result is weighed before the input is added."""
    layers: dict[str, Any] = {
        "conv1": Conv2d(in_channels, width, 1, bias=False, rng=rng),
        "bn1": BatchNorm2d(width),
        "relu1": ReLU(),
        "conv2": Conv2d(width, width, 3, stride, 1, bias=False, rng=rng),
        "bn2": BatchNorm2d(width),
        "relu2": ReLU(),
        "conv3": Conv2d(width, 4 * width, 1, bias=False, rng=rng),
        "bn3": BatchNorm2d(4 * width),
        "se_module": squeeze_excite(4 * width, 16, rng),
    }
    return add_shortcut(layers, "se_module", (in_channels, 4 * width), stride, rng), 4 * width


def se_resnet50(rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000) -> Sequential:
    """Build SE-ResNet-50 for pictures of any size."""
    return resnet(_bottleneck, (3, 4, 6, 3), rng, input_shape, num_classes)


NETWORK = Network("se_resnet50", "SE-ResNet-50 (2017)", (3, 224, 224), 1000, se_resnet50)
