"""What the pictures of a network's inside share: one picture, the class that is asked for, a map over a picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn import Trace
from fastconv.plot.figures import finished, new_figure, owner, picture, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_map", "label_of", "number_below", "output_of", "score_gradients", "single", "units_of"]


def single(x: Any) -> np.ndarray:
    """One picture as a batch: (C, H, W), or (1, C, H, W) as it is."""
    array = np.asarray(x)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or len(array) != 1:
        raise ValueError(f"x must be one picture (C, H, W), got shape {np.shape(x)}")
    return array


def label_of(scores: Any, label: int | None) -> int:
    """The class that is asked for, or the one with the largest score where `label` is None."""
    if not isinstance(scores, np.ndarray) or scores.ndim != 2:
        raise ValueError(f"the network must give one score for each class, got shape {np.shape(scores)}")
    if label is None:
        return int(scores[0].argmax())
    return number_below("label", label, scores.shape[1])


def number_below(name: str, value: Any, end: int) -> int:
    """`value` as an int from 0 to `end` - 1."""
    found = canonical_integer(name, value, 0)
    if found >= end:
        raise ValueError(f"{name} (={found}) must be below {end}")
    return found


def score_gradients(model: Any, x: Any, label: int | None, of: Callable[[Trace], str]) -> tuple[Trace, np.ndarray, int]:
    """A trace of one picture, the gradient of a class's score for what `of` names, and that class."""
    trace = Trace(model, single(x))
    label = label_of(trace.result, label)
    given = np.zeros_like(trace.result)
    given[0, label] = 1
    name = of(trace)
    last = list(trace.outputs)[-1]
    return trace, trace.gradients({last: given}, of=[name])[name][0], label


def units_of(output: np.ndarray, units: Any) -> list[int]:
    """Channels of a volume, or features of a vector: the first ones for an int, else those that are named."""
    count = output.shape[1]
    if isinstance(units, (int, np.integer)) and not isinstance(units, bool):
        return list(range(min(canonical_integer("units", units, 1), count)))
    return [number_below("units", unit, count) for unit in units]


def output_of(trace: Trace, layer: str) -> np.ndarray:
    """What a layer gave."""
    if layer not in trace.outputs:
        raise ValueError(f"no layer {layer!r} here; there are {', '.join(trace.outputs)}")
    return trace.outputs[layer]


def draw_map(
    x: Any,
    heat: np.ndarray,
    title: str,
    *,
    axes: Axes | None,
    path: str | os.PathLike[str] | None,
    extent: tuple[float, float, float, float] | None = None,
    over: bool = True,
    **options: Any,
) -> Figure:
    """Draw a map beside the picture, and `over` it half transparent; into given axes the map alone.

    `extent` says which columns and rows of the picture (left, right, bottom, top) the map covers.
    """
    pixels = picture(single(x)[0])
    height, width = pixels.shape[:2]
    if axes is None:
        beside, axes = new_figure(8, 0.6 + 3.8 * height / width).subplots(1, 2)
        show(beside, pixels, "picture")
    if over:
        show(axes, pixels if pixels.ndim == 2 else pixels.mean(axis=2))
    placed = (-0.5, width - 0.5, height - 0.5, -0.5) if extent is None else extent
    image = axes.imshow(heat, extent=placed, alpha=0.6 if over else 1, **options)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_title(title, fontsize="medium")
    axes.set_frame_on(False)
    owner(axes).colorbar(image, ax=axes, shrink=0.8)
    return finished(owner(axes), path)
