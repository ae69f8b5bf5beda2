"""Pictures of a training: curves, learned filters, confusion matrix (matplotlib, the ``cli`` extra).

Figures are drawn on matplotlib's Agg canvas directly: no display, no global state, the same in a terminal, a test and a
server. Every function draws into the axes it is given, or into a new figure, and returns the figure.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrix", "curves", "filters", "mosaic", "save", "training_report"]

_GRID = (0.78, 0.86, 0.94)
_TRAIN, _TEST = "#1f6fb4", "#d1495b"


def curves(history: Sequence[Mapping[str, Any]], *, axes: tuple[Axes, Axes] | None = None) -> Figure:
    """Draw loss and accuracy over the epochs.

    Parameters
    ----------
    history : sequence of dict
        As `fastconv.nn.Trainer` keeps it: ``epoch``, ``train_loss``, ``test_loss`` and ``test_accuracy``; the last two
        may be None or missing.
    axes : tuple of two Axes, optional
        For the loss and for the accuracy.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the history is empty.
    """
    if not history:
        raise ValueError("history is empty: nothing to draw")
    if axes is None:
        axes = tuple(_figure(9, 3.6).subplots(1, 2))
    loss_axes, accuracy_axes = axes
    for key, label, colour in (("train_loss", "train", _TRAIN), ("test_loss", "test", _TEST)):
        _line(loss_axes, history, key, label, colour)
    _line(accuracy_axes, history, "test_accuracy", "test", _TEST)
    best = max((record for record in history if _has(record, "test_accuracy")), key=_accuracy, default=None)
    epochs = [record["epoch"] for record in history]
    loss_axes.set(title="Loss", xlabel="epoch", ylabel="cross-entropy")
    accuracy_axes.set(title="Accuracy", xlabel="epoch", ylabel="share of test pictures")
    if best is not None:
        accuracy_axes.set_title(f"Accuracy (best {_accuracy(best):.4f}, epoch {best['epoch']})")
    for one in axes:
        one.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        one.locator_params(axis="x", integer=True)
        one.grid(alpha=0.25)
        if one.lines:
            one.legend(frameon=False)
    return _owner(loss_axes)


def filters(weight: Any, *, axes: Axes | None = None, columns: int | None = None) -> Figure:
    """Draw the filters of a convolution layer side by side, as in the picture of AlexNet's 96 first filters.

    Parameters
    ----------
    weight : ndarray, shape (O, C, H, W)
        With three input channels the filters are drawn in colour; otherwise in grey, the mean over the channels.
        Each filter is scaled on its own: zero is mid-grey, the largest magnitude black or white.
    axes : Axes, optional
        Where to draw.
    columns : int, optional
        Filters in a row.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If weight has not four axes or one is empty.
    """
    picture = mosaic(weight, columns=columns)
    if axes is None:
        height, width = picture.shape[:2]
        axes = _figure(6, max(1.2, 6 * height / width)).subplots()
    axes.imshow(picture, interpolation="nearest")
    count, channels, height, width = np.shape(weight)
    axes.set(title=f"Filters of the first layer: {count} of {channels}x{height}x{width}", xticks=[], yticks=[])
    axes.set_frame_on(False)
    return _owner(axes)


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
    columns = columns or _columns(count)
    rows = math.ceil(count / columns)
    picture = np.empty((rows * (height + 1) + 1, columns * (width + 1) + 1, 3))
    picture[:] = _GRID
    for index, one in enumerate(values):
        top, left = 1 + index // columns * (height + 1), 1 + index % columns * (width + 1)
        picture[top : top + height, left : left + width] = one.transpose(1, 2, 0)
    return picture


def confusion_matrix(counts: Any, class_names: Sequence[str], *, axes: Axes | None = None) -> Figure:
    """Draw which class was taken for which.

    Parameters
    ----------
    counts : ndarray of int, shape (K, K)
        ``counts[i, j]``: how many pictures of class i were taken for class j.
    class_names : sequence of str
        K names.
    axes : Axes, optional
        Where to draw.

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
        axes = _figure(side, side).subplots()
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
    return _owner(axes)


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
    figure = _figure(13, 7.5)
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 1, 2.1), height_ratios=(1, 1.1))
    curves(history, axes=(figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])))
    filters(weight, axes=figure.add_subplot(grid[1, :2]))
    confusion_matrix(counts, class_names, axes=figure.add_subplot(grid[:, 2]))
    if title:
        figure.suptitle(title)
    return save(figure, path)


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
    partial = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(partial, format="png", dpi=110)
        partial.replace(path)
    except OSError as error:
        raise ValueError(f"path (={str(path)!r}) cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return path


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("pictures need matplotlib: pip install 'fastconv[cli]'") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _owner(axes: Axes) -> Figure:
    return cast("Figure", axes.figure)


def _has(record: Mapping[str, Any], key: str) -> bool:
    return record.get(key) is not None


def _accuracy(record: Mapping[str, Any]) -> float:
    return record["test_accuracy"]


def _line(axes: Axes, history: Sequence[Mapping[str, Any]], key: str, label: str, colour: str) -> None:
    points = [(record["epoch"], record[key]) for record in history if _has(record, key)]
    if points:
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, color=colour, label=label)


def _columns(count: int) -> int:
    least = math.ceil(math.sqrt(count))
    return next((columns for columns in range(least, 2 * least) if count % columns == 0), least)
