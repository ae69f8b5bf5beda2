"""What happens to a batch of pictures before a network sees it: random crops, flips and holes, and normalising.

A transform is a function of a batch (N, C, H, W) and a random generator that gives a new batch and leaves the old one
alone. `Compose` chains them. They work on whole batches, in NumPy calls that let other threads run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fastconv._arguments import number
from fastconv.geometry import canonical_integer

from .dataset import normalize

__all__ = ["Compose", "Cutout", "Normalize", "RandomCrop", "RandomFlip", "Transform"]

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]

_BORDERS = {"zeros": "constant", "reflect": "reflect", "symmetric": "symmetric", "edge": "edge", "wrap": "wrap"}


class Compose:
    """One transform after the other.

    Parameters
    ----------
    *transforms : callable (batch, rng) -> batch

    Examples
    --------
    >>> import numpy as np
    >>> augment = Compose(RandomCrop(4), RandomFlip(), Normalize((0.5,), (0.25,)), Cutout(8))
    >>> augment(np.zeros((2, 1, 28, 28), np.uint8), np.random.default_rng(0)).dtype
    dtype('float32')
    """

    def __init__(self, *transforms: Transform) -> None:
        wrong = [one for one in transforms if not callable(one)]
        if wrong:
            raise TypeError(f"transforms holds {wrong[0]!r}, which cannot be called")
        self.transforms = transforms

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The batch after all of them."""
        for transform in self.transforms:
            x = transform(x, rng)
        return x

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


class RandomCrop:
    """A window of the picture's size, anywhere in the picture with a border around it; one place for each picture.

    Parameters
    ----------
    padding : int
        Width of the border.
    border : {"zeros", "reflect", "symmetric", "edge", "wrap"}
        What is in it, by `numpy.pad`'s names.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(1, 5, dtype=np.uint8).reshape(1, 1, 2, 2)
    >>> RandomCrop(1)(x, np.random.default_rng(0))[0, 0]
    array([[3, 4],
           [0, 0]], dtype=uint8)
    """

    def __init__(self, padding: int, border: str = "zeros") -> None:
        self.padding = canonical_integer("padding", padding, 0)
        if border not in _BORDERS:
            raise ValueError(f"border (={border!r}) must be one of {', '.join(_BORDERS)}")
        self.border = border

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The batch, cropped."""
        _check_batch(x)
        side = (self.padding, self.padding)
        padded = np.pad(x, ((0, 0), (0, 0), side, side), _BORDERS[self.border])  # type: ignore[call-overload]
        windows = sliding_window_view(padded, x.shape[2:], axis=(2, 3))
        top, left = rng.integers(0, 2 * self.padding + 1, (2, len(x)))
        return windows[np.arange(len(x)), :, top, left]

    def __repr__(self) -> str:
        return f"RandomCrop({self.padding}, {self.border!r})"


class RandomFlip:
    """Left and right exchanged, in a share of the pictures.

    Parameters
    ----------
    p : float
        Probability, 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> RandomFlip(p=1.0)(np.array([[[[1, 2, 3]]]]), np.random.default_rng(0))
    array([[[[3, 2, 1]]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = number("p", p)
        if not 0 <= self.p <= 1:
            raise ValueError(f"p (={p}) must lie in 0..1")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The batch, some of it mirrored."""
        _check_batch(x)
        chosen = rng.random(len(x)) < self.p
        return np.where(chosen[:, None, None, None], x[..., ::-1], x)

    def __repr__(self) -> str:
        return f"RandomFlip({self.p})"


class Cutout:
    """A square of each picture filled with one value; it may reach over the edge, where it is cut off.

    After T. DeVries, G. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.

    Parameters
    ----------
    size : int
        Rows and columns of the square, whose middle may be any pixel.
    fill : number
        After `Normalize`, 0 is the mean of the data.

    Examples
    --------
    >>> import numpy as np
    >>> Cutout(2, fill=7)(np.zeros((1, 1, 3, 4)), np.random.default_rng(0))[0, 0]
    array([[0., 0., 0., 0.],
           [0., 7., 7., 0.],
           [0., 7., 7., 0.]])
    """

    def __init__(self, size: int, fill: float = 0) -> None:
        self.size = canonical_integer("size", size, 1)
        self.fill = number("fill", fill)

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The batch with holes."""
        _check_batch(x)
        rows, columns = (self._covered(length, len(x), rng) for length in x.shape[2:])
        return np.where((rows[:, :, None] & columns[:, None, :])[:, None], x.dtype.type(self.fill), x)

    def _covered(self, length: int, count: int, rng: np.random.Generator) -> np.ndarray:
        first = rng.integers(0, length, (count, 1)) - self.size // 2
        places = np.arange(length)
        return (places >= first) & (places < first + self.size)

    def __repr__(self) -> str:
        return f"Cutout({self.size}, {self.fill})"


class Normalize:
    """``(pixel / 255 - mean) / std`` channel by channel, as float32: what `normalize` does, as a transform.

    Parameters
    ----------
    mean, std : sequence of float
        One value per channel, on the 0..1 scale.

    Examples
    --------
    >>> import numpy as np
    >>> Normalize((0.5,), (0.25,))(np.array([[[[0, 255]]]], np.uint8))
    array([[[[-2.,  2.]]]], dtype=float32)
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = (
            tuple(number(name, v) for v in values) for name, values in (("mean", mean), ("std", std))
        )
        if len(self.mean) != len(self.std) or min(self.std, default=0) <= 0:
            raise ValueError(f"mean (={mean}) and std (={std}) need one value for each channel, std positive")

    def __call__(self, x: np.ndarray, rng: Any = None) -> np.ndarray:
        """The batch as a network takes it."""
        _check_batch(x)
        if x.shape[1] != len(self.mean):
            raise ValueError(f"mean (={self.mean}) has {len(self.mean)} channels, the pictures have {x.shape[1]}")
        return normalize(x, self.mean, self.std)

    def __repr__(self) -> str:
        return f"Normalize({self.mean}, {self.std})"


def _check_batch(x: np.ndarray) -> None:
    if x.ndim != 4:
        raise ValueError(f"x has shape {x.shape}; transforms take a batch of pictures (N, C, H, W)")
