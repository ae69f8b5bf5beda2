"""Hypothesis strategies: convolutions of any shape and any options, small enough to run by the hundred."""

from __future__ import annotations

from cases import ConvCase
from hypothesis import strategies as st

BORDERS = ("zeros", -0.75, "reflect", "symmetric", "edge", "wrap")
NAMES = ("valid", "same", "same_lower", "full")


@st.composite
def spatial(draw, rank, low, high):
    """A spatial argument as callers spell it: an int, or one int per axis."""
    if draw(st.booleans()):
        return draw(st.integers(low, high))
    return tuple(draw(st.integers(low, high)) for _ in range(rank))


@st.composite
def paddings(draw, rank, highest=4):
    """Padding in every form: int, ints, pairs, a mixture, a name."""
    sides = st.integers(0, highest)
    kind = draw(st.sampled_from(("int", "axes", "named")))
    if kind == "int":
        return draw(sides)
    if kind == "named":
        return draw(st.sampled_from(NAMES))
    axes = tuple(draw(st.one_of(sides, st.tuples(sides, sides))) for _ in range(rank))
    return axes


@st.composite
def conv_cases(draw, ranks=(1, 2, 3), borders=BORDERS, named=True):
    """A `ConvCase` whose output is not empty."""
    rank = draw(st.sampled_from(ranks))
    longest = {1: 40, 2: 12, 3: 6}[rank]
    size = tuple(draw(st.integers(1, longest)) for _ in range(rank))
    kernel = tuple(draw(st.integers(1, {1: 7, 2: 5, 3: 3}[rank])) for _ in range(rank))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    options = {
        "stride": draw(spatial(rank, 1, 4)),
        "dilation": draw(spatial(rank, 1, 3)),
        "padding": draw(paddings(rank)),
        "groups": groups,
        "flip": draw(st.booleans()),
        "border": draw(st.sampled_from(borders)),
    }
    if not named and isinstance(options["padding"], str):
        options["padding"] = 1
    multiplier = draw(st.integers(1, 3))
    channels = groups if draw(st.booleans()) else groups * draw(st.integers(1, 4))
    case = ConvCase("drawn", draw(st.integers(0, 3)), channels, groups * multiplier, size, kernel, options)
    o = case.oracle_options
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, o.dilation, strict=True)]
    wide = [n + sum(pair) for n, pair in zip(size, o.pad, strict=True)]
    if any(w < span for w, span in zip(wide, spans, strict=True)):
        options["padding"] = "full"
    return case
