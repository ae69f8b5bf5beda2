"""Networks, each by its function and by name. Adding one is a file with its `Network` and a line in the table.

``zoo.resnet50(rng=0, input_shape=(3, 224, 224), num_classes=1000)`` builds one; `rng` is a seed or a Generator that the
weights are drawn from. `build` makes one by its name.
"""

from __future__ import annotations

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn.layers import Graph
from fastconv.nn.zoo.airbench import NETWORK as AIRBENCH94
from fastconv.nn.zoo.airbench import airbench94
from fastconv.nn.zoo.alexnet import NETWORK as ALEXNET
from fastconv.nn.zoo.alexnet import alexnet
from fastconv.nn.zoo.all_cnn import NETWORK as ALL_CNN_C
from fastconv.nn.zoo.all_cnn import all_cnn_c
from fastconv.nn.zoo.autoencoder import NETWORK as CONV_AUTOENCODER
from fastconv.nn.zoo.autoencoder import conv_autoencoder
from fastconv.nn.zoo.convnetjs import NETWORK as CONVNETJS
from fastconv.nn.zoo.convnetjs import convnetjs_cifar10
from fastconv.nn.zoo.dcgan import NETWORKS as DCGAN
from fastconv.nn.zoo.dcgan import dcgan_discriminator, dcgan_generator
from fastconv.nn.zoo.efficientnet_lite import NETWORK as EFFICIENTNET_LITE0
from fastconv.nn.zoo.efficientnet_lite import efficientnet_lite0
from fastconv.nn.zoo.googlenet import NETWORKS as GOOGLENETS
from fastconv.nn.zoo.googlenet import googlenet, googlenet_lrn
from fastconv.nn.zoo.lenet5 import NETWORK as LENET5
from fastconv.nn.zoo.lenet5 import lenet5
from fastconv.nn.zoo.lenet5_1998 import NETWORK as LENET5_1998
from fastconv.nn.zoo.lenet5_1998 import lenet5_1998
from fastconv.nn.zoo.localizer import NETWORK as LOCALIZER
from fastconv.nn.zoo.localizer import localizer
from fastconv.nn.zoo.mobilenet_v2 import NETWORK as MOBILENET_V2
from fastconv.nn.zoo.mobilenet_v2 import mobilenet_v2
from fastconv.nn.zoo.network import Network
from fastconv.nn.zoo.resnet import NETWORKS as RESNETS
from fastconv.nn.zoo.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from fastconv.nn.zoo.resnet9 import NETWORKS as RESNETS9
from fastconv.nn.zoo.resnet9 import resnet9, resnet9_half
from fastconv.nn.zoo.resnet_cifar import NETWORKS as CIFAR_RESNETS
from fastconv.nn.zoo.resnet_cifar import resnet20, resnet56
from fastconv.nn.zoo.senet import NETWORK as SE_RESNET50
from fastconv.nn.zoo.senet import se_resnet50
from fastconv.nn.zoo.unet import NETWORK as UNET
from fastconv.nn.zoo.unet import unet
from fastconv.nn.zoo.vae import NETWORK as CONV_VAE
from fastconv.nn.zoo.vae import conv_vae
from fastconv.nn.zoo.vgg import NETWORKS as VGGS
from fastconv.nn.zoo.vgg import vgg11, vgg16, vgg19
from fastconv.nn.zoo.zfnet import NETWORK as ZFNET
from fastconv.nn.zoo.zfnet import zfnet

__all__ = [
    "NETWORKS", "Network", "airbench94", "alexnet", "all_cnn_c", "build", "conv_autoencoder", "conv_vae",
    "convnetjs_cifar10", "dcgan_discriminator", "dcgan_generator", "efficientnet_lite0", "googlenet",
    "googlenet_lrn", "lenet5", "lenet5_1998", "localizer", "mobilenet_v2", "resnet9", "resnet9_half", "resnet18",
    "resnet20", "resnet34", "resnet50", "resnet56", "resnet101", "resnet152", "se_resnet50", "unet", "vgg11",
    "vgg16", "vgg19", "zfnet",
]  # fmt: skip

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        LENET5, LENET5_1998, CONVNETJS, ALEXNET, ZFNET, *VGGS, *GOOGLENETS, *RESNETS, *CIFAR_RESNETS, *RESNETS9,
        AIRBENCH94, SE_RESNET50, ALL_CNN_C, MOBILENET_V2, EFFICIENTNET_LITE0, LOCALIZER, UNET, CONV_AUTOENCODER,
        CONV_VAE, *DCGAN,
    )
}  # fmt: skip


def build(
    name: str,
    seed: int | np.random.Generator | None = 0,
    *,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
) -> Graph:
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
        The network's own where it is not given; none for a network that knows no classes.

    Returns
    -------
    Graph
        A `Sequential` where it is a chain.

    Raises
    ------
    ValueError
        If there is no such network, the pictures are too small for it, or it is given classes and knows none.

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
    if num_classes is not None:
        num_classes = canonical_integer("num_classes", num_classes, 1)
    try:
        model = network.make(np.random.default_rng(seed), shape, num_classes)
        model.output_shape(shape)
        return model
    except ValueError as error:
        classes = network.num_classes if num_classes is None else num_classes
        raise ValueError(
            f"{name} cannot be built for input_shape (={shape}), num_classes (={classes}): {error}"
        ) from error
