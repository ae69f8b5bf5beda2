"""Networks by name. Adding one is a file with its `Network` and a line in the table."""

from __future__ import annotations

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn.layers import Sequential
from fastconv.nn.zoo import lenet5
from fastconv.nn.zoo.network import Network

__all__ = ["NETWORKS", "Network", "build"]

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        lenet5.NETWORK,
    )
}  # fmt: skip


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
        return network.build(np.random.default_rng(seed), input_shape=shape, num_classes=classes)
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be built for input_shape (={shape}), num_classes (={classes}): {error}"
        ) from error
