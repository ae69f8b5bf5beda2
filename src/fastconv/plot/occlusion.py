"""Occlusion: how sure the network remains when a part of the picture is covered.

After M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", 2013.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv import functional as F
from fastconv.geometry import canonical_integer
from fastconv.plot.looking import draw_map, label_of, single

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["occlusion", "occlusion_map"]

_ELEMENTS = 2**21  # of the pictures that run at once


class _Occlusion(NamedTuple):
    probability: np.ndarray
    label: int
    size: int
    whole: float


def occlusion_map(
    model: Any,
    x: Any,
    label: int | None = None,
    *,
    size: int | None = None,
    stride: int | None = None,
    fill: float | None = None,
) -> np.ndarray:
    """Return the probability of a class while a square covers the picture, for each place of the square.

    Parameters
    ----------
    model : Module or CompiledModel
        Gives one score for each class; softmax makes probabilities of them.
    x : ndarray, shape (C, H, W)
        A picture as the network takes it.
    label : int, optional
        The class; that with the largest score where it is not given.
    size : int, optional
        Side of the square in pixels; a fifth of the picture where it is not given.
    stride : int, optional
        From place to place, at most; a third of the square where it is not given. The square's middle goes from the
        picture's first pixel to its last.
    fill : float, optional
        Colour of the square; the mean of each channel where it is not given.

    Returns
    -------
    ndarray, shape (rows, columns) of places

    Raises
    ------
    ValueError
        If x is no single picture, the square is larger than it, or the label is none of the classes.
    """
    return _occluded(model, x, label, size, stride, fill).probability


def occlusion(
    model: Any,
    x: Any,
    label: int | None = None,
    *,
    size: int | None = None,
    stride: int | None = None,
    fill: float | None = None,
    axes: Axes | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw `occlusion_map` over the picture: dark where covering costs the network its certainty.

    Parameters
    ----------
    model, x, label, size, stride, fill
        As in `occlusion_map`.
    axes : Axes, optional
        Where to draw the map alone.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure
    """
    found = _occluded(model, x, label, size, stride, fill)
    sizes = zip(single(x).shape[2:], found.probability.shape, strict=True)
    (top, bottom), (left, right) = (_edges(extent, centres) for extent, centres in sizes)
    whole = f"probability of class {found.label} (whole picture: {found.whole:.2f})"
    title = f"{whole},\n{found.size} x {found.size} pixels covered"
    return draw_map(
        x, found.probability, title, axes=axes, path=path, extent=(left, right, bottom, top), cmap="viridis",
        vmin=0, vmax=max(found.whole, float(found.probability.max())),
    )  # fmt: skip


def _occluded(
    model: Any, x: Any, label: int | None, size: int | None, stride: int | None, fill: float | None
) -> _Occlusion:
    batch = single(x)
    height, width = batch.shape[2:]
    least = min(height, width)
    size = max(1, least // 5) if size is None else canonical_integer("size", size, 1)
    if size > least:
        raise ValueError(f"size (={size}) must be at most that of the picture, {height} x {width}")
    stride = max(1, size // 3) if stride is None else canonical_integer("stride", stride, 1)
    scores = model(batch)
    label = label_of(scores, label)
    colour = batch[0].mean(axis=(1, 2))[:, None, None] if fill is None else fill
    rows, columns = _centres(height, stride), _centres(width, stride)
    places = [(row - size // 2, column - size // 2) for row in rows for column in columns]
    at_once = max(1, _ELEMENTS // batch.size)
    found = []
    for start in range(0, len(places), at_once):
        some = places[start : start + at_once]
        covered = np.repeat(batch, len(some), axis=0)
        for one, (top, left) in zip(covered, some, strict=True):
            one[:, max(top, 0) : top + size, max(left, 0) : left + size] = colour
        found.append(F.softmax(model(covered), 1)[:, label])
    probability = np.concatenate(found).reshape(len(rows), len(columns))
    return _Occlusion(probability, label, size, float(F.softmax(scores, 1)[0, label]))


def _centres(extent: int, stride: int) -> np.ndarray:
    """Places from the first pixel to the last, at most `stride` apart."""
    return np.rint(np.linspace(0, extent - 1, -(-(extent - 1) // stride) + 1)).astype(int)


def _edges(extent: int, centres: int) -> tuple[float, float]:
    """Where the first cell of the map begins and the last one ends: each is around its place."""
    half = (extent - 1) / max(1, centres - 1) / 2
    return -half, extent - 1 + half
