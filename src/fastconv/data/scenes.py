"""Scenes: pictures of a data set thrown together on a larger ground, with known boxes and masks.

What detectors and segmenters learn from, without anybody having drawn a box: an item is a picture's silhouette, scaled
and put somewhere; where two meet, the later one hides the earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.geometry import canonical_integer

from .dataset import Dataset

__all__ = ["Scenes", "compose_scenes", "silhouettes"]

#: pixels as bright as this belong to the item, and so does what lies between them
_BRIGHT = 24
#: how much of an item's box may lie in that of another
_OVERLAP = 0.25
_TRIES = 20


@dataclass(frozen=True, eq=False)
class Scenes:
    """Composed pictures and what is in them; K is the largest number of items in one.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, 1, H, W)
    labels : ndarray of int64, shape (N, K)
        The class of each item; -1 where there is none. Items come first.
    boxes : ndarray of float32, shape (N, K, 4)
        Left, top, right, bottom in pixels, around what is seen of an item; 0 where there is none.
    instances : ndarray of uint8, shape (N, H, W)
        Which item a pixel shows: 1 for the first of the scene, 0 for the ground.
    class_names : tuple of str
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    instances: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def normalized(self) -> np.ndarray:
        """Pixels from -1 to 1, as float32: what a network takes."""
        return self.images.astype(np.float32) / 127.5 - 1

    def class_map(self) -> np.ndarray:
        """The class that each pixel shows, int64 (N, H, W): 0 for the ground, 1 for the first class."""
        rows = np.arange(len(self))[:, None, None]
        classes = np.concatenate([np.zeros((len(self), 1), np.int64), self.labels + 1], axis=1)
        return classes[rows, self.instances]

    def masks(self, scene: int) -> np.ndarray:
        """The masks of the items of one scene, bool (items, H, W)."""
        count = np.count_nonzero(self.labels[scene] >= 0)
        return self.instances[scene] == np.arange(1, count + 1)[:, None, None]


def silhouettes(images: np.ndarray) -> np.ndarray:
    """Which pixels belong to the item: those that have bright ones on all four sides, or are bright.

    Parameters
    ----------
    images : ndarray of uint8, shape (..., H, W)
        An item on black.

    Returns
    -------
    ndarray of bool, shape (..., H, W)

    Examples
    --------
    >>> import numpy as np
    >>> ring = np.array([[0, 0, 0, 0], [0, 99, 99, 99], [0, 99, 0, 99], [0, 99, 99, 99]], np.uint8)
    >>> silhouettes(ring).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 1],
           [0, 1, 1, 1],
           [0, 1, 1, 1]])
    """
    bright = images >= _BRIGHT
    inside = np.ones(bright.shape, bool)
    for axis in (-2, -1):
        inside &= np.logical_or.accumulate(bright, axis)
        inside &= np.flip(np.logical_or.accumulate(np.flip(bright, axis), axis), axis)
    return inside


