"""Activation maximization: pictures made so that a unit answers as strongly as it can.

After D. Erhan, Y. Bengio, A. Courville, P. Vincent, "Visualizing Higher-Layer Features of a Deep Network", 2009, with
the shifts and blurs that keep such pictures from being noise (J. Yosinski et al., 2015; A. Mordvintsev et al., 2015).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import functional as F
from fastconv._arguments import number
from fastconv.geometry import canonical_integer
from fastconv.nn import Trace
from fastconv.plot.figures import finished, new_figure, picture, show
from fastconv.plot.filters import columns_for
from fastconv.plot.looking import output_of, units_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["activation_maximization", "maximize_activation"]


def maximize_activation(
    model: Any,
    layer: str,
    units: Any,
    input_shape: tuple[int, ...],
    *,
    steps: int = 128,
    rate: float = 0.1,
    decay: float = 0.01,
    blur: float = 0.1,
    seed: int = 0,
) -> np.ndarray:
    """Return pictures that climb the gradient of units' values, from faint noise on.

    Parameters
    ----------
    model : Module
    layer : str
        As in `fastconv.nn.Trace`.
    units : int or sequence of int
        How many units of the layer, the first ones, or which: channels of feature maps, whose mean counts, or
        features of a vector.
    input_shape : tuple of int
        (C, H, W) of the pictures.
    steps : int
        How many steps upwards.
    rate : float
        Length of a step: the root mean square of the change of a pixel.
    decay : float
        Share of the picture that a step takes away.
    blur : float
        Share of a pixel that a step gives to each of its four neighbours; 0 leaves pixels apart.
    seed : int
        Of the noise, and of the shifts by up to a sixteenth of the picture that each step is taken under.

    Returns
    -------
    ndarray of float32, shape (units, C, H, W)

    Raises
    ------
    ValueError
        If there is no such layer or unit, or a number is out of range.
    """
    shape = tuple(canonical_integer("input_shape", size, 1) for size in input_shape)
    if len(shape) != 3:
        raise ValueError(f"input_shape (={input_shape!r}) must be (channels, height, width)")
    steps, rate = canonical_integer("steps", steps, 1), number("rate", rate)
    decay, blur = number("decay", decay), number("blur", blur)
    for name, value, end in (("rate", rate, np.inf), ("decay", decay, 1), ("blur", blur, 0.25)):
        if not 0 <= value <= end:
            raise ValueError(f"{name} (={value}) must lie in 0..{end}")
    draw = np.random.default_rng(seed)
    chosen = units_of(output_of(Trace(model, np.zeros((1, *shape), np.float32)), layer), units)
    x = draw.normal(0, 0.1, (len(chosen), *shape)).astype(np.float32)
    kernel = np.array([[0, blur, 0], [blur, 1 - 4 * blur, blur], [0, blur, 0]], np.float32)
    kernels = np.broadcast_to(kernel, (shape[0], 1, 3, 3))
    for _ in range(steps):
        shift = [int(draw.integers(-(size // 16), size // 16 + 1)) for size in shape[1:]]
        trace = Trace(model, np.roll(x, shift, axis=(2, 3)))
        given = np.zeros_like(output_of(trace, layer))
        given[range(len(chosen)), chosen] = 1
        gradient = np.roll(trace.gradients({layer: given})["input"], [-by for by in shift], axis=(2, 3))
        length = np.sqrt(np.mean(gradient**2, axis=(1, 2, 3), keepdims=True))
        x += rate * gradient / np.maximum(length, np.finfo(np.float32).tiny)
        x *= 1 - decay
        if blur:
            x = F.conv2d(x, kernels, padding=1, groups=shape[0], border="edge")
    return x


def activation_maximization(
    model: Any,
    layer: str,
    units: Any,
    input_shape: tuple[int, ...],
    *,
    path: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Figure:
    """Draw what `maximize_activation` makes; layer by layer such pictures show how features build on each other.

    Parameters
    ----------
    model, layer, units, input_shape, **options
        As in `maximize_activation`.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure
    """
    made = maximize_activation(model, layer, units, input_shape, **options)
    names = range(len(made)) if isinstance(units, (int, np.integer)) else units
    columns = columns_for(len(made))
    rows = -(-len(made) // columns)
    height, width = made.shape[2:]
    figure = new_figure(1.6 * columns, (1.6 * height / width + 0.3) * rows + 0.4)
    figure.suptitle(f"what units of {layer} look for", fontsize="medium")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(made) :]:
        axes.set_axis_off()
    for axes, one, unit in zip(panels, made, names, strict=False):
        show(axes, picture(np.clip(one, *np.quantile(one, (0.01, 0.99)))))
        axes.set_title(f"unit {unit}", fontsize="small")
    return finished(figure, path)
