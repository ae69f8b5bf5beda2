"""Exciting inputs: the pictures, and the parts of them, that a filter answers most strongly.

After M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", 2013.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn import Trace
from fastconv.plot.figures import finished, new_figure, picture, show
from fastconv.plot.looking import number_below, output_of, units_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["exciting_inputs", "most_exciting"]

_ELEMENTS = 2**20  # of the pictures that run at once


class Excitation(NamedTuple):
    """A picture's number, the unit's largest value on it, and what of the picture that value depends on."""

    picture: int
    value: float
    rows: slice
    columns: slice


def most_exciting(model: Any, images: Any, layer: str, unit: int, count: int = 8) -> list[Excitation]:
    """Return where a unit's values are largest, one place a picture, the largest first.

    Parameters
    ----------
    model : Module
    images : ndarray, shape (N, C, H, W)
        Pictures as the network takes them.
    layer : str
        As in `fastconv.nn.Trace`.
    unit : int
        A channel of the layer's feature maps, or a feature of its vector.
    count : int
        How many.

    Returns
    -------
    list of Excitation
        Tuples of ``picture``, the index in `images`, ``value``, and ``rows`` and ``columns``, slices of the picture.

    Raises
    ------
    ValueError
        If there is no such layer or unit, or images are none.
    """
    return _excitations(model, images, layer, [unit], count)[0]


def exciting_inputs(
    model: Any,
    images: Any,
    layer: str,
    units: Any = 6,
    *,
    count: int = 8,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the parts of pictures that excite units of a layer most, a row for each unit.

    Parameters
    ----------
    model, images, layer, count
        As in `most_exciting`.
    units : int or sequence of int
        How many units, the first ones, or which.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure
    """
    arrays = _checked(images)
    chosen = units_of(output_of(Trace(model, arrays[:1]), layer), units)
    found = _excitations(model, arrays, layer, chosen, count)
    figure = new_figure(1.25 * count + 0.4, 1.4 * len(chosen) + 0.4)
    figure.suptitle(f"what excites {layer} most, and how much", fontsize="medium")
    rows = figure.subplots(len(chosen), count, squeeze=False)
    for unit, row, excitations in zip(chosen, rows, found, strict=True):
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.set_frame_on(False)
        row[0].set_ylabel(f"unit {unit}")
        for axes, one in zip(row, excitations, strict=False):
            pixels = picture(arrays[one.picture])
            show(axes, pixels[one.rows, one.columns])
            axes.set_title(f"{one.value:.2f}", fontsize="small")
    return finished(figure, path)


def _checked(images: Any) -> np.ndarray:
    arrays = np.asarray(images)
    if arrays.ndim != 4 or len(arrays) == 0:
        raise ValueError(f"images must have axes (N, C, H, W) and hold at least one, got shape {arrays.shape}")
    return arrays


def _excitations(model: Any, images: Any, layer: str, units: list[int], count: int) -> list[list[Excitation]]:
    arrays, count = _checked(images), canonical_integer("count", count, 1)
    at_once = max(1, _ELEMENTS // arrays[0].size)
    largest = []
    for start in range(0, len(arrays), at_once):
        output = output_of(Trace(model, arrays[start : start + at_once]), layer)
        units = [number_below("unit", unit, output.shape[1]) for unit in units]
        largest.append(output[:, units].reshape(len(output), len(units), -1).max(axis=2))
    values = np.concatenate(largest)
    best = [np.argsort(-values[:, column], kind="stable")[:count] for column in range(len(units))]
    return [_places(model, arrays, layer, unit, indices) for unit, indices in zip(units, best, strict=True)]


def _places(model: Any, images: np.ndarray, layer: str, unit: int, indices: np.ndarray) -> list[Excitation]:
    """For the pictures at these indices, the largest value and the box outside of which its gradient is zero."""
    found = []
    for index in indices:
        trace = Trace(model, images[index : index + 1])
        output = output_of(trace, layer)
        flat = output[0, unit].reshape(-1)
        place = int(flat.argmax())
        given = np.zeros_like(output)
        given[0, unit].reshape(-1)[place] = 1
        touched = trace.gradients({layer: given})["input"][0].any(axis=0)
        rows, columns = (_span(touched.any(axis=axis)) for axis in (1, 0))
        found.append(Excitation(int(index), float(flat[place]), rows, columns))
    return found


def _span(touched: np.ndarray) -> slice:
    """From the first to the last that is true; all, if none is."""
    places = np.flatnonzero(touched)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, len(touched))