def compose_scenes(
    dataset: Dataset,
    count: int,
    *,
    size: int = 64,
    items: tuple[int, int] = (1, 3),
    item_sizes: tuple[int, int] = (20, 32),
    seed: int = 0,
) -> Scenes:
    """Compose scenes of a data set of items on black, such as Fashion-MNIST: the same ones for the same seed.

    Parameters
    ----------
    dataset : Dataset
        Square grey pictures. Scenes to learn from and scenes to test come from its two parts.
    count : int
        How many scenes.
    size : int
        Height and width of a scene, in pixels.
    items : tuple of int
        Least and largest number of items in a scene. Where no place is found for another one there are fewer.
    item_sizes : tuple of int
        Least and largest side to which a picture is scaled.
    seed : int
        Of grounds, items and places; scenes to test take another one than scenes to learn from.

    Returns
    -------
    Scenes
        Where later items hide one wholly, which more than four at once may, its box is empty.

    Raises
    ------
    ValueError
        If the pictures are not grey squares, or a range is none.

    Examples
    --------
    >>> from fastconv import data
    >>> scenes = compose_scenes(data.load("fashion-mnist-sample", "test"), 2, items=(2, 2))
    >>> scenes.images.shape, scenes.labels.shape, scenes.masks(0).shape
    ((2, 1, 64, 64), (2, 2), (2, 64, 64))
    """
    count, size = canonical_integer("count", count, 1), canonical_integer("size", size, 4)
    least, most = _range("items", items, 0, 255)
    sides = _range("item_sizes", item_sizes, 4, size)
    channels, height, width = dataset.input_shape
    if channels != 1 or height != width:
        raise ValueError(f"dataset holds pictures of {channels}x{height}x{width}; scenes are composed of grey squares")
    rng = np.random.default_rng(canonical_integer("seed", seed, 0))
    images = _grounds(rng, count, size)
    labels = np.full((count, most), -1, np.int64)
    boxes = np.zeros((count, most, 4), np.float32)
    instances = np.zeros((count, size, size), np.uint8)
    for scene in range(count):
        wanted = int(rng.integers(least, most + 1))
        for item, (left, top, side) in enumerate(_places(rng, wanted, size, sides)):
            chosen = int(rng.integers(len(dataset)))
            picture = _scaled(dataset.images[chosen, 0], side)
            mask = silhouettes(picture)
            window = np.s_[scene, top : top + side, left : left + side]
            images[window][mask] = picture[mask]
            instances[window][mask] = item + 1
            labels[scene, item] = dataset.labels[chosen]
        for item in range(np.count_nonzero(labels[scene] >= 0)):
            boxes[scene, item] = _box(instances[scene] == item + 1)
    return Scenes(images[:, None], labels, boxes, instances, dataset.class_names)


def _grounds(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Slopes of grey with grain: darker than most items, but no black that would give the items away."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    level, across, down = rng.uniform((10, -30, -30), (70, 30, 30), (count, 3)).astype(np.float32).T[..., None, None]
    grain = rng.normal(0, 12, (count, size, size)).astype(np.float32)
    return np.clip(level + across * x + down * y + grain, 0, 255).astype(np.uint8)


def _places(rng: np.random.Generator, wanted: int, size: int, sides: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Squares (left, top, side) that hide little of each other."""
    places: list[tuple[int, int, int]] = []
    for _ in range(_TRIES):
        if len(places) == wanted:
            break
        side = int(rng.integers(sides[0], sides[1] + 1))
        left, top = (int(place) for place in rng.integers(0, size - side + 1, 2))
        if all(_shared((left, top, side), other) <= _OVERLAP for other in places):
            places.append((left, top, side))
    return places


def _shared(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The part of the smaller square that lies in the larger one."""
    across, down = (max(0, min(a + one[2], b + other[2]) - max(a, b)) for a, b in zip(one[:2], other[:2], strict=True))
    return across * down / min(one[2], other[2]) ** 2


def _scaled(picture: np.ndarray, side: int) -> np.ndarray:
    """The square picture with `side` pixels a side, linear between pixels."""
    weights = np.zeros((side, len(picture)), np.float32)
    places = np.clip((np.arange(side) + 0.5) * len(picture) / side - 0.5, 0, len(picture) - 1)
    lower = np.minimum(places.astype(int), len(picture) - 2)
    weights[np.arange(side), lower] = 1 - (places - lower)
    weights[np.arange(side), lower + 1] = places - lower
    return (weights @ picture.astype(np.float32) @ weights.T + 0.5).astype(np.uint8)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is set; nothing where an item is hidden wholly."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _range(name: str, pair: Any, least: int, most: int) -> tuple[int, int]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"{name} (={pair!r}) must be a tuple of two ints")
    low, high = (canonical_integer(name, value, least) for value in pair)
    if not low <= high <= most:
        raise ValueError(f"{name} (={pair!r}) must be a range within {least}..{most}")
    return low, high
