"""MyGrad's conv_nd and max_pool with back-propagation: its own against fastconv's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Row

Call = Callable[[], Any]


def host_layer(name: str) -> Any:
    import mygrad.nnet

    return getattr(mygrad.nnet, name)


def our_layer(name: str) -> Any:
    import fastconv.compat.mygrad

    return getattr(fastconv.compat.mygrad, name)


def step(layer: Any, shapes: list[tuple[int, ...]], arguments: tuple[Any, ...], options: dict[str, Any]) -> Call:
    """Value and gradients."""
    import mygrad

    rng = np.random.default_rng(0)
    tensors = [mygrad.tensor(rng.standard_normal(shape)) for shape in shapes]

    def call() -> list[np.ndarray]:
        y = layer(*tensors, *arguments, **options)
        y.sum().backward()
        return [y.data, *(tensor.grad for tensor in tensors)]

    return call


def row(name: str, layer: str, shapes: list[tuple[int, ...]], *arguments: Any, **options: Any) -> Row:
    return Row(
        name,
        None,
        lambda: step(host_layer(layer), shapes, arguments, options),
        lambda: step(our_layer(layer), shapes, arguments, options),
        1e-11,
    )


ROWS = [
    row("conv_nd-32x3x32x32/5x5", "conv_nd", [(32, 3, 32, 32), (20, 3, 5, 5)], stride=1),
    row("conv_nd-32x20x14x14/5x5", "conv_nd", [(32, 20, 14, 14), (10, 20, 5, 5)], stride=1),
    row("conv_nd-16x8x400/9", "conv_nd", [(16, 8, 400), (16, 8, 9)], stride=1, padding=4),
    row("max_pool-32x20x28x28/2x2", "max_pool", [(32, 20, 28, 28)], (2, 2), 2),
]
