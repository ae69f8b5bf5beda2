"""Figures: made without a display, and written whole or not at all; pictures of arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastconv.nn.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["finished", "new_figure", "owner", "picture", "save", "show"]


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    figure : Figure
    path : path

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the place cannot be written to.
    """
    path = Path(path)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=110)
    return path


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("pictures need matplotlib: pip install 'fastconv[cli]'") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def owner(axes: Axes) -> Figure:
    """The figure that axes belong to."""
    return cast("Figure", axes.figure)


def finished(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """The figure, written if a path is given."""
    if path is not None:
        save(figure, path)
    return figure


def picture(x: Any) -> np.ndarray:
    """An input of a network, (C, H, W) with 1 or 3 channels, as rows of pixels from 0 to 1."""
    values = np.asarray(x, np.float64)
    if values.ndim != 3 or values.shape[0] not in (1, 3):
        raise ValueError(f"x must be one picture (C, H, W) of 1 or 3 channels, got shape {values.shape}")
    least, largest = values.min(), values.max()
    scaled = (values - least) / (largest - least if largest > least else 1)
    return scaled[0] if len(scaled) == 1 else scaled.transpose(1, 2, 0)


def show(axes: Axes, pixels: np.ndarray, title: str = "", **options: Any) -> None:
    """Draw pixels, grey ones from black (0) to white (1) unless options say otherwise, without ticks."""
    if pixels.ndim == 2:
        options = {"cmap": "gray", "vmin": 0, "vmax": 1, **options}
    axes.imshow(pixels, **options)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize="medium")
    axes.set_frame_on(False)
