"""One picture of a whole training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastconv.plot.confusion import confusion_matrix
from fastconv.plot.curves import curves
from fastconv.plot.figures import new_figure, save
from fastconv.plot.filters import filters

__all__ = ["training_report"]


def training_report(
    path: str | os.PathLike[str],
    history: Sequence[Mapping[str, Any]],
    weight: Any,
    counts: Any,
    class_names: Sequence[str],
    *,
    title: str = "",
) -> Path:
    """Write one picture with the curves, the learned first-layer filters and the confusion matrix.

    Parameters
    ----------
    path : path
        A .png file; an old one is replaced in one step.
    history, weight, counts, class_names
        As in `curves`, `filters` and `confusion_matrix`.
    title : str, default ""
        Above all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the history is empty, the sizes do not fit, or the place cannot be written to.
    """
    figure = new_figure(13, 7.5)
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 1, 2.1), height_ratios=(1, 1.1))
    curves(history, axes=(figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])))
    filters(weight, axes=figure.add_subplot(grid[1, :2]))
    confusion_matrix(counts, class_names, axes=figure.add_subplot(grid[:, 2]))
    if title:
        figure.suptitle(title)
    return save(figure, path)
