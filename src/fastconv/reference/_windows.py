"""Windows of the pools: which input elements one output element looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fastconv import geometry
from fastconv.reference._volumes import SPATIAL
from fastconv.reference.conv import Ints, Padding

Position = tuple[int, ...]


class PoolGeometry:
    """The arguments of one pool, resolved: three axes, pairs of padding, output size."""

    def __init__(
        self,
        size: Sequence[int],
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Padding = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> None:
        rank = len(size)
        unit, none = (1,) * (SPATIAL - rank), ((0, 0),) * (SPATIAL - rank)
        kernel = geometry.canonical_spatial("kernel_size", kernel_size, rank, 1)
        strides = kernel if stride is None else geometry.canonical_spatial("stride", stride, rank, 1)
        dilations = geometry.canonical_spatial("dilation", dilation, rank, 1)
        pairs = geometry.canonical_padding("padding", padding, rank)
        pairs = geometry.resolve_padding(pairs, size, kernel, strides, dilations)
        out = geometry.pool_output_size(size, kernel, strides, dilations, pairs, ceil_mode=ceil_mode)
        geometry.check_windows(size, kernel, strides, dilations, pairs, out)
        self.size = unit + tuple(size)
        self.kernel = unit + kernel
        self.stride = unit + strides
        self.dilation = unit + dilations
        self.padding = none + pairs
        self.out = unit + out

    def taps(self, axis: int, position: int) -> list[int]:
        """Input positions of the window at output `position`, those in the padding included."""
        start = position * self.stride[axis] - self.padding[axis][0]
        return [start + k * self.dilation[axis] for k in range(self.kernel[axis])]

    def window(self, output: Position) -> list[Position]:
        """Input elements of the window at `output`."""
        valid = [
            [i for i in self.taps(axis, position) if 0 <= i < self.size[axis]] for axis, position in enumerate(output)
        ]
        return [(d, h, w) for d in valid[0] for h in valid[1] for w in valid[2]]

    def padded_count(self, output: Position) -> int:
        """Elements of the window at `output`, those in the padding included."""
        count = 1
        for axis, position in enumerate(output):
            limit = self.size[axis] + self.padding[axis][1]
            count *= sum(i < limit for i in self.taps(axis, position))
        return count


class AdaptiveGeometry:
    """Windows of the adaptive pools: output *i* of *m* covers floor(i n / m) to ceil((i + 1) n / m)."""

    def __init__(self, size: Sequence[int], output_size: int | None | Sequence[int | None]) -> None:
        rank = len(size)
        unit = (1,) * (SPATIAL - rank)
        wanted = (output_size,) * rank if output_size is None or isinstance(output_size, int) else tuple(output_size)
        self.size = unit + tuple(size)
        self.out = unit + tuple(n if m is None else m for n, m in zip(size, wanted, strict=True))

    def window(self, output: Position) -> list[Position]:
        """Input elements of the window at `output`."""
        d, h, w = (
            range(*geometry.adaptive_windows(n, m)[i]) for i, n, m in zip(output, self.size, self.out, strict=True)
        )
        return [(a, b, c) for a in d for b in h for c in w]


def planes(volume: np.ndarray, out: Sequence[int]) -> Iterator[tuple[int, int, Position]]:
    """Every (sample, channel, output position)."""
    for n, c in np.ndindex(volume.shape[:2]):
        for output in np.ndindex(*out):
            yield n, c, output


def flat(position: Position, size: Sequence[int]) -> int:
    """Index of an element within its plane."""
    return (position[0] * size[1] + position[1]) * size[2] + position[2]
