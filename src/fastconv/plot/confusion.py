"""Which class was taken for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.plot.figures import finished, new_figure, owner

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix"]


def confusion_matrix(
    counts: Any,
    class_names: Sequence[str],
    *,
    axes: Axes | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw which class was taken for which.

    Parameters
    ----------
    counts : ndarray of int, shape (K, K)
        ``counts[i, j]``: how many pictures of class i were taken for class j.
    class_names : sequence of str
        K names.
    axes : Axes, optional
        Where to draw.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the sizes do not fit.
    """
    table = np.asarray(counts)
    size = len(class_names)
    if table.shape != (size, size):
        raise ValueError(f"counts has shape {table.shape}, but there are {size} class names")
    if axes is None:
        side = 2 + 0.5 * max(size, 4)
        axes = new_figure(side, side).subplots()
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    right = np.trace(table) / max(table.sum(), 1)
    axes.set(title=f"Confusion matrix ({right:.2%} right)", xlabel="predicted", ylabel="true")
    axes.set_xticks(range(size), class_names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), class_names)
    if size <= 20:
        for (row, column), count in np.ndenumerate(table):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize="small")
    return finished(owner(axes), path)
