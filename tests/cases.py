"""The case table of convolution: one line per shape that some algorithm could get wrong."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import oracles


@dataclass(frozen=True)
class ConvCase:
    """One convolution: sizes, and the options as a caller would spell them."""

    id: str
    n: int
    channels_in: int
    channels_out: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def groups(self) -> int:
        return self.options.get("groups", 1)

    @property
    def x_shape(self) -> tuple[int, ...]:
        return (self.n, self.channels_in, *self.size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.channels_out, self.channels_in // self.groups, *self.kernel)

    @property
    def oracle_options(self) -> oracles.Options:
        return oracles.options(self.rank, **self.options, size=self.size, kernel=self.kernel)

    def arrays(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same x, weight and bias in every run, without zeros that would hide a missing tap."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        return tuple(
            (rng.uniform(0.25, 1.0, shape) * rng.choice([-1.0, 1.0], shape)).astype(dtype)
            for shape in (self.x_shape, self.weight_shape, (self.channels_out,))
        )


def _case(name, n, channels, size, kernel, **options):
    size = (size,) if isinstance(size, int) else size
    kernel = (kernel,) * len(size) if isinstance(kernel, int) else kernel
    return ConvCase(name, n, *channels, size, kernel, options)


LAYERS = [
    _case("first-layer", 2, (3, 8), (13, 11), 5, padding=2),
    _case("lenet-c1", 2, (1, 6), (14, 14), 5, padding=2),
    _case("first-layer-strided", 1, (3, 40), (37, 75), 7, stride=2, padding=3),
    _case("lenet-c3", 2, (6, 16), (9, 9), 5),
    _case("alexnet-first", 1, (3, 5), (27, 27), 11, stride=4, padding=2),
    _case("pointwise", 2, (7, 10), (6, 5), 1),
    _case("pointwise-one-pixel", 3, (5, 4), (1, 1), 1),
    _case("pointwise-strided", 2, (5, 6), (7, 8), 1, stride=2),
    _case("pointwise-padded", 1, (3, 4), (4, 5), 1, padding=1),
    _case("3x3", 2, (4, 6), (8, 9), 3, padding=1),
    _case("3x3-valid", 1, (8, 16), (7, 7), 3),
    _case("1x3", 1, (3, 4), (6, 7), (1, 3), padding=(0, 1)),
    _case("even-kernel-same", 1, (2, 3), (6, 7), (4, 2), padding="same"),
    _case("even-kernel-same-lower", 1, (2, 3), (6, 7), (4, 2), padding="same_lower"),
    _case("full-padding", 1, (2, 3), (4, 5), 3, padding="full"),
    _case("named-valid", 1, (2, 3), (4, 5), 3, padding="valid"),
    _case("same-strided", 1, (2, 3), (7, 10), 3, stride=2, padding="same"),
    _case("strided", 2, (4, 5), (11, 12), 3, stride=2, padding=1),
    _case("strided-unequal", 1, (3, 4), (10, 11), (3, 4), stride=(3, 2), padding=(1, 2)),
    _case("stride-does-not-fit", 1, (2, 3), (7, 7), 3, stride=3),
    _case("stride-above-kernel", 1, (3, 4), (11, 13), 2, stride=5),
    _case("dilated", 1, (3, 4), (11, 12), 3, dilation=2, padding=2),
    _case("dilated-unequal-strided", 1, (3, 4), (12, 13), 3, dilation=(3, 2), stride=(1, 2), padding=(0, 3)),
    _case("flipped", 1, (2, 3), (6, 7), (3, 2), flip=True, padding=1),
]

GROUPS = [
    _case("grouped", 2, (6, 8), (7, 8), 3, groups=2, padding=1),
    _case("grouped-3-of-3", 1, (9, 6), (6, 5), 3, groups=3),
    _case("grouped-pointwise", 1, (8, 12), (5, 5), 1, groups=4),
    _case("depthwise", 2, (5, 5), (9, 8), 3, groups=5, padding=1),
    _case("depthwise-wide", 1, (19, 19), (6, 7), 3, groups=19, padding=1),
    _case("depthwise-strided", 1, (8, 8), (9, 11), 3, groups=8, stride=2, padding=1),
    _case("depthwise-dilated", 1, (4, 4), (10, 9), 3, groups=4, dilation=2, padding=2),
    _case("depthwise-5x5", 1, (3, 3), (9, 10), 5, groups=3, padding=2),
    _case("depthwise-small", 2, (21, 21), (7, 7), 3, groups=21, padding=1),
    _case("depthwise-small-strided", 1, (33, 33), (14, 14), 3, groups=33, stride=2, padding=1),
    _case("depthwise-small-strided-same", 1, (16, 16), (14, 13), 5, groups=16, stride=2, padding="same"),
    _case("depthwise-multiplier", 2, (4, 12), (7, 6), 3, groups=4, padding=1),
    _case("depthwise-flipped", 1, (6, 6), (5, 6), (2, 3), groups=6, flip=True),
    _case("depthwise-7x7-strided", 2, (17, 17), (13, 37), 7, groups=17, stride=2, padding=3),
    _case("depthwise-5x5-strided-odd", 1, (5, 5), (10, 71), 5, groups=5, stride=2, padding=((1, 2), (1, 3))),
    _case("depthwise-dilated-unequal", 1, (16, 16), (14, 39), 3, groups=16, dilation=(2, 3), padding=(2, 3)),
    _case("depthwise-few-channels", 3, (2, 2), (40, 19), 3, groups=2, padding=1),
]

EDGES = [
    _case("kernel-above-image", 1, (3, 4), (3, 2), 5, padding=2),
    _case("kernel-is-image", 2, (3, 4), (4, 5), (4, 5)),
    _case("empty-batch", 0, (3, 4), (5, 6), 3),
    _case("one-by-one-image", 2, (3, 4), (1, 1), 3, padding=1),
    _case("one-row", 1, (3, 4), (1, 9), (1, 3), padding=(0, 1)),
    _case("one-column", 1, (3, 4), (9, 1), (3, 1), padding=(1, 0)),
    _case("single-channel", 1, (1, 1), (8, 8), 3),
    _case("image-7x7", 1, (1, 1), (40, 150), 7, padding="same", border="symmetric"),
    _case("image-11x6-valid", 2, (1, 1), (31, 97), (11, 6)),
    _case("image-planes", 2, (3, 3), (40, 70), (2, 9), groups=3, padding=((1, 0), 4)),
    _case("asymmetric", 1, (3, 4), (7, 6), 3, padding=((1, 2), (0, 3))),
    _case("asymmetric-one-sided", 1, (2, 3), (5, 6), (2, 3), padding=((1, 0), 1)),
    _case("asymmetric-strided", 1, (3, 2), (7, 8), 3, padding=((0, 2), (2, 1)), stride=2),
    _case("large-padding", 1, (2, 3), (4, 3), 3, padding=6),
    _case("large-padding-strided", 1, (2, 3), (3, 4), 2, padding=5, stride=3),
    _case("outputs-without-input", 1, (2, 2), (2, 2), 2, padding=((4, 0), (0, 5)), stride=2),
    _case("border-number", 1, (2, 3), (5, 6), 3, padding=2, border=1.5),
    _case("border-reflect", 1, (2, 3), (5, 6), 3, padding=2, border="reflect"),
    _case("border-symmetric", 1, (2, 3), (5, 6), 3, padding=2, border="symmetric"),
    _case("border-edge", 1, (2, 3), (5, 6), 3, padding=((2, 1), (0, 3)), border="edge"),
    _case("border-wrap", 1, (2, 3), (5, 6), 3, padding=2, border="wrap"),
    _case("border-wrap-strided", 1, (3, 2), (5, 6), 3, padding=1, stride=2, border="wrap"),
    _case("border-reflect-depthwise", 1, (4, 4), (6, 6), 3, padding=1, groups=4, border="reflect"),
    _case("border-symmetric-twice-round", 1, (2, 2), (2, 3), 3, padding=5, border="symmetric"),
    _case("border-reflect-twice-round", 1, (2, 2), (2, 3), 3, padding=5, border="reflect"),
    _case("border-edge-pointwise", 1, (4, 3), (3, 4), 1, padding=1, border="edge"),
]

RANKS = [
    _case("1d", 2, (3, 5), 17, 3, padding=1),
    _case("1d-wide", 1, (2, 3), 211, 7, padding=3),
    _case("1d-strided-dilated", 1, (3, 4), 29, 3, stride=2, dilation=4, padding=((3, 5),)),
    _case("1d-depthwise", 2, (6, 6), 20, 4, groups=6, padding="same"),
    _case("1d-wrap", 1, (2, 2), 9, 5, padding=2, border="wrap"),
    _case("3d", 1, (2, 3), (4, 5, 6), 3, padding=1),
    _case("3d-unequal", 1, (2, 4), (5, 4, 7), (3, 1, 2), stride=(2, 1, 3), padding=(1, 0, (1, 0))),
    _case("3d-grouped", 1, (4, 6), (3, 5, 5), 2, groups=2, dilation=(1, 2, 1)),
    _case("3d-depthwise", 1, (3, 3), (4, 4, 5), 3, groups=3, padding=1),
    _case("3d-edge", 1, (2, 2), (3, 3, 4), 3, padding=2, border="edge"),
    _case("3d-pointwise", 2, (3, 4), (2, 3, 4), 1),
]

# Tiles of the kernels: output channels below, at and above every multiple that a register tile may have, and rows that
# end one before, at and one after a multiple of every vector width.
CHANNEL_TAILS = [_case(f"filters-{m}", 1, (3, m), (5, 9), 3, padding=1) for m in (1, 2, 3, 4, 5, 6, 7, 8, 9)]
CHANNEL_TAILS += [_case(f"filters-{m}", 1, (2, m), (3, 5), 3, padding=1) for m in (15, 16, 17, 31, 32, 33)]
CHANNEL_TAILS += [_case(f"channels-{c}", 1, (c, 3), (4, 5), 3) for c in (7, 8, 9, 15, 16, 17, 33, 131)]
CHANNEL_TAILS += [
    _case(f"pointwise-{c}-{m}", 1, (c, m), (3, 7), 1) for c, m in ((1, 17), (16, 16), (17, 5), (31, 33), (530, 9))
]
WIDTH_TAILS = [_case(f"width-{w}", 1, (2, 3), (3, w), 3, padding=1) for w in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17)]
WIDTH_TAILS += [_case(f"width-{w}", 1, (2, 2), (2, w), (1, 3)) for w in (31, 32, 33, 34, 35, 63, 64, 65, 66, 129)]
WIDTH_TAILS += [_case(f"depthwise-width-{w}", 1, (3, 3), (3, w), 3, groups=3, padding=1) for w in (7, 16, 31, 33)]
WIDTH_TAILS += [_case(f"pointwise-pixels-{w}", 1, (3, 5), (1, w), 1) for w in (15, 16, 17, 31, 33, 47, 48, 49, 97)]

# Enough work that threads really share it.
LARGE = [
    _case("large-3x3", 4, (16, 24), (20, 21), 3, padding=1),
    _case("large-pointwise", 3, (48, 40), (15, 16), 1),
    _case("deep-pointwise-few-pixels", 2, (96, 40), (1, 3), 1),
    _case("large-depthwise", 2, (64, 64), (24, 23), 3, groups=64, padding=1),
    _case("large-strided", 3, (12, 20), (31, 33), 5, stride=2, padding=2),
    _case("large-one-image", 1, (8, 16), (40, 41), 3, padding=1),
    _case("large-flat-rows", 2, (32, 33), (14, 29), 3, padding=1),
    _case("large-small-maps", 9, (40, 36), (7, 6), 3, padding=1),
    _case("large-twelve-channels", 4, (12, 32), (28, 28), 3, padding=1),
    _case("few-tiles", 1, (64, 64), (6, 6), 3, padding=1),
    _case("large-tiles-of-six", 1, (40, 33), (36, 41), 3, padding=1),
    _case("few-tiles-many-channels", 1, (160, 200), (6, 7), 3, padding=1),
    _case("large-two-points", 2, (32, 32), (2, 42), 3, padding=1),
    _case("5x5", 1, (17, 18), (11, 13), 5, padding=2),
    _case("5x5-many-tiles", 2, (17, 18), (11, 13), 5, padding=2),
    _case("large-tiles", 1, (3, 4), (260, 270), 3, padding=1),
    _case("3x1", 2, (17, 5), (11, 7), (3, 1), padding=(1, 0)),
    _case("3d-one-depth", 1, (5, 18), (3, 9, 8), (1, 3, 3), padding=(1, 1, 1), stride=(2, 1, 1)),
    _case("large-dilated", 1, (20, 18), (17, 30), 3, padding=2, dilation=(2, 3)),
    _case("large-wide-row", 1, (2, 4), (2, 1031), (1, 5), padding=(0, 2)),
    _case("large-column-blocks", 1, (72, 2), 4601, 3, padding=1),
]

# Kernels large enough for transforms.
KERNELS = [
    _case("signal-65", 1, (1, 1), 2100, 65, padding=32),
    _case("signals-513", 2, (2, 2), 1200, 513, groups=2, padding="same", border="reflect"),
    _case("image-15x15", 1, (1, 1), (90, 101), 15, padding="same", border="edge"),
    _case("image-31x31", 1, (1, 1), (70, 45), 31, padding=15),
    _case("image-1x40", 1, (1, 1), (37, 90), (1, 40)),
    _case("volume-7x7x7", 1, (1, 2), (11, 12, 13), 7, padding=3),
    _case("large-7x7", 2, (6, 7), (20, 19), 7, padding=3),
]

CONV_CASES = LAYERS + GROUPS + EDGES + RANKS + CHANNEL_TAILS + WIDTH_TAILS + LARGE + KERNELS


def by_id(*names: str) -> list[ConvCase]:
    """Some cases of the table."""
    table = {case.id: case for case in CONV_CASES}
    return [table[name] for name in names]


def transposed_cases() -> list[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]]:
    """(id, x shape, weight shape (C, O / groups, ...), spatial size of the result, options)."""
    return [
        ("plain", (2, 3, 5, 6), (3, 4, 3, 3), (7, 8), {}),
        ("gan-4x4-stride-2", (1, 6, 4, 5), (6, 3, 4, 4), (8, 10), {"stride": 2, "padding": 1}),
        ("output-padding", (1, 3, 4, 5), (3, 2, 3, 3), (8, 10), {"stride": 2, "padding": 1, "output_padding": 1}),
        ("grouped", (1, 4, 4, 4), (4, 3, 3, 3), (6, 6), {"groups": 2}),
        (
            "depthwise",
            (2, 5, 4, 6),
            (5, 1, 3, 3),
            (8, 12),
            {"groups": 5, "stride": 2, "padding": 1, "output_padding": 1},
        ),
        ("dilated", (1, 2, 4, 5), (2, 3, 3, 2), (8, 8), {"dilation": (2, 3)}),
        ("stride-above-kernel", (1, 2, 3, 3), (2, 3, 2, 2), (12, 12), {"stride": 5}),
        ("asymmetric-crop", (1, 2, 5, 5), (2, 3, 3, 3), (4, 4), {"padding": ((1, 2), (0, 3))}),
        ("pointwise", (2, 7, 3, 4), (7, 5, 1, 1), (3, 4), {}),
        ("flipped", (1, 2, 4, 4), (2, 3, 3, 2), (9, 8), {"stride": 2, "flip": True}),
        ("one-dimension", (2, 3, 7), (3, 4, 5), (15,), {"stride": 2, "padding": 1}),
        (
            "three-dimensions",
            (1, 2, 3, 2, 3),
            (2, 3, 2, 3, 3),
            (6, 3, 5),
            {"stride": (2, 1, 2), "padding": (0, (1, 0), 1)},
        ),
        ("empty-batch", (0, 2, 3, 3), (2, 3, 3, 3), (5, 5), {}),
        ("large", (2, 24, 12, 13), (24, 16, 4, 4), (24, 26), {"stride": 2, "padding": 1}),
    ]
