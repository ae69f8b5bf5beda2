"""What every loader returns: pictures, labels, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Dataset", "normalize", "pixel_statistics", "spread"]

_STATISTICS_PICTURES = 10_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures with their labels, in memory.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
        The pictures, channels first.
    labels : ndarray of int64, shape (N,)
        The class of each picture, from 0.
    class_names : tuple of str
        The name of each class.
    name : str
        The name of the data set, such as ``"fashion-mnist"``.
    split : {"train", "test"}
        Which part this is.
    source : str
        The folder or file that was read.
    mean, std : tuple of float
        Mean and standard deviation per channel of the training part, on the 0..1 scale.
    skipped : tuple of str
        Files that could not be read and were left out, because that was asked for.

    Raises
    ------
    ValueError
        If the fields do not fit each other; the message names the source.

    Examples
    --------
    >>> import numpy as np
    >>> black = np.zeros((2, 1, 4, 4), np.uint8)
    >>> part = Dataset(black, np.array([0, 1]), ("a", "b"), "toy", "train", "memory", (0.5,), (0.5,))
    >>> len(part), float(part.normalized().min())
    (2, -1.0)
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    name: str
    split: str
    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(
                f"{self.source}: images must be uint8 with axes (N, C, H, W), "
                f"got {self.images.dtype} with shape {self.images.shape}"
            )
        if self.labels.shape != (len(self.images),) or self.labels.dtype != np.int64:
            raise ValueError(
                f"{self.source}: {len(self.images)} images need as many int64 labels, "
                f"got {self.labels.dtype} with shape {self.labels.shape}"
            )
        if 0 in self.images.shape:
            raise ValueError(f"{self.source}: the {self.split} part holds no pictures (shape {self.images.shape})")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.class_names):
            wrong = low if low < 0 else high
            raise ValueError(f"{self.source}: label {wrong} is outside the {len(self.class_names)} classes")
        if not len(self.mean) == len(self.std) == self.images.shape[1] or min(self.std) <= 0:
            raise ValueError(
                f"{self.source}: mean (={self.mean}) and std (={self.std}) need one value for each of the "
                f"{self.images.shape[1]} channels, std positive"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one picture."""
        return self.images.shape[1:]

    def take(self, count: int) -> Dataset:
        """Return the first `count` pictures, or all if there are fewer.

        Parameters
        ----------
        count : int
            How many, at least 1.

        Returns
        -------
        Dataset
            Views of this one.
        """
        if count < 1:
            raise ValueError(f"count (={count}) must be at least 1")
        if count >= len(self):
            return self
        return replace(self, images=self.images[:count], labels=self.labels[:count])

    def normalized(self) -> np.ndarray:
        """Return what a network takes: ``(pixel / 255 - mean) / std``.

        Returns
        -------
        ndarray of float32, shape (N, C, H, W)
        """
        return normalize(self.images, self.mean, self.std)

    def describe(self) -> str:
        """Say in one line what this is and where it came from."""
        shape = "x".join(str(side) for side in self.input_shape)
        left_out = f", {len(self.skipped):,} unreadable left out" if self.skipped else ""
        return (
            f"{self.name}, {self.split}: {len(self):,} pictures of {shape}, "
            f"{len(self.class_names)} classes, from {self.source}{left_out}"
        )


def normalize(images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return ``(images / 255 - mean) / std`` channel by channel.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
        Pictures.
    mean, std : sequence of float
        One value per channel, on the 0..1 scale.

    Returns
    -------
    ndarray of float32, shape (N, C, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> normalize(np.array([[[[0, 255]]]], np.uint8), (0.5,), (0.25,))
    array([[[[-2.,  2.]]]], dtype=float32)
    """
    centre = 255 * np.asarray(mean, np.float32).reshape(-1, 1, 1)
    scale = 1 / (255 * np.asarray(std, np.float32).reshape(-1, 1, 1))
    values = images.astype(np.float32)
    values -= centre
    values *= scale
    return values


def spread(length: int, count: int) -> np.ndarray:
    """Return `count` indices below `length`, or all if there are fewer: random against periods, yet always the same."""
    if length <= count:
        return np.arange(length)
    return np.sort(np.random.default_rng(0).choice(length, count, replace=False))


def pixel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation of each channel, on the 0..1 scale.

    At most 10,000 pictures are looked at, always the same ones. A channel without variation counts as deviation 1.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, C, H, W)
        Pictures, at least one.

    Returns
    -------
    mean, std : tuple of float
        One value per channel, rounded to four digits.
    """
    some = images[spread(len(images), _STATISTICS_PICTURES)]
    mean = some.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    std = some.std(axis=(0, 2, 3), dtype=np.float64) / 255
    return tuple(round(float(m), 4) for m in mean), tuple(round(float(s), 4) or 1.0 for s in std)
