"""Sequential: layers one after another, with the ReLU after a convolution or Linear fused into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastconv.nn.layers.activation import ReLU
from fastconv.nn.layers.flatten import Unflatten
from fastconv.nn.module import Module

__all__ = ["Sequential"]


class _Step(NamedTuple):
    """A layer with the further arguments of its forward and of its backward."""

    name: str
    layer: Module
    forward: dict[str, Any]
    backward: dict[str, Any]


class Sequential(Module):
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
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
        else:
            named = {str(index): layer for index, layer in enumerate(layers)}
        for name, layer in named.items():
            if not isinstance(layer, Module):
                raise TypeError(f"layer {name!r} must be a Module, got {layer!r}")
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(f"layer name {name!r} must be a non-empty str without dots")
        self._layers = named
        self._check_places()
        self._check_order()
        self._plan()

    def _check_places(self) -> None:
        found: dict[int, str] = {}
        for name, layer in self.named_modules():
            if found.setdefault(id(layer), name) != name:
                raise ValueError(
                    f"layers {found[id(layer)]!r} and {name!r} are one object, which stands twice in this Sequential: "
                    "make one for each place"
                )

    def _check_order(self) -> None:
        connected = None
        for name, layer in self.named_modules():
            if layer.KIND == "FC":
                connected = name
            elif isinstance(layer, Unflatten) and len(layer.unflattened_size) > 1:
                connected = None
            elif layer.KIND == "CONV" and connected is not None:
                raise ValueError(
                    f"layer {name!r} ({type(layer).__name__}) follows the fully connected layer {connected!r}: a "
                    "convolution needs a volume, so put an Unflatten between them"
                )

    def _plan(self) -> None:
        """Decide which layers run with the ReLU behind them, who applies its mask, and where backward may stop.

        Where a max-pool follows the ReLU, it masks its small gradient in place of the large one of the convolution.
        """
        steps: list[_Step] = []
        for name, layer in self._layers.items():
            last = steps[-1] if steps else None
            if type(layer) is ReLU and last and last.layer.FUSES_RELU and not last.forward:
                last.forward["activation"] = "relu"
                continue
            steps.append(_Step(name, layer, {}, {}))
            if last and last.layer.KIND == "CONV" and last.forward and layer.MASKS_RELU:
                last.backward["masked"] = True
                steps[-1].backward["rectified"] = True
        self._steps = steps
        learning = [index for index, step in enumerate(steps) if any(True for _ in step.layer.parameters())]
        self._first_learning = learning[0] if learning else len(steps)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The output of the last layer."""
        name = ""
        try:
            for name, layer, options, _ in self._steps:  # noqa: B007
                x = layer.forward(x, training, **options)
        except (ValueError, TypeError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"layer {name!r}: {error}") from error
        if training:
            self._saved = ()
        return x

    def backward(self, dy: np.ndarray, needs_input: bool = True) -> np.ndarray | None:
        """Backpropagation: the layers' backwards from the last to the first.

        Without `needs_input` it stops at the first layer with parameters, which then skips the gradient for its input.
        """
        self._take_saved()
        first = 0 if needs_input else self._first_learning
        gradient: np.ndarray | None = dy
        for index in range(len(self._steps) - 1, first - 1, -1):
            assert gradient is not None
            _, layer, _, options = self._steps[index]
            gradient = layer.backward(gradient, needs_input or index > first, **options)
        return gradient if needs_input else None

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The output shape of the last layer."""
        for layer in self._layers.values():
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """The sum over the layers."""
        total = 0
        for layer in self._layers.values():
            total += layer.operations(input_shape)
            input_shape = layer.output_shape(input_shape)
        return total

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The layers with their names, in order."""
        return iter(self._layers.items())

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this network again."""
        return {"type": "Sequential", "layers": [[name, layer.config()] for name, layer in self._layers.items()]}

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers.values())

    def __getitem__(self, key: int | str) -> Module:
        if isinstance(key, str):
            if key not in self._layers:
                raise ValueError(f"no layer {key!r} here; there are {', '.join(self._layers)}")
            return self._layers[key]
        return list(self._layers.values())[key]

    def __repr__(self) -> str:
        lines = [f"  ({name}): {layer!r}".replace("\n", "\n  ") for name, layer in self._layers.items()]
        return "\n".join(["Sequential(", *lines, ")"])
