"""autograd's convolve, alone and in a training step of a network like the one of its examples/convnet.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Row

Call = Callable[[], Any]
LAYERS = {"axes": ([2, 3], [2, 3]), "dot_axes": ([1], [0]), "mode": "valid"}


def host_convolve() -> Any:
    from autograd.scipy.signal import convolve

    return convolve


def our_convolve() -> Any:
    from fastconv.compat.autograd import convolve

    return convolve


def draw(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(shape) for shape in shapes]


def training_step(convolve: Any) -> Call:
    """Gradients of LeNet-5's weights for 256 pictures, in float64."""
    import autograd
    import autograd.numpy as anp

    shapes = [(1, 6, 5, 5), (6, 16, 5, 5), (256, 120), (120, 84), (84, 10), (6,), (16,), (120,), (84,), (10,)]
    x, *weights = draw((256, 1, 28, 28), *shapes)
    labels = np.eye(10)[np.arange(256) % 10]

    def pool(maps: Any) -> Any:
        n, c, h, w = maps.shape
        return anp.max(anp.max(anp.reshape(maps, (n, c, h // 2, 2, w // 2, 2)), axis=3), axis=4)

    def loss(weights: list[Any]) -> Any:
        c1, c2, f1, f2, f3, b1, b2, b3, b4, b5 = weights
        y = pool(convolve(x, c1, **LAYERS) + anp.reshape(b1, (1, -1, 1, 1)))
        y = pool(convolve(y, c2, **LAYERS) + anp.reshape(b2, (1, -1, 1, 1)))
        y = anp.tanh(anp.dot(anp.reshape(y, (256, -1)), f1) + b3)
        y = anp.dot(anp.tanh(anp.dot(y, f2) + b4), f3) + b5
        most = anp.max(y, axis=1, keepdims=True)
        return -anp.sum((y - most - anp.log(anp.sum(anp.exp(y - most), axis=1, keepdims=True))) * labels)

    gradient = autograd.grad(loss)
    return lambda: gradient(weights)


def alone(convolve: Any, a: tuple[int, ...], b: tuple[int, ...], options: dict[str, Any]) -> Call:
    A, B = draw(a, b)
    return lambda: convolve(A, B, **options)


def row(name: str, goal: float | None, prepare: Callable[..., Call], *arguments: Any) -> Row:
    return Row(
        name, goal, lambda: prepare(host_convolve(), *arguments), lambda: prepare(our_convolve(), *arguments), 1e-9
    )  # fmt: skip


ROWS = [
    row("convnet-step", 5.0, training_step),
    row("convnet-c1", None, alone, (256, 1, 28, 28), (1, 6, 5, 5), LAYERS),
    row("convnet-c2", None, alone, (256, 6, 12, 12), (6, 16, 5, 5), LAYERS),
    row("full-512x512/7x7", None, alone, (512, 512), (7, 7), {}),
    row("same-1e5/101", None, alone, (100_000,), (101,), {"mode": "same"}),
]
