"""The filters of a convolution layer, side by side."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.plot.figures import finished, new_figure, owner

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["columns_for", "filters", "mosaic"]

_GRID = (0.78, 0.86, 0.94)


def filters(
    weight: Any,
    *,
    axes: Axes | None = None,
    columns: int | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the filters of a convolution layer side by side, as in the picture of AlexNet's 96 first filters.

    Parameters
    ----------
    weight : ndarray, shape (O, C, H, W), or Module
        A layer's weight, the layer, or a network, whose first layer with such a weight is drawn. With three input
        channels the filters are drawn in colour; otherwise in grey, the mean over the channels. Each filter is scaled
        on its own: zero is mid-grey, the largest magnitude black or white.
    axes : Axes, optional
        Where to draw.
    columns : int, optional
        Filters in a row.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If weight has not four axes or one is empty, or the network has no such weight.
    """
    weight = _weight(weight)
    picture = mosaic(weight, columns=columns)
    if axes is None:
        height, width = picture.shape[:2]
        axes = new_figure(6, max(1.2, 6 * height / width)).subplots()
    axes.imshow(picture, interpolation="nearest")
    count, channels, height, width = np.shape(weight)
    axes.set(title=f"Filters: {count} of {channels}x{height}x{width}", xticks=[], yticks=[])
    axes.set_frame_on(False)
    return finished(owner(axes), path)


def mosaic(weight: Any, *, columns: int | None = None) -> np.ndarray:
    """Return the picture that `filters` draws.

    Parameters
    ----------
    weight : ndarray, shape (O, C, H, W)
        The filters.
    columns : int, optional
        Filters in a row; otherwise the square root of O, or a little more if that fills the rows.

    Returns
    -------
    ndarray of float64, shape (rows, columns, 3)
        Red, green and blue from 0 to 1; the filters stand on a pale grid one pixel wide.

    Examples
    --------
    >>> import numpy as np
    >>> mosaic(np.ones((6, 1, 5, 5)), columns=3).shape
    (13, 19, 3)
    """
    values = np.asarray(weight, np.float64)
    if values.ndim != 4 or 0 in values.shape:
        raise ValueError(f"weight must have axes (O, C, H, W), none of them empty, got shape {values.shape}")
    if values.shape[1] != 3:
        values = values.mean(axis=1, keepdims=True)
    count, _, height, width = values.shape
    largest = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
    values = 0.5 + 0.5 * values / np.where(largest > 0, largest, 1)
    columns = columns or columns_for(count)
    rows = math.ceil(count / columns)
    picture = np.empty((rows * (height + 1) + 1, columns * (width + 1) + 1, 3))
    picture[:] = _GRID
    for index, one in enumerate(values):
        top, left = 1 + index // columns * (height + 1), 1 + index % columns * (width + 1)
        picture[top : top + height, left : left + width] = one.transpose(1, 2, 0)
    return picture


def _weight(weight: Any) -> Any:
    """The array, of a layer or network the first with four axes."""
    if not hasattr(weight, "named_parameters"):
        return weight
    found = next((entry.data for _, entry in weight.named_parameters() if entry.data.ndim == 4), None)
    if found is None:
        raise ValueError(f"weight (={type(weight).__name__}) has no filters of axes (O, C, H, W)")
    return found


def columns_for(count: int) -> int:
    """How many of `count` tiles stand in a row: about as many as there are rows."""
    least = math.ceil(math.sqrt(count))
    return next((columns for columns in range(least, 2 * least) if count % columns == 0), least)
