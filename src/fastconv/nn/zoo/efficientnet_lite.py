"""EfficientNet-Lite0: MobileNetV2's blocks in the widths and depths of EfficientNet-B0, with ReLU6 and no attention.

After M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, and the authors'
Lite variants of 2020. TensorFlow's SAME padding, batch norms with eps 1e-3. 4,652,008 parameters for 1,000 classes;
keys of the state as the PyTorch port of the original weights has them.
"""

from __future__ import annotations

from typing import Any

from fastconv.nn.layers import (
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Graph,
    Linear,
    ReLU6,
    Sequential,
)
from fastconv.nn.module import Module
from fastconv.nn.zoo.blocks import Rng, generator
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORK", "efficientnet_lite0"]

#: repetitions, outputs, how often the block widens, stride of the first, kernel
BLOCKS = (
    (1, 16, 1, 1, 3), (2, 24, 6, 2, 3), (2, 40, 6, 2, 5), (3, 80, 6, 2, 3), (3, 112, 6, 1, 5), (4, 192, 6, 2, 5),
    (1, 320, 6, 1, 3),
)  # fmt: skip
EPS = 1e-3


def _block(channels: int, out_channels: int, widening: int, stride: int, kernel: int, rng: Rng) -> Module:
    width = channels * widening
    layers: dict[str, Any] = {}
    if widening != 1:
        layers |= {
            "_expand_conv": Conv2d(channels, width, 1, bias=False, rng=rng),
            "_bn0": BatchNorm2d(width, eps=EPS),
            "relu0": ReLU6(),
        }
    layers |= {
        "_depthwise_conv": Conv2d(width, width, kernel, stride, "same", groups=width, bias=False, rng=rng),
        "_bn1": BatchNorm2d(width, eps=EPS),
        "relu1": ReLU6(),
        "_project_conv": Conv2d(width, out_channels, 1, bias=False, rng=rng),
        "_bn2": BatchNorm2d(out_channels, eps=EPS),
    }
    if stride == 1 and channels == out_channels:
        layers["add"] = (Add(), "_bn2", "input")
    return Graph(layers)


def efficientnet_lite0(
    rng: Rng = 0, input_shape: tuple[int, ...] = (3, 224, 224), num_classes: int = 1000
) -> Sequential:
    """Build EfficientNet-Lite0 for pictures of any size."""
    rng = generator(rng)
    blocks: list[Module] = []
    channels = 32
    for repetitions, out_channels, widening, stride, kernel in BLOCKS:
        for index in range(repetitions):
            blocks.append(_block(channels, out_channels, widening, stride if index == 0 else 1, kernel, rng))
            channels = out_channels
    return Sequential(
        {
            "_conv_stem": Conv2d(input_shape[0], 32, 3, 2, "same", bias=False, rng=rng),
            "_bn0": BatchNorm2d(32, eps=EPS),
            "relu0": ReLU6(),
            "_blocks": Sequential(*blocks),
            "_conv_head": Conv2d(channels, 1280, 1, bias=False, rng=rng),
            "_bn1": BatchNorm2d(1280, eps=EPS),
            "relu1": ReLU6(),
            "avgpool": AdaptiveAvgPool2d(1),
            "flatten": Flatten(),
            "dropout": Dropout(0.2),
            "_fc": Linear(1280, num_classes, rng=rng),
        }
    )


NETWORK = Network("efficientnet_lite0", "EfficientNet-Lite0 (2020)", (3, 224, 224), 1000, efficientnet_lite0)
