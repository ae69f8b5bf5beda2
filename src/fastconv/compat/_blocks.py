"""Arrays block by block: what has to be in another type than the array's own is so a few megabytes at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fastconv.functional._separable import scratch

__all__ = ["BLOCK_BYTES", "Room", "blocks", "with_border"]

# Of a block in the type that is computed in: two or three of them stay in the last cache, and threads rarely wait.
BLOCK_BYTES = 1 << 22


def blocks(shape: Sequence[int], least: Mapping[int, int], limit: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array of some shape into blocks of about `limit` elements, at most.

    Parameters
    ----------
    shape : sequence of int
    least : mapping of int to int
        Axes that may be cut, and the least number of elements along each that a block has all the same.
    limit : int

    Examples
    --------
    >>> list(blocks((4, 6), {0: 1}, 12))
    [(slice(0, 2, None), slice(0, 6, None)), (slice(2, 4, None), slice(0, 6, None))]
    """
    size = list(shape)
    for axis in sorted(least):
        rest = math.prod(size) // max(size[axis], 1)
        size[axis] = min(size[axis], max(least[axis], limit // max(rest, 1), 1))
    cuts = [range(0, n, max(step, 1)) for n, step in zip(shape, size, strict=True)]
    for starts in itertools.product(*cuts):
        yield tuple(
            slice(start, min(start + cut.step, n)) for start, cut, n in zip(starts, cuts, shape, strict=True)
        )  # fmt: skip


class Room:
    """Scratch memory that one block after the other uses.

    Examples
    --------
    >>> Room(np.dtype(np.float32)).of((2, 3)).shape
    (2, 3)
    """

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self._flat = np.empty(0, dtype)

    def of(self, shape: Sequence[int]) -> np.ndarray:
        """Return it as an array of some shape, with whatever is in it."""
        size = math.prod(shape)
        if size > self._flat.size:
            self._flat = scratch((size,), self.dtype)
        return self._flat[:size].reshape(shape)


def with_border(x: np.ndarray, axis: int, start: int, stop: int, border: str | float, out: np.ndarray) -> np.ndarray:
    """Write the elements from `start` to `stop` along an axis to `out`, in its type; both may lie beyond the array.

    Some of them lie in the array. A border is a number, or named as `conv2d` names it; what is too large for the type
    becomes infinite.

    Examples
    --------
    >>> with_border(np.arange(4), 0, -2, 5, "symmetric", np.empty(7))
    array([1., 0., 0., 1., 2., 3., 3.])
    """
    n = x.shape[axis]
    inner = min(max(start, 0), n), min(max(stop, 0), n)

    def part(array: np.ndarray, first: int, last: int) -> np.ndarray:
        return array[(slice(None),) * axis + (slice(first, last),)]

    with np.errstate(over="ignore", invalid="ignore"):
        part(out, inner[0] - start, inner[1] - start)[...] = part(x, *inner)
        for first, last in ((start, min(stop, 0)), (max(start, n), stop)):
            if first >= last:
                continue
            target = part(out, first - start, last - start)
            if not isinstance(border, str) or border == "zeros":
                target[...] = 0 if isinstance(border, str) else border
            else:
                # an index, as `np.take` would copy all of a view first
                target[...] = x[(slice(None),) * axis + (_PLACES[border](np.arange(first, last), n),)]
    return out


def _mirrored(places: np.ndarray, n: int) -> np.ndarray:
    around = places % max(2 * n - 2, 1)
    return np.minimum(around, max(2 * n - 2, 0) - around)


def _repeated(places: np.ndarray, n: int) -> np.ndarray:
    around = places % (2 * n)
    return np.minimum(around, 2 * n - 1 - around)


_PLACES = {
    "wrap": lambda places, n: places % n,
    "edge": lambda places, n: np.clip(places, 0, n - 1),
    "reflect": _mirrored,
    "symmetric": _repeated,
}
