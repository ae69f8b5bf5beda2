"""PassingBuffers: arrays that gradients pass through on their way back, shared by all layers of a model.

A gradient for a layer's input is needed until the layers before have read it, so a network needs a few of each shape
and not one a layer. An array is free when nothing but this pool refers to it, which CPython counts exactly, views
included.
"""

from __future__ import annotations

import sys

import numpy as np

__all__ = ["PassingBuffers"]


def _references(buffers: list, index: int) -> int:
    return sys.getrefcount(buffers[index])


_FREE = _references([np.empty(1)], 0)


class PassingBuffers:
    """Arrays by shape, handed out when nobody holds them."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, ...], list[np.ndarray]] = {}

    def __deepcopy__(self, memo: dict) -> PassingBuffers:
        return PassingBuffers()

    def take(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """An array of this shape that nobody holds; None if there is none."""
        arrays = self._arrays.get(shape, [])
        for index in range(len(arrays)):
            if _references(arrays, index) == _FREE:
                return arrays[index]
        return None

    def keep(self, array: np.ndarray) -> None:
        """Take an array in, unless it is here, or shares memory that is not its own."""
        arrays = self._arrays.setdefault(array.shape, [])
        if array.base is None and not any(array is other for other in arrays):
            arrays.append(array)
