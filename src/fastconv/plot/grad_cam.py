"""Grad-CAM: where the last feature maps speak for a class.

After R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2016.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.nn import Trace
from fastconv.plot.looking import draw_map, output_of, score_gradients

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grad_cam", "grad_cam_map"]


def grad_cam_map(model: Any, x: Any, label: int | None = None, layer: str | None = None) -> np.ndarray:
    """Return the sum of a layer's feature maps, each weighted by the mean gradient of a class's score for it.

    Parameters
    ----------
    model : Module
        Gives one score for each class.
    x : ndarray, shape (C, H, W)
        A picture as the network takes it.
    label : int, optional
        The class; that with the largest score where it is not given.
    layer : str, optional
        A layer with feature maps; the last one where it is not given.

    Returns
    -------
    ndarray, shape of a feature map
        At least 0: what speaks against the class is left out.

    Raises
    ------
    ValueError
        If x is no single picture, the label or the layer does not exist, or there are no feature maps.
    """
    return _map(model, x, label, layer)[0]


def grad_cam(
    model: Any,
    x: Any,
    label: int | None = None,
    layer: str | None = None,
    *,
    axes: Axes | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw `grad_cam_map` over the picture.

    Parameters
    ----------
    model, x, label, layer
        As in `grad_cam_map`.
    axes : Axes, optional
        Where to draw the map alone.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure
    """
    heat, label, name = _map(model, x, label, layer)
    title = f"Grad-CAM of class {label} at {name}"
    return draw_map(x, heat, title, axes=axes, path=path, cmap="jet", interpolation="bilinear", vmin=0)


def _map(model: Any, x: Any, label: int | None, layer: str | None) -> tuple[np.ndarray, int, str]:
    def chosen(trace: Trace) -> str:
        name = _last(trace) if layer is None else layer
        if output_of(trace, name).ndim != 4:
            raise ValueError(f"layer (={name!r}) has no feature maps: its output is {output_of(trace, name).shape}")
        return name

    trace, gradient, label = score_gradients(model, x, label, chosen)
    name = chosen(trace)
    weights = gradient.mean(axis=(1, 2), dtype=np.float64)
    return np.maximum(np.tensordot(weights, trace.outputs[name][0], 1), 0), label, name


def _last(trace: Trace) -> str:
    """The last layer whose maps have more than one element."""
    found = [name for name, output in trace.outputs.items() if output.ndim == 4 and output[0, 0].size > 1]
    if not found:
        raise ValueError("the network has no layer with feature maps")
    return found[-1]
