"""numpy-ml's layers, forward and backward: by its own columns and loops, and with fastconv in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.dropin.row import Row

Call = Callable[[], Any]


def layer_step(name: str, shape: tuple[int, ...], options: dict[str, Any], in_use: bool) -> Call:
    """Value and gradients; the adapter also lets the host be imported on newer Pythons."""
    import fastconv.compat.numpy_ml  # noqa: F401

    if in_use:
        fastconv.compat.install("numpy_ml")
    import numpy_ml.neural_nets.layers as layers

    np.random.seed(0)
    x = np.random.default_rng(0).standard_normal(shape)
    layer = getattr(layers, name)(**options)

    def call() -> list[np.ndarray]:
        layer.X.clear()
        for kept in layer.derived_variables.values():
            kept.clear()
        y = layer.forward(x)
        return [y, layer.backward(np.ones_like(y), retain_grads=False)]

    return call


def row(label: str, name: str, shape: tuple[int, ...], **options: Any) -> Row:
    return Row(
        label,
        None,
        lambda: layer_step(name, shape, options, False),
        lambda: layer_step(name, shape, options, True),
        1e-11,
    )


ROWS = [
    row("Conv2D-8x32x32x16/3x3", "Conv2D", (8, 32, 32, 16), out_ch=32, kernel_shape=(3, 3), pad="same"),
    row("Conv1D-8x500x16/9", "Conv1D", (8, 500, 16), out_ch=32, kernel_width=9, pad="causal"),
    row("Deconv2D-8x16x16x16/3x3", "Deconv2D", (8, 16, 16, 16), out_ch=8, kernel_shape=(3, 3), stride=2),
    row("Pool2D-4x16x16x8/2x2", "Pool2D", (4, 16, 16, 8), kernel_shape=(2, 2), stride=2),
]
