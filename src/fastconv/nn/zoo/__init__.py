"""Networks, each by its function and by name. Adding one is a file with its `Network` and a line in the table.

``zoo.resnet50(rng=0, input_shape=(3, 224, 224), num_classes=1000)`` builds one; `rng` is a seed or a Generator that the
weights are drawn from. `build` makes one by its name.
"""

from __future__ import annotations

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn.layers import Sequential
from fastconv.nn.zoo.alexnet import NETWORK as ALEXNET
from fastconv.nn.zoo.alexnet import alexnet
from fastconv.nn.zoo.convnetjs import NETWORK as CONVNETJS
from fastconv.nn.zoo.convnetjs import convnetjs_cifar10
from fastconv.nn.zoo.efficientnet_lite import NETWORK as EFFICIENTNET_LITE0
from fastconv.nn.zoo.efficientnet_lite import efficientnet_lite0
from fastconv.nn.zoo.googlenet import NETWORK as GOOGLENET
from fastconv.nn.zoo.googlenet import googlenet
from fastconv.nn.zoo.lenet5 import NETWORK as LENET5
from fastconv.nn.zoo.lenet5 import lenet5
from fastconv.nn.zoo.mobilenet_v2 import NETWORK as MOBILENET_V2
from fastconv.nn.zoo.mobilenet_v2 import mobilenet_v2
from fastconv.nn.zoo.network import Network
from fastconv.nn.zoo.resnet import NETWORKS as RESNETS
from fastconv.nn.zoo.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from fastconv.nn.zoo.vgg import NETWORKS as VGGS
from fastconv.nn.zoo.vgg import vgg11, vgg16, vgg19

__all__ = [
    "NETWORKS", "Network", "alexnet", "build", "convnetjs_cifar10", "efficientnet_lite0", "googlenet", "lenet5",
    "mobilenet_v2", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg11", "vgg16", "vgg19",
]  # fmt: skip

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (LENET5, CONVNETJS, ALEXNET, *VGGS, GOOGLENET, *RESNETS, MOBILENET_V2, EFFICIENTNET_LITE0)
}


def build(
    name: str,
    seed: int | np.random.Generator | None = 0,
    *,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
) -> Sequential:
    """Make a network with fresh weights.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    seed : int or numpy.random.Generator, optional
        Where the weights are drawn from; None is a fresh random seed.
    input_shape : tuple of int, optional
        Channels, height and width of a picture; the network's own where it is not given.
    num_classes : int, optional
        The network's own where it is not given.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If there is no such network, or the pictures are too small for it.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.zoo.build("lenet5").parameter_count()
    61706
    """
    if not isinstance(name, str) or name not in NETWORKS:
        raise ValueError(f"network (={name!r}) must be one of {', '.join(NETWORKS)}")
    network = NETWORKS[name]
    shape = network.input_shape if input_shape is None else input_shape
    if not isinstance(shape, (tuple, list)) or len(shape) != len(network.input_shape):
        raise ValueError(f"input_shape (={input_shape!r}) must be a tuple of {len(network.input_shape)} ints")
    shape = tuple(canonical_integer("input_shape", size, 1) for size in shape)
    classes = canonical_integer("num_classes", network.num_classes if num_classes is None else num_classes, 1)
    try:
        model = network.build(np.random.default_rng(seed), input_shape=shape, num_classes=classes)
        model.output_shape(shape)
        return model
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be built for input_shape (={shape}), num_classes (={classes}): {error}"
        ) from error
