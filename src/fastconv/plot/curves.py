"""Loss and accuracy over the epochs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastconv.plot.figures import finished, new_figure, owner

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves"]

_TRAIN, _TEST = "#1f6fb4", "#d1495b"


def curves(
    history: Sequence[Mapping[str, Any]],
    *,
    axes: tuple[Axes, Axes] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw loss and accuracy over the epochs.

    Parameters
    ----------
    history : sequence of dict
        As `fastconv.nn.Trainer` keeps it: ``epoch``, ``train_loss``, ``test_loss`` and ``test_accuracy``; the last two
        may be None or missing.
    axes : tuple of two Axes, optional
        For the loss and for the accuracy.
    path : path, optional
        Where to write a PNG.

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
        axes = tuple(new_figure(9, 3.6).subplots(1, 2))
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
    return finished(owner(loss_axes), path)


def _has(record: Mapping[str, Any], key: str) -> bool:
    return record.get(key) is not None


def _accuracy(record: Mapping[str, Any]) -> float:
    return record["test_accuracy"]


def _line(axes: Axes, history: Sequence[Mapping[str, Any]], key: str, label: str, colour: str) -> None:
    points = [(record["epoch"], record[key]) for record in history if _has(record, key)]
    if points:
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3.5, color=colour, label=label)
