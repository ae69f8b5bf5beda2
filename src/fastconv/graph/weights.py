"""ScaledWeight: the weights of a layer times a factor for each of its outputs, computed when they are packed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["ScaledWeight"]


class ScaledWeight:
    """``weight[o] * scale[o]`` as an array to be: folding a whole network costs no second copy of it.

    Parameters
    ----------
    weight : ndarray or ScaledWeight, shape (O, ...)
    scale : ndarray, shape (O,)
    """

    def __init__(self, weight: Any, scale: np.ndarray) -> None:
        self._weight = weight
        self._scale = scale
        self.shape: tuple[int, ...] = weight.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self._scale.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        scaled = np.asarray(self._weight) * self._scale.reshape(-1, *[1] * (self.ndim - 1))
        return scaled if dtype is None else scaled.astype(dtype, copy=False)
