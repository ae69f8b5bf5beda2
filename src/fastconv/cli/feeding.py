"""How the pictures of a data set reach a trainer: as floats once, or as bytes that transforms turn into floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from fastconv.data import Dataset
    from fastconv.data.transforms import Transform
    from fastconv.nn.module import Module

__all__ = ["Feed", "feed", "fit_filters"]

_LARGE = 1 << 30
_FITTED = 5000  # pictures


class Feed(NamedTuple):
    """The arguments of `Trainer.fit`."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    transform: Transform | None
    test_transform: Transform | None


def feed(train: Dataset, test: Dataset, *, crop: int = 0, flip: bool = False, cutout: int = 0) -> Feed:
    """Pictures as the network takes them, with crops, flips and holes in training.

    Without these, and where there is room, all are normalised once instead of in every epoch; the values are the same.
    """
    from fastconv import data

    normalize = data.Normalize(train.mean, train.std)
    augments: list[Any] = [normalize]
    if flip:
        augments.insert(0, data.RandomFlip())
    if crop:
        augments.insert(0, data.RandomCrop(crop))
    if cutout:
        augments.append(data.Cutout(cutout))
    if len(augments) == 1 and 4 * (train.images.size + test.images.size) <= _LARGE:
        return Feed((normalize(train.images), train.labels), (normalize(test.images), test.labels), None, None)
    transform = data.Compose(*augments)
    return Feed((train.images, train.labels), (test.images, test.labels), transform, normalize)


def fit_filters(model: Module, train: Dataset) -> None:
    """Set filters that come from pictures instead of training, where the model has such a layer."""
    from fastconv import data
    from fastconv.nn.layers.whiten import Whiten2d

    for _, layer in model.named_modules():
        if isinstance(layer, Whiten2d):
            layer.fit(data.Normalize(train.mean, train.std)(train.images[:_FITTED]))
