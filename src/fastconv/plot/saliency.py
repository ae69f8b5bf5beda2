"""Saliency: which pixels the score of a class depends on most.

After K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.plot.looking import draw_map, score_gradients

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["saliency", "saliency_map"]


def saliency_map(model: Any, x: Any, label: int | None = None) -> np.ndarray:
    """Return the largest magnitude, over the channels, of the gradient of a class's score for each pixel.

    Parameters
    ----------
    model : Module
        Gives one score for each class.
    x : ndarray, shape (C, H, W)
        A picture as the network takes it.
    label : int, optional
        The class; that with the largest score where it is not given.

    Returns
    -------
    ndarray, shape (H, W)

    Raises
    ------
    ValueError
        If x is no single picture, the label is none of the classes, or the network gives something else.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, rng=0))
    >>> model[1].weight.data[1] = 0, 3, -5, 0
    >>> saliency_map(model, np.ones((1, 2, 2), np.float32), 1)
    array([[0., 3.],
           [5., 0.]], dtype=float32)
    """
    _, gradient, _ = score_gradients(model, x, label, lambda trace: "input")
    return np.abs(gradient).max(axis=0)


def saliency(
    model: Any,
    x: Any,
    label: int | None = None,
    *,
    axes: Axes | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw `saliency_map` beside the picture; its brightest hundredth is white.

    Parameters
    ----------
    model, x, label
        As in `saliency_map`.
    axes : Axes, optional
        Where to draw the map alone.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure
    """
    _, gradient, label = score_gradients(model, x, label, lambda trace: "input")
    heat = np.abs(gradient).max(axis=0)
    most = float(np.quantile(heat, 0.99)) or 1.0
    title = f"saliency of class {label}"
    return draw_map(x, heat, title, axes=axes, path=path, over=False, cmap="inferno", vmin=0, vmax=most)
