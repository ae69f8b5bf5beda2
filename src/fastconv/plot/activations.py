"""Activations: what the layers make of one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.geometry import canonical_integer
from fastconv.nn import Trace
from fastconv.plot.figures import finished, new_figure, picture, show
from fastconv.plot.looking import output_of, single

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["activations"]

_BARS = 64  # longer vectors are drawn as a line


def activations(
    model: Any,
    x: Any,
    layers: Sequence[str] | None = None,
    *,
    maps: int = 8,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the feature maps of layers, a row for each; vectors as bars.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (C, H, W)
        A picture as the network takes it.
    layers : sequence of str, optional
        Their names, as in `fastconv.nn.Trace`; where they are not given, the last layer of each size of maps and the
        network's last one.
    maps : int
        How many channels of a layer are drawn: those that vary most. All of a layer share a scale.
    path : path, optional
        Where to write a PNG.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If x is no single picture or there is no layer of a name.
    """
    trace = Trace(model, single(x))
    maps = canonical_integer("maps", maps, 1)
    names = _of_each_size(trace) if layers is None else list(layers)
    outputs = {name: output_of(trace, name)[0] for name in names}
    figure = new_figure(1.2 * (maps + 1), 1.45 * len(outputs) + 0.2)
    rows = figure.add_gridspec(len(outputs), maps + 1)
    show(figure.add_subplot(rows[0, 0]), picture(single(x)[0]), "picture")
    for row, (name, output) in enumerate(outputs.items()):
        if output.ndim != 3:
            _draw_vector(figure.add_subplot(rows[row, 1:]), name, output.ravel())
            continue
        chosen = np.sort(np.argsort(-output.std(axis=(1, 2)), kind="stable")[:maps])
        shown = output[chosen]
        scale: dict[str, Any] = {"vmin": float(shown.min()), "vmax": float(shown.max()), "cmap": "viridis"}
        for column, (channel, one) in enumerate(zip(chosen, shown, strict=True)):
            axes = figure.add_subplot(rows[row, column + 1])
            show(axes, one, **scale)
            axes.set_title(f"channel {channel}", fontsize="small")
            if column == 0:
                axes.set_ylabel(f"{name}\n{'x'.join(map(str, output.shape))}", fontsize="small")
    return finished(figure, path)


def _draw_vector(axes: Any, name: str, values: np.ndarray) -> None:
    if len(values) <= _BARS:
        axes.bar(range(len(values)), values, color="#1f6fb4")
    else:
        axes.plot(values, color="#1f6fb4", linewidth=0.6)
    axes.set_ylabel(f"{name}\n{len(values)}", fontsize="small")
    axes.tick_params(labelsize="small")
    axes.margins(x=0.01)


def _of_each_size(trace: Trace) -> list[str]:
    maps = {name: output for name, output in trace.outputs.items() if output.ndim == 4 and output[0, 0].size > 1}
    last = {output.shape[2:]: name for name, output in maps.items()}
    chosen = {*last.values(), list(trace.outputs)[-1]}
    return [name for name in trace.outputs if name in chosen]
