"""Sequential: layers one after another, the `Graph` that is a chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastconv.nn.layers.flatten import Unflatten
from fastconv.nn.layers.graph import Graph
from fastconv.nn.module import Module

__all__ = ["Sequential"]


class Sequential(Graph):
    """A network of layers, each fed with the output of the one before.

    Parameters
    ----------
    *layers : Module, or one dict of str to Module
        Keys of the state are "0.weight", "1.weight" ... or, with a dict, "name.weight".

    Raises
    ------
    ValueError
        If a convolution comes after a fully connected layer without an `Unflatten` to a volume between them, or one
        layer stands in two places.
    TypeError
        If something else than a module is given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 6, 5, rng=0), nn.ReLU(), nn.MaxPool2d(2))
    >>> model(np.zeros((1, 1, 28, 28), np.float32)).shape
    (1, 6, 12, 12)
    >>> list(model.state_dict())
    ['0.weight', '0.bias']
    """

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
        else:
            named = {str(index): layer for index, layer in enumerate(layers)}
        for name, layer in named.items():
            if isinstance(layer, tuple):
                raise TypeError(f"layer {name!r} must be a Module, got {layer!r}: a Graph takes tuples")
        super().__init__(named, inputs=("x.input" if "input" in named else "input",))
        self._check_order()

    def _check_order(self) -> None:
        connected = None
        for name, layer in _chain(self):
            if layer.KIND == "FC":
                connected = name
            elif isinstance(layer, Unflatten) and len(layer.unflattened_size) > 1:
                connected = None
            elif layer.KIND == "CONV" and connected is not None:
                raise ValueError(
                    f"layer {name!r} ({type(layer).__name__}) follows the fully connected layer {connected!r}: a "
                    "convolution needs a volume, so put an Unflatten between them"
                )

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this network again."""
        return {"type": "Sequential", "layers": [[name, layer.config()] for name, layer in self.named_children()]}

    def __getitem__(self, key: int | str) -> Module:
        return list(self)[key] if isinstance(key, int) else super().__getitem__(key)


def _chain(network: Sequential, prefix: str = "") -> Iterator[tuple[str, Module]]:
    """The layers in the order in which values pass them; another graph within is no chain and counts as one layer."""
    for key, layer in network.named_children():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(layer, Sequential):
            yield from _chain(layer, name)
        else:
            yield name, layer
